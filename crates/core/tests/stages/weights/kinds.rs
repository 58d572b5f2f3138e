//! Checkpoint folders as other people's programs leave them: read where it is plain what is meant, else told by what they are.

use std::fs;
use std::path::Path;

use inf_llava_core::weights::converted::read_manifest;
use inf_llava_core::weights::manifest::MANIFEST_FILE;
use inf_llava_core::weights::missing::folder_of;
use inf_llava_core::weights::pickle::state_dict;
use inf_llava_core::weights::source::{Memory, require_file};

use super::*;

const EMBEDDINGS: &str = "model.embed_tokens.weight";

/// What is said of a folder that has such files and no weights.
fn told(files: &[&str]) -> String {
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| (*file, &b"x"[..])).collect();
    let dir = folder(&files);
    let error = open(dir.path()).err().expect("no weights");
    assert!(
        matches!(error.code(), "checkpoint" | "file-missing"),
        "{error}"
    );
    error.to_string()
}

#[test]
fn a_folder_without_weights_is_told_by_what_it_holds() {
    for (files, words) in [
        (
            &[
                "config.json",
                "adapter_config.json",
                "adapter_model.safetensors",
            ][..],
            vec!["adapter", "merge"],
        ),
        (
            &["adapter_config.json", "adapter_model.bin"],
            vec!["adapter", "no config.json"],
        ),
        (
            &["config.json", "non_lora_trainables.bin"],
            vec!["LLaVA", "merge"],
        ),
        (
            &["config.json", "mm_projector.bin"],
            vec!["mm_projector.bin", "merge"],
        ),
        (
            &["config.json", "model-Q4_K_M.gguf"],
            vec!["llama.cpp", "checkpoint that it was made from"],
        ),
        (
            &["config.json", "zero_to_fp32.py", "latest"],
            vec!["DeepSpeed", "zero_to_fp32.py ."],
        ),
        (
            &["config.json", "__0_0.distcp"],
            vec!["FSDP", "merge-weights"],
        ),
        (&["params.json", "consolidated.00.pth"], vec!["Meta"]),
        (
            &["config.json", "pytorch_model.bin"],
            vec!["torch.save", "inf-llava convert"],
        ),
        (
            &[
                "config.json",
                "pytorch_model.bin.index.json",
                "pytorch_model-00001-of-00002.bin",
            ],
            vec!["inf-llava convert"],
        ),
        (
            &["config.json", "model.safetensors.incomplete"],
            vec!["cut off", "again"],
        ),
        (
            &["config.json", "model-00001-of-00002.safetensors"],
            vec!["index"],
        ),
        (&["config.json", "decoder_model.onnx"], vec!["ONNX"]),
        (&["config.json", "tf_model.h5"], vec!["TensorFlow"]),
        (&["config.json", "flax_model.msgpack"], vec!["Flax"]),
        (
            &["config.json", "last.ckpt"],
            vec!["last.ckpt", "pytorch_model.bin"],
        ),
        (
            &["config.json", "weights.safetensors"],
            vec!["weights.safetensors", SINGLE],
        ),
    ] {
        let message = told(files);
        for word in words {
            assert!(message.contains(word), "{word:?} is not in {message:?}");
        }
    }
    // Nothing shows anything.
    assert!(told(&["config.json", "notes.txt"]).contains("is missing"));
}

/// A server has no list of its files, so it is asked for what `torch.save` writes.
#[test]
fn a_server_with_other_weights_is_told_by_what_it_holds() {
    let told = |files: &[&str]| {
        let files = files.iter().map(|file| (file.to_string(), b"x".to_vec()));
        let opened = Checkpoint::open(Memory(files.collect()));
        crate::block_on(opened).err().expect("no weights")
    };
    for file in ["pytorch_model.bin", "pytorch_model.bin.index.json"] {
        let error = told(&["config.json", file]);
        assert_eq!(error.code(), "checkpoint");
        assert_says(&error, &[file, "torch.save", "inf-llava convert", SINGLE]);
    }
    let error = told(&["config.json"]);
    assert!(
        matches!(&error, Error::FileMissing { file } if file.contains(SINGLE)),
        "{error:?}"
    );
    // Beside safetensors it is not looked at.
    assert_says(
        &told(&[SINGLE, "pytorch_model.bin"]),
        &["no safetensors file"],
    );
}

