//! Checkpoints as `torch.save` writes them (tests/reference/write_pytorch.py made the files), and towers that
//! lie beside theirs.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use inf_llava_core::Error;
use inf_llava_core::weights::folder::Folder;
use inf_llava_core::weights::pickle::state_dict;
use inf_llava_core::weights::pytorch;
use inf_llava_core::weights::tensors::Tensors;
use proptest::prelude::*;
use safetensors::SafeTensors;
use tempfile::TempDir;

use crate::{block_on, fixture};

fn files() -> PathBuf {
    crate::root().join("tests/fixtures/pytorch")
}

/// A folder in which `file` is the checkpoint.
fn folder(file: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(files().join(file), dir.path().join("pytorch_model.bin")).unwrap();
    dir
}

fn read(folder: &Path, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
    let checkpoint = block_on(pytorch::open(Folder::new(folder)))?;
    block_on(checkpoint.read_f32(name, shape))
}

#[test]
fn tensors_are_read_where_they_lie() {
    let folder = folder("pytorch_model.bin");
    let base: Vec<f32> = (0..24).map(|i| i as f32 / 8.0).collect();
    let map = |f: fn(f32) -> f32| -> Vec<f32> { base.iter().map(|&v| f(v)).collect() };
    for (name, shape, expected) in [
        ("f32", vec![4, 6], base.clone()),
        ("view", vec![2, 6], base[6..18].to_vec()),
        ("f16", vec![4, 6], map(|v| v - 1.0)),
        ("bf16", vec![2, 12], map(|v| v * 3.0)),
        ("parameter", vec![6], base[..6].to_vec()),
        ("scalar", vec![], vec![2.5]),
    ] {
        assert_eq!(read(folder.path(), name, &shape), Ok(expected), "{name}");
    }
    let checkpoint = block_on(pytorch::open(Folder::new(folder.path()))).unwrap();
    let rows = block_on(checkpoint.read_rows("f16", &[4, 6], 1..3)).unwrap();
    assert_eq!(rows, map(|v| v - 1.0)[6..18]);
    assert!(matches!(
        read(folder.path(), "ids", &[1, 5]),
        Err(Error::TensorDtype { .. })
    ));
}

#[test]
fn shards_are_found_by_their_index() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["a.bin", "b.bin"] {
        fs::copy(files().join("pytorch_model.bin"), dir.path().join(file)).unwrap();
    }
    let index = dir.path().join("pytorch_model.bin.index.json");
    fs::write(
        &index,
        r#"{"weight_map": {"f32": "a.bin", "f16": "b.bin"}}"#,
    )
    .unwrap();
    assert_eq!(read(dir.path(), "f32", &[4, 6]).unwrap()[23], 2.875);
    assert!(matches!(
        read(dir.path(), "bf16", &[2, 12]),
        Err(Error::TensorMissing { .. })
    ));
    fs::write(
        &index,
        r#"{"weight_map": {"f32": "a.bin", "other": "b.bin"}}"#,
    )
    .unwrap();
    let error = read(dir.path(), "f32", &[4, 6]).unwrap_err().to_string();
    assert!(
        error.contains("other") && error.contains("b.bin"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    for (file, says) in [
        ("transposed.bin", "contiguous"),
        ("legacy.bin", "torch before 1.6"),
        ("no_tensors.bin", "no tensor"),
        ("module.bin", "torch.nn.modules.linear"),
    ] {
        let error = read(folder(file).path(), "f32", &[4, 6]).unwrap_err();
        assert!(error.to_string().contains(says), "{file}: {error}");
    }
    // Cut off anywhere: refused when it is opened, or when the bytes are wanted.
    let dir = folder("pytorch_model.bin");
    let path = dir.path().join("pytorch_model.bin");
    let bytes = fs::read(&path).unwrap();
    for keep in (0..bytes.len()).step_by(97) {
        fs::write(&path, &bytes[..keep]).unwrap();
        assert!(read(dir.path(), "f32", &[4, 6]).is_err(), "{keep}");
    }
}

/// The pickle of the fixture, as it lies in the archive.
fn pickle() -> Vec<u8> {
    let bytes = fs::read(files().join("pytorch_model.bin")).unwrap();
    let start = bytes.windows(2).position(|pair| pair == [0x80, 2]).unwrap();
    bytes[start..].to_vec()
}

#[test]
fn a_pickle_may_not_call_anything() {
    let hostile = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.";
    let error = state_dict(hostile).unwrap_err();
    assert!(error.contains("os system"), "{error}");
}

proptest! {
    #[test]
    fn no_pickle_breaks_it(flips in prop::collection::vec((0usize..2000, any::<u8>()), 0..8)) {
        let mut bytes = pickle();
        let length = bytes.len();
        for (at, value) in flips {
            bytes[at % length] = value;
        }
        if let Ok(tensors) = state_dict(&bytes) {
            prop_assert!(!tensors.is_empty());
        }
    }
}

/// A checkpoint without its tower and the tower in a folder of its own, under CLIP's names, are the same
/// model.
#[test]
fn a_tower_may_lie_beside() {
    const TOWER: &str = "model.vision_tower.vision_tower.";
    let (main, tower) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let name = "tiny-n2-bf16";
    let whole = block_on(pytorch::open(Folder::new(fixture(name)))).unwrap();
    let (mut shapes, mut in_main, mut in_tower) = (HashMap::new(), Vec::new(), Vec::new());
    let all: Vec<Vec<u8>> = whole
        .files()
        .map(|(folder, file)| fs::read(folder.path(file)).unwrap())
        .collect();
    for bytes in &all {
        for (name, view) in SafeTensors::deserialize(bytes).unwrap().tensors() {
            shapes.insert(name.clone(), view.shape().to_vec());
            match name.strip_prefix(TOWER) {
                Some(own) => in_tower.push((own.to_string(), view)),
                None => in_main.push((name, view)),
            }
        }
    }
    for (dir, tensors) in [(&main, in_main), (&tower, in_tower)] {
        let path = dir.path().join("model.safetensors");
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
    }
    let main = block_on(pytorch::open(Folder::new(main.path()))).unwrap();
    let patch = format!("{TOWER}vision_model.embeddings.patch_embedding.weight");
    let error = main.check(&patch, &shapes[&patch]).unwrap_err().to_string();
    assert!(error.contains("--vision-tower"), "{error}");

    let tower = block_on(pytorch::open(Folder::new(tower.path()))).unwrap();
    let both = main.with_tower(tower);
    for (name, shape) in shapes {
        assert_eq!(
            block_on(both.read_f32(&name, &shape)),
            block_on(whole.read_f32(&name, &shape)),
            "{name}"
        );
    }
}
