//! The training and test pictures.

/// Training or test pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Training: never shows or mentions a held-out pair or word.
    Train,
    /// Test: shows a held-out pair in 3 of 10 pictures, and held-out words among others.
    Test,
}

impl Split {
    /// Both, in the order of [`Split::index`].
    pub const ALL: [Split; 2] = [Split::Train, Split::Test];

    /// Its index in [`Split::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// `train` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Test => "test",
        }
    }
}
