//! The models that random weights are shaped as: their settings, tokenizers, names and shapes.
//!
//! The settings are those of `xtask/checkpoints`, a file for each model: the content of each of its
//! small files by name. Shapes follow from the `config.json` there.

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::names;
use super::tokenizer::Padded;
use super::weights::{Dtype, Tensor};
use crate::error::Error;

const NAMES_8B: &str = include_str!("../../../tests/fixtures/checkpoint-8b.tsv");
const TOKENIZER_8B: &str = include_str!("../../../tests/fixtures/tiny/tokenizer.json");
const SMOL: Padded = Padded {
    text: include_str!("../../../tests/fixtures/family/tokenizers/smolvlm.json"),
    base: 49152,
    last: 49279,
    space: 'Ġ',
};
const QWEN: Padded = Padded {
    text: include_str!("../../../tests/fixtures/family/tokenizers/qwen2.json"),
    base: 151_643,
    last: 151_647,
    space: 'Ġ',
};
const LLAMA: Padded = Padded {
    text: include_str!("../../../tests/fixtures/family/tokenizers/llama2.json"),
    base: 32000,
    last: 32001,
    space: '▁',
};

/// A released model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// INF-LLaVA with LLaMA-3 8B: 16.7 GB
    #[value(name = "8b")]
    InfLlava8b,
    /// SmolVLM-256M-Instruct: 0.5 GB
    #[value(name = "smolvlm-256m")]
    Smolvlm256m,
    /// SmolVLM2-500M-Video-Instruct: 2.0 GB
    #[value(name = "smolvlm2-500m")]
    Smolvlm2500m,
    /// LLaVA-OneVision with Qwen2 0.5B: 1.8 GB
    #[value(name = "onevision-0.5b")]
    Onevision05b,
    /// LLaVA-1.5 with Vicuna 7B: 14.1 GB
    #[value(name = "llava-1.5-7b")]
    Llava157b,
}

impl Shape {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::InfLlava8b => "8b",
            Self::Smolvlm256m => "smolvlm-256m",
            Self::Smolvlm2500m => "smolvlm2-500m",
            Self::Onevision05b => "onevision-0.5b",
            Self::Llava157b => "llava-1.5-7b",
        }
    }

    fn settings(self) -> &'static str {
        match self {
            Self::InfLlava8b => include_str!("../../checkpoints/8b.json"),
            Self::Smolvlm256m => include_str!("../../checkpoints/smolvlm-256m.json"),
            Self::Smolvlm2500m => include_str!("../../checkpoints/smolvlm2-500m.json"),
            Self::Onevision05b => include_str!("../../checkpoints/onevision-0.5b.json"),
            Self::Llava157b => include_str!("../../checkpoints/llava-1.5-7b.json"),
        }
    }

    fn tokenizer(self) -> Result<String, String> {
        match self {
            Self::InfLlava8b => Ok(TOKENIZER_8B.to_owned()),
            Self::Smolvlm256m | Self::Smolvlm2500m => SMOL.build(),
            Self::Onevision05b => QWEN.build(),
            Self::Llava157b => LLAMA.build(),
        }
    }

    /// Names and shapes that follow from the configuration.
    pub(super) fn tensors(self, config: &Value) -> Vec<Tensor> {
        let (text, vision) = (&config["text_config"], &config["vision_config"]);
        let width = names::size(text, "hidden_size", 4096);
        let seen = names::size(vision, "hidden_size", 1152);
        match self {
            Self::InfLlava8b => {
                let layers = names::size(config, "num_hidden_layers", 32);
                let mut found = parse(NAMES_8B);
                found.retain(|tensor| layer_of(&tensor.name).is_none_or(|at| at < layers));
                found
            }
            Self::Smolvlm256m | Self::Smolvlm2500m => {
                let factor = names::size(config, "scale_factor", 2);
                let mut found = names::tower("model.vision_model", vision);
                found.push(Tensor::new(
                    "model.connector.modality_projection.proj.weight",
                    [width, factor * factor * seen],
                ));
                found.extend(names::decoder("model.text_model", text));
                found.push(names::head("lm_head.weight", text));
                found
            }
            Self::Onevision05b | Self::Llava157b => {
                let mut found = names::tower("vision_tower.vision_model", vision);
                found.extend(names::projector("multi_modal_projector", seen, width));
                if self == Self::Onevision05b {
                    found.push(Tensor::new("image_newline", [width]));
                }
                found.extend(names::decoder("language_model.model", text));
                if config["tie_word_embeddings"] != true {
                    found.push(names::head("language_model.lm_head.weight", text));
                }
                found
            }
        }
    }
}

