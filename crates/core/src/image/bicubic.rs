//! torch's bicubic interpolation, for square f32 images.
//!
//! In and out: `[channels, side, side]`. Used for what the authors' loader does in effect (the
//! compatibility option `upsample`), and when shrinking as the reference for the low-resolution
//! image. Unlike Pillow's: a = -0.75, always four taps, no clipping.

/// `torch.nn.functional.interpolate(mode="bicubic", align_corners=False, antialias=False)` from
/// `[channels, from_px, from_px]` to `[channels, to_px, to_px]`, in f32; edges are repeated.
///
/// The number of channels is computed from the length; an incomplete last channel is dropped.
pub fn bicubic(pixel_values: &[f32], from_px: usize, to_px: usize) -> Vec<f32> {
    let plane = from_px * from_px;
    if plane == 0 || to_px == 0 {
        return Vec::new();
    }
    let taps: Vec<([usize; 4], [f32; 4])> = (0..to_px).map(|i| tap(i, from_px, to_px)).collect();
    let mut out = Vec::with_capacity(pixel_values.len() / plane * to_px * to_px);
    for channel in pixel_values.chunks_exact(plane) {
        for (rows, row_weights) in &taps {
            for (columns, column_weights) in &taps {
                let across = rows.map(|y| {
                    let row = &channel[y * from_px..(y + 1) * from_px];
                    dot(columns.map(|x| row[x]), *column_weights)
                });
                out.push(dot(across, *row_weights));
            }
        }
    }
    out
}

fn dot(values: [f32; 4], weights: [f32; 4]) -> f32 {
    let [a, b, c, d] = values;
    a * weights[0] + b * weights[1] + c * weights[2] + d * weights[3]
}

/// The four source positions of one output position, repeated at the edges, and their weights.
fn tap(index: usize, from_px: usize, to_px: usize) -> ([usize; 4], [f32; 4]) {
    const A: f32 = -0.75;
    let scale = from_px as f32 / to_px as f32;
    let position = scale * (index as f32 + 0.5) - 0.5;
    let whole = position.floor();
    let t = position - whole;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let source = [-1.0, 0.0, 1.0, 2.0].map(|offset: f32| {
        // Clamped at 0 by the cast.
        ((whole + offset) as usize).min(from_px - 1)
    });
    (source, [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)])
}
