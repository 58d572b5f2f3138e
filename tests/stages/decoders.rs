//! What one decoder computes for the family's models (tests/fixtures/family): biases, a tied head, heads of a width of
//! their own, scaled rotary embeddings, a sliding window. Each is PyTorch's from its embeddings to its logits.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use inf_llava::Result;
use inf_llava::gpu::read::read;
use inf_llava::gpu::rope::Rope;
use inf_llava::language::decoder::Decoder;
use inf_llava::language::kv_cache::KvCache;
use inf_llava::load::Builder;
use inf_llava::progress::Watch;
use inf_llava::spec::{DecoderSpec, RopeScaling, RopeSpec, Window};
use inf_llava::weights::checkpoint::Checkpoint;
use inf_llava::weights::folder::Folder;
use inf_llava::weights::tensors::Tensors;
use safetensors::SafeTensors;

/// Largest difference of a logit, as the fixtures' README says.
const LIMIT: f32 = 1e-3;

/// A checkpoint whose decoder has names of another layout.
struct Spelled {
    checkpoint: Checkpoint<Folder>,
    decoder: &'static str,
    head: &'static str,
}

impl Spelled {
    fn name(&self, name: &str) -> String {
        match name.strip_prefix("model.") {
            Some(rest) => format!("{}{rest}", self.decoder),
            None => format!("{}{name}", self.head),
        }
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
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests");
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

/// The fixture's embeddings of a prompt, and the logits of its last eight tokens.
fn expected(fixture: &str, device: &Device) -> (Tensor<2>, Vec<f32>) {
    let bytes = std::fs::read(folder(fixture).join("expected.safetensors")).expect("expected");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let floats = |name: &str| {
        let tensor = tensors.tensor(name).expect(name);
        let words = tensor.data().as_chunks().0.iter();
        let values: Vec<f32> = words.map(|&word| f32::from_le_bytes(word)).collect();
        (values, [tensor.shape()[0], tensor.shape()[1]])
    };
    let (embeds, shape) = floats("single.inputs_embeds");
    let embeds = Tensor::from_data(TensorData::new(embeds, shape), device);
    (embeds, floats("single.prompt_logits_last8").0)
}

/// Compares the logits of a prompt in one go, and of one whose last tokens come one by one.
fn check(fixture: &str, spelled: [&'static str; 2], change: impl FnOnce(&mut DecoderSpec)) {
    let spec = spec(fixture, change);
    let checkpoint = Checkpoint::open(Folder::new(folder(fixture)));
    let tensors = Spelled {
        checkpoint: crate::block_on(checkpoint).expect("a checkpoint"),
        decoder: spelled[0],
        head: spelled[1],
    };
    for name in ["cpu", "wgpu"] {
        let device = crate::device(name).device;
        let (embeds, expected) = expected(fixture, &device);
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
            let found = crate::block_on(read(Tensor::cat(logits, 0))).expect("logits");
            assert_eq!(found.len(), expected.len());
            let pairs = found.iter().zip(&expected);
            let error = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let what = format!("{fixture} on {name}, {one_by_one} one by one: {error}");
            eprintln!("{what}");
            assert!(error <= LIMIT, "{what}");
        }
    }
}

const TODAY: [&str; 2] = ["language_model.model.", "language_model."];

#[test]
fn qwen2_has_biases_and_a_tied_head() {
    let native = ["model.language_model.", ""];
    check("llava-siglip-qwen2", native, |spec| {
        (spec.qkv_bias, spec.tied) = (true, true);
    });
}

#[test]
fn mistral_has_heads_of_a_width_of_their_own() {
    check("llava-next-clip-mistral", TODAY, |spec| spec.head_dim = 32);
}

#[test]
fn mistral_has_a_sliding_window() {
    check("llava-next-clip-mistral-window", TODAY, |spec| {
        spec.window = Some(Window {
            tokens: 24,
            first_layer: 0,
        });
    });
}

#[test]
fn llama3_scales_its_slow_frequencies() {
    check("llava-clip-llama3-full", TODAY, |spec| {
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
    check("llava-next-clip-llama", TODAY, |spec| {
        spec.rope.scaling = RopeScaling::Linear { factor: 2.5 };
    });
}
