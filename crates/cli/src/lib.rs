//! The program `inf-llava`: its commands, and what only they need. [`scenes`] draws pictures with questions and answers,
//! [`evaluate`] scores answers, [`train`] trains models. The model itself is the crate `inf_llava`.

#![cfg(not(target_arch = "wasm32"))]

pub mod commands;
pub mod evaluate;
pub mod scenes;
pub mod train;
