//! What adapters differ in: variants of kernels beyond what every adapter has, memory, and devices that fail.

use std::rc::Rc;

use burn::tensor::wgpu::{WgpuSetup, wgpu};
use burn::tensor::{Device, Tensor, TensorData};
use inf_llava::error::Error;
use inf_llava::gpu::adapter::{self, Variants};
use inf_llava::gpu::device::{ChosenDevice, with_handles};
use inf_llava::gpu::kernel::{GpuTensor, Kernel, launch};
use inf_llava::gpu::memory;
use inf_llava::gpu::ops::{Case, cases};
use inf_llava::gpu::read::read;
use inf_llava::gpu::self_test::wrong_kernels;
use inf_llava::gpu::submissions::set_speeds;
use inf_llava::gpu::tuning::measure;
use inf_llava::gpu::writes::{Writes, watch_writes};
use inf_llava::model::Model;
use inf_llava::progress::Watch;
use inf_llava::session::{AskOptions, Session};
use inf_llava::spec::plan::Coverage;
use inf_llava::weights::folder::Folder;

/// A device that no other test has, with all that the adapter has; and wgpu's handle of it.
pub fn own_device(limits: impl FnOnce(wgpu::Limits) -> wgpu::Limits) -> (ChosenDevice, WgpuSetup) {
    crate::block_on(async {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::VULKAN,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let adapter = instance
            .request_adapter(&wgpu::RequestAdapterOptions::default())
            .await
            .unwrap();
        let wanted =
            wgpu::Features::SHADER_INT64 | wgpu::Features::SHADER_F16 | wgpu::Features::SUBGROUP;
        let asked = wgpu::DeviceDescriptor {
            required_features: adapter.features() & wanted,
            required_limits: limits(adapter.limits()),
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = adapter.request_device(&asked).await.unwrap();
        let setup = WgpuSetup {
            backend: adapter.get_info().backend,
            instance,
            adapter,
            device,
            queue,
        };
        let name = "of this test alone".to_string();
        (with_handles(&setup, name).await.unwrap(), setup)
    })
}

/// lavapipe has subgroups of eight and f16.
#[test]
fn variants_compute_the_same() {
    let (chosen, _) = own_device(|limits| limits);
    let device = &chosen.device;
    let found = adapter::of(device);
    assert_eq!((found.subgroup, found.has_half), (8, true), "of lavapipe");
    for (subgroups, half) in [(true, false), (false, true), (true, true)] {
        let variants = Variants {
            subgroups,
            half,
            ..Variants::PORTABLE
        };
        adapter::set_variants(device, variants);
        let wrong = crate::block_on(wrong_kernels(device, &cases())).unwrap();
        assert_eq!(wrong, Vec::<&str>::new(), "{variants:?}");
    }
    // That f16 takes part is seen in what it loses.
    let exact = |half| {
        let variants = Variants {
            half,
            ..Variants::PORTABLE
        };
        adapter::set_variants(device, variants);
        let tiled = cases()
            .into_iter()
            .find(|case| case.kernel.name == "matmul")
            .unwrap();
        crate::block_on(read((tiled.run)(device).unwrap())).unwrap()
    };
    assert_ne!(exact(true), exact(false));
    let measured = crate::block_on(measure(device)).unwrap();
    assert!(measured.is_possible(8));
    assert!(!measured.variants.half, "f16 only where it is allowed");
    crate::block_on(chosen.allow_half()).unwrap();
    assert_eq!(
        adapter::variants(device).half,
        adapter::of(device).half_is_quicker
    );
}

/// What a kernel cannot have been chosen with is not launched, whoever wrote it into the file of what was measured.
#[test]
fn only_what_is_possible_is_remembered() {
    let (chosen, _) = own_device(|limits| limits);
    let mut measured = crate::block_on(measure(&chosen.device)).unwrap();
    assert!(measured.is_possible(8));
    for (lanes, subgroups) in [(16, true), (0, false), (3, false), (1 << 20, false)] {
        measured.variants = Variants {
            lanes,
            subgroups,
            half: false,
        };
        assert!(!measured.is_possible(8), "{lanes}, {subgroups}");
    }
}

const BROKEN: Kernel = Kernel::new("broken", "const WORKGROUP_SIZE: u32 = 64u; fn main( {");

fn broken(device: &Device) -> inf_llava::error::Result<Tensor<1>> {
    let x = Tensor::<1>::from_floats([1.0, 2.0], device);
    Ok(match GpuTensor::from_float(&x) {
        Some(x) => launch(BROKEN, &[x], [2], [1, 1, 1], &[0; 4]),
        None => x,
    })
}

/// A kernel that no pipeline can be made of is told by name, and spoils nothing else.
#[test]
fn a_kernel_that_does_not_compile() {
    let (chosen, _) = own_device(|limits| limits);
    let device = &chosen.device;
    let error = crate::block_on(read(broken(device).unwrap())).unwrap_err();
    assert_eq!(error.code(), "device");
    assert!(error.to_string().contains("compil"), "{error}");

    let all = cases();
    let cases = [all[0], Case::new(BROKEN, broken), all[1]];
    let wrong = crate::block_on(wrong_kernels(device, &cases)).unwrap();
    assert_eq!(wrong, ["broken"]);
}

#[test]
fn a_lost_device_says_so() {
    let (chosen, setup) = own_device(|limits| limits);
    let x = Tensor::<1>::from_floats([1.0, 2.0], &chosen.device);
    setup.device.destroy();
    let error = crate::block_on(read(x + 1.0)).unwrap_err();
    assert_eq!(error.code(), "device-lost", "{error}");
}

/// A buffer that the device refuses makes an error of what is read later, not zeros.
#[test]
fn what_does_not_fit_is_an_error() {
    let most = 16 << 20;
    let (chosen, _) = own_device(|limits| wgpu::Limits {
        max_buffer_size: most,
        max_storage_buffer_binding_size: most,
        ..limits
    });
    let device = &chosen.device;
    let count = 2 * most as usize / size_of::<f32>();
    let data = TensorData::new(vec![1.0f32; count], [count]);
    let x = Tensor::<1>::from_data(data, device);
    let error = crate::block_on(read(x.sum())).unwrap_err();
    assert!(
        ["device", "out-of-memory"].contains(&error.code()),
        "{error}"
    );
    adapter::take_failure(device);
    let small = Tensor::<1>::from_floats([1.0, 2.0], device);
    assert_eq!(crate::block_on(read(small + 1.0)).unwrap(), [2.0, 3.0]);
}

#[test]
fn out_of_memory_is_told_by_every_read() {
    let (chosen, _) = own_device(|limits| limits);
    let device = &chosen.device;
    let failure = adapter::Failure {
        kind: adapter::FailureKind::OutOfMemory,
        reason: "no room for a buffer".into(),
    };
    adapter::fail(device, failure);
    for _ in 0..2 {
        let x = Tensor::<1>::from_floats([1.0], device);
        let error = crate::block_on(read(x)).unwrap_err();
        assert_eq!(
            error,
            Error::OutOfMemory {
                reason: "no room for a buffer".into()
            }
        );
        assert!(error.to_string().contains("smaller context"), "{error}");
    }
    // Loading another model begins with this.
    adapter::recover(device);
    let x = Tensor::<1>::from_floats([1.0], device);
    assert_eq!(crate::block_on(read(x)).unwrap(), [1.0]);
}

/// What a kernel leaves out is seen.
#[test]
fn writes_are_watched() {
    const HALF_DONE: Kernel = Kernel::new(
        "half_done",
        "const WORKGROUP_SIZE: u32 = 64u;
        @group(0) @binding(0) var<storage, read_write> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> out: array<f32>;
        @group(0) @binding(2) var<uniform> params: vec4<u32>;
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) thread: u32) {
            if (thread < 3u) { out[thread] = x[params.x]; }
        }",
    );
    let device = crate::device("wgpu").device;
    let x = Tensor::<1>::from_floats([1.0], &device);
    let x = GpuTensor::from_float(&x).unwrap();
    let run = || launch(HALF_DONE, &[x], [5], [1, 1, 1], &[0; 4]);
    let (_, writes): (Tensor<1>, Writes) = crate::block_on(watch_writes(run));
    let expected = Writes {
        outputs: 1,
        outside: 0,
        missing: 2,
    };
    assert_eq!(writes, expected);
}

