//! What is told while a model is loaded: one unit, from nothing to all of it.

use inf_llava::model::Model;
use inf_llava::progress::{Event, Phase, StopFlag, Watch};
use inf_llava::spec::parameters;
use inf_llava::weights::folder::Folder;
use std::path::Path;

/// All reports of loading `folder`, and the model.
fn reports(folder: &Path) -> (Vec<(u64, u64)>, Model) {
    let mut reports = Vec::new();
    let mut watch = Watch::new(StopFlag::default(), |event| {
        if let Event::Progress { phase, done, total } = event {
            assert_eq!(phase, Phase::Weights);
            reports.push((done, total));
        }
    });
    let device = crate::device("cpu");
    let model = Model::load(Folder::new(folder), &device, None, &mut watch);
    let model = crate::block_on(model).unwrap();
    drop(watch);
    assert!(reports.len() > 10);
    assert!(
        reports
            .windows(2)
            .all(|two| two[0].0 <= two[1].0 && two[0].1 == two[1].1)
    );
    let (done, total) = reports[reports.len() - 1];
    assert_eq!(done, total, "all of it at the end");
    (reports, model)
}

#[test]
fn weights_are_counted_in_the_bytes_that_are_stored() {
    for (name, bytes) in [("tiny", 4), ("tiny-n4-f16", 2), ("tiny-n2-bf16", 2)] {
        let (reports, model) = reports(&crate::fixture(name));
        let stored = bytes * parameters(&model.config.weights());
        assert_eq!(reports[0].1, stored, "{name}");
    }
    let dir = tempfile::tempdir().unwrap();
    for quant in ["q4", "q8", "f16"] {
        let small = dir.path().join(quant);
        convert(&small, quant);
        let (reports, model) = reports(&small);
        let total = reports[0].1;
        // Embeddings stay in the file until a token needs them.
        let language = &model.config.decoder;
        let rows = (language.vocab_size * language.hidden_size) as u64;
        let least = match quant {
            "q4" => 0,
            "q8" => rows,
            _ => 2 * rows,
        };
        assert!(total + least <= model.stored_bytes, "{quant}: {total}");
        assert!(total > model.stored_bytes / 2, "{quant}: {total}");
    }
}

fn convert(to: &Path, quant: &str) {
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_inf-llava"))
        .arg("convert")
        .arg(crate::fixture("tiny"))
        .arg(to)
        .args(["--quant", quant])
        .output()
        .unwrap();
    assert!(program.status.success());
}
