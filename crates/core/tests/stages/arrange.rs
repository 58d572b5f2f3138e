//! Where the tensors of a converted model lie: as a manifest allows, and as few bytes as promised.

use inf_llava_core::config::Config;
use inf_llava_core::spec::{Kind, Weight};
use inf_llava_core::weights::arrange::{Arrangement, Precision, arrange};
use inf_llava_core::weights::manifest::{Dtype, HashedFile, Manifest, SHARD_BYTES, VERSION};
use serde_json::json;

const GB: f64 = 1.0e9;

fn released() -> Vec<Weight> {
    let json = crate::config::released().to_string();
    Config::from_json(json.as_bytes(), None).unwrap().weights()
}

/// The manifest that would describe it, read again: its checks are the test.
fn manifest(arrangement: &Arrangement) -> Manifest {
    let shard = |(at, &bytes): (usize, &u64)| HashedFile {
        file: format!("shard-{at}.bin"),
        bytes,
        sha256: "0".repeat(64),
    };
    let manifest = Manifest {
        format: "inf-llava".into(),
        version: VERSION,
        name: String::new(),
        revision: String::new(),
        license: String::new(),
        config: json!({}),
        generation: json!({}),
        prompt: "llama3".into(),
        files: Vec::new(),
        shards: arrangement.shards.iter().enumerate().map(shard).collect(),
        tensors: arrangement.tensors.clone(),
    };
    Manifest::from_json("manifest.json", &manifest.to_json()).unwrap()
}

#[test]
fn the_released_model_has_the_promised_size() {
    let names = released();
    let weights: usize = names.iter().map(|weight| weight.numbers() as usize).sum();
    assert!((8.3e9..8.4e9).contains(&(weights as f64)), "{weights}");
    for (precision, limit) in [("q4", 5.3), ("q8", 8.8), ("f16", 16.9), ("f32", 33.6)] {
        let precision = Precision::from_name(precision).unwrap();
        let arrangement = arrange(&names, precision, SHARD_BYTES).unwrap();
        let manifest = manifest(&arrangement);
        let size = manifest.shard_bytes() as f64 / GB;
        eprintln!(
            "{precision:?}: {size:.3} GB in {} shards",
            manifest.shards.len()
        );
        assert!(size < limit && size > 0.9 * limit, "{precision:?}: {size}");
        assert_eq!(manifest.tensors.len(), names.len());
        assert!(manifest.to_json().len() < 1 << 20);
        // Shards are well filled: fewer requests.
        let fewest = manifest.shard_bytes().div_ceil(SHARD_BYTES) as usize;
        assert!(
            manifest.shards.len() <= fewest * 2,
            "{} of {fewest}",
            manifest.shards.len()
        );
    }
}

#[test]
fn each_tensor_is_held_as_it_can_bear() {
    let names = released();
    let q4 = arrange(&names, Precision::Q4, SHARD_BYTES).unwrap().tensors;
    for (name, dtype) in [
        ("lm_head.weight", Dtype::Q8),
        ("model.embed_tokens.weight", Dtype::Q8),
        ("model.layers.31.mlp.down_proj.weight", Dtype::Q4),
        ("model.layers.0.input_layernorm.weight", Dtype::F32),
        ("model.mm_projector.0.weight", Dtype::Q8),
        ("model.mm_projector.0.bias", Dtype::F32),
    ] {
        assert_eq!(q4[name].dtype, dtype, "{name}");
    }
    // 588 columns are no blocks.
    let patches = q4
        .keys()
        .find(|name| name.ends_with("patch_embedding.weight"))
        .unwrap();
    assert_eq!(q4[patches].dtype, Dtype::F16);
    // Larger than a shard: in equal pieces, the last no larger.
    let pieces = &q4["lm_head.weight"].pieces;
    assert!(pieces.len() > 1 && pieces.windows(2).all(|pair| pair[0].rows >= pair[1].rows));
    let f32 = arrange(&names, Precision::F32, SHARD_BYTES)
        .unwrap()
        .tensors;
    assert!(f32.values().all(|stored| stored.dtype == Dtype::F32));
}

#[test]
fn small_tensors_share_a_shard_and_a_row_too_large_is_refused() {
    let weight = |name: &str, kind, shape: &[usize]| Weight {
        name: name.into(),
        shape: shape.to_vec(),
        kind,
    };
    let names = [
        weight("a.weight", Kind::Matrix, &[3, 32]),
        weight("a.bias", Kind::Bias, &[3]),
        weight("b.weight", Kind::Matrix, &[4, 5]),
    ];
    let arrangement = arrange(&names, Precision::Q8, SHARD_BYTES).unwrap();
    let offsets: Vec<u64> = names
        .iter()
        .map(|weight| arrangement.tensors[&weight.name].pieces[0].offset)
        .collect();
    // 3 x 32 codes, 3 block scales and a byte of padding, 3 row scales; 12 bytes; 40 bytes.
    assert_eq!(
        (offsets, arrangement.shards.as_slice()),
        (vec![0, 112, 128], &[168][..])
    );
    manifest(&arrangement);

    let wide = [weight("w", Kind::Matrix, &[2, 1 << 25])];
    let error = arrange(&wide, Precision::F32, SHARD_BYTES)
        .unwrap_err()
        .to_string();
    assert!(error.contains("tensor w: 1 rows"), "{error}");
    assert!(Precision::from_name("q5").is_err());
}
