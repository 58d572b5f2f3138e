//! What the one tower, the connectors and the one decoder compute for the family's models (tests/fixtures/family). The tower: a
//! SigLIP, with and without a norm behind it. The connector: SmolVLM's. The decoder: biases, a tied head, heads of a width of their own, scaled rotary embeddings, a sliding window. Each is compared
//! with PyTorch from what goes in to what comes out.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use inf_llava::Result;
use inf_llava::config::Config;
use inf_llava::gpu::read::read;
use inf_llava::gpu::rope::Rope;
use inf_llava::image::{Limits, Normalise, decode};
use inf_llava::language::decoder::Decoder;
use inf_llava::language::kv_cache::KvCache;
use inf_llava::load::Builder;
use inf_llava::progress::{StopFlag, Watch};
use inf_llava::recorder::Recorder;
use inf_llava::spec::plan::Coverage;
use inf_llava::spec::{
    Activation, Connector, DecoderSpec, GridSpec, RopeScaling, RopeSpec, ShuffleSpec, TOWER,
    Tiling, TowerSpec, Window,
};
use inf_llava::vision::encoder::VisionEncoder;
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
    // The first as transformers 5 writes it.
    let theta = [&text["rope_parameters"]["rope_theta"], &text["rope_theta"]];
    let theta = theta.into_iter().find_map(serde_json::Value::as_f64);
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
    decodes_case("single", fixture, spelling, change);
}

