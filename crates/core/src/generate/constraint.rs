//! Interface for restricting an answer, for example to a grammar or a list of words. There is no implementation yet.

use crate::error::Result;

/// Decides which ids may follow the ids so far. To continue an answer, its earlier ids are passed to
/// [`Constraint::accept`] first; to regenerate one, a new constraint is created.
pub trait Constraint {
    /// Sets the logit (`[vocab]`) of every id that may not come next to -inf.
    fn restrict(&self, logits: &mut [f32]);

    /// Records that `id` was generated.
    ///
    /// # Errors
    /// If the id is not allowed.
    fn accept(&mut self, id: u32) -> Result<()>;
}
