//! What lies around a picture that is smaller than the canvas it is put on.

/// Rows and columns around a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns on the left.
    pub left: usize,
    /// Columns on the right.
    pub right: usize,
}

impl Padding {
    /// Around a picture in the middle of a canvas, both `[height, width]`; an odd pixel is below or on the right. A side
    /// that is not smaller than the canvas's has none.
    pub fn around(picture_px: [usize; 2], canvas_px: [usize; 2]) -> Self {
        let all = Padding::after(picture_px, canvas_px);
        let [top, left] = [all.bottom / 2, all.right / 2];
        Padding {
            top,
            bottom: all.bottom - top,
            left,
            right: all.right - left,
        }
    }

    /// Below and on the right of a picture in the upper left corner of a canvas, both `[height, width]`.
    pub fn after([height, width]: [usize; 2], canvas_px: [usize; 2]) -> Self {
        Padding {
            bottom: canvas_px[0].saturating_sub(height),
            right: canvas_px[1].saturating_sub(width),
            ..Padding::default()
        }
    }
}
