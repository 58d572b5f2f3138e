//! Training with burn's autodiff, on the same modules that inference uses (paper 5.2).
//!
//! ```text
//! scenes or LLaVA JSON -> task (a unit of a batch -> loss) -> workers (gradients, summed)
//!                                  -> optimizer (AdamW, cosine) -> checkpoint
//! ```
//!
//! A stage trains some of the model's modules and freezes the others: see [`stage`].

pub mod ablation;
pub mod checkpoint;
pub mod conversation;
pub mod data;
pub mod features;
pub mod file;
pub mod init;
pub mod labels;
pub mod loss;
pub mod modules;
pub mod optimizer;
pub mod parameters;
pub mod run;
pub mod spelling;
pub mod stage;
pub mod task;
pub mod tower;
pub mod words;
pub mod workers;
