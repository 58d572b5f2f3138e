//! Maps and crops of tokens: tile and weave, and their inverses (paper section 4.3, recombination).
//! Needed only to display or check whole maps; the forward pass uses index arithmetic.

use burn::tensor::Tensor;

/// Local crops `[N * N, h * h, C]` side by side: `[N * h, N * h, C]`.
pub fn map_from_tiles(crops: Tensor<3>, crops_per_side: usize) -> Tensor<3> {
    let (n, h, channels) = sizes(&crops, crops_per_side);
    crops
        .reshape([n, n, h, h, channels])
        .permute([0, 2, 1, 3, 4])
        .reshape([n * h, n * h, channels])
}

/// The inverse of [`map_from_tiles`].
pub fn tiles_from_map(map: Tensor<3>, crops_per_side: usize) -> Tensor<3> {
    let [side, _, channels] = map.dims();
    let (n, h) = (crops_per_side, side / crops_per_side);
    map.reshape([n, h, n, h, channels])
        .permute([0, 2, 1, 3, 4])
        .reshape([n * n, h * h, channels])
}

/// Global crops `[N * N, h * h, C]` interleaved, crop (r, c) at `[r::N, c::N]`: `[N * h, N * h, C]`.
pub fn map_from_weave(crops: Tensor<3>, crops_per_side: usize) -> Tensor<3> {
    let (n, h, channels) = sizes(&crops, crops_per_side);
    crops
        .reshape([n, n, h, h, channels])
        .permute([2, 0, 3, 1, 4])
        .reshape([n * h, n * h, channels])
}

/// The inverse of [`map_from_weave`].
pub fn weave_from_map(map: Tensor<3>, crops_per_side: usize) -> Tensor<3> {
    let [side, _, channels] = map.dims();
    let (n, h) = (crops_per_side, side / crops_per_side);
    map.reshape([h, n, h, n, channels])
        .permute([1, 3, 0, 2, 4])
        .reshape([n * n, h * h, channels])
}

/// Patches `[crops, h * h, 3 * patch * patch]` back to pixels `[crops, 3, P, P]`.
pub fn pixels_from_patches(patches: Tensor<3>, patch_px: usize) -> Tensor<4> {
    let [crops, tokens, _] = patches.dims();
    let h = tokens.isqrt();
    patches
        .reshape([crops, h, h, 3, patch_px, patch_px])
        .permute([0, 3, 1, 4, 2, 5])
        .reshape([crops, 3, h * patch_px, h * patch_px])
}

fn sizes(crops: &Tensor<3>, crops_per_side: usize) -> (usize, usize, usize) {
    let [_, tokens, channels] = crops.dims();
    (crops_per_side, tokens.isqrt(), channels)
}