#[test]
fn a_folder_around_a_model_names_the_model() {
    let dir = tempfile::tempdir().expect("a folder");
    for inner in ["checkpoint-500", "models--a--b/snapshots/0123"] {
        fs::create_dir_all(dir.path().join(inner)).expect("a folder");
        fs::write(dir.path().join(inner).join("config.json"), "{}").expect("a file");
    }
    let missing = |path: &Path| {
        let folder = Folder::new(path);
        let config = require_file(&folder, "config.json", 9);
        crate::block_on(config).expect_err("no config").to_string()
    };
    assert!(
        missing(dir.path()).contains("\"checkpoint-500\""),
        "{}",
        missing(dir.path())
    );
    let cached = missing(&dir.path().join("models--a--b"));
    assert!(cached.contains("snapshots/0123"), "{cached}");
    let snapshots = missing(&dir.path().join("models--a--b/snapshots"));
    assert!(snapshots.contains("0123"), "{snapshots}");

    // The older layout of a tokenizer.
    let slow = folder(&[("tokenizer.model", b"x")]);
    let slow = Folder::new(slow.path());
    let tokenizer = require_file(&slow, "tokenizer.json", 9);
    let error = crate::block_on(tokenizer).expect_err("none").to_string();
    assert!(error.contains("AutoTokenizer"), "{error}");
}

#[test]
fn whole_weights_without_a_configuration_are_told_as_that() {
    for files in [
        &[
            (INDEX, &b"{}"[..]),
            ("model-00001-of-00002.safetensors", b"x"),
        ][..],
        &[(SINGLE, b"x")],
    ] {
        let dir = folder(files);
        let source = Folder::new(dir.path());
        let config = require_file(&source, "config.json", 9);
        let error = crate::block_on(config).expect_err("no config").to_string();
        assert_eq!(error.matches("config.json").count(), 1, "{error}");
        assert!(error.contains(files[0].0), "{error}");
        assert!(!error.contains("without their index"), "{error}");
    }
    // Of shards alone the index is told, and the configuration once.
    let dir = folder(&[("model-00001-of-00002.safetensors", b"x")]);
    let source = Folder::new(dir.path());
    let error = crate::block_on(require_file(&source, "config.json", 9));
    let error = error.expect_err("no config").to_string();
    assert_eq!(error.matches("no config.json").count(), 1, "{error}");
    assert!(error.contains("index"), "{error}");
}

#[test]
fn a_file_of_a_model_means_its_folder() {
    let dir = folder(&[
        ("config.json", b"{}"),
        (SINGLE, b"x"),
        ("tokenizer.json", b"{}"),
        ("a.gguf", b"x"),
        ("a.png", b"x"),
    ]);
    for file in ["config.json", SINGLE, "tokenizer.json", ""] {
        assert_eq!(
            folder_of(&dir.path().join(file)),
            Ok(dir.path().join("")),
            "{file}"
        );
    }
    for (file, words) in [
        ("a.gguf", ["llama.cpp", "a.gguf"]),
        ("a.png", ["a model is a folder", "a.png"]),
    ] {
        assert_says(&folder_of(&dir.path().join(file)).expect_err(file), &words);
    }
    let error = folder_of(&dir.path().join("none")).expect_err("none");
    assert!(matches!(error, Error::FileMissing { .. }), "{error:?}");
    // Beside no model it means none.
    let alone = folder(&[(SINGLE, b"x")]);
    assert!(folder_of(&alone.path().join(SINGLE)).is_err());
}

#[test]
fn the_names_of_wrappers_are_left_out() {
    let values = [1.0, 2.0];
    let opened = |names: &[&str]| {
        let tensors: Vec<Stored> = names
            .iter()
            .map(|name| f32s(name, &[1, 2], &values))
            .collect();
        let dir = folder(&[(SINGLE, &shard(&tensors))]);
        let checkpoint = open(dir.path())?;
        let wanted = [
            EMBEDDINGS,
            "model.layers.0.mlp.up_proj.weight",
            "lm_head.weight",
        ];
        wanted
            .iter()
            .try_for_each(|name| read(&checkpoint, name, &[1, 2]).map(|_| ()))
    };
    for [embeddings, up, head] in [
        [
            EMBEDDINGS,
            "model.layers.0.mlp.up_proj.weight",
            "lm_head.weight",
        ],
        // DataParallel, once and twice; torch.compile; FSDP; a class around it, such as Lightning's.
        [
            "module.model.embed_tokens.weight",
            "module.model.layers.0.mlp.up_proj.weight",
            "module.lm_head.weight",
        ],
        [
            "module.module.model.embed_tokens.weight",
            "module.module.model.layers.0.mlp.up_proj.weight",
            "module.module.lm_head.weight",
        ],
        [
            "_orig_mod.model.embed_tokens.weight",
            "_orig_mod.model.layers.0.mlp.up_proj.weight",
            "_orig_mod.lm_head.weight",
        ],
        [
            "_fsdp_wrapped_module.model.embed_tokens.weight",
            "_fsdp_wrapped_module.model.layers.0._fsdp_wrapped_module._checkpoint_wrapped_module.mlp.up_proj.weight",
            "_fsdp_wrapped_module.lm_head.weight",
        ],
        [
            "base_model.model.model.embed_tokens.weight",
            "base_model.model.model.layers.0.mlp.up_proj.weight",
            "base_model.model.lm_head.weight",
        ],
        [
            "model.model.embed_tokens.weight",
            "model.model.layers.0.mlp.up_proj.weight",
            "model.lm_head.weight",
        ],
    ] {
        assert_eq!(opened(&[embeddings, up, head]), Ok(()), "{embeddings}");
    }
    let twice = opened(&[
        "module.model.embed_tokens.weight",
        "module.a.weight",
        "a.weight",
    ]);
    assert_says(&twice.expect_err("ambiguous"), &["a.weight", "two tensors"]);
}

