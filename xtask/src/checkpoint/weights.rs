//! Random weights: safetensors files with an index, as large as the released ones.
//!
//! In: names and shapes. Out: the files, with the same bytes every time. Nothing of a tensor's size
//! is held in memory.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The file that says which shard holds which tensor.
pub const INDEX: &str = "model.safetensors.index.json";
/// Size of a shard, as of most released ones. A larger tensor is a shard of its own.
const SHARD_BYTES: u64 = 5_000_000_000;
/// Approximate standard deviation of the weights.
const DEVIATION: f32 = 0.02;
/// Random values that matrices are filled from, over and over. A prime: so two rows of a matrix
/// never begin at the same one, and no two rows are equal.
const BLOCK: usize = 1_048_573;

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    Bf16,
    F32,
}

impl Dtype {
    /// In bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Bf16 => 2,
            Self::F32 => 4,
        }
    }

    /// In a safetensors header.
    fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "BF16",
            Self::F32 => "F32",
        }
    }

    fn put(self, value: f32, bytes: &mut Vec<u8>) {
        match self {
            Self::Bf16 => bytes.extend(((value.to_bits() >> 16) as u16).to_le_bytes()),
            Self::F32 => bytes.extend(value.to_le_bytes()),
        }
    }
}

/// Name and shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<u64>,
}

impl Tensor {
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<u64>>) -> Self {
        let (name, shape) = (name.into(), shape.into());
        Self { name, shape }
    }

    /// Number of values.
    pub fn len(&self) -> u64 {
        self.shape.iter().product()
    }
}

/// One file and its tensors.
#[derive(Debug)]
pub struct Shard<'a> {
    pub file: String,
    pub tensors: &'a [Tensor],
    /// Of the values, without the header.
    pub bytes: u64,
}

/// Divides the tensors into shards, in their order.
pub fn cut<'a>(tensors: &'a [Tensor], dtype: Dtype) -> Vec<Shard<'a>> {
    let bytes_of = |tensor: &Tensor| tensor.len() * dtype.size() as u64;
    let (mut parts, mut first, mut bytes) = (Vec::new(), 0, 0);
    for (at, tensor) in tensors.iter().enumerate() {
        if bytes + bytes_of(tensor) > SHARD_BYTES && at > first {
            parts.push(&tensors[first..at]);
            (first, bytes) = (at, 0);
        }
        bytes += bytes_of(tensor);
    }
    parts.push(&tensors[first..]);
    let count = parts.len();
    let shard = |(at, tensors): (usize, &'a [Tensor])| Shard {
        file: match count {
            1 => "model.safetensors".to_owned(),
            _ => format!("model-{:05}-of-{count:05}.safetensors", at + 1),
        },
        tensors,
        bytes: tensors.iter().map(bytes_of).sum(),
    };
    parts.into_iter().enumerate().map(shard).collect()
}

