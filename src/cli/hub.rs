//! A checkpoint from the Hugging Face hub, with a progress bar.

use super::convert::BESIDE;
use super::terminal::Progress;
use crate::config::{CONFIG_FILE, GENERATION_FILE};
use crate::error::Result;
use crate::hub::{Download, Hub};
use crate::progress::{StopFlag, Watch};

/// What else a checkpoint has.
const OWN: [&str; 4] = [
    CONFIG_FILE,
    GENERATION_FILE,
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
];

/// Downloads what of the repository `name` is not in the cache yet.
pub(super) fn download(name: &str, stop: &StopFlag) -> Result<Download> {
    let progress = Progress::new();
    let mut watch = Watch::new(stop.clone(), |event| progress.show(&event));
    let beside: Vec<&str> = OWN.into_iter().chain(BESIDE).collect();
    let downloaded = Hub::from_environment()?.download(name, &beside, &mut watch);
    progress.clear();
    downloaded
}
