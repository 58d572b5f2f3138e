//! Every stage of the family's models against PyTorch (tests/fixtures/family), from their files as they are on the hub.

use std::rc::Rc;

use inf_llava::gpu::fallbacks::fallbacks;
use inf_llava::model::Model;
use inf_llava::parity::run;
use inf_llava::weights::folder::Folder;

use crate::load_folder;

fn check(fixture: &str, device: &str) {
    let folder = crate::fixture("family").join(fixture);
    let model: Rc<Model> = load_folder(&folder, device);
    let report = crate::block_on(run(&Folder::new(folder), model, &mut |_| {}));
    let report = report.unwrap_or_else(|error| panic!("{fixture} on {device}: {error}"));
    let beyond: Vec<_> = report.rows.iter().filter(|row| !row.passed()).collect();
    assert!(beyond.is_empty(), "{fixture} on {device}: {beyond:#?}");
    // On a GPU every operation has a kernel.
    assert_eq!(fallbacks(), Vec::<&str>::new(), "{fixture} on {device}");
    let unused = &report.unused;
    assert!(unused.is_empty(), "compared with nothing: {unused:?}");
}

macro_rules! family {
    ($($test:ident: $fixture:literal;)*) => {
        $(mod $test {
            #[test]
            fn on_cpu() {
                super::check($fixture, "cpu");
            }

            #[test]
            fn on_wgpu() {
                super::check($fixture, "wgpu");
            }
        })*
    };
}

family! {
    smolvlm: "smolvlm-tiny";
    idefics3: "idefics3-tiny";
    smolvlm_in_its_real_geometry: "smolvlm-geometry";
    llava: "llava-clip-llama";
    llava_with_all_tokens_of_two_layers: "llava-clip-llama3-full";
    llava_interleave: "llava-siglip-qwen2";
    llava_next: "llava-next-clip-llama";
    llava_next_with_mistral: "llava-next-clip-mistral";
    llava_next_with_a_window: "llava-next-clip-mistral-window";
    llava_onevision: "llava-onevision-siglip-qwen2";
    llava_in_the_original_layout: "llava-original";
    llava_next_in_the_original_layout: "llava-next-original";
    vlsa: "vlsa";
}
