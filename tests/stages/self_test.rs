//! The self-test at the start, and that every operation is right without its kernel.

use burn::tensor::{Device, Tensor};
use inf_llava::error::Result;
use inf_llava::gpu::cpu::is_host;
use inf_llava::gpu::kernel::{Kernel, launches};
use inf_llava::gpu::ops::{Case, cases, kernels};
use inf_llava::gpu::self_test::self_test;

const SOURCE: &str = "const WORKGROUP_SIZE: u32 = 64u;";

/// The first of these is wrong on a GPU by a little, the second is no number there, the third is right.
fn of_device(gpu: f32, device: &Device) -> Result<Tensor<1>> {
    let value = if is_host(device) { 0.5 } else { gpu };
    Ok(Tensor::from_floats([1.0, value], device))
}

#[test]
fn a_wrong_kernel_is_found_and_launched_no_more() {
    let kernel = |name| Kernel::new(name, SOURCE);
    let cases = [
        Case::new(kernel("a_little_wrong"), |device| of_device(0.5002, device)),
        Case::new(kernel("no_number"), |device| of_device(f32::NAN, device)),
        Case::new(kernel("right"), |device| of_device(0.5, device)),
    ];
    let device = crate::device("wgpu").device;
    let wrong = crate::block_on(self_test(&device, &cases)).unwrap();
    assert_eq!(wrong, ["a_little_wrong", "no_number"]);
    let trusted = |device: &Device| {
        cases.map(|case| case.kernel.with("WORKGROUP_SIZE", 64).is_trusted(device))
    };
    assert_eq!(trusted(&device), [false, false, true]);
    // Another adapter may well compute them right.
    let portable = crate::device("portable").device;
    assert_eq!(trusted(&portable), [true; 3]);
}

/// What is right passes, by its kernel, and no kernel is without a case.
#[test]
fn every_kernel_is_tested() {
    let device = crate::device("wgpu").device;
    assert!(
        crate::block_on(self_test(&device, &cases()))
            .unwrap()
            .is_empty()
    );
    for case in cases() {
        let before = launches();
        (case.run)(&device).unwrap();
        assert!(launches() > before, "{}", case.kernel.name);
    }
    for kernel in kernels() {
        // The two halves of one operation share theirs.
        let name = kernel.name.replace("decode_combine", "decode_attention");
        assert!(
            cases().iter().any(|case| case.kernel.name == name),
            "{name}"
        );
    }
}
