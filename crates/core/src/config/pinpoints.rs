//! `image_grid_pinpoints`: the sizes that pictures are resized to, to be cut into tiles.

use serde_json::Value;

use super::keys::Keys;
use crate::error::{Error, Result};

/// The most pinpoints; published models have up to 36.
const PINPOINTS_CAP: usize = 64;
/// The most tiles along a side; published models have up to 6.
const TILES_CAP: usize = 16;

const NAME: &str = "image_grid_pinpoints";

/// In which order a pair has its sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// transformers'.
    HeightFirst,
    /// The original LLaVA's.
    WidthFirst,
}

impl Order {
    /// Height and width.
    fn size_px(self, [first, second]: [usize; 2]) -> [usize; 2] {
        match self {
            Order::HeightFirst => [first, second],
            Order::WidthFirst => [second, first],
        }
    }
}

/// Heights and widths in the file's order, which decides between equally good ones; none if the key is absent.
///
/// # Errors
/// [`Error::Config`] naming a pair that is not of whole tiles of `view_px`, or of too many.
pub(super) fn pinpoints(
    keys: &Keys<'_>,
    view_px: usize,
    order: Order,
) -> Result<Option<Vec<[usize; 2]>>> {
    let pairs = match keys.get(NAME) {
        None => return Ok(None),
        Some(Value::String(text)) if order == Order::WidthFirst => of_text(text, view_px)
            .ok_or_else(|| keys.must_be(NAME, "a list of pairs, or a text like (1x1),...,(6x6)"))?,
        Some(Value::Array(list)) if (1..=PINPOINTS_CAP).contains(&list.len()) => {
            let pairs: Option<Vec<[usize; 2]>> = list.iter().map(pair).collect();
            pairs.ok_or_else(|| keys.bad(NAME, "must be a list of pairs of whole numbers"))?
        }
        Some(Value::Array(list)) => {
            return Err(keys.bad(
                NAME,
                format_args!("has {} pairs, it must be 1 to {PINPOINTS_CAP}", list.len()),
            ));
        }
        Some(_) => return Err(keys.must_be(NAME, "a list of pairs")),
    };
    for pair in &pairs {
        check(keys, *pair, view_px)?;
    }
    Ok(Some(
        pairs.into_iter().map(|pair| order.size_px(pair)).collect(),
    ))
}

/// All sizes of 1 to `most` tiles a side, the first side outermost.
pub(super) fn all(view_px: usize, most: usize) -> Vec<[usize; 2]> {
    range([1, 1], [most, most], view_px)
}

/// N of `anyres_max_N`: the most tokens of a map, in views.
pub(super) fn of_anyres_max(text: &str) -> Option<usize> {
    let most = text.strip_prefix("anyres_max_")?.parse().ok();
    most.filter(|most| (1..=1024).contains(most))
}

/// That there is no list where pictures are tiled.
pub(super) fn missing(keys: &Keys<'_>) -> Error {
    keys.bad(
        NAME,
        "is missing: pictures are tiled, and it has the sizes for that",
    )
}

/// That two files have different lists.
pub(super) fn differ(keys: &Keys<'_>) -> Error {
    keys.bad(
        NAME,
        "is another list than in config.json: tokens would not be where the model expects them; take both files from the same checkpoint",
    )
}

fn pair(value: &Value) -> Option<[usize; 2]> {
    let side = |value: &Value| usize::try_from(value.as_u64()?).ok();
    match value.as_array()?.as_slice() {
        [first, second] => Some([side(first)?, side(second)?]),
        _ => None,
    }
}

/// `(1x1),...,(6x6)`: every size from the first pair to the last one, in tiles.
fn of_text(text: &str, view_px: usize) -> Option<Vec<[usize; 2]>> {
    let pairs = text.split('(').skip(1).map(|rest| {
        let (first, second) = rest.split_once(')')?.0.split_once('x')?;
        let tiles = |text: &str| text.trim().parse().ok();
        let pair = [tiles(first)?, tiles(second)?];
        pair.iter()
            .all(|tiles| (1..=TILES_CAP).contains(tiles))
            .then_some(pair)
    });
    let pairs: Option<Vec<[usize; 2]>> = pairs.collect();
    let pairs = pairs?;
    let sizes = range(*pairs.first()?, *pairs.last()?, view_px);
    (1..=PINPOINTS_CAP).contains(&sizes.len()).then_some(sizes)
}

/// Sizes from `first` to `last`, both in tiles, the first side outermost.
fn range(first: [usize; 2], last: [usize; 2], view_px: usize) -> Vec<[usize; 2]> {
    let outer = first[0]..=last[0];
    let sizes = outer.flat_map(|a| (first[1]..=last[1]).map(move |b| [a, b]));
    sizes
        .map(|tiles| tiles.map(|count| count * view_px))
        .collect()
}

fn check(keys: &Keys<'_>, pair: [usize; 2], view_px: usize) -> Result<()> {
    let is_good =
        |side: &usize| side.is_multiple_of(view_px) && (1..=TILES_CAP).contains(&(side / view_px));
    match pair.iter().all(is_good) {
        true => Ok(()),
        false => Err(keys.bad(
            NAME,
            format_args!(
                "has {pair:?}: sides must be 1 to {TILES_CAP} times {view_px}, the tower's image_size"
            ),
        )),
    }
}
