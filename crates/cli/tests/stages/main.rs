//! The tests of the program, its commands and what only they need.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "../../../../tests/support/hub_peer.rs"]
mod hub_peer;
#[path = "../../../../tests/support/mod.rs"]
mod support;

mod cli;
mod demo;
mod descriptions;
mod drawn;
mod evaluate;
mod gradients;
mod progress;
mod samples;
mod scenes;
mod scope;
mod train;
mod train_files;
mod train_kept;
mod train_labels;
mod train_spelling;

use support::files::{block_on, fixture, root};
use support::model::{device, load, load_folder};
