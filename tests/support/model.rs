//! Models, devices and tensors for the tests of all crates that have any.

use std::path::Path;

use inf_llava::gpu::pace::Speeds;

use super::files::{block_on, fixture};

/// So quick that nothing is cut.
pub const UNCUT: Speeds = Speeds {
    matmul: 1e12,
    quantized_matmul: 1e12,
    matvec: 1e12,
    quantized_matvec: 1e12,
    attention: 1e12,
};

/// What `run` computes. Every kernel in it writes the whole of its output, and nothing beside it; where tensors lie on a GPU
/// there must be one, or a fallback at these shapes would pass for it.
pub fn read_watched<const D: usize>(run: impl FnOnce() -> burn::tensor::Tensor<D>) -> Vec<f32> {
    let (values, outputs, is_host) = read_checked(run);
    assert!(is_host || outputs > 0, "no kernel ran");
    values
}

/// As [`read_watched`], where the reference body may be what is right; also how many outputs of kernels there were, and
/// whether it ran on the processor.
pub fn read_checked<const D: usize>(
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
pub fn device(name: &str) -> inf_llava::gpu::device::ChosenDevice {
    use inf_llava::gpu::device::{DeviceChoice, choose};
    match block_on(choose(DeviceChoice::from_name(name).unwrap())) {
        Ok(device) => {
            // Launches are counted, whatever else the machine has to do.
            inf_llava::gpu::submissions::set_speeds(&device.device, UNCUT);
            device
        }
        Err(error) => panic!("{error}; `cargo xtask setup --test` installs a software adapter"),
    }
}

/// The fixture `name`, loaded on the device called `device_name`.
pub fn load(name: &str, device_name: &str) -> std::rc::Rc<inf_llava::model::Model> {
    load_folder(&fixture(name), device_name)
}

/// A picture, resized and cut for `model`.
pub fn views(
    model: &inf_llava::model::Model,
    picture: &inf_llava::image::Picture,
    coverage: inf_llava::spec::plan::Coverage,
) -> inf_llava::vision::encoder::Views {
    let stop = inf_llava::progress::StopFlag::default();
    let treatment = inf_llava::config::Treatment::only(coverage);
    let encoder = model.vision().unwrap();
    encoder.views(picture, treatment, &stop).unwrap()
}

/// The model in `folder`, loaded on the device called `device_name`.
pub fn load_folder(folder: &Path, device_name: &str) -> std::rc::Rc<inf_llava::model::Model> {
    use inf_llava::model::Model;
    use inf_llava::progress::Watch;
    use inf_llava::weights::folder::Folder;
    let source = Folder::new(folder);
    let device = device(device_name);
    std::rc::Rc::new(block_on(Model::load(source, &device, None, &mut Watch::nobody())).unwrap())
}
