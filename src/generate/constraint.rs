//! What an answer may be: a grammar, a list of words. None exists yet; this is their place.

use crate::error::Result;

/// Says which ids may come next, by those that have come. An answer that goes on tells it first what had been said; one that
/// is given again has a new one.
pub trait Constraint {
    /// Gives -inf to the logit (`[vocab]`) of every id that may not come next.
    fn restrict(&self, logits: &mut [f32]);

    /// `id` has been said.
    ///
    /// # Errors
    /// Where it is none that may come.
    fn accept(&mut self, id: u32) -> Result<()>;
}
