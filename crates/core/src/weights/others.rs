//! Checkpoints saved by other programs: names with a wrapper's prefix or in another spelling, and
//! signs of quantised weights.
//!
//! In: untrusted tensor names. Out: the names of `spec`, or the evidence that the weights cannot be
//! read.

use std::collections::BTreeMap;

use super::header::Entry;
use super::spelling::canonical;
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

/// The prefix of a model's names in a class around it, such as Lightning's.
const CLASS: &str = "model.";

/// A tensor beside the weight `name` that shows that another program has quantised it, by its name
/// in the file.
pub(super) fn quantised<'a>(entries: &'a BTreeMap<String, Entry>, name: &str) -> Option<&'a str> {
    beside(entries, name, &QUANTISED)
}

/// A tensor beside the weight `name` that belongs to an adapter, without which the model answers as
/// before it was tuned; by its name in the file.
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
    let mut beside = beside.take(BESIDE_CAP);
    let found = beside.find(|(other, _)| {
        let rest = &other[stem.len()..];
        signs.iter().any(|sign| {
            let behind = rest.strip_prefix(sign);
            behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('.'))
        })
    });
    found.map(|(_, entry)| entry.name.as_str())
}

/// Advice if `other`, which the file calls `called`, is the tensor `name` with an additional or a
/// missing prefix.
pub(super) fn renamed(name: &str, other: &str, called: &str) -> Option<String> {
    if let Some(front) = other
        .strip_suffix(name)
        .filter(|front| front.ends_with('.'))
    {
        return Some(format!(
            "; {} is there: its name begins with {}, which a model's own names do not; save the model itself, or take that off every name",
            quoted(called),
            quoted(front)
        ));
    }
    let front = name
        .strip_suffix(other)
        .filter(|front| front.ends_with('.'))?;
    Some(format!(
        "; {} is there, without the {front} in front of it: a part of the model was saved; save the whole one",
        quoted(called)
    ))
}

/// The tensors by the names that `spec` has for them: in its spelling, and without the prefixes of
/// wrappers such as DataParallel, or of an enclosing class. No prefix is removed if the decoder's
/// embeddings are called as in some model.
///
/// # Errors
/// The file and the reason, if two tensors have one name then.
pub(super) fn by_name(
    entries: Vec<Entry>,
) -> std::result::Result<BTreeMap<String, Entry>, (String, String)> {
    let has = |shows: &dyn Fn(&str) -> bool| entries.iter().any(|entry| shows(&entry.name));
    let is_embeddings = |name: &str| canonical(name) == EMBEDDINGS;
    let in_class = |name: &str| {
        let bare = unwrapped(name);
        bare.strip_prefix(CLASS).is_some_and(is_embeddings)
    };
    let is_own = has(&is_embeddings);
    let is_wrapped = !is_own && has(&|name| is_embeddings(&unwrapped(name)));
    let is_in_class = !is_own && !is_wrapped && has(&in_class);
    let own = |name: &str| -> String {
        if !is_wrapped && !is_in_class {
            return canonical(name).into_owned();
        }
        let bare = unwrapped(name);
        let inner = bare.strip_prefix(CLASS).filter(|_| is_in_class);
        canonical(inner.unwrap_or(&bare)).into_owned()
    };
    let mut named: BTreeMap<String, Entry> = BTreeMap::new();
    for entry in entries {
        let name = own(&entry.name);
        let Some(other) = named.get(&name) else {
            named.insert(name, entry);
            continue;
        };
        if other.is_same_place(&entry) {
            continue;
        }
        let both = format!("{} and {}", quoted(&other.name), quoted(&entry.name));
        let reason = match is_wrapped || is_in_class {
            true => format!(
                "two tensors are called {} once the names of what the model was wrapped into are left out, {both}; save the model's own state_dict()",
                quoted(&name)
            ),
            false => format!(
                "tensors {both} are one and the same of the model, {}, in two spellings; take out the one that does not belong to it, or save the model again",
                quoted(&name)
            ),
        };
        return Err((entry.file, reason));
    }
    Ok(named)
}

/// `name` without the parts that wrappers add.
fn unwrapped(name: &str) -> String {
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
}
