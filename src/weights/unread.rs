//! Tensors that a file has and the model does not read. Most are of no consequence; one that would change the answers
//! shows that the file is of another model than its configuration says, and is refused.
//!
//! In: names of tensors, from anyone. Out: what such a one shows, and what to do.

use std::collections::BTreeSet;

use super::others::{MERGE, UNQUANTISED, is_adapters, is_quantised};
use crate::spec::{DECODER, DEM, TOWER, Weight};

/// Last parts of names of what is computed anew, and of what other layouts of pictures need.
const WITHOUT_EFFECT: [&str; 7] = [
    "inv_freq",
    "original_inv_freq",
    "position_ids",
    "cos_cached",
    "sin_cached",
    "causal_mask",
    "image_newline",
];
/// Parts of the tower from which the features come; what is behind them is left out by the release too.
const TOWER_PARTS: [&str; 3] = ["embeddings", "pre_layrnorm", "encoder"];

/// The first of `there` that changes the answers, and that reading `wanted` leaves unread: its name, and a sentence that says
/// what it shows and what to do. `wanted` are those of a whole model.
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
            // The features are those of the last layer but one.
            (_, Some(number)) if number == tower_layers => None,
            (_, Some(number)) if number > tower_layers => Some(format!(
                "of the vision tower's layer {number}, and config.json says vision_config.num_hidden_layers {} (they are counted from 0); give the config.json that belongs to these weights",
                tower_layers + 1
            )),
            // A model without enhancement says so itself; the checkpoint it was cut from has one.
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
    others.find_map(|name| {
        let shows = shows(name)?;
        Some((
            name,
            format!("tensor {name} would be left unread, and the answers be others: it is {shows}"),
        ))
    })
}

/// The number of the layer that `name` is of, among those whose names begin with `of`.
fn layer(name: &str, of: &str) -> Option<usize> {
    let (number, _) = name.strip_prefix(of)?.split_once('.')?;
    number.parse().ok()
}

/// Whether it is of what the model computes with, by its place.
fn changes_answers(name: &str) -> bool {
    let below = |part: &str| name.strip_prefix(part)?.strip_prefix('.');
    if let Some(in_tower) = below(TOWER) {
        let part = in_tower.split('.').next().unwrap_or_default();
        return TOWER_PARTS.contains(&part);
    }
    // CLIP's other half and what joins the two, which its checkpoint has.
    let beside_vision = TOWER.trim_end_matches(".vision_model");
    if below(beside_vision).is_some() {
        return false;
    }
    below(DECODER).is_some() || below("lm_head").is_some()
}
