//! Every stage of every fixture against PyTorch, on the CPU and on the software GPU.

use inf_llava::gpu::kernel::launches;
use inf_llava::parity::{Report, run};
use inf_llava::weights::folder::Folder;

fn report(fixture: &str, device: &str) -> Report {
    let model = crate::load(fixture, device);
    let source = Folder::new(crate::fixture(fixture));
    crate::block_on(run(&source, model, &mut |_| {})).unwrap()
}

fn check(fixture: &str, device: &str) {
    let report = report(fixture, device);
    let beyond: Vec<_> = report.rows.iter().filter(|row| !row.passed()).collect();
    assert!(beyond.is_empty(), "{fixture} on {device}: {beyond:#?}");
    assert!(
        report.unused.is_empty(),
        "compared with nothing: {:?}",
        report.unused
    );
    assert!(report.passed());
}

macro_rules! parity {
    ($($test:ident: $fixture:literal, $device:literal;)*) => {
        $(#[test]
        fn $test() {
            check($fixture, $device);
        })*
    };
}

parity! {
    tiny_on_cpu: "tiny", "cpu";
    tiny_n2_bf16_on_cpu: "tiny-n2-bf16", "cpu";
    tiny_n4_f16_on_cpu: "tiny-n4-f16", "cpu";
    released_geometry_on_cpu: "released-geometry", "cpu";
    tiny_n2_bf16_on_wgpu: "tiny-n2-bf16", "wgpu";
    tiny_n4_f16_on_wgpu: "tiny-n4-f16", "wgpu";
    released_geometry_on_wgpu: "released-geometry", "wgpu";
    tiny_on_portable: "tiny", "portable";
    released_geometry_on_portable: "released-geometry", "portable";
}

/// On the GPU the hot operations must be the WGSL kernels: a program that fell back to the
/// reference bodies would agree with PyTorch too.
#[test]
fn tiny_on_wgpu_by_kernels() {
    let before = launches();
    check("tiny", "wgpu");
    // Six pictures, live and dense: at least one crop and two attention launches each.
    assert!(
        launches() - before >= 6 * 2 * 3,
        "{} kernels launched",
        launches() - before
    );
}

#[test]
fn a_wrong_value_is_seen() {
    let mut report = report("tiny-n2-bf16", "cpu");
    assert!(report.passed());
    report.rows[3].max_error = f32::NAN;
    assert!(!report.passed(), "NaN passed for a small error");
    report.rows[3].max_error = 0.0;
    report.unused.push("0.low".into());
    assert!(
        !report.passed(),
        "an expectation that nothing was compared with passed"
    );
}