/// All that a folder holds.
#[derive(Debug)]
pub struct Checkpoint {
    /// The small files: text, or JSON.
    pub files: Map<String, Value>,
    pub tensors: Vec<Tensor>,
    pub dtype: Dtype,
}

impl Checkpoint {
    /// The checkpoint of a model, with fewer layers of its decoder if that is asked for.
    pub fn of(shape: Shape, layers: Option<u64>) -> Result<Self, Error> {
        let name = shape.name();
        let failed = |why: String| Error::Failed(format!("the settings of {name}: {why}"));
        let mut files: Map<String, Value> =
            serde_json::from_str(shape.settings()).map_err(|why| failed(why.to_string()))?;
        let tokenizer = shape.tokenizer().map_err(failed)?;
        files.insert("tokenizer.json".to_owned(), tokenizer.into());
        let config = files.get_mut("config.json");
        let config = config.ok_or_else(|| failed("no config.json".to_owned()))?;
        if let Some(layers) = layers {
            let decoder = match shape {
                Shape::InfLlava8b => &mut *config,
                _ => &mut config["text_config"],
            };
            let all = names::size(decoder, "num_hidden_layers", 32);
            if layers > all {
                return Err(Error::Usage(format!(
                    "--layers is {layers}, and the language model of {name} has {all}"
                )));
            }
            decoder["num_hidden_layers"] = layers.into();
        }
        let dtype = match config["torch_dtype"].as_str() {
            Some("float32") => Dtype::F32,
            _ => Dtype::Bf16,
        };
        let tensors = shape.tensors(config);
        Ok(Self {
            files,
            tensors,
            dtype,
        })
    }
}

/// Parses lines of a `name`, a tab, and a shape such as `4096x14336`.
fn parse(table: &str) -> Vec<Tensor> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let parts = lines.filter_map(|line| line.split_once('\t'));
    parts
        .map(|(name, shape)| {
            let shape = shape.split('x').filter_map(|size| size.parse().ok());
            Tensor::new(name, shape.collect::<Vec<u64>>())
        })
        .collect()
}

