//! The settings of the known models (`crates/core/src/models.json`), as they are published.

use std::path::Path;

use serde_json::Value;

/// The files of a known model that say what it is.
pub struct Settings {
    pub config: Vec<u8>,
    pub preprocessor: Option<Vec<u8>>,
    pub processor: Option<Vec<u8>>,
}

/// Those of the model with this short name.
pub fn settings(short: &str) -> Settings {
    let root = crate::root();
    if short == "demo" {
        let read = |file: &str| std::fs::read(root.join("models/demo").join(file));
        return Settings {
            config: read("config.json").expect("a configuration"),
            preprocessor: read("preprocessor_config.json").ok(),
            processor: None,
        };
    }
    // The shapes of INF-LLaVA have a name of their own.
    let shape = if short == "inf-llava-8b" { "8b" } else { short };
    let folders = ["xtask/checkpoints", "tests/fixtures/known"];
    let files = folders.map(|folder| root.join(folder).join(format!("{shape}.json")));
    let file = files.iter().find(|file| file.exists());
    let files = json(file.unwrap_or_else(|| panic!("no settings of {short}")));
    let of = |file: &str| Some(files.get(file)?.to_string().into_bytes());
    Settings {
        config: of("config.json").expect("a configuration"),
        preprocessor: of("preprocessor_config.json"),
        processor: of("processor_config.json"),
    }
}

fn json(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
