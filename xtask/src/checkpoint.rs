//! Writes a checkpoint of random weights with the released names and shapes, for measurements: 16.7
//! GB in bf16.
//!
//! In: tests/fixtures/checkpoint-8b.tsv, and the fixture `tiny` for tokenizer and settings. Out: a
//! folder in the release's layout, with the same bytes every time. Its answers are noise.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::error::Error;
use crate::project::Project;

const NAMES: &str = "tests/fixtures/checkpoint-8b.tsv";
/// Shard size of the release's four shards.
const SHARD_BYTES: u64 = 5_000_000_000;
/// Approximate standard deviation of the weights.
const DEVIATION: f32 = 0.02;
/// The release's configuration as `transformers` writes it, with the special tokens of the
/// fixture's tokenizer.
const CONFIG: &str = r#"{
 "architectures": ["LlavaLlamaForCausalLM"],
 "model_type": "llava_llama",
 "hidden_size": 4096,
 "intermediate_size": 14336,
 "num_hidden_layers": LAYERS,
 "num_attention_heads": 32,
 "num_key_value_heads": 8,
 "vocab_size": 128257,
 "rope_theta": 500000.0,
 "rms_norm_eps": 1e-05,
 "max_position_embeddings": 8192,
 "hidden_act": "silu",
 "tie_word_embeddings": false,
 "bos_token_id": 501,
 "eos_token_id": 502,
 "pad_token_id": 506,
 "torch_dtype": "bfloat16",
 "mm_vision_tower": "openai/clip-vit-large-patch14-336",
 "mm_hidden_size": 1024,
 "mm_projector_type": "mlp2x_gelu",
 "mm_vision_select_layer": -2,
 "mm_vision_select_feature": "patch",
 "image_aspect_ratio": "pad",
 "inf_llava": {"random_weights": true}
}
"#;

/// Name and shape.
type Tensor = (String, Vec<u64>);

/// `cargo xtask checkpoint DIR [--layers N]`
pub fn write(project: &Project, folder: &Path, layers: usize) -> Result<(), Error> {
    let table = project.root.join(NAMES);
    let table = fs::read_to_string(&table)
        .map_err(|error| Error::Failed(format!("{}: {error}", table.display())))?;
    let tensors: Vec<Tensor> = parse(&table)
        .into_iter()
        .filter(|(name, _)| layer_of(name).is_none_or(|layer| layer < layers))
        .collect();
    let failed = |error: io::Error| Error::Failed(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    for file in [
        "tokenizer.json",
        "generation_config.json",
        "preprocessor_config.json",
    ] {
        fs::copy(
            project.root.join("tests/fixtures/tiny").join(file),
            folder.join(file),
        )
        .map_err(failed)?;
    }
    let config = CONFIG.replace("LAYERS", &layers.to_string());
    fs::write(folder.join("config.json"), config).map_err(failed)?;

    let shards = cut(&tensors);
    let mut index = String::new();
    for (at, tensors) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{:05}.safetensors", at + 1, shards.len());
        println!("{file}: {} tensors", tensors.len());
        write_shard(&folder.join(&file), tensors).map_err(failed)?;
        for (name, _) in *tensors {
            let comma = if index.is_empty() { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(index, "{comma}\n  \"{name}\": \"{file}\"");
        }
    }
    let index = format!("{{\"metadata\": {{}}, \"weight_map\": {{{index}\n}}}}\n");
    fs::write(folder.join("model.safetensors.index.json"), index).map_err(failed)
}

/// Parses lines of a `name`, a tab, and a shape such as `4096x14336`.
fn parse(table: &str) -> Vec<Tensor> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let parts = lines.filter_map(|line| line.split_once('\t'));
    parts
        .map(|(name, shape)| {
            let shape = shape.split('x').filter_map(|size| size.parse().ok());
            (name.to_owned(), shape.collect())
        })
        .collect()
}

/// The number of the decoder layer that a tensor belongs to.
fn layer_of(name: &str) -> Option<usize> {
    let (layer, _) = name.strip_prefix("model.layers.")?.split_once('.')?;
    layer.parse().ok()
}

fn bytes_of(shape: &[u64]) -> u64 {
    shape.iter().product::<u64>() * 2
}

/// Divides the tensors into shards, in their order.
fn cut(tensors: &[Tensor]) -> Vec<&[Tensor]> {
    let (mut shards, mut first, mut bytes) = (Vec::new(), 0, 0);
    for (at, (_, shape)) in tensors.iter().enumerate() {
        if bytes + bytes_of(shape) > SHARD_BYTES && at > first {
            shards.push(&tensors[first..at]);
            (first, bytes) = (at, 0);
        }
        bytes += bytes_of(shape);
    }
    shards.push(&tensors[first..]);
    shards
}

fn write_shard(path: &Path, tensors: &[Tensor]) -> io::Result<()> {
    let (mut header, mut offset) = (String::from("{"), 0);
    for (at, (name, shape)) in tensors.iter().enumerate() {
        let end = offset + bytes_of(shape);
        let comma = if at == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(
            header,
            "{comma}\"{name}\":{{\"dtype\":\"BF16\",\"shape\":{shape:?},\"data_offsets\":[{offset},{end}]}}"
        );
        offset = end;
    }
    header.push('}');
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for (name, shape) in tensors {
        // The weights of norms are near one, as in every trained model.
        let mean = if shape.len() == 1 && name.contains("norm") {
            1.0
        } else {
            0.0
        };
        let mut random = Random::new(name);
        let mut left = bytes_of(shape) / 2;
        let mut chunk = Vec::with_capacity(1 << 16);
        while left > 0 {
            chunk.clear();
            let count = left.min(1 << 15);
            for _ in 0..count {
                let value = mean + DEVIATION * random.normal();
                chunk.extend(((value.to_bits() >> 16) as u16).to_le_bytes());
            }
            file.write_all(&chunk)?;
            left -= count;
        }
    }
    file.flush()
}

/// xorshift64*, seeded by a tensor's name.
struct Random(u64);

impl Random {
    fn new(name: &str) -> Self {
        let hash = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, hash) | 1)
    }

    /// The scaled sum of eight bytes: a fast approximation of the normal distribution.
    fn normal(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let sum: u32 = bits.to_le_bytes().into_iter().map(u32::from).sum();
        // The sum of eight bytes has mean 1020 and standard deviation 209.
        (sum as f32 - 1020.0) / 209.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_cut_into_shards_without_loss() {
        let table =
            "# name\tshape\na\t1000000x1000\nb\t4096\nmodel.layers.12.c\t2x1000000x1000\nd\t3\n";
        let tensors = parse(table);
        assert_eq!(
            tensors[2],
            ("model.layers.12.c".to_owned(), vec![2, 1_000_000, 1000])
        );
        assert_eq!(layer_of(&tensors[2].0), Some(12));
        assert_eq!(layer_of("model.norm.weight"), None);
        let shards = cut(&tensors);
        assert_eq!(shards.concat(), tensors);
        assert!(shards.len() == 2 && shards.iter().all(|shard| !shard.is_empty()));
    }

    #[test]
    fn random_weights_are_normal_enough() {
        let mut random = Random::new("model.norm.weight");
        let values: Vec<f32> = (0..100_000).map(|_| random.normal()).collect();
        let mean = values.iter().sum::<f32>() / 1e5;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 1e5;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
    }
}
