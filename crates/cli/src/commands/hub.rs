//! A checkpoint from the Hugging Face hub, with a progress bar.

use super::terminal::Progress;
use inf_llava::config::{
    CHAT_TEMPLATE_FILE, CHAT_TEMPLATE_JSON_FILE, CONFIG_FILE, GENERATION_FILE, PREPROCESSOR_FILE,
    PROCESSOR_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE,
};
use inf_llava::error::Result;
use inf_llava::hub::{Download, Hub};
use inf_llava::progress::{StopFlag, Watch};

/// Additional files that are downloaded if they exist.
pub(super) const BESIDE: [&str; 7] = [
    TOKENIZER_FILE,
    TOKENIZER_CONFIG_FILE,
    PREPROCESSOR_FILE,
    "LICENSE",
    "LICENSE.txt",
    "USE_POLICY.md",
    CARD_FILE,
];
pub(super) const CARD_FILE: &str = "README.md";
/// What else a checkpoint has.
const OWN: [&str; 7] = [
    CONFIG_FILE,
    GENERATION_FILE,
    PROCESSOR_FILE,
    CHAT_TEMPLATE_JSON_FILE,
    CHAT_TEMPLATE_FILE,
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
];

/// Downloads the files of the repository `name` that are missing from the cache.
pub(super) fn download(name: &str, stop: &StopFlag) -> Result<Download> {
    let progress = Progress::new();
    let mut watch = Watch::new(stop.clone(), |event| progress.show(&event));
    let beside: Vec<&str> = OWN.into_iter().chain(BESIDE).collect();
    let downloaded = Hub::from_environment()?.download(name, &beside, &mut watch);
    progress.clear();
    downloaded
}
