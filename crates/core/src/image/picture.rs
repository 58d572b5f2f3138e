//! A decoded picture.

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels, after the EXIF orientation is applied.
    pub width: usize,
    /// Pixels, after the EXIF orientation is applied.
    pub height: usize,
    /// `[height, width, 3]`: red, green, blue, rows from the top.
    pub rgb: Vec<u8>,
    /// Notices for the user, one sentence each; usually empty.
    pub notices: Vec<String>,
}
