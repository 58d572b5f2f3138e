//! Manifests from anywhere: what is whole is read, what is not is refused by name.

use inf_llava_core::Error;
use inf_llava_core::weights::manifest::{ALIGNMENT, Dtype, Manifest, SHARD_BYTES};
use proptest::prelude::*;
use serde_json::{Value, json};

const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A matrix in two pieces, its second half in another shard behind a vector.
fn good() -> Value {
    let matrix = Dtype::Q4.bytes(3, &[64]).unwrap();
    assert_eq!(matrix, 3 * 32 + 8 + 12);
    json!({
        "format": "inf-llava",
        "version": 1,
        "name": "a model",
        "revision": "main",
        "license": "apache-2.0",
        "config": {"hidden_size": 64},
        "generation": {},
        "prompt": "llama3",
        "files": [{"file": "tokenizer.json", "bytes": 10, "sha256": HASH}],
        "shards": [
            {"file": "shard-00001.bin", "bytes": matrix, "sha256": HASH},
            {"file": "shard-00002.bin", "bytes": 16 + matrix, "sha256": HASH},
        ],
        "tensors": {
            "w": {"shape": [6, 64], "dtype": "q4", "pieces": [
                {"shard": 0, "offset": 0, "rows": 3}, {"shard": 1, "offset": 16, "rows": 3},
            ]},
            "b": {"shape": [5], "dtype": "f16", "pieces": [{"shard": 1, "offset": 0, "rows": 5}]},
        },
    })
}

fn read(value: &Value) -> Result<Manifest, Error> {
    Manifest::from_json("there/manifest.json", value.to_string().as_bytes())
}

/// Why `good` is refused once the value at `pointer` is `value`.
fn refusal(pointer: &str, value: Value) -> String {
    let mut manifest = good();
    *manifest.pointer_mut(pointer).expect(pointer) = value;
    let error = read(&manifest).expect_err(pointer);
    assert_eq!(error.code(), "manifest");
    let text = error.to_string();
    assert!(text.starts_with("there/manifest.json: "), "{text}");
    text
}

#[test]
fn what_is_whole_is_read_and_written_again() {
    let manifest = read(&good()).unwrap();
    assert_eq!(manifest.tensors["w"].pieces[1].offset, 16);
    assert_eq!(manifest.shard_bytes(), 116 + 132);
    let again = Manifest::from_json("again", &manifest.to_json()).unwrap();
    assert_eq!(again, manifest);
}

#[test]
fn another_version_is_refused_before_its_fields_are() {
    let text = refusal("/version", json!(2));
    assert!(
        text.contains("version 2") && text.contains("convert"),
        "{text}"
    );
    assert!(refusal("/format", json!("gguf")).contains("gguf"));
    let mut later = good();
    later["version"] = json!(7);
    later["codebook"] = json!([1, 2]);
    assert!(read(&later).unwrap_err().to_string().contains("version 7"));
    let mut odd = good();
    odd["codebook"] = json!([1, 2]);
    assert!(read(&odd).unwrap_err().to_string().contains("codebook"));
}

#[test]
fn overlaps_holes_and_what_lies_outside_are_refused() {
    let piece = "/tensors/w/pieces/1";
    for (pointer, value, says) in [
        ("/offset".to_string(), json!(0), "inside"),
        ("/offset".into(), json!(8), "multiple of 16"),
        ("/offset".into(), json!(32), "nothing lies between b"),
        ("/offset".into(), json!(u64::MAX - 15), "too large"),
        ("/shard".into(), json!(2), "shard 2, of 2"),
        ("/rows".into(), json!(2), "do not add up to 6 rows"),
        ("/rows".into(), json!(4), "do not add up to 6 rows"),
        ("/rows".into(), json!(0), "do not add up to 6 rows"),
    ] {
        let text = refusal(&format!("{piece}{pointer}"), value.clone());
        assert!(text.contains(says), "{pointer} {value}: {text}");
    }
    let text = refusal("/shards/1/bytes", json!(200));
    assert!(
        text.contains("has 200 bytes, its tensors end at 132"),
        "{text}"
    );
    assert!(refusal("/files/0/bytes", json!(u64::MAX)).contains("tokenizer.json has"));
    let text = refusal("/shards/0/bytes", json!(SHARD_BYTES + 1));
    assert!(
        text.contains("shard-00001.bin") && text.contains("67108864"),
        "{text}"
    );
}

