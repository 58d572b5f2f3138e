//! `convert` and `verify`: what is written is whole, and what is damaged is named.

use super::{json, refused, run, stdout, text, tiny};

#[test]
fn a_model_is_converted_and_checked() {
    let dir = tempfile::tempdir().expect("a folder");
    let to = dir.path().join("small");
    let path = to.display().to_string();
    let said = stdout(&["convert", &tiny(), &path, "--quant", "q8"]);
    assert!(
        said.starts_with(&path) && said.contains("in 1 shards"),
        "{said}"
    );
    assert_eq!(stdout(&["verify", &path]), format!("{path} is whole\n"));

    // What is there stays as it is.
    refused(
        &["convert", &tiny(), &path],
        7,
        &["it is there already", &path],
    );
    refused(
        &["convert", &tiny(), "new", "--quant", "q5"],
        2,
        &["q5", "q4, q8, f16 or f32"],
    );
    refused(&["convert", "nowhere", "new"], 3, &["nowhere"]);
    refused(&["verify", &tiny()], 3, &["manifest.json"]);

    let shard = to.join("shard-00001.bin");
    let mut bytes = std::fs::read(&shard).expect("the shard");
    bytes[1000] ^= 1;
    std::fs::write(&shard, bytes).expect("written");
    let output = run(&["verify", "--json", &path]);
    assert_eq!(output.status.code(), Some(3));
    let said = json(text(&output.stdout));
    assert_eq!(said["damaged"][0]["file"], "shard-00001.bin", "{said}");
    assert_eq!(said["damaged"].as_array().map(Vec::len), Some(1));
}
