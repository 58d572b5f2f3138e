//! Tensor names. The original LLaVA, several versions of transformers, SmolVLM and plain decoders spell the same tensor
//! differently; `spec` and all that reads weights use the original LLaVA's names.
//!
//! In: untrusted names. Out: the same names as `spec` has them, and back, for messages. This module does not know which
//! model it is: a name alone decides.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::spec::NEWLINE;

/// What stands directly below the decoder's prefix.
const DECODER_PARTS: &[&str] = &["embed_tokens", "layers", "norm", "rotary_emb"];
/// What stands directly below the tower's prefix.
const TOWER_PARTS: &[&str] = &[
    "embeddings",
    "pre_layrnorm",
    "encoder",
    "post_layernorm",
    "head",
];
/// Any part at all.
const ANY: &[&str] = &[];
/// What newer versions of transformers put in front of the names of LLaVA's parts.
const MODEL: &str = "model.";

/// One way to spell the beginning of some names.
struct Spelling {
    /// The beginning in a file.
    there: &'static str,
    /// The beginning in `spec`.
    here: &'static str,
    /// The parts, one of which must follow, or nothing where it is empty; all fit if there are none.
    before: &'static [&'static str],
}

const fn spelling(
    there: &'static str,
    here: &'static str,
    before: &'static [&'static str],
) -> Spelling {
    Spelling {
        there,
        here,
        before,
    }
}

/// In the order in which they are tried. Those of LLaVA's parts may have a `model.` in front of them.
const SPELLINGS: [Spelling; 14] = [
    // transformers: the decoder as a model of its own, and since 4.52 as a part.
    spelling("language_model.model.", MODEL, DECODER_PARTS),
    spelling("language_model.", MODEL, DECODER_PARTS),
    spelling("language_model.", "", &["lm_head"]),
    // The tower, and since 5 without its inner name; below the original's two names too.
    spelling(
        "vision_tower.vision_tower.vision_model.",
        TOWER_AND_DOT,
        ANY,
    ),
    spelling("vision_tower.vision_tower.", TOWER_AND_DOT, TOWER_PARTS),
    spelling("vision_tower.vision_model.", TOWER_AND_DOT, ANY),
    spelling("vision_tower.", TOWER_AND_DOT, TOWER_PARTS),
    spelling(
        "multi_modal_projector.linear_1.",
        "model.mm_projector.0.",
        ANY,
    ),
    spelling(
        "multi_modal_projector.linear_2.",
        "model.mm_projector.2.",
        ANY,
    ),
    spelling("image_newline", NEWLINE, &[""]),
    // SmolVLM.
    spelling("model.vision_model.", TOWER_AND_DOT, ANY),
    spelling("model.text_model.", MODEL, DECODER_PARTS),
    // The original's projector of one layer, which is no list of layers there.
    spelling(
        "model.mm_projector.",
        "model.mm_projector.0.",
        &["weight", "bias"],
    ),
    // A decoder that was saved without its head.
    spelling("", MODEL, DECODER_PARTS),
];
/// [`TOWER`](crate::spec::TOWER), as the beginning of names.
const TOWER_AND_DOT: &str = "model.vision_tower.vision_tower.vision_model.";
/// The beginnings behind which an additional `model.` is left out.
const PARTS: [&str; 3] = ["language_model.", "vision_tower.", "multi_modal_projector."];

/// The beginnings in front of which no version of transformers puts it, though it is left out there too.
const OLDER: [&str; 2] = ["language_model.model.", "language_model.lm_head."];

impl Spelling {
    fn fits(&self, rest: &str) -> bool {
        let part = rest.split('.').next().unwrap_or_default();
        let is_there = self.before.contains(&part) && (!part.is_empty() || rest.is_empty());
        self.before.is_empty() || is_there
    }

    fn canonical(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(self.there)?;
        self.fits(rest).then(|| format!("{}{rest}", self.here))
    }

    fn in_file(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(self.here)?;
        self.fits(rest).then(|| format!("{}{rest}", self.there))
    }
}

/// The name in `spec` of the tensor that a file calls `name`: the original LLaVA's (`model.layers.0...`, `lm_head`,
/// [`TOWER`](crate::spec::TOWER), `model.mm_projector.0` and `.2`, `model.image_newline`), and SmolVLM's own for its
/// connector. Any other name stays as it is, those that are spelled so already, INF-LLaVA's and CLIP's own among them.
pub fn canonical(name: &str) -> Cow<'_, str> {
    if name.starts_with(TOWER_AND_DOT) {
        return Cow::Borrowed(name);
    }
    let part = name.strip_prefix(MODEL).filter(|part| is_part(part));
    let part = part.unwrap_or(name);
    let mut spellings = SPELLINGS.iter();
    match spellings.find_map(|spelling| spelling.canonical(part)) {
        Some(canonical) if canonical != name => Cow::Owned(canonical),
        _ => Cow::Borrowed(name),
    }
}

/// Whether `name` may have an additional `model.` in front of it.
fn is_part(name: &str) -> bool {
    name == "image_newline" || PARTS.iter().any(|part| name.starts_with(part))
}

/// How the tensor that `spec` calls `name` would be spelled in a file with the names `there`, judging by the parts of
/// names that they have in common; `None` if it would be spelled as in `spec`, or if that cannot be told.
pub(super) fn in_file_of<'a>(
    name: &str,
    there: impl Iterator<Item = &'a str> + Clone,
) -> Option<String> {
    let spellings = SPELLINGS.iter();
    let mut ways: BTreeSet<String> = spellings
        .filter_map(|spelling| spelling.in_file(name))
        .collect();
    let is_older = |way: &str| OLDER.iter().any(|older| way.starts_with(older));
    let longer = ways.iter().filter(|way| is_part(way) && !is_older(way));
    let longer: Vec<String> = longer.map(|way| format!("{MODEL}{way}")).collect();
    ways.extend(longer);
    ways.retain(|way| way != name && canonical(way) == name);
    let most_shared = |way: &str| {
        let shared = |other| shared_parts(way, other);
        there.clone().map(shared).max().unwrap_or(0)
    };
    // Of those that share equally many parts, the one that adds no part that the others have not got.
    let counted = ways.into_iter().map(|way| (most_shared(&way), way));
    let (most, best) = counted.max_by_key(|(most, way)| (*most, Reverse(way.len())))?;
    (most > most_shared(name)).then_some(best)
}

/// The number of parts, divided by dots, with which both names begin.
fn shared_parts(a: &str, b: &str) -> usize {
    let pairs = a.split('.').zip(b.split('.'));
    pairs.take_while(|(a, b)| a == b).count()
}
