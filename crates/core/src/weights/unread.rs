//! Tensors in a file that the model does not read. Most are harmless; one that would change the
//! answers shows that the file belongs to another model than its configuration describes, and is
//! refused. So is a vision tower beside a language model: the configuration is another model's.
//!
//! In: untrusted tensor names, in the spelling of `spec`. Out: what such a tensor indicates, and what
//! to do.

use std::collections::BTreeSet;

use super::others::{MERGE, UNQUANTISED, is_adapters, is_quantised};
use crate::spec::{
    DECODER, DEM, EMBEDDINGS, HEAD, Kind, NEWLINE, PERCEIVER, PROJECTOR, SHUFFLE, TOWER, Weight,
};

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
/// Parts of the tower that compute the features. The norm after them is one of them in few models,
/// which then read it; what SigLIP has behind it (`head`) is none.
const TOWER_PARTS: [&str; 3] = ["embeddings", "pre_layrnorm", "encoder"];
/// What reads pictures in models of any kind, or passes what was read on.
const SEEING: [&str; 11] = [
    TOWER,
    PROJECTOR,
    SHUFFLE,
    PERCEIVER,
    DEM,
    "multi_modal_projector",
    "vision_tower",
    "vision_model",
    "visual",
    "image_tower",
    "video_tower",
];
/// Advice if the configuration and the weights are of different models.
const OTHER_CONFIG: &str = "give the config.json that belongs to these weights";

/// The first tensor of `there` that would change the answers but is not in `wanted`, the tensors of
/// a whole model: its name, and what it is a part of and what to do, to be put behind "it is".
pub fn unread<'a>(
    wanted: &[Weight],
    there: impl Iterator<Item = &'a str>,
) -> Option<(&'a str, String)> {
    let whole = Whole::new(wanted);
    let mut others = there.filter(|name| !whole.names.contains(name));
    others.find_map(|name| Some((name, whole.shows(name)?)))
}

/// The sentence about the tensor that a file calls `called`, and what it `shows`.
pub(super) fn told(called: &str, shows: &str) -> String {
    format!("tensor {called} would be left unread, and the answers be others: it is {shows}")
}

/// What a whole model reads.
struct Whole<'a> {
    names: BTreeSet<&'a str>,
    decoder_layers: usize,
    /// Those that are computed.
    tower_layers: usize,
    /// Whether the logits are computed from the embeddings' matrix.
    is_tied: bool,
}

impl<'a> Whole<'a> {
    fn new(wanted: &'a [Weight]) -> Self {
        let names: BTreeSet<&str> = wanted.iter().map(|weight| weight.name.as_str()).collect();
        let layers = |of: fn(&str) -> Option<usize>| {
            let numbers = names.iter().filter_map(|name| of(name));
            numbers.max().map_or(0, |last| last + 1)
        };
        let is_tied =
            |weight: &Weight| weight.name == EMBEDDINGS && weight.kind == Kind::TiedEmbeddings;
        Whole {
            decoder_layers: layers(decoder_layer),
            tower_layers: layers(tower_layer),
            is_tied: wanted.iter().any(is_tied),
            names,
        }
    }

    fn reads(&self, part: &str) -> bool {
        self.names.iter().any(|name| is_of(name, part))
    }