#[test]
fn weights_that_others_have_quantised_or_not_merged_are_named() {
    let name = "model.layers.0.mlp.up_proj.weight";
    let stem = "model.layers.0.mlp.up_proj";
    let bytes = |name: &'static str, dtype| (name, dtype, vec![4, 1], vec![0; 4]);
    let message = |tensors: &[Stored]| {
        let dir = folder(&[(SINGLE, &shard(tensors))]);
        let checkpoint = open(dir.path()).expect("a file");
        read(&checkpoint, name, &[2, 4])
            .expect_err("quantised")
            .to_string()
    };
    for beside in [
        "model.layers.0.mlp.up_proj.SCB",
        "model.layers.0.mlp.up_proj.weight.absmax",
        "model.layers.0.mlp.up_proj.weight.quant_state.bitsandbytes__nf4",
        "model.layers.0.mlp.up_proj.weight_scale",
        "model.layers.0.mlp.up_proj.weight_scale_inv",
        "model.layers.0.mlp.up_proj.scales",
    ] {
        let said = message(&[
            bytes("model.layers.0.mlp.up_proj.weight", Dtype::U8),
            f32s(beside, &[1], &[1.0]),
        ]);
        for word in [name, beside, "quantised by another program", "BF16"] {
            assert!(said.contains(word), "{word:?} is not in {said:?}");
        }
    }
    for beside in [
        "model.layers.0.mlp.up_proj.qweight",
        "model.layers.0.mlp.up_proj.weight_packed",
    ] {
        let said = message(&[f32s(beside, &[1], &[1.0])]);
        assert!(
            said.contains(beside) && said.contains("quantised"),
            "{said}"
        );
    }
    for part in ["lora_A.default.weight", "base_layer.weight"] {
        let part = format!("base_model.model.{stem}.{part}");
        let said = message(&[f32s(&part, &[1], &[1.0])]);
        assert!(
            said.contains("adapter") && said.contains("merge_and_unload"),
            "{said}"
        );
    }
    // The weight as it was before tuning is there, which the model would answer from.
    for beside in [
        "model.layers.0.mlp.up_proj.lora_A.weight",
        "model.layers.0.mlp.up_proj.lora_B.default.weight",
    ] {
        let said = message(&[f32s(name, &[2, 4], &[1.0; 8]), f32s(beside, &[1], &[1.0])]);
        assert!(
            said.contains(beside) && said.contains("merge_and_unload"),
            "{said}"
        );
    }
    // Fewer bits without anything beside: the type is told before the shape.
    let said = message(&[bytes("model.layers.0.mlp.up_proj.weight", Dtype::F8_E4M3)]);
    assert!(said.contains("F8_E4M3") && said.contains("BF16"), "{said}");
}

#[test]
fn weights_and_indices_that_are_no_such_files_are_named() {
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 4976698672\n";
    let xml = b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>";
    let zip = b"PK\x03\x04........";
    for (bytes, words) in [
        (&lfs[..], ["Git LFS", "4976698672"]),
        (xml, ["XML", "NoSuchKey"]),
        (b"<html>", ["web page", "download"]),
        (zip, ["zip", "pytorch_model.bin"]),
        (b"GGUF\x03\0\0\0\0", ["GGUF", "llama.cpp"]),
        (b"", ["empty", "again"]),
    ] {
        let error = open(folder(&[(SINGLE, bytes)]).path())
            .err()
            .expect("refused");
        assert_says(&error, &[SINGLE]);
        assert_says(&error, &words);
        if bytes == b"GGUF\x03\0\0\0\0" || bytes == zip {
            continue;
        }
        let error = open(folder(&[(INDEX, bytes)]).path())
            .err()
            .expect("refused");
        assert_says(&error, &[INDEX]);
        assert_says(&error, &words);
        let error = state_dict(bytes).expect_err("no pickle");
        assert!(!error.is_empty());
    }
    // A mark before the index is none of it; a shard that it names and that is not there is told with it.
    let map = [&b"\xEF\xBB\xBF"[..], &index(&[("a", "b.safetensors")])].concat();
    let error = open(folder(&[(INDEX, &map)]).path())
        .err()
        .expect("no shard");
    assert!(matches!(error, Error::FileMissing { .. }), "{error:?}");
    assert_says(&error, &["b.safetensors", INDEX]);
}

