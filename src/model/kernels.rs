//! What a GPU computes without a kernel, known from a configuration alone.

use crate::config::Config;
use crate::gpu::ops::has_attention_kernel;
use crate::spec::Connector;

/// The operations of `config` for which there is no kernel, each with its size: on a GPU, burn's own operations compute
/// them, more slowly.
pub fn without_kernel(config: &Config) -> Vec<String> {
    let mut without = Vec::new();
    let mut attention = |of: &str, head_dim: usize| {
        if !has_attention_kernel(head_dim) {
            without.push(format!(
                "the attention of the {of} (heads of {head_dim} channels)"
            ));
        }
    };
    if let Some(vision) = &config.vision {
        let tower = &vision.tower;
        attention("tower", tower.hidden_size / tower.num_attention_heads);
        if let Connector::Dem(dem) = &vision.connector
            && dem.ablation.modules.has_enhancement()
        {
            attention("enhancement", dem.inputs / dem.heads);
        }
    }
    attention("decoder", config.decoder.head_dim);
    let odd = config.weights().into_iter().find_map(|weight| {
        let inputs = weight.shape.get(1).copied()?;
        (weight.shape.len() == 2 && !inputs.is_multiple_of(4)).then_some(inputs)
    });
    if let Some(inputs) = odd {
        without.push(format!("matrix products of {inputs} columns"));
    }
    without
}
