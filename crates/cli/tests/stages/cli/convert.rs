//! `convert` and `verify`: what is written is whole, and what is damaged is named.

use super::{json, refused, run, stdout, text, tiny};

#[test]
fn a_model_is_converted_and_checked() {
    let dir = tempfile::tempdir().expect("a folder");
    let to = dir.path().join("small");
    let path = to.display().to_string();
    let said = stdout(&["convert", &tiny(), &path, "--quant", "q8"]);
    assert!(
        said.starts_with(&path) && said.contains("in 1 shard"),
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
    refused(
        &["verify", &tiny()],
        3,
        &["manifest.json", "it is a checkpoint", "inf-llava convert"],
    );
    let parity = ["parity", "--device", "cpu", "--model", &path];
    refused(&parity, 3, &["expected.json", "PyTorch"]);

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

/// Equal models are one model wherever they lie; a renewed one is another one under its old name.
#[test]
fn a_model_is_told_from_a_renewed_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let identity = |folder: &std::path::Path| {
        let said = json(&stdout(&[
            "info",
            "--json",
            "--model",
            &folder.display().to_string(),
        ]));
        let identity = said["identity"].as_str().expect("an identity").to_string();
        assert_eq!(identity.len(), 64);
        identity
    };
    let [a, b, c] = ["a", "b", "c"].map(|name| dir.path().join(name));
    for (to, kind) in [(&a, "q8"), (&b, "q8"), (&c, "q4")] {
        let to = to.display().to_string();
        let name = ["--quant", kind, "--name", "same"];
        stdout(&[&["convert", &tiny(), &to][..], &name].concat());
    }
    assert_eq!(identity(&a), identity(&b));
    assert_ne!(identity(&a), identity(&c));
    let manifest = std::fs::read(a.join("manifest.json")).expect("the manifest");
    let hash = <sha2::Sha256 as sha2::Digest>::digest(&manifest);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(identity(&a), hash);

    let checkpoint = super::files::copy_of_tiny();
    let before = identity(checkpoint.path());
    assert_eq!(before, identity(checkpoint.path()));
    let weights = checkpoint.path().join("model-00001-of-00002.safetensors");
    let open = std::fs::OpenOptions::new().write(true).open(weights);
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
    open.expect("weights").set_modified(later).expect("a time");
    assert_ne!(before, identity(checkpoint.path()));
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
