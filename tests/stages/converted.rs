//! Converted models, loaded: they compute what the checkpoint computes, on every device the same.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use inf_llava::Error;
use inf_llava::gpu::read::read;
use inf_llava::language::kv_cache::KvCache;
use inf_llava::model::{Model, read_config};
use inf_llava::progress::Watch;
use inf_llava::recorder::Recorder;
use inf_llava::sequence::{Media, Sequence};
use inf_llava::spec::plan::Coverage;
use inf_llava::weights::about::About;
use inf_llava::weights::arrange::Precision;
use inf_llava::weights::checkpoint::Checkpoint;
use inf_llava::weights::convert::Conversion;
use inf_llava::weights::folder::Folder;
use inf_llava::weights::manifest::Manifest;
use tempfile::TempDir;

use crate::{block_on, fixture, load, load_folder};

/// So small that matrices are cut.
const SHARD_BYTES: u64 = 32 << 10;

fn convert(name: &str, precision: &str) -> TempDir {
    let source = fixture(name);
    let folder = Folder::new(&source);
    let (config, _) = block_on(read_config(&folder)).unwrap();
    let json = |file: &str| serde_json::from_slice(&fs::read(source.join(file)).unwrap()).unwrap();
    let about = About {
        name: name.into(),
        revision: "main".into(),
        license: "apache-2.0".into(),
        config: json("config.json"),
        generation: json("generation_config.json"),
        files: vec!["tokenizer.json".into()],
        chat_template: None,
    };
    let checkpoint = block_on(Checkpoint::open(folder)).unwrap();
    let names = config.weights();
    let dir = tempfile::tempdir().unwrap();
    let (precision, to) = (
        Precision::from_name(precision).unwrap(),
        dir.path().join("model"),
    );
    let conversion = Conversion::new(&checkpoint, &names, precision, SHARD_BYTES, about, &to);
    let manifest = conversion.unwrap().run(&mut Watch::nobody()).unwrap();
    assert!(
        manifest
            .tensors
            .values()
            .any(|stored| stored.pieces.len() > 1)
    );
    dir
}

/// Visual tokens of a picture, and the logits of a few tokens behind it.
fn outputs(model: &Rc<Model>) -> (Vec<f32>, Vec<f32>) {
    let bytes = fs::read(fixture("tiny").join("images/1.png")).unwrap();
    let picture = model.decode_picture("1.png", &bytes).unwrap();
    let views = crate::views(model, &picture, Coverage::Live);
    let (mut watch, mut off) = (Watch::nobody(), Recorder::off());
    let encoded = model.vision().unwrap().encode(&views, &mut watch, &mut off);
    let visual_tokens = block_on(encoded).unwrap().visual_tokens;
    let picture = Media::only(visual_tokens.dims()[0]);
    let sequence = Sequence::from_numbers(&[7, 300, -200, 12, 7, 5], picture).unwrap();
    let embeds = block_on(model.embed(&sequence, |_| Ok(visual_tokens.clone()))).unwrap();
    let mut cache = KvCache::new(&model.config.decoder, 64, &model.device.device);
    let hidden = model.decoder.forward(embeds, &model.rope, &mut cache);
    let logits = block_on(read(model.decoder.logits(hidden, 3))).unwrap();
    (block_on(read(visual_tokens)).unwrap(), logits)
}

/// The root of the mean square of the differences, over that of `expected`.
fn error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    let squares = pairs.fold((0.0, 0.0), |(error, energy), (a, b)| {
        assert!(a.is_finite());
        (error + (a - b).powi(2), energy + b.powi(2))
    });
    (squares.0 / squares.1).sqrt()
}

/// As the checkpoint, as far as the bits go; and on the GPU as on the CPU.
#[test]
fn they_compute_what_the_checkpoint_does() {
    for (name, precision, limit) in [
        ("tiny", "f32", 0.0),
        ("tiny-n4-f16", "f16", 0.0),
        ("tiny-n2-bf16", "q8", 0.03),
        ("tiny", "q4", 0.35),
    ] {
        let converted = convert(name, precision);
        let folder = converted.path().join("model");
        let (vision, logits) = outputs(&load_folder(&folder, "cpu"));
        let (expected_vision, expected_logits) = outputs(&load(name, "cpu"));
        for (found, expected) in [(&vision, &expected_vision), (&logits, &expected_logits)] {
            let error = error(found, expected);
            assert!(error <= limit, "{name} in {precision}: {error}");
            assert!(
                limit == 0.0 || error > 0.0,
                "{name} in {precision} lost nothing?"
            );
        }
        let (on_gpu, gpu_logits) = outputs(&load_folder(&folder, "wgpu"));
        let (vision, logits) = (error(&on_gpu, &vision), error(&gpu_logits, &logits));
        // The processor rounds to 16 bits what it multiplies with quantised weights.
        let limit = if limit == 0.0 { 1e-5 } else { 3e-4 };
        assert!(
            vision < limit && logits < limit,
            "{name}: {vision}, {logits}"
        );
    }
}

