//! The spellings of tensor names: each layout's are read as one.

use std::borrow::Cow;
use std::io::Write;

use inf_llava_core::spec::{DECODER, DEM, EMBEDDINGS, NEWLINE, PERCEIVER, PROJECTOR, SHUFFLE};
use inf_llava_core::weights::source::Memory;
use inf_llava_core::weights::spelling::canonical;
use proptest::prelude::*;

use super::kinds::{dict, pickled, tensor};
use super::*;

/// Name in a file, name in `spec`.
fn pairs() -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut add = |there: &[&str], here: &str, rests: &[&str]| {
        for (there, rest) in there
            .iter()
            .flat_map(|there| rests.iter().map(move |rest| (there, rest)))
        {
            pairs.push((format!("{there}{rest}"), format!("{here}{rest}")));
        }
    };
    let decoder = [
        "embed_tokens.weight",
        "layers.0.self_attn.q_proj.weight",
        "layers.11.self_attn.rotary_emb.inv_freq",
        "layers.3.mlp.up_proj.weight.absmax",
        "norm.weight",
        "rotary_emb.inv_freq",
    ];
    let decoders = [
        "language_model.model.",
        "language_model.",
        "model.language_model.model.",
        "model.language_model.",
        "model.text_model.",
        "",
    ];
    add(&decoders, &format!("{DECODER}."), &decoder);
    let heads = ["language_model.", "model.language_model."];
    add(&heads, "", &["lm_head.weight", "lm_head.SCB"]);
    let tower = [
        "embeddings.class_embedding",
        "embeddings.position_ids",
        "pre_layrnorm.bias",
        "encoder.layers.23.mlp.fc1.weight",
        "post_layernorm.weight",
        "head.attention.in_proj_weight",
    ];
    let towers = [
        "vision_tower.",
        "vision_tower.vision_model.",
        "model.vision_tower.",
        "model.vision_tower.vision_model.",
        "model.vision_tower.vision_tower.",
        "vision_tower.vision_tower.vision_model.",
        "model.vision_model.",
    ];
    add(&towers, &format!("{TOWER}."), &tower);
    for (there, here) in [("linear_1.", "0."), ("linear_2.", "2.")] {
        let projectors =
            ["", "model."].map(|front| format!("{front}multi_modal_projector.{there}"));
        let projectors = projectors.each_ref().map(String::as_str);
        add(
            &projectors,
            &format!("{PROJECTOR}.{here}"),
            &["weight", "bias"],
        );
    }
    let lone = ["weight", "bias"];
    add(
        &[&format!("{PROJECTOR}.")],
        &format!("{PROJECTOR}.0."),
        &lone,
    );
    add(&["image_newline"], NEWLINE, &[""]);
    pairs
}

#[test]
fn every_spelling_becomes_the_one_of_spec() {
    let pairs = pairs();
    assert!(pairs.len() > 80, "{}", pairs.len());
    for (there, here) in pairs {
        assert_eq!(canonical(&there), here, "{there}");
        assert_eq!(canonical(&here), here, "{here}");
    }
}

