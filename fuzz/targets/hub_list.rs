//! What a hub answers about a repository: the files that are chosen from it are in the repository, and their addresses are
//! the hub's own.
#![no_main]

use inf_llava_core::hub::{List, Repository, Weights, page};
use inf_llava_core::weights::arrange::Precision;
use libfuzzer_sys::fuzz_target;

const HUB: &str = "https://hub.example";

fuzz_target!(|data: &[u8]| {
    let repository: Repository = "owner/name".parse().expect("a repository");
    match List::read(HUB, &repository, data) {
        Ok(list) => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            assert!(!list.commit.is_empty() && list.commit.bytes().all(plain));
            if let Some(license) = &list.license {
                assert!(license.len() <= 64 && license.is_ascii());
            }
            for weights in [Weights::Safetensors, Weights::OrPickled] {
                let Ok(files) = list.choose(HUB, &repository, weights, &["config.json"]) else {
                    continue;
                };
                for file in &files {
                    assert!(list.files.contains_key(file), "{file:?}");
                    assert!(!file.contains(['/', '\\']) && !file.starts_with('.'), "{file:?}");
                }
            }
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 4000);
            assert!(!message.contains(|c: char| c.is_control()), "{message:?}");
        }
    }
    if let Ok(folder) = page::folder(HUB, "owner/name", data, Precision::Q4) {
        assert!(folder.url.starts_with("https://hub.example/owner/name/resolve/"), "{}", folder.url);
    }
});
