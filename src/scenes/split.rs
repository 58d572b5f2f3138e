//! Pictures to learn from, and pictures to be scored on.

/// Which pictures: to learn from, or to be scored on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Never shows or names a held-out pair or word.
    Train,
    /// Shows a held-out pair in 3 of 10 pictures, and held-out words among others.
    Test,
}

impl Split {
    /// Both, in the order of [`Split::index`].
    pub const ALL: [Split; 2] = [Split::Train, Split::Test];

    /// Its place in [`Split::ALL`].
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
