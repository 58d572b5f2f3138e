//! The sample pictures beside the demo model are those that `src/scenes/samples.rs` picks.

use std::path::Path;

use inf_llava::image::{Limits, decode, looks_drawn};
use inf_llava_cli::scenes::{Family, samples, write_samples};

const WRITE: &str = "INF_LLAVA_WRITE_SAMPLES";

/// `INF_LLAVA_WRITE_SAMPLES=1 cargo test --no-default-features --features scenes samples` writes them.
#[test]
fn the_demo_models_samples_are_those_picked() {
    let demo = crate::root().join("models/demo");
    if std::env::var_os(WRITE).is_some() {
        write_samples(&demo).expect("written");
    }
    let fresh = tempfile::tempdir().expect("a folder");
    write_samples(fresh.path()).expect("written");
    let read = |folder: &Path, file: &str| {
        let file = folder.join(file);
        std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    };
    let stale = || format!("picks have changed: run this test once with {WRITE}=1");
    assert!(
        read(&demo, "samples.json") == read(fresh.path(), "samples.json"),
        "{}",
        stale()
    );
    let pictures = std::fs::read_dir(demo.join("samples")).expect("a folder");
    let samples = samples().expect("samples");
    assert_eq!(pictures.count(), samples.len(), "{}", stale());
    for (at, sample) in samples.iter().enumerate() {
        let name = format!("samples/{}.png", at + 1);
        let picture = decode(&name, &read(&demo, &name), &Limits::NATIVE).expect("a picture");
        assert!(picture == sample.picture, "{name}: {}", stale());
        assert!(looks_drawn(&picture), "{name}");
    }
}

#[test]
fn every_sample_has_a_sign_to_read() {
    for sample in samples().expect("samples") {
        let reads = |question: &inf_llava_cli::scenes::Question| question.family == Family::Reading;
        assert!(sample.questions.iter().any(reads), "{}", sample.alt);
        assert_eq!(sample.questions.len(), 3);
        assert!(sample.alt.ends_with('.'));
    }
}
