//! Names and shapes of the tensors of a model's parts, by rule, in the spelling that checkpoints on
//! the hub have.

use serde_json::Value;

use super::weights::Tensor;

/// A whole number of a configuration, which may leave it out.
pub fn size(config: &Value, key: &str, default: u64) -> u64 {
    config.get(key).and_then(Value::as_u64).unwrap_or(default)
}

fn linear(found: &mut Vec<Tensor>, name: &str, shape: [u64; 2], has_bias: bool) {
    found.push(Tensor::new(format!("{name}.weight"), shape));
    if has_bias {
        found.push(Tensor::new(format!("{name}.bias"), [shape[0]]));
    }
}

fn norm(found: &mut Vec<Tensor>, name: &str, width: u64) {
    found.push(Tensor::new(format!("{name}.weight"), [width]));
    found.push(Tensor::new(format!("{name}.bias"), [width]));
}

/// A decoder without its head; what `text_config` leaves out is LLaMA's.
pub fn decoder(prefix: &str, config: &Value) -> Vec<Tensor> {
    let width = size(config, "hidden_size", 4096);
    let inner = size(config, "intermediate_size", 11008);
    let heads = size(config, "num_attention_heads", 32);
    let head_dim = size(config, "head_dim", width / heads);
    let kv = size(config, "num_key_value_heads", heads) * head_dim;
    let has_bias = config["model_type"] == "qwen2";
    let rows = size(config, "vocab_size", 32000);
    let mut found = vec![Tensor::new(
        format!("{prefix}.embed_tokens.weight"),
        [rows, width],
    )];
    for layer in 0..size(config, "num_hidden_layers", 32) {
        let part = |name: &str| format!("{prefix}.layers.{layer}.{name}");
        let mut put =
            |name: &str, shape, has_bias| linear(&mut found, &part(name), shape, has_bias);
        put("self_attn.q_proj", [heads * head_dim, width], has_bias);
        put("self_attn.k_proj", [kv, width], has_bias);
        put("self_attn.v_proj", [kv, width], has_bias);
        put("self_attn.o_proj", [width, heads * head_dim], false);
        put("mlp.gate_proj", [inner, width], false);
        put("mlp.up_proj", [inner, width], false);
        put("mlp.down_proj", [width, inner], false);
        for name in ["input_layernorm", "post_attention_layernorm"] {
            found.push(Tensor::new(part(name) + ".weight", [width]));
        }
    }
    found.push(Tensor::new(format!("{prefix}.norm.weight"), [width]));
    found
}

/// The head of a decoder.
pub fn head(name: &str, config: &Value) -> Tensor {
    let shape = [
        size(config, "vocab_size", 32000),
        size(config, "hidden_size", 4096),
    ];
    Tensor::new(name, shape)
}

/// A vision tower: CLIP, which has a class token and a norm in front but no bias of the patches, or
/// SigLIP, which also SmolVLM and Idefics3 have. What `vision_config` leaves out is SmolVLM's.
pub fn tower(prefix: &str, config: &Value) -> Vec<Tensor> {
    let is_clip = config["model_type"] == "clip_vision_model";
    let width = size(config, "hidden_size", 1152);
    let inner = size(config, "intermediate_size", 3072);
    let patch = size(config, "patch_size", 32);
    let side = size(config, "image_size", 224) / patch;
    let mut found = Vec::new();
    let name = |name: &str| format!("{prefix}.{name}");
    if is_clip {
        found.push(Tensor::new(name("embeddings.class_embedding"), [width]));
    }
    found.push(Tensor::new(
        name("embeddings.patch_embedding.weight"),
        [width, 3, patch, patch],
    ));
    if !is_clip {
        found.push(Tensor::new(
            name("embeddings.patch_embedding.bias"),
            [width],
        ));
    }
    found.push(Tensor::new(
        name("embeddings.position_embedding.weight"),
        [side * side + u64::from(is_clip), width],
    ));
    if is_clip {
        norm(&mut found, &name("pre_layrnorm"), width);
    }
    for layer in 0..size(config, "num_hidden_layers", 12) {
        let part = |name: &str| format!("{prefix}.encoder.layers.{layer}.{name}");
        for projection in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            let name = part(&format!("self_attn.{projection}"));
            linear(&mut found, &name, [width, width], true);
        }
        norm(&mut found, &part("layer_norm1"), width);
        norm(&mut found, &part("layer_norm2"), width);
        linear(&mut found, &part("mlp.fc1"), [inner, width], true);
        linear(&mut found, &part("mlp.fc2"), [width, inner], true);
    }
    norm(&mut found, &name("post_layernorm"), width);
    found
}

/// The two layers between a LLaVA's tower and its decoder.
pub fn projector(prefix: &str, from: u64, to: u64) -> Vec<Tensor> {
    let mut found = Vec::new();
    linear(&mut found, &format!("{prefix}.linear_1"), [to, from], true);
    linear(&mut found, &format!("{prefix}.linear_2"), [to, to], true);
    found
}
