//! Which prompt a model is asked with.

use super::found::Found;

/// As whoever loads a model chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PromptChoice {
    /// What the model was made with: of INF-LLaVA `conv_llama3`, whatever template lies beside it, since the release was
    /// trained with that.
    #[default]
    Own,
    /// The release's `conv_llama3`.
    ConvLlama3,
    /// The template among the model's files.
    Checkpoint,
    /// Another template.
    Given(Found),
}
