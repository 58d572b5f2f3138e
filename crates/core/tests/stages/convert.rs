//! Conversions: whole or not at all, and what they hold is what the checkpoint held.

use inf_llava_core::spec::{Kind, Weight};
use std::fs;
use std::path::Path;

use inf_llava_core::Error;
use inf_llava_core::config::Config;
use inf_llava_core::progress::{Event, StopFlag, Watch};
use inf_llava_core::weights::about::About;
use inf_llava_core::weights::arrange::Precision;
use inf_llava_core::weights::checkpoint::Checkpoint;
use inf_llava_core::weights::convert::Conversion;
use inf_llava_core::weights::folder::Folder;
use inf_llava_core::weights::manifest::Manifest;
use inf_llava_core::weights::tensors::Tensors;
use inf_llava_core::weights::verify::verify;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{block_on, fixture};

pub fn open(name: &str) -> (Checkpoint<Folder>, Vec<Weight>) {
    let folder = fixture(name);
    let config = fs::read(folder.join("config.json")).unwrap();
    let names = Config::from_json(&config, None).unwrap().weights();
    (
        block_on(Checkpoint::open(Folder::new(folder))).unwrap(),
        names,
    )
}

pub fn about(name: &str) -> About {
    About {
        name: name.into(),
        revision: "main".into(),
        license: "apache-2.0".into(),
        config: json!({"hidden_size": 96}),
        generation: json!({}),
        files: vec!["tokenizer.json".into()],
        chat_template: None,
    }
}

pub const SHARD_BYTES: u64 = 256 << 10;

pub fn convert(
    name: &str,
    precision: &str,
    to: &Path,
    watch: &mut Watch,
) -> Result<Manifest, Error> {
    let (checkpoint, names) = open(name);
    let precision = Precision::from_name(precision)?;
    Conversion::new(&checkpoint, &names, precision, SHARD_BYTES, about(name), to)?.run(watch)
}

/// Stops as soon as a shard is done.
pub fn stopped_after_a_shard() -> Watch<'static> {
    let stop = StopFlag::default();
    let flag = stop.clone();
    Watch::new(stop, move |event| {
        if matches!(event, Event::Progress { done: 1.., .. }) {
            flag.stop();
        }
    })
}

/// What a converted folder holds of a tensor.
fn read(folder: &Path, manifest: &Manifest, name: &str) -> Vec<f32> {
    let stored = &manifest.tensors[name];
    let columns: usize = stored.shape[1..].iter().product();
    let piece = |piece: &inf_llava_core::weights::manifest::Piece| {
        let shard = fs::read(folder.join(&manifest.shards[piece.shard].file)).unwrap();
        let size = stored.dtype.bytes(piece.rows, &stored.shape[1..]).unwrap() as usize;
        let bytes = &shard[piece.offset as usize..][..size];
        match stored.dtype.quant() {
            Some(quant) => quant.dequantize(bytes, piece.rows, columns).unwrap(),
            None if stored.dtype.name() == "f32" => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&b| f32::from_le_bytes(b))
                .collect(),
            None => {
                let halves = bytes.as_chunks().0.iter();
                halves
                    .map(|&b| half::f16::from_le_bytes(b).to_f32())
                    .collect()
            }
        }
    };
    stored.pieces.iter().flat_map(piece).collect()
}

#[test]
fn what_is_converted_is_what_was_there() {
    for (name, precision, limit) in [
        ("tiny", "f32", 0.0),
        ("tiny-n4-f16", "f16", 0.0),
        ("tiny-n2-bf16", "q8", 0.01),
        ("tiny", "q4", 0.1),
        ("released-geometry", "q4", 0.1),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("converted");
        let manifest = convert(name, precision, &to, &mut Watch::nobody()).unwrap();
        assert!(!dir.path().join("converted.part").exists() && !to.join("journal.json").exists());
        let json = fs::read(to.join("manifest.json")).unwrap();
        assert_eq!(
            Manifest::from_json("manifest.json", &json).unwrap(),
            manifest
        );
        for file in manifest.shards.iter().chain(&manifest.files) {
            let bytes = fs::read(to.join(&file.file)).unwrap();
            let hash = Sha256::digest(&bytes);
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((bytes.len() as u64, &hash), (file.bytes, &file.sha256));
        }
        let (checkpoint, names) = open(name);
        for Weight {
            name: tensor,
            shape,
            ..
        } in names
        {
            let wanted = block_on(checkpoint.read_f32(&tensor, &shape)).unwrap();
            let found = read(&to, &manifest, &tensor);
            assert_eq!(found.len(), wanted.len());
            let squares = |values: &mut dyn Iterator<Item = f32>| -> f64 {
                values.map(|value| f64::from(value).powi(2)).sum()
            };
            let off = squares(&mut wanted.iter().zip(&found).map(|(a, b)| a - b));
            let own = squares(&mut wanted.iter().copied());
            assert!(
                off.sqrt() <= limit * own.sqrt(),
                "{name} {precision} {tensor}"
            );
            if manifest.tensors[&tensor].dtype.name() == "f32" {
                assert_eq!(found, wanted, "{tensor}");
            }
        }
    }
}