/// Writes the shards, and the index if there are several.
pub fn write(folder: &Path, shards: &[Shard], dtype: Dtype) -> io::Result<()> {
    let block = Block::new(dtype);
    let (mut index, mut total) = (String::new(), 0);
    for shard in shards {
        println!("{}: {} tensors", shard.file, shard.tensors.len());
        write_shard(&folder.join(&shard.file), shard.tensors, &block)?;
        total += shard.bytes;
        for Tensor { name, .. } in shard.tensors {
            let comma = if index.is_empty() { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(index, "{comma}\n  \"{name}\": \"{}\"", shard.file);
        }
    }
    if shards.len() == 1 {
        return Ok(());
    }
    let index =
        format!("{{\"metadata\": {{\"total_size\": {total}}}, \"weight_map\": {{{index}\n}}}}\n");
    fs::write(folder.join(INDEX), index)
}

fn write_shard(path: &Path, tensors: &[Tensor], block: &Block) -> io::Result<()> {
    let dtype = block.dtype;
    // transformers refuses a file without this.
    let mut header = String::from("{\"__metadata__\":{\"format\":\"pt\"}");
    let mut offset = 0;
    for tensor in tensors {
        let end = offset + tensor.len() * dtype.size() as u64;
        // Writing to a string cannot fail.
        let _ = write!(
            header,
            ",\"{}\":{{\"dtype\":\"{}\",\"shape\":{:?},\"data_offsets\":[{offset},{end}]}}",
            tensor.name,
            dtype.name(),
            tensor.shape
        );
        offset = end;
    }
    header.push('}');
    // So that the values begin at a multiple of their size.
    header.extend(std::iter::repeat_n(
        ' ',
        header.len().next_multiple_of(8) - header.len(),
    ));
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for tensor in tensors {
        if tensor.shape.len() == 1 {
            file.write_all(&vector(tensor, dtype))?;
        } else {
            block.write(tensor, &mut file)?;
        }
    }
    file.flush()
}

/// A bias, or the weights of a norm, which are near one, as in every trained model.
fn vector(tensor: &Tensor, dtype: Dtype) -> Vec<u8> {
    let is_norm = tensor.name.contains("norm") && tensor.name.ends_with(".weight");
    let mean = if is_norm { 1.0 } else { 0.0 };
    let mut random = Random::new(&tensor.name);
    let mut bytes = Vec::new();
    for _ in 0..tensor.len() {
        dtype.put(mean + DEVIATION * random.normal(), &mut bytes);
    }
    bytes
}

/// The values that matrices are filled from.
struct Block {
    dtype: Dtype,
    bytes: Vec<u8>,
}

impl Block {
    fn new(dtype: Dtype) -> Self {
        let mut random = Random::new("block");
        let mut bytes = Vec::with_capacity(BLOCK * dtype.size());
        for _ in 0..BLOCK {
            dtype.put(DEVIATION * random.normal(), &mut bytes);
        }
        Self { dtype, bytes }
    }

    /// Writes a tensor's values, from a place in the block that its name decides.
    fn write(&self, tensor: &Tensor, file: &mut impl Write) -> io::Result<()> {
        let size = self.dtype.size();
        let mut at = (Random::new(&tensor.name).0 % BLOCK as u64) as usize * size;
        let mut left = tensor.len() * size as u64;
        while left > 0 {
            let rest = &self.bytes[at..];
            let count = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
            file.write_all(&rest[..count])?;
            left -= count as u64;
            at = 0;
        }
        Ok(())
    }
}

/// xorshift64*, seeded by a name.
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
    use crate::checkpoint::tests::Scratch;
    use serde_json::Value;

    #[test]
    fn the_tensors_are_cut_into_shards_without_loss() {
        let tensors = [
            Tensor::new("a", [1_000_000, 1000]),
            Tensor::new("b", [4096]),
            Tensor::new("c", [2, 1_000_000, 1000]),
            Tensor::new("d", [3]),
        ];
        let shards = cut(&tensors, Dtype::Bf16);
        let all: Vec<Tensor> = shards.iter().flat_map(|s| s.tensors).cloned().collect();
        assert_eq!(all, tensors);
        let files: Vec<&str> = shards.iter().map(|shard| shard.file.as_str()).collect();
        assert_eq!(
            files,
            [
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors"
            ]
        );
        assert_eq!(
            (shards[0].bytes, shards[1].bytes),
            (2_000_008_192, 4_000_000_006)
        );
        // In float32 the third is larger than a shard, and the fourth does not fit beside it.
        assert_eq!(cut(&tensors, Dtype::F32).len(), 3);
        assert_eq!(cut(&tensors[3..], Dtype::Bf16)[0].file, "model.safetensors");
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

    /// Reads a tensor of a file that was written, as float32.
    fn values(file: &[u8], name: &str) -> Vec<f32> {
        let length = u64::from_le_bytes(file[..8].try_into().expect("8 bytes")) as usize;
        assert_eq!(length % 8, 0);
        let header: Value = serde_json::from_slice(&file[8..8 + length]).expect("JSON");
        let place = |at: usize| header[name]["data_offsets"][at].as_u64().expect("a number");
        let data = &file[8 + length..][place(0) as usize..place(1) as usize];
        let value = |bytes: &[u8]| match bytes {
            [a, b] => f32::from_bits(u32::from(u16::from_le_bytes([*a, *b])) << 16),
            bytes => f32::from_le_bytes(bytes.try_into().expect("4 bytes")),
        };
        let size = if header[name]["dtype"] == "BF16" {
            2
        } else {
            4
        };
        data.chunks(size).map(value).collect()
    }

    #[test]
    fn what_is_written_is_whole_and_random() {
        // Larger than the block, with a width that divides nothing of it.
        let tensors = [
            Tensor::new("w.weight", [1100, 1024]),
            Tensor::new("norm.weight", [4000]),
            Tensor::new("norm.bias", [4000]),
        ];
        for dtype in [Dtype::Bf16, Dtype::F32] {
            let folder = Scratch::new();
            let shards = cut(&tensors, dtype);
            write(folder.path(), &shards, dtype).expect("written");
            assert!(!folder.path().join(INDEX).exists());
            let file = fs::read(folder.path().join("model.safetensors")).expect("bytes");
            let (bytes, header) = (shards[0].bytes as usize, file[..8].to_vec());
            let header = u64::from_le_bytes(header.try_into().expect("8 bytes")) as usize;
            assert_eq!(file.len(), 8 + header + bytes);
            for (tensor, mean) in tensors.iter().zip([0.0, 1.0, 0.0]) {
                let values = values(&file, &tensor.name);
                assert_eq!(values.len() as u64, tensor.len());
                let count = values.len() as f32;
                let is = values.iter().sum::<f32>() / count;
                let deviation = values.iter().map(|v| (v - is).powi(2)).sum::<f32>() / count;
                assert!((is - mean).abs() < 0.004, "{} {is}", tensor.name);
                let near = (deviation.sqrt() - DEVIATION).abs() < 0.001;
                assert!(near, "{} {deviation}", tensor.name);
            }
            let matrix = values(&file, "w.weight");
            let mut rows: Vec<Vec<u32>> = matrix
                .chunks(1024)
                .map(|row| row.iter().map(|value| value.to_bits()).collect())
                .collect();
            rows.sort();
            rows.dedup();
            assert_eq!(rows.len(), 1100, "equal rows");
        }
    }

    #[test]
    fn the_index_names_the_shard_of_every_tensor() {
        let folder = Scratch::new();
        let tensors = [Tensor::new("a", [4, 3]), Tensor::new("b", [5])];
        let shard = |at: usize| Shard {
            file: format!("{at}.safetensors"),
            tensors: &tensors[at..=at],
            bytes: tensors[at].len() * 4,
        };
        write(folder.path(), &[shard(0), shard(1)], Dtype::F32).expect("written");
        let index = fs::read_to_string(folder.path().join(INDEX)).expect("text");
        let index: Value = serde_json::from_str(&index).expect("JSON");
        assert_eq!(index["metadata"]["total_size"], 17 * 4);
        assert_eq!(index["weight_map"]["a"], "0.safetensors");
        assert_eq!(index["weight_map"]["b"], "1.safetensors");
    }
}