/// What a conversation takes beside weights and cache stays below what was estimated before loading, however long its
/// prompt is.
#[test]
fn memory_is_as_estimated() {
    for fixture in ["tiny", "released-geometry"] {
        let (chosen, _) = own_device(|limits| limits);
        let folder = crate::fixture(fixture);
        let watch = &mut Watch::nobody();
        let loaded = Model::load(Folder::new(&folder), &chosen, None, watch);
        let model = Rc::new(crate::block_on(loaded).unwrap());
        let mut session = Session::new(model.clone(), Coverage::Live);
        let before = chosen.device.memory_pool_usage().unwrap().bytes_in_use;

        memory::watch();
        let picture = std::fs::read(crate::fixture("tiny/images/1.png")).unwrap();
        crate::block_on(session.set_image("1.png", &picture, watch)).unwrap();
        let question = "words ".repeat(model.context_tokens / 16);
        let options = AskOptions {
            max_new_tokens: 2,
            ..AskOptions::default()
        };
        let answer = crate::block_on(session.ask(&question, &options, watch)).unwrap();
        let used = memory::peak().unwrap() - before;

        let estimated = model.estimate.activation_bytes;
        let what = format!("{fixture}, {} tokens", answer.prompt_tokens);
        assert!(used > estimated / 20, "{what}: {used} of {estimated}");
        assert!(used <= estimated, "{what}: {used} of {estimated}");
    }
}

/// A second answer takes its buffers from those of the first.
#[test]
fn nothing_is_allocated_in_steady_state() {
    let (chosen, _) = own_device(|limits| limits);
    // What is submitted when depends on how busy the machine is, and buffers are free again after that.
    set_speeds(&chosen.device, crate::UNCUT);
    let watch = &mut Watch::nobody();
    let folder = crate::fixture("tiny");
    let loaded = Model::load(Folder::new(&folder), &chosen, None, watch);
    let mut session = Session::new(Rc::new(crate::block_on(loaded).unwrap()), Coverage::Live);
    let picture = std::fs::read(folder.join("images/1.png")).unwrap();
    let options = AskOptions {
        max_new_tokens: 24,
        ..AskOptions::default()
    };
    let mut reserved = Vec::new();
    for _ in 0..4 {
        crate::block_on(session.set_image("1.png", &picture, watch)).unwrap();
        crate::block_on(session.ask("What is there?", &options, watch)).unwrap();
        let usage = chosen.device.memory_pool_usage().unwrap();
        reserved.push(usage.bytes_reserved);
    }
    assert_eq!(reserved[1..], [reserved[1]; 3], "after the first");
}

/// The tests' set-up has a software adapter, and may have nothing better.
#[test]
fn auto_takes_no_software_adapter() {
    let is_software = |name: &str| {
        let device = crate::device(name);
        device.name.contains("software GPU")
    };
    assert!(!is_software("auto"));
    let named = crate::device("wgpu");
    assert!(named.name.contains("GPU"), "{}", named.name);
    // Nor one that was made because it was asked for.
    assert!(!is_software("auto"));
}
