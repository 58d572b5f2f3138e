//! Finds a wasm-opt that does not corrupt the page's program.
//!
//! Version 108 of binaryen, in Debian 12, writes every exported table as table 0. The page's
//! program exports its second table, so it would no longer start. The program on PATH is therefore
//! tested on a small module, whatever its version.

use std::path::Path;
use std::time::Duration;

use super::{Tools, apt, browser};
use crate::error::Error;
use crate::project::{self, Project};

/// binaryen compiled to JavaScript: installed in a second, whereas compiling its C++ takes a
/// quarter of an hour.
const NPM_PACKAGE: &str = "binaryen@132.0.0";
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Two tables, the second one exported as `t`.
const PROBE: &[u8] = b"\0asm\x01\0\0\0\
    \x04\x08\x02\x70\x01\x01\x01\x6f\x00\x01\
    \x07\x05\x01\x01t\x01\x01";
/// The module's export section: one export, a name of one letter, a table, index 1.
const EXPORT: &[u8] = b"\x01\x01t\x01\x01";

/// Uses the program on PATH if it preserves the test module, otherwise npm's.
pub fn ensure(project: &Project, tools: &Tools) -> Result<String, Error> {
    if let Some(said) = sound_wasm_opt(project, tools) {
        return Ok(format!("there: {said}"));
    }
    if tools
        .command(project, "wasm-opt --version")
        .output()
        .is_some()
    {
        println!(
            "    the one on PATH writes a program that does not start (it loses exported tables)"
        );
    }
    if !browser::npm_runs(project, tools) {
        apt::install(project, "npm, which brings wasm-opt,", &["nodejs", "npm"])?;
    }
    // In the folder of cargo's programs, where a plain `trunk` finds it too.
    let Some(prefix) = project::cargo_bin_dir().and_then(|dir| dir.parent().map(Path::to_path_buf))
    else {
        return Err(Error::ByHand(
            "neither CARGO_HOME nor HOME is set: there is no place for wasm-opt".to_owned(),
        ));
    };
    let install = tools
        .command(
            project,
            "npm install --global --no-audit --no-fund --prefix",
        )
        .args([prefix.display().to_string(), NPM_PACKAGE.to_owned()]);
    install.run_condensed(&project.work_dir().join("wasm-opt.log"), LIMIT)?;
    sound_wasm_opt(project, tools).map(|said| format!("installed: {said}")).ok_or_else(|| {
        Error::Failed(format!(
            "`{install}` succeeded, but the wasm-opt that comes first on PATH loses exported tables or does not run. \
             Remove it, or put cargo's bin folder before it."
        ))
    })
}

/// The output of `wasm-opt --version`, if it passes the test.
fn sound_wasm_opt(project: &Project, tools: &Tools) -> Option<String> {
    let said = tools.command(project, "wasm-opt --version").output()?;
    let folder = project.work_dir();
    let (given, written) = (folder.join("probe.wasm"), folder.join("probe-out.wasm"));
    std::fs::create_dir_all(&folder).ok()?;
    std::fs::write(&given, PROBE).ok()?;
    let text = |path: &Path| path.display().to_string();
    tools
        .command(project, "wasm-opt --enable-reference-types")
        .args([text(&given), "-o".to_owned(), text(&written)])
        .output()?;
    keeps_the_export(&std::fs::read(written).ok()?).then_some(said)
}

fn keeps_the_export(module: &[u8]) -> bool {
    module.windows(EXPORT.len()).any(|bytes| bytes == EXPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trial_tells_a_lost_table() {
        assert!(keeps_the_export(PROBE));
        // The output of binaryen 108.
        let mut lost = PROBE.to_vec();
        if let Some(index) = lost.last_mut() {
            *index = 0;
        }
        assert!(!keeps_the_export(&lost));
    }
}
