//! The checkpoint's names and shapes, in one table: every tensor that the model reads.

use crate::config::{Config, Dem, Directions, Fusion};

/// Prefix of the vision tower.
pub const VISION: &str = "model.vision_tower.vision_tower.vision_model";
/// Prefix of the enhancement module.
pub const DEM: &str = "model.spatial_embed";
/// Prefix of the projector.
pub const PROJECTOR: &str = "model.mm_projector";
/// Prefix of the decoder.
pub const LANGUAGE: &str = "model";

/// The decoder's embeddings.
pub const EMBEDDINGS: &str = "model.embed_tokens.weight";

/// Name and shape of every tensor needed, in the order of the data. The checkpoint holds a few
/// more (the tower's last layer and post-norm), which nothing reads.
pub fn tensors(config: &Config) -> Names {
    let parts = [clip_tower, enhancement, projector, decoder];
    parts.iter().flat_map(|part| part(config)).collect()
}

/// Names and shapes, in the order in which a module's fields hold them.
pub type Names = Vec<(String, Vec<usize>)>;

/// The tensors of [`crate::vision::clip::ClipTower`].
pub fn clip_tower(config: &Config) -> Names {
    let mut table = Table(Vec::new());
    let vision = &config.vision;
    let c = vision.hidden_size;

    let embeddings = format!("{VISION}.embeddings");
    table.add(format!("{embeddings}.class_embedding"), &[c]);
    table.add(
        format!("{embeddings}.patch_embedding.weight"),
        &[c, 3, vision.patch_px, vision.patch_px],
    );
    table.add(
        format!("{embeddings}.position_embedding.weight"),
        &[config.image_tokens() + 1, c],
    );
    table.norm(format!("{VISION}.pre_layrnorm"), c);
    for layer in 0..vision.layers_run() {
        let layer = format!("{VISION}.encoder.layers.{layer}");
        table.norm(format!("{layer}.layer_norm1"), c);
        for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            table.linear(format!("{layer}.self_attn.{name}"), c, c);
        }
        table.norm(format!("{layer}.layer_norm2"), c);
        table.linear(format!("{layer}.mlp.fc1"), c, vision.intermediate_size);
        table.linear(format!("{layer}.mlp.fc2"), vision.intermediate_size, c);
    }
    table.0
}

/// The tensors of [`crate::vision::enhance::Enhancement`]; none where there is no such module. The
/// release's names, and names of our own for what it does not have.
pub fn enhancement(config: &Config) -> Names {
    let mut table = Table(Vec::new());
    let c = config.vision.hidden_size;
    if !config.ablation.modules.has_enhancement() {
        return table.0;
    }
    let (first, second) = attentions(config);
    for attention in [first].into_iter().chain(second) {
        for index in 0..4 {
            table.linear(format!("{DEM}.{attention}.linears.{index}"), c, c);
        }
        table.norm(format!("{DEM}.{attention}.ln"), c);
    }
    match config.ablation.fusion {
        Fusion::LinearConcat => {
            for ffn in ["ffn_crop", "ffn_stride"] {
                table.linear(format!("{DEM}.{ffn}.0"), c, c / 16);
                table.linear(format!("{DEM}.{ffn}.2"), c / 16, c / 2);
            }
        }
        Fusion::Conv3x3 => {
            table.add(format!("{DEM}.conv_fuse.weight"), &[c, 2 * c, 3, 3]);
            table.add(format!("{DEM}.conv_fuse.bias"), &[c]);
        }
        Fusion::WeightedAddition => {
            for weight in ["weight_crop", "weight_stride"] {
                table.add(format!("{DEM}.{weight}"), &[c]);
            }
        }
        Fusion::Multiplication | Fusion::Maxpool | Fusion::Addition => {}
    }
    table.norm(format!("{DEM}.ln_fuse"), c);
    table.0
}

/// Names below [`DEM`]: of the attention of both directions, or of the global one (or the only one)
/// where they differ; and of the local one's own.
pub fn attentions(config: &Config) -> (&'static str, Option<&'static str>) {
    match (config.ablation.dem, config.ablation.directions) {
        (Dem::Released, _) => ("attention", None),
        (Dem::Paper, Directions::Both) => ("attention_global", Some("attention_local")),
        (Dem::Paper, Directions::Global) => ("attention_global", None),
        (Dem::Paper, Directions::Local) => ("attention_local", None),
    }
}

/// The tensors of [`crate::vision::projector::Projector`].
pub fn projector(config: &Config) -> Names {
    let mut table = Table(Vec::new());
    let (c, hidden) = (config.vision.hidden_size, config.language.hidden_size);
    table.linear(format!("{PROJECTOR}.0"), c, hidden);
    table.linear(format!("{PROJECTOR}.2"), hidden, hidden);
    table.0
}

/// The tensors of [`crate::language::decoder::Decoder`].
pub fn decoder(config: &Config) -> Names {
    let mut table = Table(Vec::new());
    let language = &config.language;
    let hidden = language.hidden_size;
    table.add(
        format!("{LANGUAGE}.embed_tokens.weight"),
        &[language.vocab_size, hidden],
    );
    let key_value = language.num_key_value_heads * language.head_dim();
    for layer in 0..language.num_hidden_layers {
        let layer = format!("{LANGUAGE}.layers.{layer}");
        table.add(format!("{layer}.input_layernorm.weight"), &[hidden]);
        table.add(
            format!("{layer}.self_attn.q_proj.weight"),
            &[hidden, hidden],
        );
        table.add(
            format!("{layer}.self_attn.k_proj.weight"),
            &[key_value, hidden],
        );
        table.add(
            format!("{layer}.self_attn.v_proj.weight"),
            &[key_value, hidden],
        );
        table.add(
            format!("{layer}.self_attn.o_proj.weight"),
            &[hidden, hidden],
        );
        table.add(
            format!("{layer}.post_attention_layernorm.weight"),
            &[hidden],
        );
        table.add(
            format!("{layer}.mlp.gate_proj.weight"),
            &[language.intermediate_size, hidden],
        );
        table.add(
            format!("{layer}.mlp.up_proj.weight"),
            &[language.intermediate_size, hidden],
        );
        table.add(
            format!("{layer}.mlp.down_proj.weight"),
            &[hidden, language.intermediate_size],
        );
    }
    table.add(format!("{LANGUAGE}.norm.weight"), &[hidden]);
    table.add("lm_head.weight".to_string(), &[language.vocab_size, hidden]);
    table.0
}

/// Numbers in all tensors of [`tensors`].
pub fn parameters(config: &Config) -> u64 {
    tensors(config)
        .iter()
        .map(|(_, shape)| shape.iter().map(|&d| d as u64).product::<u64>())
        .sum()
}

struct Table(Vec<(String, Vec<usize>)>);

impl Table {
    fn add(&mut self, name: String, shape: &[usize]) {
        self.0.push((name, shape.to_vec()));
    }

    fn linear(&mut self, name: String, inputs: usize, outputs: usize) {
        self.add(format!("{name}.weight"), &[outputs, inputs]);
        self.add(format!("{name}.bias"), &[outputs]);
    }

    fn norm(&mut self, name: String, channels: usize) {
        self.add(format!("{name}.weight"), &[channels]);
        self.add(format!("{name}.bias"), &[channels]);
    }
}
