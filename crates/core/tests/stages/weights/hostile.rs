//! Checkpoints from anywhere: broken, foreign and hostile files, each refused by name.

use std::collections::BTreeMap;
use std::ops::Range;

use inf_llava_core::Error;
use inf_llava_core::weights::checkpoint::Checkpoint;
use inf_llava_core::weights::source::Source;
use inf_llava_core::weights::tensors::Tensors;
use proptest::prelude::*;
use safetensors::Dtype;
use serde_json::json;

use super::{INDEX, SINGLE, assert_says, f32s, folder, index, open, read, shard};

/// A file with this header, whatever it says, and `data_bytes` zeros.
fn raw(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + data_bytes, 0);
    file
}

/// Opens a folder of these files and gives the error and the folder's path.
fn open_error(files: &[(&str, &[u8])]) -> Error {
    open(folder(files).path())
        .err()
        .expect("this must be refused")
}

fn assert_broken(error: &Error, file: &str, parts: &[&str]) {
    assert!(matches!(error, Error::Checkpoint { .. }), "{error:?}");
    assert_says(error, &[file]);
    assert_says(error, parts);
}

#[test]
fn missing_files_are_named() {
    let error = open_error(&[]);
    assert!(matches!(error, Error::FileMissing { .. }), "{error:?}");
    assert_says(&error, &[SINGLE]);

    let file = shard(&[f32s("a", &[1], &[1.0])]);
    let map = index(&[("a", "one.safetensors"), ("b", "two.safetensors")]);
    let error = open_error(&[("one.safetensors", &file), (INDEX, &map)]);
    assert!(matches!(error, Error::FileMissing { .. }), "{error:?}");
    assert_says(&error, &["two.safetensors"]);
}

#[test]
fn a_truncated_shard_is_seen() {
    let whole = shard(&[f32s("w", &[100], &[1.0; 100])]);
    for keep in [0, 3, 8, 20, whole.len() - 400, whole.len() - 1] {
        let error = open_error(&[(SINGLE, &whole[..keep])]);
        assert_broken(&error, SINGLE, &[&keep.to_string()]);
    }
    let mut longer = whole.clone();
    longer.push(0);
    let sizes = [whole.len().to_string(), longer.len().to_string()];
    assert_broken(
        &open_error(&[(SINGLE, &longer)]),
        SINGLE,
        &[&sizes[0], &sizes[1]],
    );

    // Cut while it is in use.
    let dir = folder(&[(SINGLE, &whole)]);
    let checkpoint = open(dir.path()).expect("valid");
    let cut = whole.len() - 5;
    std::fs::write(dir.path().join(SINGLE), &whole[..cut]).expect("a file");
    let error = read(&checkpoint, "w", &[100]).expect_err("cut");
    assert!(matches!(error, Error::ModelChanged { .. }), "{error:?}");
    let (was, is) = (format!("{} bytes", whole.len()), format!("{cut} bytes"));
    assert_says(&error, &[SINGLE, &was, &is, "load the model again"]);
}

#[test]
fn what_is_no_safetensors_file_is_refused() {
    let html = b"<!DOCTYPE html><html><body>Entry not found</body></html>".repeat(3);
    let error = open_error(&[(SINGLE, &html)]);
    assert_broken(
        &error,
        SINGLE,
        &[&html.len().to_string(), "no safetensors file"],
    );
    for length in [u64::MAX, u64::MAX - 7, 1 << 40, 33 << 20, 9] {
        let mut file = length.to_le_bytes().to_vec();
        file.extend(b"{}      ");
        assert_broken(
            &open_error(&[(SINGLE, &file)]),
            SINGLE,
            &[&length.to_string(), "16"],
        );
    }
    let deep = "[".repeat(100_000);
    for header in [
        "",
        "{",
        "not JSON",
        "[]",
        "{\"w\": 1}",
        "\u{feff}{}",
        deep.as_str(),
    ] {
        assert_broken(
            &open_error(&[(SINGLE, &raw(header, 0))]),
            SINGLE,
            &["header"],
        );
    }
}

/// Sparse files, which take no room: what would be read into memory has a limit.
#[test]
fn a_header_or_index_is_not_read_at_any_size() {
    let dir = folder(&[(SINGLE, &(33u64 << 20).to_le_bytes())]);
    let grow = |name: &str| {
        let path = dir.path().join(name);
        let mut options = std::fs::OpenOptions::new();
        let file = options.append(true).create(true).open(path);
        let file = file.expect("a file");
        file.set_len(64 << 20).expect("a sparse file");
    };
    grow(SINGLE);
    let error = open(dir.path()).err().expect("too large");
    assert_broken(&error, SINGLE, &[&(33u64 << 20).to_string()]);
    grow(INDEX);
    let error = open(dir.path()).err().expect("too large");
    assert!(matches!(error, Error::FileAccess { .. }), "{error:?}");
    assert_says(&error, &[INDEX, &(64u64 << 20).to_string()]);
}