#[test]
fn names_that_are_right_or_of_something_else_stay() {
    let mut names: Vec<String> = released_tensors().into_keys().collect();
    names.extend(
        family::NAMES
            .map(|name| family::model(name).weights())
            .concat()
            .into_iter()
            .map(|w| w.name),
    );
    names.push(format!("{DEM}.conv_fuse.weight"));
    names.push(format!("{PERCEIVER}.query"));
    names.push(format!("{SHUFFLE}.modality_projection.proj.weight"));
    // CLIP's and SigLIP's own checkpoints, and what other models have.
    for name in [
        "vision_model.embeddings.patch_embedding.weight",
        "vision_model.encoder.layers.0.mlp.fc1.weight",
        "vision_model.head.probe",
        "text_model.encoder.layers.0.mlp.fc1.weight",
        "text_model.embeddings.token_embedding.weight",
        "visual_projection.weight",
        "logit_scale",
        "model.vision_tower.vision_tower.text_model.encoder.layers.0.mlp.fc1.weight",
        "model.vision_tower.vision_tower.logit_scale",
        "model.mm_projector.readout.weight",
        "multi_modal_projector.layer_norm.weight",
        "language_model.transformer.h.0.attn.weight",
        "transformer.layers.0.weight",
        "vision_tower.blocks.0.weight",
        "model.image_newlines",
        "image_newline.0",
        "value_head.weight",
        "",
        ".",
        "model",
        "model.",
        "model.model.model.",
        "model.model.layers.0.mlp.up_proj.weight",
        "model.model.language_model.layers.0.mlp.up_proj.weight",
        "language_model.",
        "language_model.model.",
        "language_model.model.language_model.layers.0",
        "vision_tower.",
        "vision_tower.vision_tower.",
        "layersx.0",
        "Layers.0",
        "model.language_model",
        "\u{202e}layers.0",
    ] {
        names.push(name.into());
    }
    for name in names {
        assert!(
            matches!(canonical(&name), Cow::Borrowed(same) if same == name),
            "{name}"
        );
    }
    let long = "layers.".repeat(1 << 20);
    assert_eq!(canonical(&long).len(), long.len() + "model.".len());
    assert_eq!(
        canonical(&"model.".repeat(1 << 20)),
        "model.".repeat(1 << 20)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn a_canonical_name_is_its_own(parts in prop::collection::vec(prop::sample::select(vec![
        "model", "language_model", "text_model", "vision_model", "vision_tower", "layers", "0", "norm", "weight", "bias",
        "embed_tokens", "lm_head", "multi_modal_projector", "linear_1", "linear_2", "mm_projector", "image_newline", "",
        "embeddings", "encoder", "post_layernorm", "head", "connector", "rotary_emb",
    ]), 0..7), odd in ".{0,12}") {
        let name = parts.join(".");
        for name in [name.clone(), odd.clone(), format!("{name}.{odd}"), format!("{odd}.{name}")] {
            let once = canonical(&name).into_owned();
            prop_assert_eq!(canonical(&once).into_owned(), once.clone(), "{}", name);
        }
    }
}

/// Each fixture's own file: the names of `spec` are all there, and what else is there is known.
#[test]
fn every_checkpoint_of_the_family_is_whole() {
    for name in family::NAMES {
        let model = family::model(name);
        let weights = model.weights();
        let checkpoint = open(&family::folder(name)).expect(name);
        for Weight {
            name: tensor,
            shape,
            ..
        } in &weights
        {
            assert_eq!(checkpoint.check(tensor, shape), Ok(()), "{name}");
        }
        // In another spelling, whichever the file has.
        for tensor in ["norm.weight", "language_model.model.norm.weight"] {
            let shape = [model.decoder.hidden_size];
            assert_eq!(checkpoint.check(tensor, &shape), Ok(()), "{name}");
            let wrong = checkpoint.check(tensor, &[1]).expect_err("a shape");
            assert!(matches!(wrong, Error::TensorShape { .. }), "{wrong:?}");
        }
        assert_eq!(checkpoint.check_all(&weights), Ok(()), "{name}");
        let names = checkpoint.names();
        let read: BTreeSet<&String> = weights.iter().map(|weight| &weight.name).collect();
        for other in names.iter().filter(|name| !read.contains(name)) {
            let later = (model.tower.layers_run()..model.tower.num_hidden_layers)
                .any(|layer| other.starts_with(&format!("{TOWER}.encoder.layers.{layer}.")));
            let known = [".position_ids", ".inv_freq"]
                .iter()
                .any(|end| other.ends_with(end));
            let post = other.starts_with(&format!("{TOWER}.post_layernorm."));
            assert!(later || known || post, "{name}: {other}");
        }
    }
}

/// The tensors of a fixture under other names.
fn respelled(fixture: &str, name: impl Fn(&str) -> String) -> Memory {
    let file = std::fs::read(family::folder(fixture).join(SINGLE)).expect("a file");
    let file = safetensors::SafeTensors::deserialize(&file).expect("safetensors");
    let tensors = file
        .iter()
        .map(|(there, view)| (name(&canonical(there)), view));
    let bytes = serialize(tensors, None).expect("a file");
    Memory([(SINGLE.to_string(), bytes)].into())
}

#[test]
fn one_model_in_every_layout_has_the_same_values() {
    let fixture = "llava-next-clip-llama";
    let weights = family::model(fixture).weights();
    let original = open(&family::folder(fixture)).expect("valid");
    let replaced = |name: &str, from: &str, to: &str| {
        let rest = name.strip_prefix(from);
        rest.map(|rest| format!("{to}{rest}"))
    };
    let tower = format!("{TOWER}.");
    let projector = |name: &str, front: &str| {
        let linear = format!("{front}multi_modal_projector.linear_");
        let second = replaced(name, "model.mm_projector.2.", &format!("{linear}2."));
        second.or_else(|| replaced(name, "model.mm_projector.0.", &format!("{linear}1.")))
    };
    let layouts: [&dyn Fn(&str) -> String; 6] = [
        &|name| name.to_string(),
        // transformers before 5, today's, and since 4.52 its own.
        &|name| {
            let found = replaced(name, &tower, "vision_tower.vision_model.");
            let found = found.or_else(|| projector(name, ""));
            let found = found.or_else(|| replaced(name, NEWLINE, "image_newline"));
            found.unwrap_or_else(|| format!("language_model.{name}"))
        },
        &|name| {
            let found = replaced(name, &tower, "vision_tower.");
            let found = found.or_else(|| projector(name, ""));
            let found = found.or_else(|| replaced(name, NEWLINE, "image_newline"));
            found.unwrap_or_else(|| format!("language_model.{name}"))
        },
        &|name| {
            let found = replaced(name, &tower, "model.vision_tower.");
            let found = found.or_else(|| projector(name, "model."));
            let found = found.or_else(|| (name == NEWLINE).then(|| NEWLINE.into()));
            let found = found.or_else(|| replaced(name, "model.", "model.language_model."));
            found.unwrap_or_else(|| name.to_string())
        },
        // Wrapped for training, and within a class.
        &|name| {
            let found = replaced(name, &tower, "module.vision_tower.vision_model.");
            let found = found.or_else(|| projector(name, "module."));
            let found = found.or_else(|| replaced(name, NEWLINE, "module.image_newline"));
            found.unwrap_or_else(|| format!("module.language_model.{name}"))
        },
        &|name| {
            let found = replaced(name, &tower, "model.model.vision_tower.");
            let found = found.or_else(|| projector(name, "model.model."));
            let found = found.or_else(|| (name == NEWLINE).then(|| format!("model.{NEWLINE}")));
            let found = found.or_else(|| replaced(name, "model.", "model.model.language_model."));
            found.unwrap_or_else(|| format!("model.{name}"))
        },
    ];
    let mut spelled = BTreeSet::new();
    for layout in layouts {
        spelled.insert(layout(EMBEDDINGS) + &layout(&format!("{TOWER}.pre_layrnorm.bias")));
        let checkpoint = crate::block_on(Checkpoint::open(respelled(fixture, layout)));
        let checkpoint = checkpoint.expect("valid");
        assert_eq!(checkpoint.check_all(&weights), Ok(()));
        assert_eq!(checkpoint.names(), original.names());
        for Weight { name, shape, .. } in &weights {
            let value = read(&checkpoint, name, shape).expect("values");
            assert_eq!(Ok(value), read(&original, name, shape), "{name}");
        }
    }
    assert_eq!(spelled.len(), layouts.len());
}

#[test]
fn a_tensor_in_two_spellings_is_refused_by_both_names() {
    let one = |name| f32s(name, &[1], &[1.0]);
    for [a, b] in [
        [
            "language_model.model.norm.weight",
            "model.language_model.norm.weight",
        ],
        ["lm_head.weight", "language_model.lm_head.weight"],
        ["image_newline", "model.image_newline"],
        ["norm.weight", "model.norm.weight"],
        [
            "vision_tower.encoder.layers.0.mlp.fc1.bias",
            "model.vision_model.encoder.layers.0.mlp.fc1.bias",
        ],
    ] {
        let dir = folder(&[(SINGLE, &shard(&[one(a), one(b)]))]);
        let error = open(dir.path()).err().expect("two of one");
        assert_eq!(error.code(), "checkpoint");
        assert_says(
            &error,
            &[
                &format!("{a:?}"),
                &format!("{b:?}"),
                &format!("{:?}", canonical(a)),
                SINGLE,
            ],
        );
        // Of different shards too, unless the index leaves one of them out.
        let shards = [
            ("x.safetensors", shard(&[one(a)])),
            ("y.safetensors", shard(&[one(b)])),
        ];
        let both = index(&[(a, "x.safetensors"), (b, "y.safetensors")]);
        let shards = shards.each_ref().map(|(name, bytes)| (*name, &bytes[..]));
        let dir = folder(&[shards[0], shards[1], (INDEX, &both)]);
        assert_says(&open(dir.path()).err().expect("two of one"), &[a, b]);
        let dir = folder(&[
            shards[0],
            shards[1],
            (INDEX, &index(&[(a, "x.safetensors")])),
        ]);
        let names = open(dir.path()).expect("one of one").names();
        assert_eq!(names, BTreeSet::from([canonical(a).into_owned()]));
    }
    // A name may be as long as a header.
    let long = format!("layers.{}", "x".repeat(1 << 20));
    let dir = folder(&[(SINGLE, &shard(&[one(&long), one(&format!("model.{long}"))]))]);
    let error = open(dir.path()).err().expect("two of one").to_string();
    assert!(error.len() < 1000, "{}", error.len());
}

/// `torch.save` writes one storage for all names of a tensor.
#[test]
fn two_spellings_of_one_place_are_one_tensor() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("pytorch_model.bin");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).expect("a file"));
    let names = ["model.norm.weight", "language_model.model.norm.weight"];
    let pickle = pickled(&dict(&names.map(|name| (name, tensor()))));
    let numbers = [1f32.to_le_bytes(), 2f32.to_le_bytes()].concat();
    for (name, bytes) in [("data.pkl", pickle), ("data/0", numbers)] {
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        let member = archive.start_file(format!("archive/{name}"), stored);
        member.expect("a member");
        archive.write_all(&bytes).expect("its bytes");
    }
    archive.finish().expect("an archive");
    let checkpoint = inf_llava_core::weights::pytorch::open(Folder::new(dir.path()));
    let checkpoint = crate::block_on(checkpoint).expect("one tensor");
    assert_eq!(read(&checkpoint, names[0], &[2]), Ok(vec![1.0, 2.0]));
    assert_eq!(checkpoint.stored_bytes(), 8);
}
