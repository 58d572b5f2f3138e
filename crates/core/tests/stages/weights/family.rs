//! The tensors that the models of `tests/fixtures/family` read, put together from their `config.json` by hand: what
//! reads configurations must not be what is compared with.

use std::path::PathBuf;

use inf_llava_core::spec::{
    Activation, Connector, DecoderSpec, MlpSpec, PerceiverSpec, RopeSpec, Scores, ShuffleSpec,
    TowerSpec, Weight,
};
use serde_json::Value;

pub const NAMES: [&str; 13] = [
    "idefics3-tiny",
    "llava-clip-llama",
    "llava-clip-llama3-full",
    "llava-next-clip-llama",
    "llava-next-clip-mistral",
    "llava-next-clip-mistral-window",
    "llava-next-original",
    "llava-onevision-siglip-qwen2",
    "llava-original",
    "llava-siglip-qwen2",
    "smolvlm-geometry",
    "smolvlm-tiny",
    "vlsa",
];

/// The fixture's folder.
pub fn folder(name: &str) -> PathBuf {
    crate::fixture("family").join(name)
}

/// A model of the family.
pub struct Model {
    pub tower: TowerSpec,
    pub connector: Connector,
    pub decoder: DecoderSpec,
}

impl Model {
    pub fn weights(&self) -> Vec<Weight> {
        let (tower, connector) = (self.tower.weights(), self.connector.weights());
        [tower, connector, self.decoder.weights()].concat()
    }
}

/// The model of a fixture.
pub fn model(name: &str) -> Model {
    let json = std::fs::read(folder(name).join("config.json")).expect("config.json");
    let config: Value = serde_json::from_slice(&json).expect("JSON");
    let text = config.get("text_config").unwrap_or(&config);
    let vision = &config["vision_config"];
    let number = |of: &Value, key: &str| {
        let value = of.get(key).and_then(Value::as_u64);
        value.map(|value| usize::try_from(value).expect("small"))
    };
    let need = |of: &Value, key: &str| number(of, key).unwrap_or_else(|| panic!("{name}: {key}"));

    let kind = config["model_type"].as_str().expect("model_type");
    let is_smol = matches!(kind, "smolvlm" | "idefics3");
    let is_siglip = is_smol || vision["model_type"] == "siglip_vision_model";
    let layers = need(vision, "num_hidden_layers");
    let stated = ["vision_feature_layer", "mm_vision_select_layer"];
    let stated = stated.iter().find_map(|key| config.get(*key));
    let stated: Vec<i64> = match stated {
        None => vec![-1],
        Some(Value::Array(list)) => list
            .iter()
            .map(|one| one.as_i64().expect("a layer"))
            .collect(),
        Some(one) => vec![one.as_i64().expect("a layer")],
    };
    let feature = |&layer: &i64| match layer < 0 {
        true => layers + 1 - usize::try_from(-layer).expect("small"),
        false => usize::try_from(layer).expect("small"),
    };
    let keeps_first = is_siglip || config["vision_feature_select_strategy"] == "full";
    let tower = TowerSpec {
        hidden_size: need(vision, "hidden_size"),
        intermediate_size: need(vision, "intermediate_size"),
        num_hidden_layers: layers,
        features: stated.iter().map(feature).collect(),
        num_attention_heads: need(vision, "num_attention_heads"),
        view_px: need(vision, "image_size"),
        patch_px: need(vision, "patch_size"),
        layer_norm_eps: 1e-5,
        activation: Activation::QuickGelu,
        has_class_token: !is_siglip,
        has_patch_bias: is_siglip,
        has_post_norm: is_smol,
        drops_first_token: !keeps_first,
    };

    let hidden_size = need(text, "hidden_size");
    let heads = need(text, "num_attention_heads");
    let decoder = DecoderSpec {
        hidden_size,
        intermediate_size: need(text, "intermediate_size"),
        num_hidden_layers: need(text, "num_hidden_layers"),
        num_attention_heads: heads,
        num_key_value_heads: need(text, "num_key_value_heads"),
        vocab_size: need(text, "vocab_size"),
        head_dim: number(text, "head_dim").unwrap_or(hidden_size / heads),
        qkv_bias: text["model_type"] == "qwen2",
        tied: config["tie_word_embeddings"] == true,
        rope: RopeSpec::of_theta(1e4),
        window: None,
        rms_norm_eps: 1e-5,
        max_position_embeddings: 4096,
    };

    let tiles = matches!(kind, "llava_next" | "llava_onevision");
    let projector = MlpSpec {
        inputs: tower.feature_channels(),
        outputs: hidden_size,
        has_second: true,
        has_bias: true,
        has_newline: tiles || config["image_aspect_ratio"] == "anyres",
    };
    let connector = match kind {
        _ if is_smol => Connector::Shuffle(ShuffleSpec {
            inputs: tower.hidden_size,
            outputs: hidden_size,
            scale: need(&config, "scale_factor"),
        }),
        "vlsa_llama" => Connector::Perceiver(PerceiverSpec {
            projector,
            activation: Scores::Silu,
            self_activation: Scores::Softmax,
            has_score_scale: true,
            has_mean_over_keys: true,
        }),
        _ => Connector::Mlp(projector),
    };
    Model {
        tower,
        connector,
        decoder,
    }
}
