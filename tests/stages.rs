//! The tests, one file a stage, in one program: burn takes long to link.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::path::{Path, PathBuf};

#[path = "stages/arrange.rs"]
mod arrange;
#[path = "stages/completions.rs"]
mod completions;
#[path = "stages/config.rs"]
mod config;
#[path = "stages/conversation.rs"]
mod conversation;
#[path = "stages/dataset.rs"]
mod dataset;
#[path = "stages/drawn.rs"]
mod drawn;
#[path = "stages/durable.rs"]
mod durable;
#[path = "stages/evaluate.rs"]
mod evaluate;
#[path = "stages/folder.rs"]
mod folder;
#[path = "stages/generate.rs"]
mod generate;
#[path = "stages/generation.rs"]
mod generation;
#[path = "stages/image.rs"]
mod image;
#[path = "stages/image_large.rs"]
mod image_large;
#[path = "stages/layers.rs"]
mod layers;
#[path = "stages/manifest.rs"]
mod manifest;
#[path = "stages/plan.rs"]
mod plan;
#[path = "stages/promises.rs"]
mod promises;
#[path = "stages/quantize.rs"]
mod quantize;
#[path = "stages/sequence.rs"]
mod sequence;
#[path = "stages/stops.rs"]
mod stops;
#[path = "stages/text.rs"]
mod text;
#[path = "stages/text_family.rs"]
mod text_family;
#[path = "stages/text_hostile.rs"]
mod text_hostile;
#[path = "stages/text_kinds.rs"]
mod text_kinds;
#[path = "stages/text_sentence.rs"]
mod text_sentence;
#[path = "stages/text_steps.rs"]
mod text_steps;
#[path = "stages/text_templates.rs"]
mod text_templates;
#[path = "stages/text_templates_hostile.rs"]
mod text_templates_hostile;
#[path = "stages/tidy.rs"]
mod tidy;
#[path = "stages/vocabulary.rs"]
mod vocabulary;
#[path = "stages/weights.rs"]
mod weights;

#[cfg(feature = "model")]
#[path = "stages/ablations.rs"]
mod ablations;
#[cfg(feature = "model")]
#[path = "stages/adapters.rs"]
mod adapters;
#[cfg(feature = "cli")]
#[path = "stages/cli.rs"]
mod cli;
#[cfg(feature = "convert")]
#[path = "stages/convert.rs"]
mod convert;
#[cfg(feature = "convert")]
#[path = "stages/convert_folder.rs"]
mod convert_folder;
#[cfg(all(feature = "convert", feature = "model"))]
#[path = "stages/converted.rs"]
mod converted;
#[cfg(all(feature = "model", unix))]
#[path = "stages/cut_off.rs"]
mod cut_off;
#[cfg(all(feature = "model", feature = "scenes"))]
#[path = "stages/demo.rs"]
mod demo;
#[cfg(feature = "scenes")]
#[path = "stages/descriptions.rs"]
mod descriptions;
#[cfg(feature = "model")]
#[path = "stages/engine.rs"]
mod engine;
#[cfg(feature = "train")]
#[path = "stages/gradients.rs"]
mod gradients;
#[cfg(feature = "model")]
#[path = "stages/grid.rs"]
mod grid;
#[cfg(feature = "hub")]
#[path = "stages/hub.rs"]
mod hub;
#[cfg(all(feature = "hub", unix))]
#[path = "stages/hub_cache.rs"]
mod hub_cache;
#[cfg(feature = "hub")]
#[path = "stages/hub_content.rs"]
mod hub_content;
#[cfg(feature = "hub")]
#[path = "stages/hub_peer.rs"]
mod hub_peer;
#[cfg(feature = "hub")]
#[path = "stages/hub_secret.rs"]
mod hub_secret;
#[cfg(feature = "model")]
#[path = "stages/kernels.rs"]
mod kernels;
#[cfg(feature = "model")]
#[path = "stages/language.rs"]
mod language;
#[cfg(feature = "model")]
#[path = "stages/linear.rs"]
mod linear;
#[cfg(feature = "model")]
#[path = "stages/pace.rs"]
mod pace;
#[cfg(feature = "model")]
#[path = "stages/parity.rs"]
mod parity;
#[cfg(feature = "model")]
#[path = "stages/parts.rs"]
mod parts;
#[cfg(feature = "cli")]
#[path = "stages/progress.rs"]
mod progress;
#[cfg(feature = "convert")]
#[path = "stages/pytorch.rs"]
mod pytorch;
#[cfg(feature = "scenes")]
#[path = "stages/samples.rs"]
mod samples;
#[cfg(feature = "scenes")]
#[path = "stages/scenes.rs"]
mod scenes;
#[cfg(feature = "scenes")]
#[path = "stages/scope.rs"]
mod scope;
#[cfg(feature = "model")]
#[path = "stages/self_test.rs"]
mod self_test;
#[cfg(feature = "model")]
#[path = "stages/session.rs"]
mod session;
#[cfg(feature = "model")]
#[path = "stages/session_prompt.rs"]
mod session_prompt;
#[cfg(feature = "model")]
#[path = "stages/shaders.rs"]
mod shaders;
#[cfg(feature = "model")]
#[path = "stages/shared.rs"]
mod shared;
#[cfg(feature = "train")]
#[path = "stages/train.rs"]
mod train;
#[cfg(feature = "train")]
#[path = "stages/train_files.rs"]
mod train_files;
#[cfg(feature = "train")]
#[path = "stages/train_kept.rs"]
mod train_kept;
#[cfg(feature = "train")]
#[path = "stages/train_labels.rs"]
mod train_labels;
#[cfg(feature = "train")]
#[path = "stages/train_spelling.rs"]
mod train_spelling;
#[cfg(feature = "model")]
#[path = "stages/vision.rs"]
mod vision;

