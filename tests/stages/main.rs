//! The tests of what computes, one file a stage, in one program: burn takes long to link.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "../support/mod.rs"]
mod support;

mod ablations;
mod adapters;
mod converted;
mod engine;
mod family;
mod grid;
mod kernels;
mod known;
mod language;
mod linear;
mod pace;
mod parity;
mod real;
mod self_test;
mod session;
mod session_prompt;
mod session_video;
mod shaders;
mod shared;
mod vision;

use support::files::{block_on, fixture, root};
use support::model::{UNCUT, device, load, load_folder, read_checked, read_watched, views};
