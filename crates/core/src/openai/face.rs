//! Whom a request is sent to.

/// Who is asked, where that makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// `inf-llava serve`: a request names the model, and pictures are of the types that are decoded here.
    Server,
    /// A page's own engine: there is one model, the browser decodes other pictures too, and a seed is a whole number that
    /// JavaScript holds exactly.
    Page,
}
