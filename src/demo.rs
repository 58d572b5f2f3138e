//! The demo model, which is part of the program: 4.7 MB. It knows drawings of one kind only.

macro_rules! carried {
    ($($file:literal),* $(,)?) => {
        /// Its files, by file name.
        pub const FILES: &[(&str, &[u8])] = &[$((
            $file,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo/", $file)),
        )),*];
    };
}
carried!(
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "samples.json",
    "samples/1.png",
    "samples/2.png",
    "samples/3.png",
    "samples/4.png",
    "tokenizer.json",
);
/// The name of its folder, which clients of a server see as the model's name.
pub const NAME: &str = "demo";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::FILES;

    #[test]
    fn the_program_carries_every_file_of_the_demo_model() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
        let mut found = Vec::new();
        for folder in [root.clone(), root.join("samples")] {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_file() {
                    let path = entry.path();
                    found.push(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        let mut carried: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        carried.sort_unstable();
        assert_eq!(carried, found, "the list in this file");
        for (name, bytes) in FILES {
            assert!(std::fs::read(root.join(name)).unwrap() == *bytes, "{name}");
        }
    }
}