fn decodes_case(
    case: &str,
    fixture: &str,
    spelling: &'static [[&'static str; 2]],
    change: impl FnOnce(&mut DecoderSpec),
) {
    let spec = spec(fixture, change);
    let tensors = Spelled::open(fixture, spelling);
    for name in ["cpu", "wgpu"] {
        let device = crate::device(name).device;
        let embeds: Tensor<2> = expected(fixture, &format!("{case}.inputs_embeds"), &device);
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
            let stage = format!("{case}.prompt_logits_last8");
            let expected = expected(fixture, &stage, &device);
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
const SMOLVLM: &[[&str; 2]] = &[
    [TOWER, "model.vision_model"],
    ["model.connector.", "model.connector."],
    ["model.", "model.text_model."],
];

/// A tower as SigLIP's, by the sizes that `config.json` states; those that it leaves out are `change`'s.
fn tower(fixture: &str, change: impl FnOnce(&mut TowerSpec)) -> TowerSpec {
    let json = std::fs::read(folder(fixture).join("config.json")).expect("config.json");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let vision = &json["vision_config"];
    let size = |name: &str| vision[name].as_u64().unwrap_or_else(|| panic!("{name}")) as usize;
    let mut spec = TowerSpec {
        hidden_size: size("hidden_size"),
        intermediate_size: size("intermediate_size"),
        num_hidden_layers: size("num_hidden_layers"),
        layers_run: size("num_hidden_layers"),
        num_attention_heads: size("num_attention_heads"),
        view_px: size("image_size"),
        patch_px: size("patch_size"),
        layer_norm_eps: vision["layer_norm_eps"].as_f64().unwrap_or(1e-6),
        activation: Activation::GeluTanh,
        has_class_token: false,
        has_patch_bias: true,
        has_post_norm: false,
    };
    change(&mut spec);
    spec
}

/// `pixels` `[views, 3, P, P]` as patches.
fn patches(spec: &TowerSpec, pixels: Tensor<4>) -> Tensor<3> {
    let [views, ..] = pixels.dims();
    let (side, patch) = (spec.tokens_per_side(), spec.patch_px);
    let seen = side * patch;
    pixels
        .slice([0..views, 0..3, 0..seen, 0..seen])
        .reshape([views, 3, side, patch, side, patch])
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([views, spec.tokens_per_view(), spec.patch_len()])
}

#[test]
fn siglip_has_no_class_token_and_another_gelu() {
    let fixture = "llava-siglip-qwen2";
    let spec = tower(fixture, |_| {});
    assert_ne!(spec.view_px % spec.patch_px, 0, "pixels that are not seen");
    let tensors = Spelled::open(fixture, NATIVE);
    for name in ["cpu", "wgpu"] {
        let device = crate::device(name).device;
        let pixels = expected(fixture, "0.pixel_values", &device);
        let mut watch = Watch::nobody();
        let tower = crate::block_on(async {
            let mut builder = Builder::new(&tensors, &spec.weights(), &device, &mut watch)?;
            Tower::load(&spec, &mut builder).await
        });
        let mut layers = 0;
        let patches = patches(&spec, pixels);
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

/// A picture of SmolVLM's from its file to its visual tokens: tiles and the whole, a norm behind the tower, pixel shuffle.
fn becomes_tokens(fixture: &str, [longest_px, tile_px]: [usize; 2], scale: usize) {
    let tower = tower(fixture, |spec| spec.has_post_norm = true);
    let decoder = spec(fixture, |_| {});
    let shuffle = ShuffleSpec {
        inputs: tower.hidden_size,
        outputs: decoder.hidden_size,
        scale,
    };
    let config = Config {
        tower,
        tiling: Tiling::Grid(GridSpec {
            longest_px,
            tile_px,
            splits: true,
        }),
        normalise: Normalise::HALVES,
        connector: Connector::Shuffle(shuffle),
        decoder,
        bos_token_id: 0,
        states_bos: false,
        eos_token_ids: Vec::new(),
        random_weights: true,
        scope: None,
    };
    let weights = [config.tower.weights(), config.connector.weights()].concat();
    let tensors = Spelled::open(fixture, SMOLVLM);
    for name in ["cpu", "wgpu"] {
        let device = crate::device(name).device;
        let mut watch = Watch::nobody();
        let encoder = crate::block_on(async {
            let mut builder = Builder::new(&tensors, &weights, &device, &mut watch)?;
            VisionEncoder::load(&config, &device, &mut builder).await
        });
        let encoder = encoder.expect("tower and connector");
        for image in [0, 1] {
            let file = folder(fixture).join(format!("images/{image}.png"));
            let bytes = std::fs::read(file).expect("a picture");
            let picture = decode("a.png", &bytes, &Limits::default()).expect("a picture");
            let stop = StopFlag::default();
            let views = encoder.views(&picture, Coverage::Live, &stop);
            let views = views.expect("views");
            let mut off = Recorder::off();
            let features = crate::block_on(encoder.features(&views, &mut watch, &mut off));
            let stage = format!("{image}.features");
            close(
                &format!("{fixture} on {name}, {stage}"),
                features.expect("features"),
                expected(fixture, &stage, &device),
                FEATURES,
            );
            let encoded = crate::block_on(encoder.encode(&views, &mut watch, &mut off));
            let encoded = encoded.expect("visual tokens");
            assert_eq!(encoded.media.tokens, encoded.visual_tokens.dims()[0]);
            assert_eq!(encoded.vision_passes, views.layout.passes());
            let stage = format!("{image}.visual_tokens");
            close(
                &format!("{fixture} on {name}, {stage}"),
                encoded.visual_tokens,
                expected(fixture, &stage, &device),
                FEATURES,
            );
        }
    }
}

#[test]
fn smolvlm_shuffles_squares_of_sixteen_patches_into_tokens() {
    becomes_tokens("smolvlm-tiny", [256, 64], 4);
}

#[test]
fn idefics3_shuffles_squares_of_nine_patches_into_tokens() {
    becomes_tokens("idefics3-tiny", [252, 84], 3);
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

#[test]
fn smollm_is_a_llama_with_three_queries_a_key() {
    decodes_case("multi_turn", "smolvlm-tiny", SMOLVLM, |_| {});
    decodes_case("multi_turn", "idefics3-tiny", SMOLVLM, |spec| {
        spec.tied = true;
    });
}