#[test]
fn tensors_must_follow_one_another() {
    let entry = |shape: &str, from: u64, to: u64| {
        format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let two = |a: String, b: String| format!(r#"{{"a":{a},"b":{b}}}"#);
    let valid = raw(&two(entry("[2]", 0, 8), entry("[2]", 8, 16)), 16);
    assert!(
        open(folder(&[(SINGLE, &valid)]).path()).is_ok(),
        "the others hang on this"
    );
    for (what, header) in [
        ("overlap", two(entry("[2]", 0, 8), entry("[2]", 4, 12))),
        ("hole", two(entry("[2]", 0, 8), entry("[2]", 12, 20))),
        (
            "hole at the start",
            two(entry("[2]", 4, 12), entry("[1]", 12, 16)),
        ),
        ("backwards", two(entry("[2]", 0, 8), entry("[2]", 8, 0))),
        (
            "shape and bytes differ",
            two(entry("[2]", 0, 8), entry("[3]", 8, 16)),
        ),
        (
            "product overflows",
            two(entry("[2]", 0, 8), entry("[4294967296,4294967297]", 8, 24)),
        ),
        (
            "past the end",
            two(entry("[2]", 0, 8), entry("[200]", 8, 808)),
        ),
        (
            "unknown type",
            two(entry("[2]", 0, 8), entry("[2]", 8, 16)).replace("F32", "F31"),
        ),
    ] {
        for data_bytes in [16, 20, 24] {
            let error = open_error(&[(SINGLE, &raw(&header, data_bytes))]);
            assert!(
                matches!(error, Error::Checkpoint { .. }),
                "{what}: {error:?}"
            );
            assert_says(&error, &[SINGLE]);
        }
    }
}

/// Tensors whose sizes add up to 2^64 - 1 bytes: each is well described, and a sum of them with
/// the header's length does not fit 64 bits.
#[test]
fn sizes_that_overflow_are_refused() {
    let part = (1u64 << 61) - 1;
    let mut entries = Vec::new();
    for n in 0..9u64 {
        let (from, to) = (n * part, if n == 8 { u64::MAX } else { (n + 1) * part });
        let size = to - from;
        entries.push(format!(
            r#""t{n}":{{"dtype":"U8","shape":[{size}],"data_offsets":[{from},{to}]}}"#
        ));
    }
    let error = open_error(&[(SINGLE, &raw(&format!("{{{}}}", entries.join(",")), 16))]);
    assert_broken(&error, SINGLE, &["download it again"]);
}

#[test]
fn an_index_cannot_name_a_file_elsewhere() {
    let file = shard(&[f32s("a", &[1], &[1.0])]);
    let long = "x".repeat(256);
    for name in [
        "../x",
        "..",
        ".",
        "",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "C:x",
        "x\0y",
        ".hidden",
        "é",
        "a b",
        "%2e%2e",
        "x?y",
        "-x",
        &long,
    ] {
        // The file is there, so that the name alone is the reason.
        let outer = folder(&[("x", &file)]);
        let inner = outer.path().join("model");
        std::fs::create_dir(&inner).expect("a folder");
        std::fs::write(inner.join(INDEX), index(&[("a", name)])).expect("the index");
        let error = open(&inner).err().expect("a name that leads elsewhere");
        assert_broken(&error, INDEX, &["plain file name", &format!("{name:?}")]);
    }
}

#[test]
fn a_broken_index_is_refused() {
    let file = shard(&[f32s("a", &[1], &[1.0])]);
    let many: Vec<String> = (0..1025).map(|n| format!("s{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|s| (s.as_str(), s.as_str())).collect();
    let broken: [(&[u8], &str); 8] = [
        (b"", ""),
        (b"<html>", ""),
        (b"{}", "weight_map"),
        (b"{\"weight_map\": []}", ""),
        (b"{\"weight_map\": {\"a\": 1}}", ""),
        (b"{\"weight_map\": {\"a\": \"model.saf", ""),
        (&index(&[]), "0 shards"),
        (&index(&many), "1025 shards"),
    ];
    for (json, word) in broken {
        // A model.safetensors beside it is no way out: the index says what the checkpoint is.
        assert_broken(
            &open_error(&[(SINGLE, &file), (INDEX, json)]),
            INDEX,
            &[word],
        );
    }
}

#[test]
fn an_index_of_another_checkpoint_is_seen() {
    let file = shard(&[f32s("a", &[1], &[1.0]), f32s("b", &[1], &[1.0])]);
    let map = index(&[("a", "s.safetensors"), ("c", "s.safetensors")]);
    let error = open_error(&[("s.safetensors", &file), (INDEX, &map)]);
    assert!(matches!(error, Error::TensorMissing { .. }), "{error:?}");
    assert_says(
        &error,
        &["tensor c ", "s.safetensors", INDEX, "another checkpoint"],
    );

    // What the index does not name is not part of the checkpoint.
    let map = index(&[("a", "s.safetensors")]);
    let dir = folder(&[("s.safetensors", &file), (INDEX, &map)]);
    let error = open(dir.path())
        .expect("valid")
        .check("b", &[1])
        .expect_err("not in the index");
    assert!(matches!(error, Error::TensorMissing { .. }), "{error:?}");
}

/// A source that is neither folder nor server: nothing behind the interface may know which it is.
struct Memory(BTreeMap<&'static str, Vec<u8>>);

impl Source for Memory {
    fn describe(&self, file: &str) -> String {
        format!("memory/{file}")
    }

    async fn size(&self, file: &str) -> Result<Option<u64>, Error> {
        Ok(self.0.get(file).map(|bytes| bytes.len() as u64))
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let missing = || Error::FileMissing {
            file: self.describe(file),
        };
        let bytes = self.0.get(file).ok_or_else(missing)?;
        let part = bytes.get(range.start as usize..range.end as usize);
        Ok(part.expect("only what is there is asked for").to_vec())
    }
}

/// What the mutations below start from.
fn small() -> Memory {
    let a = f32s("a.weight", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let lm_head = ("lm_head.weight", Dtype::BF16, vec![4, 2], vec![0x40; 16]);
    let map = index(&[("a.weight", "s1"), ("lm_head.weight", "s2")]);
    Memory(BTreeMap::from([
        (INDEX, map),
        ("s1", shard(&[a])),
        ("s2", shard(&[lm_head])),
    ]))
}

/// Opens it and reads the tensors; an error is fine, a panic or other numbers than asked for not.
fn reads_whole_or_not(source: Memory) -> Result<(), TestCaseError> {
    let Ok(checkpoint) = crate::block_on(Checkpoint::open(source)) else {
        return Ok(());
    };
    checkpoint.stored_bytes();
    for (name, shape) in [
        ("a.weight", [2, 3]),
        ("lm_head.weight", [4, 2]),
        ("lm_head.weight", [3, 2]),
    ] {
        if let Ok(values) = read(&checkpoint, name, &shape) {
            prop_assert_eq!(values.len(), shape[0] * shape[1]);
            prop_assert!(values.iter().all(|value| value.is_finite()));
        }
    }
    Ok(())
}

#[test]
fn the_small_checkpoint_is_valid() {
    let checkpoint = crate::block_on(Checkpoint::open(small())).expect("valid");
    assert_eq!(
        read(&checkpoint, "a.weight", &[2, 3]),
        Ok(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    );
    assert_eq!(
        read(&checkpoint, "lm_head.weight", &[3, 2]).map(|v| v.len()),
        Ok(6)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn mutations_never_panic(
        file in prop::sample::select(vec![INDEX, "s1", "s2"]),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
        more in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut source = small();
        let bytes = source.0.get_mut(file).expect("one of these");
        for (at, bits) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes.extend(more);
        reads_whole_or_not(source)?;
    }

    #[test]
    fn other_headers_never_panic(
        dtype in prop::sample::select(vec!["F32", "F16", "BF16", "F4", "I64", "BOOL"]),
        shape in prop::collection::vec(prop_oneof![0..7u64, any::<u64>()], 0..4),
        from in prop_oneof![Just(0u64), any::<u64>()],
        to in prop_oneof![0..64u64, any::<u64>()],
        data_bytes in 0..64usize,
    ) {
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [from, to]});
        let header = json!({"a.weight": entry}).to_string();
        reads_whole_or_not(Memory(BTreeMap::from([(SINGLE, raw(&header, data_bytes))])))?;
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let source = Memory(BTreeMap::from([(SINGLE, bytes.clone())]));
        prop_assert!(crate::block_on(Checkpoint::open(source)).is_err());
        let mut source = small();
        source.0.insert(INDEX, bytes);
        prop_assert!(crate::block_on(Checkpoint::open(source)).is_err());
    }
}

#[test]
fn text_in_place_of_weights_is_quoted() {
    for text in [
        "Invalid username or password.",
        "{\"error\":\"Repository not found\"}",
        "no",
    ] {
        let dir = folder(&[(SINGLE, text.as_bytes())]);
        let error = open(dir.path()).err().expect(text).to_string();
        assert!(
            error.contains(&inf_llava_core::printable::quoted(text)),
            "{error}"
        );
        assert!(error.contains("download it again"), "{error}");
    }
    let dir = folder(&[(SINGLE, b"# xet version 0\nfilesize = 12\nhash = 'ab'\n")]);
    let error = open(dir.path()).err().expect("a pointer").to_string();
    assert!(error.contains("pointer of Xet"), "{error}");
}
