//! The headers of a hub's answers, and a path from its file list: they never name anything outside
//! the cache, and an address counts as the hub's own only if its scheme, host and port match.
//!
//! The input is the path, followed by one header per line.
#![no_main]

use std::path::{Component, Path};

use inf_llava_core::hub::told::told;
use libfuzzer_sys::fuzz_target;

fn check_inside(path: &Path) {
    let rest = path.strip_prefix("/cache").expect("in the cache");
    assert!(
        rest.components()
            .all(|part| matches!(part, Component::Normal(_))),
        "{path:?}"
    );
    assert!(!rest.to_string_lossy().contains(char::is_control));
}

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|&byte| byte == b'\n');
    let file = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let headers: Vec<(&[u8], &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
        .collect();
    match told("https://hub.example", Path::new("/cache"), &file, &headers) {
        Ok(told) => {
            check_inside(&told.blob);
            check_inside(&told.snapshot);
            assert_eq!(
                told.blob.parent().and_then(Path::file_name),
                Some("blobs".as_ref())
            );
            if let Some((address, own)) = told.redirect {
                assert!(address.starts_with("https://"), "{address}");
                let rest = address["https://".len()..].to_ascii_lowercase();
                let authority = rest.split('/').next().unwrap_or_default();
                assert_eq!(
                    own,
                    ["hub.example", "hub.example:443"].contains(&authority),
                    "{address}"
                );
            }
        }
        // A message repeats a part of the untrusted text at most, without terminal control
        // sequences.
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 4000);
            assert!(!message.contains(|c: char| c.is_control()), "{message:?}");
        }
    }
});