#[test]
fn a_manifest_is_looked_for_first_and_one_of_another_kind_is_none() {
    let manifest = |files: &[(&str, &[u8])]| {
        let dir = folder(files);
        crate::block_on(read_manifest(&Folder::new(dir.path()))).map(|manifest| manifest.is_some())
    };
    let site: &[u8] = br#"{"name": "An app", "start_url": "/"}"#;
    let (page, config): (&[u8], &[u8]) = (b"<!doctype html>", b"{}");
    assert_eq!(manifest(&[("config.json", config)]), Ok(false));
    assert_eq!(
        manifest(&[(MANIFEST_FILE, site), ("config.json", config)]),
        Ok(false)
    );
    assert_eq!(
        manifest(&[(MANIFEST_FILE, page), ("config.json", config)]),
        Ok(false)
    );
    // Alone, it is what is wrong.
    assert_says(
        &manifest(&[(MANIFEST_FILE, page)]).expect_err("a page"),
        &[MANIFEST_FILE, "web page"],
    );
    // One of ours counts though a config.json lies beside it.
    let ours: &[u8] = b"\xEF\xBB\xBF{\"format\": \"inf-llava\", \"version\": 7}";
    let error = manifest(&[(MANIFEST_FILE, ours), ("config.json", config)]).expect_err("version 7");
    assert_says(&error, &["version 7"]);
}

/// A pickle: `PROTO 2`, what `code` says, `STOP`.
pub fn pickled(code: &[u8]) -> Vec<u8> {
    [b"\x80\x02", code, b"."].concat()
}

fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("short").to_le_bytes();
    [&b"X"[..], &length, text.as_bytes()].concat()
}

/// A dict of these.
pub fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries = entries
        .iter()
        .flat_map(|(name, value)| [text(name), value.clone()].concat());
    [&b"}("[..], &entries.collect::<Vec<u8>>(), b"u"].concat()
}

/// `torch._utils._rebuild_tensor_v2(storage, 0, (2,), (1,))`
pub fn tensor() -> Vec<u8> {
    let storage = [
        &b"("[..],
        &text("storage"),
        b"ctorch\nFloatStorage\n",
        &text("0"),
        &text("cpu"),
        b"K\x02tQ",
    ];
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n(",
        &storage.concat()[..],
        b"K\x00K\x02\x85K\x01\x85tR",
    ]
    .concat()
}

#[test]
fn a_state_dict_within_another_dict_is_read_and_several_are_told_apart() {
    let weights = || dict(&[("w", tensor())]);
    // Adam's state: by number, a dict of tensors each.
    let adam = || [&b"}K\x00"[..], &dict(&[("exp_avg", tensor())]), b"s"].concat();
    let optimizer = || dict(&[("state", adam()), ("param_groups", b"]".to_vec())]);
    let step = || b"K\x07".to_vec();
    for saved in [
        weights(),
        dict(&[("state_dict", weights())]),
        dict(&[
            ("epoch", step()),
            ("model", weights()),
            ("optimizer", optimizer()),
        ]),
        dict(&[("module", weights()), ("global_steps", step())]),
        dict(&[
            ("model_state_dict", weights()),
            ("optimizer_state_dict", optimizer()),
        ]),
    ] {
        let found = state_dict(&pickled(&saved)).expect("a state dict");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["w"]);
        assert_eq!(found["w"].shape, [2]);
    }
    for (saved, words) in [
        (
            dict(&[("model", weights()), ("ema", weights())]),
            ["\"model\"", "\"ema\""],
        ),
        (
            dict(&[("optimizer", optimizer())]),
            ["no tensor", "state_dict()"],
        ),
        (b"]".to_vec(), ["no state dict", "state_dict()"]),
        (b"cmy\nModel\n)R".to_vec(), ["my Model", "state_dict()"]),
    ] {
        let error = state_dict(&pickled(&saved)).expect_err("refused");
        assert!(
            words.iter().all(|word| error.contains(word)),
            "{words:?}: {error}"
        );
    }
}
