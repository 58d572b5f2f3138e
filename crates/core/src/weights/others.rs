//! Checkpoints saved by other programs: names with a wrapper's prefix, and signs of quantised
//! weights.
//!
//! In: untrusted tensor names. Out: the model's own names, or the evidence that the weights cannot
//! be read.

use std::collections::BTreeMap;

use super::header::Entry;
use crate::printable::quoted;
use crate::spec::EMBEDDINGS;

/// Suffixes that other programs store beside a quantised weight: bitsandbytes, GPTQ and AWQ, fp8,
/// MLX, compressed-tensors.
const QUANTISED: [&str; 16] = [
    "SCB",
    "weight_format",
    "weight.absmax",
    "weight.quant_map",
    "weight.quant_state",
    "qweight",
    "weight_scale",
    "weight_scale_inv",
    "weight_scale_2",
    "weight_zero_point",
    "input_scale",
    "k_scale",
    "v_scale",
    "weight_packed",
    "scales",
    "qzeros",
];
/// Suffixes that an unmerged adapter (LoRA) stores beside a weight.
const ADAPTED: [&str; 4] = ["lora_A", "lora_B", "lora_embedding_A", "base_layer"];
/// Parts of tensor names that indicate an adapter of any kind.
const ADAPTERS: [&str; 7] = ["lora_", "ia3_", "hada_", "lokr_", "oft_", "vera_", "boft_"];
/// Advice for checkpoints with an adapter.
pub(super) const MERGE: &str =
    "merge the adapter into the model first (peft: merge_and_unload, then save_pretrained)";
/// Most neighbouring tensors that are examined.
const BESIDE_CAP: usize = 16;
/// Advice for quantised checkpoints.
pub(super) const UNQUANTISED: &str =
    "take the checkpoint that it was made from, in F16, BF16 or F32";
/// Parts that wrappers add to names: torch.compile, FSDP, activation checkpointing, DeepSpeed.
const WRAPPERS: [&str; 5] = [
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
    "_module",
];

/// A tensor beside the weight `name` that shows that another program has quantised it.
pub(super) fn quantised<'a>(entries: &'a BTreeMap<String, Entry>, name: &str) -> Option<&'a str> {
    beside(entries, name, &QUANTISED)
}

/// A tensor beside the weight `name` that belongs to an adapter, without which the model answers as
/// before it was tuned.
pub(super) fn adapted<'a>(entries: &'a BTreeMap<String, Entry>, name: &str) -> Option<&'a str> {
    beside(entries, name, &ADAPTED)
}

/// Whether the tensor `name` belongs to an adapter, whatever its prefix.
pub(super) fn is_adapters(name: &str) -> bool {
    name.split('.').any(|part| {
        part == "base_layer" || ADAPTERS.iter().any(|adapter| part.starts_with(adapter))
    })
}

/// Whether the tensor `name` shows that another program has quantised a weight.
pub(super) fn is_quantised(name: &str) -> bool {
    let signs = QUANTISED
        .iter()
        .filter_map(|sign| sign.split('.').next_back());
    let mut signs = signs.filter(|sign| *sign != "weight");
    signs.any(|sign| name.split('.').any(|part| part == sign))
}

fn beside<'a>(entries: &'a BTreeMap<String, Entry>, name: &str, signs: &[&str]) -> Option<&'a str> {
    let stem = name.strip_suffix("weight")?;
    let beside = entries.range(stem.to_string()..);
    let beside = beside.take_while(|(other, _)| other.starts_with(stem));
    let mut names = beside.take(BESIDE_CAP).map(|(other, _)| other.as_str());
    names.find(|other| {
        let rest = &other[stem.len()..];
        signs.iter().any(|sign| {
            let behind = rest.strip_prefix(sign);
            behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('.'))
        })
    })
}

/// Advice if `other` is the tensor `name` with an additional or a missing prefix.
pub(super) fn renamed(name: &str, other: &str) -> Option<String> {
    if let Some(front) = other
        .strip_suffix(name)
        .filter(|front| front.ends_with('.'))
    {
        return Some(format!(
            "; {} is there: its name begins with {}, which a model's own names do not; save the model itself, or take that off every name",
            quoted(other),
            quoted(front)
        ));
    }
    let front = name
        .strip_suffix(other)
        .filter(|front| front.ends_with('.'))?;
    Some(format!(
        "; {} is there, without the {front} in front of it: a part of the model was saved; save the whole one",
        quoted(other)
    ))
}

/// Removes the prefixes of wrappers such as DataParallel, or of an enclosing class, from tensor
/// names. Nothing is renamed if the decoder's embeddings have their usual name.
pub(super) fn unwrapped(
    entries: BTreeMap<String, Entry>,
) -> std::result::Result<BTreeMap<String, Entry>, (String, String)> {
    let bare = |name: &str| {
        let mut parts: Vec<&str> = name
            .split('.')
            .filter(|part| !WRAPPERS.contains(part))
            .collect();
        let modules = parts.iter().take_while(|part| **part == "module").count();
        parts.drain(..modules);
        // A model that was wrapped by an adapter.
        let adapter = parts.starts_with(&["base_model", "model"]);
        parts.drain(..if adapter { 2 } else { 0 });
        parts.join(".")
    };
    let around = format!("model.{EMBEDDINGS}");
    let has = |wanted: &str| entries.keys().any(|name| bare(name) == wanted);
    let in_class = has(&around);
    if entries.contains_key(EMBEDDINGS) || !(in_class || has(EMBEDDINGS)) {
        return Ok(entries);
    }
    let mut renamed = BTreeMap::new();
    for (name, entry) in entries {
        let bare = bare(&name);
        let bare = match bare.strip_prefix("model.").filter(|_| in_class) {
            Some(inner) => inner.to_string(),
            None => bare,
        };
        let file = entry.file.clone();
        if renamed.insert(bare.clone(), entry).is_some() {
            let reason = format!(
                "two tensors are called {bare} once the names of what the model was wrapped into are left out; save the model's own state_dict()"
            );
            return Err((file, reason));
        }
    }
    Ok(renamed)
}
