//! One view of a picture (LLaVA-1.5, LLaVA-NeXT-Interleave; LLaVA-OneVision if there are several pictures).

/// How a picture becomes one square view of P x P pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The shorter side is resized to `short_px`, the longer one by the same factor, truncated; then the middle is cut
    /// out, so that the ends of a picture that is not square are lost. Transformers' CLIP and Llava processors.
    Crop {
        /// The shorter side before the cut, in pixels (`size.shortest_edge`).
        short_px: usize,
    },
    /// The picture is put in the middle of a square of its longer side, an odd pixel below or on the right; then as
    /// `Crop`. The original LLaVA-1.5, transformers' Llava processor with `do_pad`.
    Pad {
        /// What the rest of the square shows: red, green, blue.
        colour: [u8; 3],
        /// The square's side before the cut, in pixels.
        short_px: usize,
    },
    /// Resized to P x P; the aspect ratio is lost. Transformers' Siglip processor.
    Squash,
}

/// One view of each picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleSpec {
    /// P: the view's side in pixels.
    pub view_px: usize,
    /// How the picture becomes the view.
    pub fit: Fit,
    /// Whether a newline token follows the view's tokens.
    pub newline: bool,
}

impl SingleSpec {
    /// Visual tokens of a picture of any size.
    pub fn tokens(&self, tokens_per_view: usize) -> usize {
        tokens_per_view.saturating_add(usize::from(self.newline))
    }
}

/// `[height, width]` after the shorter side of `size_px` was resized to `short_px`, in doubles as
/// `get_resize_output_image_size` of transformers. Sides of 0 count as 1; a longer side beyond `usize` is `usize::MAX`.
pub fn shortest_edge_px(size_px: [usize; 2], short_px: usize) -> [usize; 2] {
    let [height, width] = size_px.map(|side| side.max(1));
    let longer = short_px as f64 * height.max(width) as f64 / height.min(width) as f64;
    let longer = longer as usize; // truncates, and saturates
    match width <= height {
        true => [longer, short_px],
        false => [short_px, longer],
    }
}
