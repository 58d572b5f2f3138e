//! Tensors in a file that the model does not read. Most are harmless; one that would change the
//! answers shows that the file belongs to another model than its configuration describes, and is
//! refused.
//!
//! In: untrusted tensor names. Out: what such a tensor indicates, and what to do.

use std::collections::BTreeSet;

use super::others::{MERGE, UNQUANTISED, is_adapters, is_quantised};
use crate::spec::{DECODER, DEM, TOWER, Weight};

/// Endings of names that are recomputed, or needed only for other layouts of pictures.
const WITHOUT_EFFECT: [&str; 7] = [
    "inv_freq",
    "original_inv_freq",
    "position_ids",
    "cos_cached",
    "sin_cached",
    "causal_mask",
    "image_newline",
];
/// Parts of the tower that compute the features; the release ignores the later parts too.
const TOWER_PARTS: [&str; 3] = ["embeddings", "pre_layrnorm", "encoder"];

/// The first tensor of `there` that would change the answers but is not in `wanted`, the tensors of
/// a whole model: its name, and what it shows and what to do, for [`told`].
pub fn unread<'a>(
    wanted: &[Weight],
    there: impl Iterator<Item = &'a str>,
) -> Option<(&'a str, String)> {
    let read: BTreeSet<&str> = wanted.iter().map(|weight| weight.name.as_str()).collect();
    let layers = |of: &str| {
        let numbers = read.iter().filter_map(|name| layer(name, of));
        numbers.max().map_or(0, |last| last + 1)
    };
    let decoder = format!("{DECODER}.layers.");
    let tower = format!("{TOWER}.encoder.layers.");
    let (decoder_layers, tower_layers) = (layers(&decoder), layers(&tower));
    let enhances = read.iter().any(|name| name.starts_with(DEM));
    let shows = |name: &str| -> Option<String> {
        if is_adapters(name) {
            return Some(format!("of an adapter that is not merged; {MERGE}"));
        }
        let end = name.rsplit('.').next().unwrap_or_default();
        if WITHOUT_EFFECT.contains(&end) || !changes_answers(name) {
            return None;
        }
        if is_quantised(name) {
            return Some(format!(
                "of weights that another program has quantised; {UNQUANTISED}"
            ));
        }
        match (layer(name, &decoder), layer(name, &tower)) {
            (Some(number), _) if number >= decoder_layers => Some(format!(
                "of layer {number}, and config.json says num_hidden_layers {decoder_layers} (they are counted from 0); give the config.json that belongs to these weights"
            )),
            // The features are those of the last layer but one, so the last layer is ignored.
            (_, Some(number)) if number == tower_layers => None,
            (_, Some(number)) if number > tower_layers => Some(format!(
                "of the vision tower's layer {number}, and config.json says vision_config.num_hidden_layers {} (they are counted from 0); give the config.json that belongs to these weights",
                tower_layers + 1
            )),
            // The configuration says that the model has no enhancement; the checkpoint that it was
            // derived from may have one.
            _ if name.starts_with(DEM) && !enhances => None,
            _ if name.starts_with(DEM) => Some(
                "of an enhancement module other than the one that config.json says (its block inf_llava); give the config.json that belongs to these weights"
                    .into(),
            ),
            _ if name.ends_with(".bias") => Some(
                "a bias where INF-LLaVA has none; the weights are of a model of another kind".into(),
            ),
            _ => Some("part of a model of another kind than INF-LLaVA".into()),
        }
    };
    let mut others = there.filter(|name| !read.contains(name));
    others.find_map(|name| Some((name, shows(name)?)))
}

/// The sentence about the tensor that a file calls `called`, and what it `shows`.
pub(super) fn told(called: &str, shows: &str) -> String {
    format!("tensor {called} would be left unread, and the answers be others: it is {shows}")
}

/// The number of the layer to which `name` belongs, if its name begins with `of`.
fn layer(name: &str, of: &str) -> Option<usize> {
    let (number, _) = name.strip_prefix(of)?.split_once('.')?;
    number.parse().ok()
}

/// Whether the tensor is used in the model's computation, judging by its name.
fn changes_answers(name: &str) -> bool {
    let below = |part: &str| name.strip_prefix(part)?.strip_prefix('.');
    if let Some(in_tower) = below(TOWER) {
        let part = in_tower.split('.').next().unwrap_or_default();
        return TOWER_PARTS.contains(&part);
    }
    // CLIP's checkpoint also has the text model and the projections that connect both.
    let beside_vision = TOWER.trim_end_matches(".vision_model");
    if below(beside_vision).is_some() {
        return false;
    }
    below(DECODER).is_some() || below("lm_head").is_some()
}