/// A fixture's folder.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// Runs a future to its end on this thread.
fn block_on<F: Future>(future: F) -> F::Output {
    pollster::block_on(future)
}

/// What `run` computes. Every kernel in it writes the whole of its output, and nothing beside it; where tensors lie on a GPU
/// there must be one, or a fallback at these shapes would pass for it.
#[cfg(feature = "model")]
fn read_watched<const D: usize>(run: impl FnOnce() -> burn::tensor::Tensor<D>) -> Vec<f32> {
    let (values, outputs, is_host) = read_checked(run);
    assert!(is_host || outputs > 0, "no kernel ran");
    values
}

/// As [`read_watched`], where the reference body may be what is right; also how many outputs of kernels there were, and
/// whether it ran on the processor.
#[cfg(feature = "model")]
fn read_checked<const D: usize>(
    run: impl FnOnce() -> burn::tensor::Tensor<D>,
) -> (Vec<f32>, usize, bool) {
    use inf_llava::gpu::writes::{Writes, watch_writes};
    let (tensor, writes) = block_on(watch_writes(run));
    let Writes {
        outputs,
        outside,
        missing,
    } = writes;
    assert_eq!((outside, missing), (0, 0), "words beside, words left out");
    let is_host = inf_llava::gpu::cpu::is_host(&tensor.device());
    let values = block_on(inf_llava::gpu::read::read(tensor)).unwrap();
    (values, outputs, is_host)
}

/// The device called `name`. The software adapter is part of the tests' set-up, so its absence is a
/// failure and not a reason to skip.
#[cfg(feature = "model")]
fn device(name: &str) -> inf_llava::gpu::device::ChosenDevice {
    use inf_llava::gpu::device::{DeviceChoice, choose};
    match block_on(choose(DeviceChoice::from_name(name).unwrap())) {
        Ok(device) => {
            // Launches are counted, whatever else the machine has to do.
            inf_llava::gpu::submissions::set_speeds(&device.device, pace::UNCUT);
            device
        }
        Err(error) => panic!("{error}; `cargo xtask setup --test` installs a software adapter"),
    }
}

/// The fixture `name`, loaded on the device called `device_name`.
#[cfg(feature = "model")]
fn load(name: &str, device_name: &str) -> std::rc::Rc<inf_llava::model::Model> {
    load_folder(&fixture(name), device_name)
}

/// A picture, resized and cut for `model`.
#[cfg(feature = "model")]
fn views(
    model: &inf_llava::model::Model,
    picture: &inf_llava::image::Picture,
    coverage: inf_llava::spec::plan::Coverage,
) -> inf_llava::vision::encoder::Views {
    let stop = inf_llava::progress::StopFlag::default();
    model.vision.views(picture, coverage, &stop).unwrap()
}

/// The model in `folder`, loaded on the device called `device_name`.
#[cfg(feature = "model")]
fn load_folder(folder: &Path, device_name: &str) -> std::rc::Rc<inf_llava::model::Model> {
    use inf_llava::model::Model;
    use inf_llava::progress::Watch;
    use inf_llava::weights::folder::Folder;
    let source = Folder::new(folder);
    let device = device(device_name);
    std::rc::Rc::new(block_on(Model::load(source, &device, None, &mut Watch::nobody())).unwrap())
}
