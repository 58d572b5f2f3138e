//! Every stage of the family's models against PyTorch (tests/fixtures/family), from their files as they are on the hub.

use std::rc::Rc;

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
}