/// The number of the decoder layer that a tensor belongs to.
fn layer_of(name: &str) -> Option<u64> {
    let (layer, _) = name.strip_prefix("model.layers.")?.split_once('.')?;
    layer.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use sha2::{Digest, Sha256};

    use super::*;

    fn all() -> impl Iterator<Item = (Shape, Checkpoint)> {
        let shapes = Shape::value_variants().iter();
        shapes.map(|&shape| (shape, Checkpoint::of(shape, None).expect("sound")))
    }

    /// SHA-256 of the sorted lines of a name, a tab, and a shape such as `4096x14336`.
    fn hash(tensors: &[Tensor]) -> String {
        let line = |tensor: &Tensor| {
            let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
            format!("{}\t{}\n", tensor.name, shape.join("x"))
        };
        let mut lines: Vec<String> = tensors.iter().map(line).collect();
        lines.sort();
        let hash = Sha256::digest(lines.concat());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Counts and hashes are of what transformers 5.24.0 makes of these configurations, with the
    /// names as they are on the hub.
    #[test]
    fn names_and_shapes_are_those_of_the_released_files() {
        let released = [
            (Shape::InfLlava8b, 706, 8_359_156_864, Dtype::Bf16, None),
            (
                Shape::Smolvlm256m,
                471,
                256_484_928,
                Dtype::Bf16,
                Some("88361de40029e741235e60051de71d9ad2cb3e79c003e200770ce8caa46c84f3"),
            ),
            (
                Shape::Smolvlm2500m,
                489,
                507_482_304,
                Dtype::F32,
                Some("20ec7d8da376496a05ee7d0d99a36ddda572e4de2bf460d647ee6afb1050e3fc"),
            ),
            (
                Shape::Onevision05b,
                716,
                893_675_552,
                Dtype::Bf16,
                Some("9e22d5dd82ef5b093626654ba6d5d37a1a66fa188df57c71670052e9fea246e6"),
            ),
            (
                Shape::Llava157b,
                686,
                7_063_427_072,
                Dtype::Bf16,
                Some("09e8e284a14d2d6f5670d068293cd6d4855264fcd662a74f822bd95c364cb5fd"),
            ),
        ];
        for ((shape, checkpoint), (of, count, parameters, dtype, wanted)) in all().zip(released) {
            assert_eq!(shape, of);
            let tensors = &checkpoint.tensors;
            assert_eq!(tensors.len(), count, "{shape:?}");
            let sum: u64 = tensors.iter().map(Tensor::len).sum();
            assert_eq!(sum, parameters, "{shape:?}");
            assert_eq!(checkpoint.dtype, dtype, "{shape:?}");
            if let Some(wanted) = wanted {
                assert_eq!(hash(tensors), wanted, "{shape:?}");
            }
        }
    }

    #[test]
    fn names_on_the_command_line_are_those_of_the_settings() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints");
        let files = std::fs::read_dir(folder).expect("a folder").count();
        assert_eq!(files, Shape::value_variants().len());
        for (shape, _) in all() {
            let value = shape.to_possible_value().expect("a value");
            assert_eq!(value.get_name(), shape.name());
        }
    }

    #[test]
    fn fewer_layers_are_said_in_the_configuration() {
        for (shape, whole) in all() {
            let cut = Checkpoint::of(shape, Some(2)).expect("sound");
            let config = &cut.files["config.json"];
            let decoder = match shape {
                Shape::InfLlava8b => config,
                _ => &config["text_config"],
            };
            assert_eq!(decoder["num_hidden_layers"], 2, "{shape:?}");
            let layers = |tensors: &[Tensor]| {
                let is_norm = |tensor: &&Tensor| tensor.name.ends_with("input_layernorm.weight");
                tensors.iter().filter(is_norm).count()
            };
            assert_eq!(layers(&cut.tensors), 2, "{shape:?}");
            assert!(layers(&whole.tensors) >= 24, "{shape:?}");
        }
        let error = Checkpoint::of(Shape::Onevision05b, Some(25)).expect_err("has 24");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("has 24"), "{error}");
    }

    /// Ids by text of all tokens.
    fn tokens(file: &Value) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        let mut put = |text: &str, id: &Value| {
            let id = id.as_u64().expect("an id");
            let before = found.insert(text.to_owned(), id);
            assert!(before.is_none_or(|before| before == id), "{text}");
        };
        let vocabulary = file["model"]["vocab"].as_object().expect("a vocabulary");
        vocabulary.iter().for_each(|(text, id)| put(text, id));
        let added = file["added_tokens"].as_array().expect("added tokens");
        for token in added {
            put(token["content"].as_str().expect("text"), &token["id"]);
        }
        found
    }

    /// Tokens and their ids.
    type Ids<'a> = &'a [(&'a str, u64)];

    #[test]
    fn tokens_have_the_released_ids() {
        let released: [(Shape, u64, Ids); 4] = [
            (
                Shape::Smolvlm256m,
                49280,
                &[
                    ("<|endoftext|>", 0),
                    ("<|im_start|>", 1),
                    ("<|im_end|>", 2),
                    ("Ġword49151", 49151),
                    ("<global-img>", 49152),
                    ("<row_1_col_1>", 49153),
                    ("<row_6_col_6>", 49188),
                    ("<fake_token_around_image>", 49189),
                    ("<image>", 49190),
                    ("<|reserved_special_token_0|>", 49191),
                    ("<|reserved_special_token_87|>", 49278),
                    ("<end_of_utterance>", 49279),
                ],
            ),
            (Shape::Smolvlm2500m, 49280, &[("<image>", 49190)]),
            (
                Shape::Onevision05b,
                151_648,
                &[
                    ("<|endoftext|>", 151_643),
                    ("<|im_start|>", 151_644),
                    ("<|im_end|>", 151_645),
                    ("<image>", 151_646),
                    ("<video>", 151_647),
                ],
            ),
            (
                Shape::Llava157b,
                32002,
                &[
                    ("<unk>", 0),
                    ("<s>", 1),
                    ("</s>", 2),
                    ("<image>", 32000),
                    ("<pad>", 32001),
                ],
            ),
        ];
        for (shape, count, wanted) in released {
            let checkpoint = Checkpoint::of(shape, None).expect("sound");
            let file = checkpoint.files["tokenizer.json"].as_str().expect("text");
            let tokens = tokens(&serde_json::from_str(file).expect("JSON"));
            let mut ids: Vec<u64> = tokens.values().copied().collect();
            ids.sort_unstable();
            assert!(ids.into_iter().eq(0..count), "{shape:?}: ids have a gap");
            for (text, id) in wanted {
                assert_eq!(tokens.get(*text), Some(id), "{shape:?} {text}");
            }
            let config = &checkpoint.files["config.json"];
            let image = config
                .get("image_token_id")
                .unwrap_or(&config["image_token_index"]);
            assert_eq!(image.as_u64(), Some(tokens["<image>"]), "{shape:?}");
            let rows = &config["text_config"]["vocab_size"];
            assert!(rows.as_u64() >= Some(count), "{shape:?}");
            let stop = &checkpoint.files["generation_config.json"]["eos_token_id"];
            let stop = stop.get(0).unwrap_or(stop);
            let end = &checkpoint.files["tokenizer_config.json"]["eos_token"];
            let end = end.as_str().expect("text");
            assert_eq!(stop.as_u64(), Some(tokens[end]), "{shape:?}");
        }
    }
}
