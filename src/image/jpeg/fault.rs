//! Why a JPEG is not read.

/// Why a JPEG is not read.
#[derive(Debug)]
pub enum Fault {
    /// It is of a kind that is not read here; which.
    Kind(String),
    /// It breaks off or contradicts itself; how.
    Damaged(String),
}

pub fn unread(kind: &str) -> Fault {
    Fault::Kind(kind.into())
}

pub fn damaged(how: &str) -> Fault {
    Fault::Damaged(how.into())
}