    /// What the tensor `name` shows, which is not read.
    fn shows(&self, name: &str) -> Option<String> {
        if is_adapters(name) {
            return Some(format!("of an adapter that is not merged; {MERGE}"));
        }
        let end = name.rsplit('.').next().unwrap_or_default();
        if WITHOUT_EFFECT.contains(&end) {
            return None;
        }
        let sees = self.reads(TOWER);
        let is_seeing = !sees && SEEING.iter().any(|part| is_of(name, part));
        if !is_seeing && !changes_answers(name) {
            return None;
        }
        if is_quantised(name) {
            return Some(format!(
                "of weights that another program has quantised; {UNQUANTISED}"
            ));
        }
        if is_seeing {
            return Some(format!(
                "of a model that sees pictures, and config.json describes one that does not; {OTHER_CONFIG}"
            ));
        }
        let enhances = self.reads(DEM);
        match (decoder_layer(name), tower_layer(name)) {
            (Some(number), _) if number >= self.decoder_layers => Some(format!(
                "of layer {number}, and config.json says num_hidden_layers {} (they are counted from 0); {OTHER_CONFIG}",
                self.decoder_layers
            )),
            (_, Some(number)) if number >= self.tower_layers => {
                let stated = self.stated_tower_layers(enhances)?;
                (number >= stated).then(|| {
                    format!(
                        "of the vision tower's layer {number}, and config.json says vision_config.num_hidden_layers {stated} (they are counted from 0); {OTHER_CONFIG}"
                    )
                })
            }
            // The configuration says that the model has no enhancement; the checkpoint that it was
            // derived from may have one.
            _ if is_of(name, DEM) && !enhances && self.may_be_ablated() => None,
            _ if is_of(name, DEM) => Some(format!(
                "of an enhancement module other than the one that config.json says (its block inf_llava); {OTHER_CONFIG}"
            )),
            // As in transformers, which does not read it then.
            _ if name == HEAD && self.is_tied => None,
            _ if name.ends_with(".bias") => Some(format!(
                "a bias where {} has none; the weights are of a model of another kind",
                if enhances {
                    "INF-LLaVA"
                } else {
                    "the model of config.json"
                }
            )),
            _ if enhances => Some("part of a model of another kind than INF-LLaVA".into()),
            _ => Some(format!(
                "part of a model of another kind than config.json describes; {OTHER_CONFIG}"
            )),
        }
    }

    /// The tower's layers as config.json states them, if that follows from those that are computed:
    /// INF-LLaVA's features are those of the last layer but one, and where a norm follows the last
    /// layer all are computed. Others may select any layer, and what follows it has no effect.
    fn stated_tower_layers(&self, enhances: bool) -> Option<usize> {
        let post_norm = format!("{TOWER}.post_layernorm.weight");
        match self.names.contains(post_norm.as_str()) {
            true => Some(self.tower_layers),
            false => enhances.then_some(self.tower_layers + 1),
        }
    }

    /// Whether it reads what INF-LLaVA without its enhancement reads.
    fn may_be_ablated(&self) -> bool {
        self.reads(PROJECTOR) && !self.names.contains(NEWLINE) && !self.reads(PERCEIVER)
    }
}

/// Whether `name` lies below `part`.
fn is_of(name: &str, part: &str) -> bool {
    let rest = name.strip_prefix(part);
    rest.is_some_and(|rest| rest.starts_with('.'))
}

/// The number of the decoder's layer to which `name` belongs.
fn decoder_layer(name: &str) -> Option<usize> {
    layer(name.strip_prefix(DECODER)?)
}

/// The number of the tower's layer to which `name` belongs.
fn tower_layer(name: &str) -> Option<usize> {
    layer(name.strip_prefix(TOWER)?.strip_prefix(".encoder")?)
}

fn layer(rest: &str) -> Option<usize> {
    let (number, _) = rest.strip_prefix(".layers.")?.split_once('.')?;
    number.parse().ok()
}

/// Whether the tensor is used in the model's computation, judging by its name.
fn changes_answers(name: &str) -> bool {
    if let Some(in_tower) = name
        .strip_prefix(TOWER)
        .and_then(|rest| rest.strip_prefix('.'))
    {
        let part = in_tower.split('.').next().unwrap_or_default();
        return TOWER_PARTS.contains(&part);
    }
    // CLIP's checkpoint also has the text model and the projections that connect both.
    let beside_vision = TOWER.trim_end_matches(".vision_model");
    if is_of(name, beside_vision) {
        return false;
    }
    // What transformers calls a part of LLaVA, and `spec` has no name for.
    let parts = [
        DECODER,
        "lm_head",
        "language_model",
        "multi_modal_projector",
    ];
    parts.iter().any(|part| is_of(name, part))
}