#[test]
fn a_conversion_that_was_stopped_goes_on_and_nothing_is_there_before() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, parted] = ["whole", "parted"].map(|name| dir.path().join(name));
    let expected = convert("tiny", "f32", &whole, &mut Watch::nobody()).unwrap();

    assert!(expected.shards.len() > 3);

    let error = convert("tiny", "f32", &parted, &mut stopped_after_a_shard()).unwrap_err();
    assert!(matches!(error, Error::Stopped) && !parted.exists());
    let part = dir.path().join("parted.part");
    let first = |folder: &Path| {
        let file = folder.join(&expected.shards[0].file);
        fs::metadata(file).unwrap().modified().unwrap()
    };
    let made = first(&part);
    assert!(!part.join(&expected.shards[1].file).exists());

    let found = convert("tiny", "f32", &parted, &mut Watch::nobody()).unwrap();
    assert_eq!(found, expected);
    assert!(
        !part.exists() && first(&parted) == made,
        "the first shard is not made again"
    );

    // What another conversion left is not gone on with.
    let other = dir.path().join("other.part");
    fs::create_dir(&other).unwrap();
    fs::write(
        other.join("journal.json"),
        br#"{"of": "another", "shards": []}"#,
    )
    .unwrap();
    fs::write(other.join("shard-00001.bin"), b"another").unwrap();
    let other = convert(
        "tiny",
        "f32",
        &dir.path().join("other"),
        &mut Watch::nobody(),
    );
    assert_eq!(other.unwrap(), expected);

    let error = convert("tiny", "q8", &parted, &mut Watch::nobody()).unwrap_err();
    assert!(error.to_string().contains("it is there already"), "{error}");
    let json = fs::read(parted.join("manifest.json")).unwrap();
    assert_eq!(Manifest::from_json("m", &json).unwrap(), expected);
}

/// Shards of an older state of the checkpoint must not be mixed with those of a newer one.
#[test]
fn a_checkpoint_that_changed_is_converted_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (source, to) = (dir.path().join("source"), dir.path().join("converted"));
    fs::create_dir(&source).unwrap();
    for entry in fs::read_dir(fixture("tiny")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, source.join(path.file_name().unwrap())).unwrap();
        }
    }
    let (_, names) = open("tiny");
    let run = |watch: &mut Watch| {
        let checkpoint = block_on(Checkpoint::open(Folder::new(&source))).unwrap();
        let f32 = Precision::F32;
        Conversion::new(&checkpoint, &names, f32, SHARD_BYTES, about("tiny"), &to)?.run(watch)
    };
    assert!(matches!(
        run(&mut stopped_after_a_shard()),
        Err(Error::Stopped)
    ));

    // Every number of every file becomes zero, in the same places.
    let checkpoint = block_on(Checkpoint::open(Folder::new(&source))).unwrap();
    for (folder, file) in checkpoint.files() {
        let path = folder.path(file);
        let mut bytes = fs::read(&path).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[8 + header..].fill(0);
        fs::write(&path, bytes).unwrap();
    }
    let manifest = run(&mut Watch::nobody()).unwrap();
    for name in manifest.tensors.keys() {
        let found = read(&to, &manifest, name);
        assert!(found.iter().all(|&value| value == 0.0), "{name}");
    }
}

#[test]
fn a_tensor_that_is_missing_is_named_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("converted");
    let (checkpoint, mut names) = open("tiny");
    names.push(Weight {
        name: "model.layers.9.mlp.up_proj.weight".into(),
        shape: vec![4, 32],
        kind: Kind::LayerMatrix,
    });
    let made = Conversion::new(
        &checkpoint,
        &names,
        Precision::Q4,
        SHARD_BYTES,
        about("tiny"),
        &to,
    );
    let error = made.err().expect("refused").to_string();
    assert!(
        error.contains("model.layers.9.mlp.up_proj.weight"),
        "{error}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn every_damaged_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("converted");
    let manifest = convert("tiny", "f16", &to, &mut Watch::nobody()).unwrap();
    let damaged = || block_on(verify(&to, &mut Watch::nobody())).unwrap().1;
    assert_eq!(damaged(), []);

    let [changed, cut, gone] = [0, 1, 2].map(|at| to.join(&manifest.shards[at].file));
    let mut bytes = fs::read(&changed).unwrap();
    bytes[100] ^= 1;
    fs::write(&changed, bytes).unwrap();
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[1..]).unwrap();
    fs::remove_file(&gone).unwrap();
    fs::write(to.join("tokenizer.json"), "{}").unwrap();
    let found: Vec<(String, String)> = damaged().into_iter().map(|d| (d.file, d.reason)).collect();
    let says = [
        "it has 2 bytes",
        "sha256",
        "bytes, the manifest says",
        "it is missing",
    ];
    assert_eq!(found.len(), says.len(), "{found:?}");
    assert_eq!(found[0].0, "tokenizer.json");
    for (at, ((file, reason), says)) in found.iter().zip(says).enumerate() {
        assert!(reason.contains(says), "{reason}");
        assert!(at == 0 || *file == manifest.shards[at - 1].file);
    }

    fs::remove_file(to.join("manifest.json")).unwrap();
    let error = block_on(verify(&to, &mut Watch::nobody())).unwrap_err();
    assert!(matches!(error, Error::FileMissing { .. }), "{error}");
}
