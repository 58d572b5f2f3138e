//! Which part of a picture's square a pass of the vision tower sees.

/// One pass of the vision tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Crop {
    /// Tile `(row, column)` of the picture: continuous detail.
    Local(usize, usize),
    /// Every N-th pixel from offset `(row, column)`: the whole picture.
    Global(usize, usize),
    /// The picture interpolated down to one crop.
    Low,
}
