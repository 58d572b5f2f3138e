//! A model's file that is cut off while its pages are read: the program ends, with a reason.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;

use inf_llava_core::weights::folder::Folder;
use inf_llava_core::weights::maps::{CUT_OFF_EXIT_CODE, explain_cut_offs};
use inf_llava_core::weights::source::Source;

use crate::block_on;

/// Says to a copy of this program in which folder it reads a file that it has cut off.
const FOLDER: &str = "INF_LLAVA_TEST_CUT_OFF";

#[test]
fn a_file_that_is_cut_off_while_it_is_read_is_named() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return read_what_is_gone(Path::new(&folder));
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("shard-00001.bin"), vec![7; 1 << 20]).unwrap();
    fs::write(dir.path().join("shard-00002.bin"), vec![8; 1 << 20]).unwrap();
    let name = "cut_off::a_file_that_is_cut_off_while_it_is_read_is_named";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(FOLDER, dir.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(CUT_OFF_EXIT_CODE.into()),
        "{stderr}"
    );
    let file = dir.path().join("shard-00002.bin");
    let line = format!(
        "error: a model file was cut off while it was read: {}; copy or download the model again",
        file.display()
    );
    assert!(stderr.lines().any(|said| said == line), "{stderr}");
}

fn read_what_is_gone(dir: &Path) {
    explain_cut_offs();
    let folder = Folder::new(dir);
    let view = |file: &str| block_on(folder.view(file, 4096..1 << 20)).unwrap();
    let first = view("shard-00001.bin");
    let second = view("shard-00002.bin");
    // One that is there no more is not taken for what lies at its addresses now.
    drop(view("shard-00001.bin"));
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    assert_eq!(sum(&second), 8 * ((1 << 20) - 4096));
    let file = OpenOptions::new()
        .write(true)
        .open(dir.join("shard-00002.bin"));
    file.unwrap().set_len(100).unwrap();
    assert_eq!(sum(&first), 7 * ((1 << 20) - 4096));
    panic!("{} was read", sum(&second));
}
