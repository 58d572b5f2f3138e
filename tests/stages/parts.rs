//! What the one tower and the one decoder compute for the family's models (tests/fixtures/family). The tower: a SigLIP. The
//! decoder: biases, a tied head, heads of a width of their own, scaled rotary embeddings, a sliding window. Each is compared
//! with PyTorch from what goes in to what comes out.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use inf_llava::Result;
use inf_llava::gpu::read::read;
use inf_llava::gpu::rope::Rope;
use inf_llava::language::decoder::Decoder;
use inf_llava::language::kv_cache::KvCache;
use inf_llava::load::Builder;
use inf_llava::progress::Watch;
use inf_llava::spec::{Activation, DecoderSpec, RopeScaling, RopeSpec, TOWER, TowerSpec, Window};
use inf_llava::vision::tower::Tower;
use inf_llava::weights::checkpoint::Checkpoint;
use inf_llava::weights::folder::Folder;
use inf_llava::weights::tensors::Tensors;
use safetensors::SafeTensors;

/// Largest difference of a logit, and of a feature.
const LOGITS: f32 = 1e-3;
const FEATURES: f32 = 2e-4;

/// A checkpoint whose tensors have names of another layout.
struct Spelled {
    checkpoint: Checkpoint<Folder>,
    /// Beginnings of names, and what the layout has instead.
    spelling: &'static [[&'static str; 2]],
}

impl Spelled {
    fn open(fixture: &str, spelling: &'static [[&'static str; 2]]) -> Self {
        let checkpoint = Checkpoint::open(Folder::new(folder(fixture)));
        Spelled {
            checkpoint: crate::block_on(checkpoint).expect("a checkpoint"),
            spelling,
        }
    }

    fn name(&self, name: &str) -> String {
        let spelled =
            |[ours, theirs]: &[&str; 2]| Some(format!("{theirs}{}", name.strip_prefix(ours)?));
        let mut all = self.spelling.iter().filter_map(spelled);
        all.next().unwrap_or_else(|| name.to_string())
    }
}

impl Tensors for Spelled {
    fn check(&self, name: &str, shape: &[usize]) -> Result<()> {
        self.checkpoint.check(&self.name(name), shape)
    }

    async fn read_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.checkpoint.read_f32(&self.name(name), shape).await
    }

    fn stored_bytes(&self, name: &str, shape: &[usize]) -> u64 {
        Tensors::stored_bytes(&self.checkpoint, &self.name(name), shape)
    }
}

fn folder(fixture: &str) -> PathBuf {
    let tests = crate::root().join("tests");
    tests.join("fixtures/family").join(fixture)
}

/// The sizes that `config.json` states, and the choices that only `change` knows.
fn spec(fixture: &str, change: impl FnOnce(&mut DecoderSpec)) -> DecoderSpec {
    let json = std::fs::read(folder(fixture).join("config.json")).expect("config.json");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let text = &json["text_config"];
    let size = |name: &str| text[name].as_u64().unwrap_or_else(|| panic!("{name}")) as usize;
    let theta = text["rope_parameters"]["rope_theta"].as_f64();
    let mut spec = DecoderSpec {
        hidden_size: size("hidden_size"),
        intermediate_size: size("intermediate_size"),
        num_hidden_layers: size("num_hidden_layers"),
        num_attention_heads: size("num_attention_heads"),
        num_key_value_heads: size("num_key_value_heads"),
        vocab_size: size("vocab_size"),
        head_dim: size("hidden_size") / size("num_attention_heads"),
        qkv_bias: false,
        tied: false,
        rope: RopeSpec::of_theta(theta.unwrap_or(10_000.0)),
        window: None,
        rms_norm_eps: text["rms_norm_eps"].as_f64().expect("rms_norm_eps"),
        max_position_embeddings: size("max_position_embeddings"),
    };
    change(&mut spec);
    spec
}

/// A tensor of the fixture's expectations.
fn expected<const D: usize>(fixture: &str, name: &str, device: &Device) -> Tensor<D> {
    let bytes = std::fs::read(folder(fixture).join("expected.safetensors")).expect("expected");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let tensor = tensors.tensor(name).expect(name);
    let words = tensor.data().as_chunks().0.iter();
    let values: Vec<f32> = words.map(|&word| f32::from_le_bytes(word)).collect();
    let shape: [usize; D] = tensor.shape().try_into().expect(name);
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Fails where two tensors differ by more than `limit`.
fn close<const D: usize>(what: &str, found: Tensor<D>, expected: Tensor<D>, limit: f32) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let read = |tensor| crate::block_on(read(tensor)).expect("values");
    let (found, expected) = (read(found), read(expected));
    let pairs = found.iter().zip(&expected);
    let error = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    eprintln!("{what}: {error}");
    assert!(error <= limit, "{what}: {error}");
}

