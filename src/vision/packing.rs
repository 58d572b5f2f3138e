//! The tokens of a picture's views -> its visual tokens: maps put together, reduced, and newline tokens between.

use burn::tensor::{Int, Tensor, TensorData};

use crate::spec::{Packing, TokenMap};

/// `tokens` `[views, tokens, hidden]` -> `[visual tokens, hidden]`. `newline` `[hidden]`: the newline token, of models that
/// have one.
pub fn packed(tokens: Tensor<3>, packing: &Packing, newline: Option<Tensor<1>>) -> Tensor<2> {
    let hidden = tokens.dims()[2];
    let with_newline = |rows: Tensor<2>| match newline.clone() {
        Some(newline) => Tensor::cat(vec![rows, newline.reshape([1, hidden])], 0),
        None => rows,
    };
    match packing {
        Packing::Views { newline: false } => tokens.flatten(0, 1),
        Packing::Views { newline: true } => with_newline(tokens.flatten(0, 1)),
        Packing::Map(map) => mapped(tokens, map, newline),
        Packing::Frames { side } => with_newline(pooled(tokens, *side)),
    }
}

/// The first view's tokens, then the rows of the tiles' map, each with a newline token behind it.
fn mapped(tokens: Tensor<3>, map: &TokenMap, newline: Option<Tensor<1>>) -> Tensor<2> {
    let [_, count, hidden] = tokens.dims();
    let (h, [rows, columns]) = (count.isqrt(), map.tiles);
    let base = tokens.clone().narrow(0, 0, 1).flatten::<2>(0, 1);
    let tiles = tokens.narrow(0, map.first_tile, rows * columns);
    let whole = tiles
        .reshape([rows, columns, h, h, hidden])
        .permute([0, 2, 1, 3, 4])
        .reshape([rows * h, columns * h, hidden]);
    let [rows, columns] = [&map.rows, &map.columns].map(|range| range.len());
    if rows == 0 || columns == 0 {
        // A picture that is so narrow has nothing but its base view, and the ends of the rows.
        return match newline {
            Some(newline) if rows > 0 => {
                let ends = newline.reshape([1, hidden]).expand([rows, hidden]);
                Tensor::cat(vec![base, ends], 0)
            }
            _ => base,
        };
    }
    let kept = whole
        .narrow(0, map.rows.start, rows)
        .narrow(1, map.columns.start, columns);
    let kept = match map.shrunk {
        Some(size) => resized(kept, size),
        None => kept,
    };
    let [rows, ..] = kept.dims();
    let lines = match newline {
        Some(newline) => {
            let ends = newline.reshape([1, 1, hidden]).expand([rows, 1, hidden]);
            Tensor::cat(vec![kept, ends], 1)
        }
        None => kept,
    };
    Tensor::cat(vec![base, lines.flatten(0, 1)], 0)
}

/// The frames' maps `[frames, h * h, hidden]`, each reduced to `side` tokens a side.
fn pooled(tokens: Tensor<3>, side: usize) -> Tensor<2> {
    let [frames, count, hidden] = tokens.dims();
    let h = count.isqrt();
    let frame = |index| {
        let map = tokens.clone().narrow(0, index, 1).reshape([h, h, hidden]);
        resized(map, [side, side]).reshape([side * side, hidden])
    };
    Tensor::cat((0..frames).map(frame).collect(), 0)
}

/// A map `[height, width, hidden]` in another size: bilinear as in PyTorch, `align_corners = false`, no antialias.
fn resized(map: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<3> {
    along(along(map, 0, height), 1, width)
}

fn along(map: Tensor<3>, axis: usize, to: usize) -> Tensor<3> {
    let from = map.dims()[axis];
    if from == to {
        return map;
    }
    let scale = from as f32 / to as f32;
    let source = |i: usize| ((i as f32 + 0.5) * scale - 0.5).max(0.0);
    let places: Vec<f32> = (0..to).map(source).collect();
    let device = map.device();
    let rows = |more: usize| {
        let rows = places
            .iter()
            .map(|&place| ((place as usize) + more).min(from - 1) as i32);
        let rows = TensorData::new(rows.collect::<Vec<i32>>(), [to]);
        map.clone()
            .select(axis, Tensor::<1, Int>::from_data(rows, &device))
    };
    let shares: Vec<f32> = places.iter().map(|place| place.fract()).collect();
    let mut shape = [1; 3];
    shape[axis] = to;
    let shares: Tensor<3> = Tensor::from_data(TensorData::new(shares, shape), &device);
    let (first, second) = (rows(0), rows(1));
    first.clone() + (second - first) * shares
}
