//! What is told of a tensor names it as its file does, in whichever spelling.

use inf_llava_core::spec::EMBEDDINGS;

use super::*;

#[test]
fn errors_name_a_tensor_as_its_file_does() {
    let there = "language_model.model.layers.0.mlp.up_proj.weight";
    let here = "model.layers.0.mlp.up_proj.weight";
    let message = |tensors: &[Stored], name: &str, shape: &[usize]| {
        let dir = folder(&[(SINGLE, &shard(tensors))]);
        let checkpoint = open(dir.path()).expect("a file");
        read(&checkpoint, name, shape).expect_err("refused")
    };
    let good = || f32s(there, &[1, 2], &[1.0, 2.0]);
    let scale = "language_model.model.layers.0.mlp.up_proj.weight_scale";
    let lora = "language_model.model.layers.0.mlp.up_proj.lora_A.weight";
    let shape = message(&[good()], here, &[2, 2]);
    assert!(
        matches!(&shape, Error::TensorShape { name, .. } if name == there),
        "{shape:?}"
    );
    let value = message(&[f32s(there, &[1, 2], &[1.0, f32::NAN])], here, &[1, 2]);
    assert!(
        matches!(&value, Error::TensorValue { name, .. } if name == there),
        "{value:?}"
    );
    let dtype = message(&[(there, Dtype::I8, vec![1, 2], vec![0; 2])], here, &[1, 2]);
    assert!(
        matches!(&dtype, Error::TensorDtype { name, .. } if name == there),
        "{dtype:?}"
    );
    for beside in [scale, lora] {
        let error = message(&[good(), f32s(beside, &[1], &[1.0])], here, &[1, 2]);
        assert_says(&error, &[&format!("tensor {there} "), beside]);
    }
    let alone = message(&[f32s(scale, &[1], &[1.0])], here, &[1, 2]);
    assert_says(&alone, &[here, &format!("{scale} is there"), "quantised"]);
    let dir = folder(&[(SINGLE, &shard(&[good()]))]);
    let rows = open(dir.path()).expect("valid");
    let rows = crate::block_on(rows.read_rows(here, &[1, 2], 1..3)).expect_err("no rows");
    assert_says(&rows, &[there]);

    let dir = folder(&[(
        SINGLE,
        &shard(&[f32s("language_model.model.layers.9.x.weight", &[1], &[1.0])]),
    )]);
    let unread = open(dir.path()).expect("valid").check_all(&[]);
    assert_says(
        &unread.expect_err("unread"),
        &["tensor language_model.model.layers.9.x.weight"],
    );
}

#[test]
fn a_missing_tensor_is_told_in_the_files_spelling_too() {
    let one = |name| f32s(name, &[1], &[1.0]);
    for (there, missing, told) in [
        (
            "language_model.model.layers.0.mlp.up_proj.weight",
            "model.norm.weight",
            Some("language_model.model.norm.weight"),
        ),
        (
            "language_model.model.norm.weight",
            "lm_head.weight",
            Some("language_model.lm_head.weight"),
        ),
        (
            "model.language_model.norm.weight",
            EMBEDDINGS,
            Some("model.language_model.embed_tokens.weight"),
        ),
        (
            "model.text_model.norm.weight",
            EMBEDDINGS,
            Some("model.text_model.embed_tokens.weight"),
        ),
        (
            "layers.0.input_layernorm.weight",
            "model.layers.1.input_layernorm.weight",
            Some("layers.1.input_layernorm.weight"),
        ),
        (
            "multi_modal_projector.linear_1.weight",
            "model.mm_projector.2.weight",
            Some("multi_modal_projector.linear_2.weight"),
        ),
        (
            "model.vision_tower.encoder.layers.0.mlp.fc1.bias",
            "model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc2.bias",
            Some("model.vision_tower.encoder.layers.0.mlp.fc2.bias"),
        ),
        // In spec's own spelling, or in none that is known.
        ("model.norm.weight", EMBEDDINGS, None),
        (
            "model.mm_projector.0.weight",
            "model.mm_projector.0.bias",
            None,
        ),
        ("transformer.h.0.weight", EMBEDDINGS, None),
        ("model.language_model.norm.weight", "lm_head.weight", None),
    ] {
        let dir = folder(&[(SINGLE, &shard(&[one(there)]))]);
        let error = open(dir.path())
            .expect("valid")
            .check(missing, &[1])
            .expect_err("missing");
        let Error::TensorMissing { name, hint, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(name, missing);
        match told {
            Some(told) => assert!(
                hint.contains(&format!("it would be called {told} there")),
                "{error}"
            ),
            None => assert!(!hint.contains("would be called"), "{error}"),
        }
    }
    // The nearest is named as the file has it.
    let dir = folder(&[(
        SINGLE,
        &shard(&[one("language_model.model.layers.0.mlp.up_proj.weight")]),
    )]);
    let error = open(dir.path())
        .expect("valid")
        .check("model.layers.10.mlp.up_proj.weight", &[1]);
    assert_says(
        &error.expect_err("missing"),
        &["nearest name there is language_model.model.layers.0."],
    );
}

/// CLIP's and SigLIP's own checkpoints, as `--vision-tower` takes them: also without `vision_model`, as newer versions
/// of transformers save the tower alone.
#[test]
fn a_tower_beside_the_checkpoint_is_read_in_each_spelling() {
    let decoder = || {
        let dir = folder(&[(SINGLE, &shard(&[f32s(EMBEDDINGS, &[1], &[1.0])]))]);
        (open(dir.path()).expect("valid"), dir)
    };
    let name = format!("{TOWER}.encoder.layers.0.mlp.fc1.bias");
    for (front, called) in [
        (
            "vision_model.",
            "vision_model.encoder.layers.0.mlp.fc1.bias",
        ),
        ("", "encoder.layers.0.mlp.fc1.bias"),
    ] {
        let bias = format!("{front}encoder.layers.0.mlp.fc1.bias");
        let tower = [
            f32s(&bias, &[1], &[7.0]),
            f32s("text_model.encoder.layers.0.mlp.fc1.bias", &[1], &[8.0]),
            f32s("logit_scale", &[1], &[9.0]),
        ];
        let dir = folder(&[(SINGLE, &shard(&tower))]);
        let (checkpoint, _kept) = decoder();
        let missing = checkpoint.check(&name, &[1]).expect_err("no tower");
        assert_says(&missing, &["--vision-tower"]);
        let checkpoint = checkpoint.with_tower(open(dir.path()).expect("a tower"));
        assert_eq!(read(&checkpoint, &name, &[1]), Ok(vec![7.0]));
        assert_eq!(read(&checkpoint, EMBEDDINGS, &[1]), Ok(vec![1.0]));
        let text = "model.vision_tower.vision_tower.text_model.encoder.layers.0.mlp.fc1.bias";
        let scale = "model.vision_tower.vision_tower.logit_scale";
        let names = [EMBEDDINGS, &name, text, scale].map(String::from);
        assert_eq!(checkpoint.names(), BTreeSet::from(names));
        let shape = checkpoint.check(&name, &[2]).expect_err("a shape");
        assert!(
            matches!(&shape, Error::TensorShape { name, .. } if name == called),
            "{shape:?}"
        );
    }
}