/// Compares the logits of a prompt in one go, and of one whose last tokens come one by one.
fn decodes(
    fixture: &str,
    spelling: &'static [[&'static str; 2]],
    change: impl FnOnce(&mut DecoderSpec),
) {
    let spec = spec(fixture, change);
    let tensors = Spelled::open(fixture, spelling);
    for name in ["cpu", "wgpu"] {
        let device = crate::device(name).device;
        let embeds: Tensor<2> = expected(fixture, "single.inputs_embeds", &device);
        let [tokens, _] = embeds.dims();
        let mut watch = Watch::nobody();
        let decoder = crate::block_on(async {
            let mut builder = Builder::new(&tensors, &spec.weights(), &device, &mut watch)?;
            Decoder::load(&spec, &mut builder).await
        });
        let decoder = decoder.expect("the decoder");
        let rope = Rope::new(tokens, &spec, &device);
        for one_by_one in [0, 7] {
            let mut cache = KvCache::new(&spec, tokens, &device);
            let first = embeds.clone().narrow(0, 0, tokens - one_by_one);
            let hidden = decoder.forward(first, &rope, &mut cache);
            let mut logits = vec![decoder.logits(hidden, 8 - one_by_one)];
            for at in tokens - one_by_one..tokens {
                let hidden = decoder.forward(embeds.clone().narrow(0, at, 1), &rope, &mut cache);
                logits.push(decoder.logits(hidden, 1));
            }
            let what = format!("{fixture} on {name}, {one_by_one} one by one");
            let expected = expected(fixture, "single.prompt_logits_last8", &device);
            close(&what, Tensor::cat(logits, 0), expected, LOGITS);
        }
    }
}

const TODAY: &[[&str; 2]] = &[
    ["model.", "language_model.model."],
    ["lm_head.", "language_model.lm_head."],
];
const NATIVE: &[[&str; 2]] = &[
    [TOWER, "model.vision_tower.vision_model"],
    ["model.", "model.language_model."],
];

#[test]
fn siglip_has_no_class_token_and_another_gelu() {
    let fixture = "llava-siglip-qwen2";
    let json = std::fs::read(folder(fixture).join("config.json")).expect("config.json");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let vision = &json["vision_config"];
    let size = |name: &str| vision[name].as_u64().unwrap_or_else(|| panic!("{name}")) as usize;
    let spec = TowerSpec {
        hidden_size: size("hidden_size"),
        intermediate_size: size("intermediate_size"),
        num_hidden_layers: size("num_hidden_layers"),
        layers_run: size("num_hidden_layers"),
        num_attention_heads: size("num_attention_heads"),
        view_px: size("image_size"),
        patch_px: size("patch_size"),
        layer_norm_eps: vision["layer_norm_eps"].as_f64().expect("layer_norm_eps"),
        activation: Activation::GeluTanh,
        has_class_token: false,
        has_patch_bias: true,
    };
    assert_ne!(spec.view_px % spec.patch_px, 0, "pixels that are not seen");
    let tensors = Spelled::open(fixture, NATIVE);
    for name in ["cpu", "wgpu"] {
        let device = crate::device(name).device;
        let pixels: Tensor<4> = expected(fixture, "0.pixel_values", &device);
        let [views, ..] = pixels.dims();
        let (side, patch) = (spec.tokens_per_side(), spec.patch_px);
        let seen = side * patch;
        let patches = pixels
            .slice([0..views, 0..3, 0..seen, 0..seen])
            .reshape([views, 3, side, patch, side, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([views, spec.tokens_per_view(), spec.patch_len()]);
        let mut watch = Watch::nobody();
        let tower = crate::block_on(async {
            let mut builder = Builder::new(&tensors, &spec.weights(), &device, &mut watch)?;
            Tower::load(&spec, &mut builder).await
        });
        let mut layers = 0;
        let features = tower.expect("the tower").forward(patches, |layer, hidden| {
            let first = hidden.clone().narrow(0, 0, 1).squeeze_dim::<2>(0);
            let stage = format!("0.tower_view0_hidden{layer}");
            let expected = expected(fixture, &stage, &device);
            close(
                &format!("{fixture} on {name}, {stage}"),
                first,
                expected,
                FEATURES,
            );
            layers += 1;
        });
        assert_eq!(layers, spec.layers_run + 1);
        let expected = expected(fixture, "0.features", &device);
        close(
            &format!("{fixture} on {name}"),
            features,
            expected,
            FEATURES,
        );
    }
}

#[test]
fn qwen2_has_biases_and_a_tied_head() {
    decodes("llava-siglip-qwen2", NATIVE, |spec| {
        (spec.qkv_bias, spec.tied) = (true, true);
    });
}

#[test]
fn mistral_has_heads_of_a_width_of_their_own() {
    decodes("llava-next-clip-mistral", TODAY, |spec| spec.head_dim = 32);
}

#[test]
fn mistral_has_a_sliding_window() {
    decodes("llava-next-clip-mistral-window", TODAY, |spec| {
        spec.window = Some(Window {
            tokens: 24,
            first_layer: 0,
        });
    });
}

#[test]
fn llama3_scales_its_slow_frequencies() {
    decodes("llava-clip-llama3-full", TODAY, |spec| {
        spec.rope.scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original: 64.0,
        };
    });
}

#[test]
fn linear_scaling_slows_every_frequency() {
    decodes("llava-next-clip-llama", TODAY, |spec| {
        spec.rope.scaling = RopeScaling::Linear { factor: 2.5 };
    });
}
