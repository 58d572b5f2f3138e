//! What the tests of several crates share; each uses a part.
#![allow(dead_code, reason = "each program of tests uses a part")]

pub mod files;
pub mod known;
pub mod model;
