//! A data set's file, read as LLaVA's JSON and as POPE's lines: every entry is used or counted as
//! skipped, memory stays within a few times the file's size, and no picture is outside the folder
//! of pictures.
#![no_main]

#[path = "shared/memory.rs"]
mod memory;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use inf_llava_core::dataset::{OnBadRecord, Records, llava, pope};
use libfuzzer_sys::fuzz_target;

/// A folder with one picture, beside a picture that no entry may reach.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder =
        std::env::temp_dir().join(format!("inf-llava-fuzz-dataset-{}", std::process::id()));
    let pictures = folder.join("pictures");
    std::fs::create_dir_all(&pictures).expect("a folder");
    for picture in [pictures.join("a.png"), folder.join("secret.png")] {
        std::fs::write(picture, b"picture").expect("a file");
    }
    folder
});

fn check(records: &Records, pictures: &Path) {
    assert!(records.skipped.total >= records.records.len());
    for record in &records.records {
        assert!(!record.turns.is_empty());
        assert!(
            record
                .families
                .as_ref()
                .is_none_or(|f| f.len() == record.turns.len())
        );
        assert!(
            record
                .held_out
                .as_ref()
                .is_none_or(|h| h.len() == record.turns.len())
        );
        if let Some(image) = &record.image {
            let image = image.canonicalize().expect("it was there");
            assert!(image.starts_with(pictures.canonicalize().expect("a folder")));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let (file, pictures) = (FOLDER.join("set.json"), FOLDER.join("pictures"));
    std::fs::write(&file, data).expect("a file");
    for on_bad in [OnBadRecord::Skip, OnBadRecord::Refuse] {
        for read in [llava::read, pope::read] {
            let (result, taken) = memory::measured(|| read(&file, &pictures, on_bad));
            // A number of one digit becomes a value of 72 bytes, and a full list doubles.
            let most = 200 * data.len() + (1 << 20);
            assert!(taken.peak <= most, "{} bytes of {most}", taken.peak);
            if let Ok(records) = result {
                check(&records, &pictures);
            }
        }
    }
});