#[test]
fn what_is_missing_is_named() {
    let converted = convert("tiny", "q8");
    let folder = converted.path().join("model");
    let load = |folder: &Path| {
        let device = crate::device("cpu");
        let mut watch = Watch::nobody();
        let loaded = Model::load(Folder::new(folder), &device, None, &mut watch);
        block_on(loaded).err().unwrap()
    };
    fs::remove_file(folder.join("shard-00002.bin")).unwrap();
    let error = load(&folder);
    assert!(matches!(error, Error::FileMissing { .. }), "{error}");
    assert!(error.to_string().contains("shard-00002.bin"), "{error}");

    let shard = folder.join("shard-00001.bin");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() / 2]).unwrap();
    let error = load(&folder);
    assert!(matches!(error, Error::FileAccess { .. }), "{error}");

    let manifest = folder.join("manifest.json");
    let json = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        json.replace("model.norm.weight", "model.nrom.weight"),
    )
    .unwrap();
    let error = load(&folder);
    assert!(matches!(error, Error::TensorMissing { .. }), "{error}");
    assert!(error.to_string().contains("model.norm.weight"), "{error}");
}

/// What a device holds is compared with the files as they are now, and with the right places of them.
#[test]
fn what_is_on_the_device_is_read_back() {
    let converted = convert("tiny", "q4");
    let folder = converted.path().join("model");
    for device in ["cpu", "wgpu"] {
        let model = load_folder(&folder, device);
        let report = block_on(model.read_back(300, 1)).unwrap();
        assert_eq!(report.names.len(), 300, "{device}");
        assert!(report.bytes > 300_000, "{device}: {}", report.bytes);
        let some = |part: &str| report.names.iter().any(|name| name.contains(part));
        assert!(some("lm_head") && some("vision_tower") && some("layers.0.mlp"));
    }

    // A memory map shows what becomes of its file; a GPU keeps what it was given.
    let model = load_folder(&folder, "wgpu");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "bin") {
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 16;
            // With its old time: that a file was written to is seen before anything is compared.
            let written = fs::metadata(&path).unwrap().modified().unwrap();
            fs::write(&path, bytes).unwrap();
            let open = fs::OpenOptions::new().write(true).open(&path);
            open.unwrap().set_modified(written).unwrap();
        }
    }
    let error = block_on(model.read_back(300, 1)).err().unwrap();
    assert!(
        error.to_string().contains("is not what its file says"),
        "{error}"
    );
}

/// What was read first is of another model than what is read last: exchanged file by file, or the folder at once.
#[test]
fn a_model_that_changes_while_it_is_loaded_is_none() {
    /// What is done to the folder, and what is named then.
    type Exchange = (fn(&Path), &'static str);
    let exchanges: [Exchange; 2] = [
        (
            |folder| {
                let manifest = folder.join("manifest.json");
                let next = folder.join("next");
                fs::copy(&manifest, &next).unwrap();
                fs::rename(next, manifest).unwrap();
            },
            "manifest.json",
        ),
        (
            |folder| {
                let away = folder.with_file_name("away");
                if !away.exists() {
                    fs::rename(folder, &away).unwrap();
                    fs::create_dir(folder).unwrap();
                    for entry in fs::read_dir(&away).unwrap() {
                        let path = entry.unwrap().path();
                        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
                    }
                }
            },
            "model",
        ),
    ];
    for (exchange, named) in exchanges {
        let converted = convert("tiny", "q8");
        let folder = converted.path().join("model");
        let device = crate::device("cpu");
        let mut watch = Watch::new(Default::default(), |_| exchange(&folder));
        let loaded = Model::load(Folder::new(&folder), &device, None, &mut watch);
        let error = block_on(loaded).err().expect("it is of two states");
        assert_eq!(error.code(), "model-changed", "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn a_scale_that_is_no_number_is_refused() {
    let converted = convert("tiny", "q4");
    let folder = converted.path().join("model");
    let manifest = fs::read(folder.join("manifest.json")).unwrap();
    let manifest = Manifest::from_json("manifest.json", &manifest).unwrap();
    let name = "lm_head.weight";
    let stored = &manifest.tensors[name];
    let piece = stored.pieces[0];
    let end = piece.offset + stored.dtype.bytes(piece.rows, &stored.shape[1..]).unwrap();
    let shard = folder.join(&manifest.shards[piece.shard].file);
    let mut bytes = fs::read(&shard).unwrap();
    bytes[end as usize - 4..end as usize].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&shard, bytes).unwrap();
    for device in ["cpu", "wgpu"] {
        let device = crate::device(device);
        let mut watch = Watch::nobody();
        let loaded = Model::load(Folder::new(&folder), &device, None, &mut watch);
        let error = block_on(loaded).err().unwrap();
        let expected = format!(
            "tensor {name}: the scale of row {} is not finite",
            piece.rows - 1
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

#[test]
fn a_checkpoint_s_processor_is_read_with_its_configuration() {
    let dir = tempfile::tempdir().expect("a folder");
    for file in ["config.json", "preprocessor_config.json"] {
        fs::copy(fixture("tiny").join(file), dir.path().join(file)).expect("copied");
    }
    let read = || block_on(read_config(&Folder::new(dir.path()))).map(|_| ());
    assert!(read().is_ok());
    let file = dir.path().join("preprocessor_config.json");
    fs::write(&file, "{\"do_normalize\": false}").expect("written");
    let error = read().expect_err("not normalised");
    assert!(
        error.to_string().contains(&file.display().to_string()),
        "{error}"
    );
    fs::remove_file(file).expect("removed");
    assert!(read().is_ok());
}
