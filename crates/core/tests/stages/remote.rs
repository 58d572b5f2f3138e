//! A checkpoint on a server, converted while it is read: what the page keeps is what `inf-llava convert` writes.

use std::fs;

use inf_llava_core::error::{Error, Result};
use inf_llava_core::progress::Watch;
use inf_llava_core::weights::about::About;
use inf_llava_core::weights::arrange::Precision;
use inf_llava_core::weights::checkpoint::Checkpoint;
use inf_llava_core::weights::convert::Conversion;
use inf_llava_core::weights::folder::Folder;
use inf_llava_core::weights::manifest::HashedFile;
use inf_llava_core::weights::remote::{Part, Plan, Remote};
use inf_llava_core::weights::settings::read_checkpoint_config;

use crate::block_on;
use crate::shards::{Server, sha256};
use crate::weights::family;

const SHARD_BYTES: u64 = 256 << 10;

type OnServer = Remote<std::rc::Rc<Server>>;

fn open(server: std::rc::Rc<Server>) -> Result<OnServer> {
    let (name, commit) = ("owner/name".into(), "c0ffee".into());
    block_on(Remote::divided(
        server,
        name,
        commit,
        Precision::Q4,
        SHARD_BYTES,
    ))
}

fn hashed(part: &Part, bytes: &[u8]) -> HashedFile {
    assert_eq!(part.bytes, bytes.len() as u64, "{}", part.file);
    HashedFile {
        file: part.file.clone(),
        bytes: part.bytes,
        sha256: sha256(bytes),
    }
}

#[test]
fn the_manifest_and_all_it_names_are_those_of_the_program() {
    for name in [
        "smolvlm-tiny",
        "llava-next-clip-mistral",
        "llava-original",
        "llava-clip-llama",
    ] {
        let folder = family::folder(name);
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("to");
        let native = Folder::new(&folder);
        let config = block_on(read_checkpoint_config(&native, None)).unwrap();
        let about = About::read(&native, "owner/name".into(), "c0ffee".into());
        let (mut about, _) = block_on(about).unwrap();
        block_on(about.add_processors(&native, &config)).unwrap();
        let checkpoint = block_on(Checkpoint::open(native)).unwrap();
        let (weights, q4) = (config.weights(), Precision::Q4);
        let conversion = Conversion::new(&checkpoint, &weights, q4, SHARD_BYTES, about, &to);
        let written = conversion.unwrap().run(&mut Watch::nobody()).unwrap();

        let remote = open(Server::of(&folder)).unwrap();
        let Plan {
            shards,
            files,
            embeddings,
            ..
        } = block_on(remote.plan()).unwrap();
        let shard = |(index, part): (usize, &Part)| {
            let made = block_on(remote.shard(index, &mut Watch::nobody())).unwrap();
            assert!(
                fs::read(to.join(&part.file)).unwrap() == made,
                "{}",
                part.file
            );
            hashed(part, &made)
        };
        let made = shards.iter().enumerate().map(shard).collect();
        let file = |part: &Part| {
            let bytes = block_on(remote.file(&part.file)).unwrap();
            assert!(
                fs::read(to.join(&part.file)).unwrap() == bytes,
                "{}",
                part.file
            );
            hashed(part, &bytes)
        };
        let copied = files.iter().map(file).collect();
        let json = remote.manifest(made, copied).unwrap();
        let expected = fs::read(to.join("manifest.json")).unwrap();
        assert_eq!(
            String::from_utf8(json),
            String::from_utf8(expected),
            "{name}"
        );

        // What is planned is what is read, and where the embeddings are.
        let stored = &written.tensors["model.embed_tokens.weight"];
        let with: Vec<usize> = stored.pieces.iter().map(|piece| piece.shard).collect();
        assert_eq!(embeddings, with);
        let planned: u64 = shards.iter().map(|part| part.source_bytes).sum();
        assert!(planned <= checkpoint.stored_bytes(), "{name}");
        assert!(planned > checkpoint.stored_bytes() / 2, "{name}: {planned}");
    }
}

#[test]
fn what_cannot_be_converted_is_refused_before_a_shard_is_made() {
    let whole = Server::of(&family::folder("smolvlm-tiny")).files.0.clone();
    let without = |file: &str| {
        let mut files = whole.clone();
        files.remove(file);
        files
    };
    let refused = |files| {
        let error = open(Server::with(files)).err().expect("refused");
        (error.code(), error.to_string())
    };
    let (code, message) = refused(without("config.json"));
    assert_eq!(code, "file-missing", "{message}");
    let (code, message) = refused(without("model.safetensors"));
    assert_eq!(code, "file-missing", "{message}");

    // Only what torch.save wrote: the message says which command reads it.
    let mut files = without("model.safetensors");
    files.insert("pytorch_model.bin".into(), vec![0; 10]);
    let (code, message) = refused(files);
    assert!(
        code == "checkpoint" && message.contains("inf-llava convert"),
        "{message}"
    );

    // Another kind of model is named before its weights are looked at.
    let mut files = without("model.safetensors");
    files.insert(
        "config.json".into(),
        br#"{"model_type": "florence2", "vocab_size": 9}"#.to_vec(),
    );
    let (code, message) = refused(files);
    assert!(
        code == "config" && message.contains("florence2"),
        "{message}"
    );

    // A tensor that the configuration promises and the file lacks.
    let mut files = whole.clone();
    let mut config: serde_json::Value = serde_json::from_slice(&files["config.json"]).unwrap();
    let layers = config["text_config"]["num_hidden_layers"].as_u64().unwrap();
    config["text_config"]["num_hidden_layers"] = (layers + 1).into();
    files.insert("config.json".into(), config.to_string().into_bytes());
    let (code, message) = refused(files);
    assert!(code == "tensor-missing", "{message}");
}

#[test]
fn only_what_is_planned_is_given() {
    let remote = open(Server::of(&family::folder("smolvlm-tiny"))).unwrap();
    for file in ["config.json", "../tokenizer.json", "expected.json", ""] {
        let error = block_on(remote.file(file)).unwrap_err();
        assert!(
            matches!(error, Error::FileMissing { .. }),
            "{file}: {error}"
        );
    }
    let count = block_on(remote.plan()).unwrap().shards.len();
    let error = block_on(remote.shard(count, &mut Watch::nobody())).unwrap_err();
    assert_eq!(error.code(), "option");
    // Hashes of other shards are no manifest.
    let error = remote.manifest(Vec::new(), Vec::new()).unwrap_err();
    assert_eq!(error.code(), "manifest", "{error}");
}
