//! What the tests of the LLaVA family share: what transformers makes of many sizes.

use serde::Deserialize;

/// `llava-sizes.json`.
#[derive(Deserialize)]
pub struct Sizes {
    /// Frames, their number a second, seconds, `fps`, `max_frames`, and those that are looked at.
    pub frames: Vec<(usize, f64, f64, f64, usize, Vec<usize>)>,
    /// Frames, seconds, and both in words.
    pub intros: Vec<(usize, f64, String, String)>,
}

impl Sizes {
    pub fn read() -> Self {
        let json = std::fs::read(crate::fixture("family/llava-sizes.json")).expect("fixture");
        serde_json::from_slice(&json).expect("sizes")
    }
}