#[test]
fn shapes_that_cannot_be_are_refused() {
    for (shape, says) in [
        (json!([]), "no shape"),
        (json!([6, 0]), "cannot be"),
        (json!([6, 1, 1, 1, 64]), "cannot be"),
        (json!([6, 63]), "blocks of 32"),
        (json!([6, 8, 8]), "for matrices"),
        (json!([6]), "for matrices"),
        (json!([6, u64::MAX / 32 * 32]), "too large"),
        (json!([-1, 64]), "invalid value"),
    ] {
        let text = refusal("/tensors/w/shape", shape.clone());
        assert!(text.contains(says), "{shape}: {text}");
    }
    let text = refusal("/tensors/w/dtype", json!("q2"));
    assert!(text.contains("q2"), "{text}");
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for name in [
        "../shard.bin",
        "a/b",
        "",
        ".hidden",
        "C:shard",
        "a\\b",
        "shard\u{0}",
        "é",
    ] {
        let text = refusal("/shards/0/file", json!(name));
        assert!(text.contains("not a plain file name"), "{name}: {text}");
    }
    for name in ["manifest.json", "shard-00002.bin", "tokenizer.json"] {
        let text = refusal("/shards/0/file", json!(name));
        assert!(text.contains("named twice"), "{name}: {text}");
    }
    for hash in [
        HASH.to_uppercase(),
        HASH[1..].to_string(),
        format!("{}g", &HASH[1..]),
    ] {
        assert!(refusal("/files/0/sha256", json!(hash)).contains("sha256"));
    }
}

#[test]
fn bytes_that_are_no_manifest_are_refused() {
    for bytes in [&b""[..], b"{}", b"[]", b"<!doctype html>", &[0xff; 40]] {
        assert_eq!(
            Manifest::from_json("m", bytes).unwrap_err().code(),
            "manifest"
        );
    }
    let deep = "[".repeat(100_000);
    assert!(Manifest::from_json("m", deep.as_bytes()).is_err());
}

proptest! {
    /// Whatever numbers a manifest holds, it is refused, or every piece lies alone in its shard.
    #[test]
    fn no_piece_leaves_its_shard(
        pieces in prop::collection::vec((0usize..3, 0u64..12, 0usize..9), 0..5),
        rows in 0usize..20,
        bytes in prop::collection::vec(0u64..400, 2),
    ) {
        let mut manifest = good();
        let pieces: Vec<Value> = pieces
            .iter()
            .map(|(shard, at, rows)| json!({"shard": shard, "offset": at * ALIGNMENT, "rows": rows}))
            .collect();
        manifest["tensors"] = json!({"w": {"shape": [rows, 8], "dtype": "f32", "pieces": pieces}});
        for (shard, bytes) in bytes.iter().enumerate() {
            manifest["shards"][shard]["bytes"] = json!(bytes);
        }
        if let Ok(manifest) = read(&manifest) {
            let stored = &manifest.tensors["w"];
            let mut free: Vec<Vec<bool>> =
                manifest.shards.iter().map(|shard| vec![true; shard.bytes as usize]).collect();
            for piece in &stored.pieces {
                for byte in 0..piece.rows * 32 {
                    let at = piece.offset as usize + byte;
                    prop_assert!(std::mem::replace(&mut free[piece.shard][at], false));
                }
            }
            prop_assert_eq!(stored.pieces.iter().map(|p| p.rows).sum::<usize>(), rows);
            prop_assert!(free.iter().flatten().filter(|free| **free).count() < 16 * stored.pieces.len());
        }
    }
}
