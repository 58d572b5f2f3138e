//! The table of known models, against what follows from the settings that are published with each.

use inf_llava_core::config::{Config, ConfigFiles, Treatment};
use inf_llava_core::known::{self, DetailTokens, Known};
use inf_llava_core::spec::Detail;
use inf_llava_core::spec::plan::Coverage;
use inf_llava_core::weights::arrange::{Precision, arrange};
use inf_llava_core::weights::manifest::SHARD_BYTES;

use crate::known_settings::settings;

/// Height and width of a photograph.
const PHOTOGRAPH_PX: [usize; 2] = [3000, 4000];

fn config(short: &str) -> Config {
    let settings = settings(short);
    let files = ConfigFiles {
        config: &settings.config,
        preprocessor: settings.preprocessor.as_deref(),
        processor: settings.processor.as_deref(),
        ..ConfigFiles::default()
    };
    Config::from_files(&files).unwrap_or_else(|e| panic!("{short}: {e}"))
}

fn tokens(config: &Config, detail: Detail) -> usize {
    let vision = config.require_vision("the table").expect("it sees");
    let treatment = Treatment {
        detail,
        ..Treatment::only(Coverage::Live)
    };
    let layout = vision.layout(PHOTOGRAPH_PX, treatment);
    layout.expect("a layout").tokens
}

#[test]
fn sizes_are_those_of_the_settings() {
    for known in known::all() {
        let short = known.short.as_str();
        let config = config(short);
        let vision = config.require_vision("the table").expect("it sees");
        let arranged = arrange(&config.weights(), Precision::Q4, SHARD_BYTES).expect("arranged");
        let kept_bytes = match known.id {
            Some(_) => arranged.shards.iter().sum(),
            None => known.published_bytes,
        };
        let told = Known {
            kept_bytes,
            detail: DetailTokens {
                low: tokens(&config, Detail::Low),
                auto: tokens(&config, Detail::Auto),
                high: tokens(&config, Detail::High),
            },
            video: vision.video.is_some(),
            most_pictures: vision.most_pictures(),
            ..known.clone()
        };
        assert_eq!(
            *known, told,
            "the table (left) and the settings of {short} (right)"
        );
    }
}

/// Set, README.md is written.
const WRITE: &str = "WRITE_README";
const BEGIN: &str = "<!-- The models of crates/core/src/models.json: change that, then run\n     WRITE_README=1 cargo test --package inf-llava-core --test core readme -->\n";
const END: &str = "<!-- The end of the models. -->";

/// The table of README.md.
fn markdown() -> String {
    let mut table = String::from(
        "| `--model` | good for | licence | download | in 4 bits | memory |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for known in known::all() {
        let bytes = [known.published_bytes, known.kept_bytes, known.memory_bytes];
        let [download, kept, memory] = bytes.map(known::told);
        let Known {
            short,
            good_for,
            license,
            ..
        } = known;
        table += &match &known.id {
            Some(id) => format!(
                "| [`{short}`](https://huggingface.co/{id}) | {good_for} | {license} | {download} | {kept} | {memory} |\n"
            ),
            None => format!(
                "| [`{short}`](models/demo/README.md), in the program | {good_for} | {license} | {download}, in the page only | - | {memory} |\n"
            ),
        };
    }
    table
}

#[test]
fn the_table_in_readme_is_that_of_the_models() {
    let path = crate::root().join("README.md");
    let text = std::fs::read_to_string(&path).expect("README.md");
    let text = text.replace("\r\n", "\n");
    let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (_, after) = rest.split_once(END).expect("where it ends");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", markdown());
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &wanted).expect("README.md is written");
        return;
    }
    assert!(
        text == wanted,
        "README.md does not have the table of models.json. Write it anew: {WRITE}=1 cargo test --package inf-llava-core --test core readme"
    );
}
