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

/// Converted, a model answers: scored, and its next-token distributions compared with the checkpoint's.
#[test]
fn a_converted_model_is_scored_beside_its_checkpoint() {
    let dir = tempfile::tempdir().expect("a folder");
    let diverges = |kind: &str| {
        let to = dir.path().join(kind).display().to_string();
        stdout(&["convert", &tiny(), &to, "--quant", kind]);
        let said = stdout(&[
            "eval",
            "--model",
            &to,
            "--reference",
            &tiny(),
            "--device",
            "cpu",
            "--count",
            "6",
            "--json",
        ]);
        let said = json(&said);
        assert_eq!(said["count"], 6, "{said}");
        assert!(said["divergence"]["tokens"].as_u64() > Some(6), "{said}");
        said["divergence"]["mean"].as_f64().expect("a number")
    };
    let (f32, q8, q4) = (diverges("f32"), diverges("q8"), diverges("q4"));
    assert!(
        f32.abs() < 1e-9 && q8 > f32 && q4 > 4.0 * q8,
        "{f32} {q8} {q4}"
    );
}
