//! A view: what the tower sees of a resized picture in one pass.

/// The position of a view's pixels in the resized picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Pixel (y, x) of the view is pixel (top + step y, left + step x) of the picture.
    Pixels {
        /// The first row.
        top: usize,
        /// The first column.
        left: usize,
        /// The distance between neighbouring pixels along either axis.
        step: usize,
    },
    /// The whole picture, reduced by `step`: bicubic as in PyTorch, `align_corners = false`, no antialias.
    Whole {
        /// Picture pixels per view pixel.
        step: usize,
    },
}

impl View {
    /// The only view of a picture of its size.
    pub const ALL: View = View::Pixels {
        top: 0,
        left: 0,
        step: 1,
    };

    /// The tiles of a canvas of `[height, width]` pixels, row by row: `[rows, columns]` of equal size.
    pub fn tiles(
        [rows, columns]: [usize; 2],
        [height, width]: [usize; 2],
    ) -> impl Iterator<Item = View> + use<> {
        let [height, width] = [height / rows.max(1), width / columns.max(1)];
        (0..rows).flat_map(move |row| {
            (0..columns).map(move |column| View::Pixels {
                top: row * height,
                left: column * width,
                step: 1,
            })
        })
    }
}
