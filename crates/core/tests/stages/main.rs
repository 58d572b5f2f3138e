//! The tests of what needs no tensors, and of the project's own rules.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "../../../../tests/support/hub_peer.rs"]
mod hub_peer;
#[path = "../../../../tests/support/known.rs"]
mod known_settings;
#[path = "../../../../tests/support/files.rs"]
mod support;

mod arrange;
mod completions;
mod config;
mod conversation;
mod convert;
mod convert_family;
mod convert_folder;
#[cfg(unix)]
mod cut_off;
mod dataset;
mod drawn;
mod durable;
mod folder;
mod generate;
mod generation;
mod hub;
#[cfg(unix)]
mod hub_cache;
mod hub_content;
mod hub_named;
mod hub_secret;
mod image;
mod image_large;
mod known;
mod layers;
mod manifest;
mod plan;
mod promises;
mod pytorch;
mod quantize;
mod remote;
mod sequence;
mod shards;
mod stops;
mod text;
mod text_family;
mod text_hostile;
mod text_kinds;
mod text_sentence;
mod text_steps;
mod text_templates;
mod text_templates_hostile;
mod tidy;
mod tiles;
mod vocabulary;
pub mod weights;

use support::{block_on, fixture, root};
