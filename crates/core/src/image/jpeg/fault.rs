//! Why a JPEG cannot be decoded.

/// Why a JPEG cannot be decoded.
#[derive(Debug)]
pub enum Fault {
    /// An unsupported kind of JPEG: which.
    Kind(String),
    /// A truncated or inconsistent file: how.
    Damaged(String),
}

pub fn unread(kind: &str) -> Fault {
    Fault::Kind(kind.into())
}

pub fn damaged(how: &str) -> Fault {
    Fault::Damaged(how.into())
}
