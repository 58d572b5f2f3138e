//! House rules that no compiler checks: how long a file may be, and what a room must not know.

use std::path::{Path, PathBuf};

const LONGEST_FILE_LINES: usize = 500;
/// What is built or fetched, and not part of the project.
const NOT_OURS: [&str; 5] = [".git", "target", "dist", "node_modules", "pkg"];

fn root() -> &'static Path {
    crate::root()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let entry = entry.expect("entry");
        let kind = entry.file_type().expect("kind of file");
        let name = entry.file_name();
        // `.git` is a file in a worktree.
        if NOT_OURS.iter().any(|&other| name == other) {
            continue;
        } else if kind.is_dir() {
            walk(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

/// The text files below `folder` as (path from the root, text). `at_least` guards against a walk
/// that finds nothing and so passes everything.
fn texts(folder: &str, at_least: usize) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    let texts: Vec<_> = paths
        .into_iter()
        .filter_map(|path| {
            let bytes = std::fs::read(&path).expect("file");
            let path = path.strip_prefix(root()).expect("below the root");
            Some((
                path.to_string_lossy().replace('\\', "/"),
                String::from_utf8(bytes).ok()?,
            ))
        })
        .collect();
    assert!(
        texts.len() >= at_least,
        "{} files in {folder:?}",
        texts.len()
    );
    texts
}

fn rust(folder: &str, at_least: usize) -> Vec<(String, String)> {
    let mut files = texts(folder, at_least);
    files.retain(|(path, _)| path.ends_with(".rs"));
    files
}

/// What is compiled into the program.
fn sources() -> Vec<(String, String)> {
    let folders = [("crates/core/src", 60), ("src", 30), ("crates/cli/src", 60)];
    folders
        .into_iter()
        .flat_map(|(folder, at_least)| rust(folder, at_least))
        .collect()
}

/// `path:line: text` for each line of `files` that `is_wrong`.
fn wrong_lines(files: &[(String, String)], is_wrong: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in files {
        for (index, line) in text.lines().enumerate() {
            if is_wrong(path, line) {
                wrong.push(format!("{path}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    wrong
}

fn assert_none(wrong: Vec<String>, rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

/// Blank lines instead of `#[cfg(test)]` items and comments; line numbers stay. Items at the left
/// margin end at a `}` there or at a `;`, which rustfmt sees to.
fn program_only(text: &str) -> String {
    let mut in_test = false;
    let mut kept = String::new();
    for line in text.lines() {
        in_test |= line.trim() == "#[cfg(test)]";
        if !in_test && !line.trim_start().starts_with("//") {
            kept.push_str(line);
        }
        kept.push('\n');
        in_test &= !(line == "}" || line.ends_with(';') && !line.starts_with(' '));
    }
    kept
}

#[test]
fn the_stripper_strips_tests_only() {
    let text = "a.unwrap();\n// b.unwrap()\n#[cfg(test)]\nmod tests {\n    c.unwrap();\n}\nd();\n#[cfg(test)]\nmod e;\nf();\n";
    assert_eq!(
        program_only(text),
        "a.unwrap();\n\n\n\n\n\nd();\n\n\nf();\n"
    );
}

/// What is written elsewhere is not whole after a power failure; what is opened elsewhere may be a pipe.
#[test]
fn files_are_written_and_opened_in_one_place() {
    // (file, what in it, why it may)
    let allowed = [
        (
            "crates/cli/src/train/features.rs",
            "OpenOptions",
            "records with a hash each, in place",
        ),
        (
            "crates/cli/src/train/features.rs",
            "create_dir_all",
            "as above",
        ),
        (
            "crates/cli/src/train/file.rs",
            "fs::read_to_string(",
            "a file that the user names, also a pipe",
        ),
        (
            "crates/cli/src/commands/mod.rs",
            "File::open(",
            "as above: a picture",
        ),
        (
            "crates/cli/src/commands/serve/open.rs",
            "OpenOptions",
            "what is served: plain files too, by the server's own rules for links",
        ),
        (
            "crates/core/src/hub/cache.rs",
            "",
            "the hub's cache, by the rules of those who share it",
        ),
    ];
    let words = [
        "fs::write(",
        "fs::rename(",
        "fs::copy(",
        "fs::read(",
        "fs::read_to_string(",
        "create_dir_all",
        "File::open(",
        "File::create",
        "OpenOptions",
        "serialize_to_file",
    ];
    let mut files: Vec<_> = sources()
        .into_iter()
        .map(|(path, text)| (path, program_only(&text)))
        .collect();
    files.retain(|(path, _)| {
        !["crates/core/src/durable.rs", "crates/core/src/files.rs"].contains(&path.as_str())
    });
    let wrong = wrong_lines(&files, |path, line| {
        let may = |&(file, what, _): &(&str, &str, &str)| file == path && line.contains(what);
        words.iter().any(|word| line.contains(word)) && !allowed.iter().any(may)
    });
    assert_none(
        wrong,
        "write with inf_llava::durable, open with inf_llava::files",
    );
}

#[test]
fn no_file_hides_two_jobs() {
    let mut wrong = Vec::new();
    for (folder, at_least) in [
        ("crates/core/src", 60),
        ("src", 30),
        ("crates/cli/src", 60),
        ("xtask", 5),
        ("shaders", 2),
        ("web/src", 3),
    ] {
        for (path, text) in texts(folder, at_least) {
            let lines = text.lines().count();
            // That one is written by a test, of what has files of its own in Rust.
            if lines > LONGEST_FILE_LINES && path != "web/src/engine/generated.ts" {
                wrong.push(format!("{path}: {lines} lines"));
            }
        }
    }
    assert_none(
        wrong,
        &format!("split files of more than {LONGEST_FILE_LINES} lines"),
    );
}

#[test]
fn every_module_says_what_it_is() {
    let wrong = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    assert_none(wrong, "begin the file with `//!`");
}

#[test]
fn rooms_do_not_know_what_they_must_not() {
    let rules: [(&[&str], &[&str]); 3] = [
        // These read hostile input and must compile without a device.
        (
            &[
                "crates/core/src/image",
                "crates/core/src/text",
                "crates/core/src/generate",
                "crates/core/src/openai",
                "crates/core/src/dataset",
                "crates/cli/src/scenes",
                "crates/core/src/quant",
            ],
            &["wgpu", "cubecl", "wasm_bindgen", "burn", "axum"],
        ),
        // The mathematics is written once, for every device and every checkpoint layout.
        (
            &["src/vision", "src/language", "src/nn"],
            &["cubecl", "self_attn", "model.layers", "lm_head."],
        ),
        (&["crates/core/src/weights"], &["cubecl", "wasm_bindgen"]),
    ];
    for (rooms, words) in rules {
        for room in rooms {
            let wrong = wrong_lines(&texts(room, 2), |_, line| {
                words.iter().any(|word| line.contains(word))
            });
            assert_none(wrong, &format!("{room} must not know of {words:?}"));
        }
    }
    let knows = |path: &str, line: &str| path != "src/gpu/kernel.rs" && line.contains("cubecl");
    assert_none(
        wrong_lines(&sources(), knows),
        "src/gpu/kernel.rs is the only bridge to cubecl",
    );
}

/// What strangers wrote must not command a terminal, and a full disk must be told: one file writes for all others.
#[test]
fn one_file_writes_to_the_terminal() {
    let files: Vec<_> = sources()
        .into_iter()
        .map(|(path, text)| (path, program_only(&text)))
        .collect();
    let wrong = wrong_lines(&files, |path, line| {
        // The command line's own `eprintln!` and `eprint!` go through that file.
        let line = match path.starts_with("crates/cli/src/commands/") {
            true => line.replace("eprint", ""),
            false => line.to_string(),
        };
        let words = ["print!(", "println!(", "dbg!(", "stdout()", "std::eprint"];
        path != "crates/cli/src/commands/output.rs" && words.iter().any(|word| line.contains(word))
    });
    assert_none(wrong, "say it through crates/cli/src/commands/output.rs");
}

/// Links within the repository; those of the package's README are looked at by `web/check.mjs`.
#[test]
fn links_of_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut found = 0;
    for (path, text) in texts("", 100) {
        if !path.ends_with(".md") || path == "web/README.md" {
            continue;
        }
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let file = target.split('#').next().unwrap_or_default();
            let beside = root().join(&path);
            let beside = beside.parent().expect("a folder").join(file);
            found += 1;
            if !file.is_empty() && !beside.exists() {
                wrong.push(format!("{path}: {target}"));
            }
        }
    }
    assert!(found > 40, "{found} links");
    assert_none(wrong, "links that lead nowhere");
}

/// `src/model.rs` in a text; `src/NAME.rs` and `web/dist/x` name what is to be written or built.
#[test]
fn files_that_documents_name_are_there() {
    const FOLDERS: [&str; 9] = [
        "crates/",
        "src/",
        "shaders/",
        "tests/",
        "examples/",
        "fuzz/",
        "xtask/",
        "docs/",
        "web/src/",
    ];
    let is_file = |name: &&str| {
        let plain = name
            .chars()
            .all(|c| c.is_alphanumeric() || "/_.-".contains(c));
        plain && !name.contains("NAME") && FOLDERS.iter().any(|folder| name.starts_with(folder))
    };
    let mut named = 0;
    let mut wrong = Vec::new();
    for (path, text) in texts("", 100) {
        // What was is history.
        if !path.ends_with(".md") || path == "CHANGELOG.md" {
            continue;
        }
        for name in text.split('`').skip(1).step_by(2).filter(is_file) {
            named += 1;
            if !root().join(name).exists() {
                wrong.push(format!("{path}: {name}"));
            }
        }
    }
    assert!(named > 50, "{named} files are named");
    assert_none(wrong, "a document names a file that is not there");
}

#[test]
fn no_paths_of_one_machine() {
    // Put together here, so that this file is not its own finding.
    let places = ["root", "work", "home"].map(|place| format!("/{place}/"));
    let wrong = wrong_lines(&texts("", 100), |_, line| {
        places.iter().any(|place| {
            line.match_indices(place.as_str()).any(|(at, _)| {
                // `web/work/x` or `https://host/home/x` is no path from the root.
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "-_.~}".contains(c))
            })
        })
    });
    assert_none(wrong, "a path of one machine");
}

/// The lines of `text` that begin an unsafe block, implementation or declaration, with the number of each. A function
/// that is unsafe to call is none: what it does needs blocks of its own.
fn unsafe_lines(text: &str) -> Vec<(usize, &str)> {
    // Put together here, so that this file is not its own finding.
    let word = concat!("un", "safe");
    let part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    let begins = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.match_indices(word).any(|(at, _)| {
            let in_a_text = code[..at].matches('"').count() % 2 == 1;
            let after = &code[at + word.len()..];
            !in_a_text
                && !code[..at].ends_with(part_of_a_name)
                && !after.starts_with(part_of_a_name)
                && !after.starts_with(" fn ")
        })
    };
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| begins(line))
        .map(|(index, line)| (index, line.trim()))
        .collect()
}

/// Whether the comment right in front of a line says why it is sound.
fn says_why(text: &str, index: usize) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).take(index).collect();
    let before = lines.iter().rev().skip_while(|line| line.starts_with("#["));
    let mut comment = before.take_while(|line| line.starts_with("//"));
    comment.any(|line| line.contains("SAFETY: "))
}

#[test]
fn unsafe_code_is_found_and_its_reason_too() {
    let word = concat!("un", "safe");
    let text = format!(
        "// SAFETY: why\n#[inline]\n{word} {{ a() }}\n// {word} in words\n{word}_code();\nlet x = \"{word}\";{word} fn c();\n\nlet y = {word} {{ b() }};\n"
    );
    let found = unsafe_lines(&text);
    assert_eq!(
        found.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
        [2, 7]
    );
    assert!(says_why(&text, 2));
    assert!(!says_why(&text, 7));
}

/// docs/UNSAFE.md lists all of it, by file and first line; a new piece is added there.
#[test]
fn unsafe_code_is_listed_and_says_why_it_is_sound() {
    let list = std::fs::read_to_string(root().join("docs/UNSAFE.md")).expect("the list");
    // (file, first line) of each piece that is listed: headings name files, blocks hold lines.
    let mut listed: Vec<(String, String)> = Vec::new();
    let (mut file, mut in_block) = (String::new(), false);
    for line in list.lines() {
        if let Some(name) = line.strip_prefix("## `") {
            file = name.trim_end_matches('`').to_owned();
        } else if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            listed.push((file.clone(), line.trim().to_owned()));
        }
    }
    let mut wrong = Vec::new();
    for (folder, at_least) in [
        ("crates", 60),
        ("src", 30),
        ("xtask", 5),
        ("tests", 15),
        ("examples", 1),
        ("fuzz", 5),
    ] {
        for (path, text) in rust(folder, at_least) {
            for (index, line) in unsafe_lines(&text) {
                let place = format!("{path}:{}: {line}", index + 1);
                match listed
                    .iter()
                    .position(|piece| *piece == (path.clone(), line.to_owned()))
                {
                    Some(at) => drop(listed.remove(at)),
                    None => wrong.push(format!("{place} is not in docs/UNSAFE.md")),
                }
                if !says_why(&text, index) {
                    wrong.push(format!("{place} has no SAFETY: comment in front of it"));
                }
            }
        }
    }
    let gone = listed
        .iter()
        .map(|(path, line)| format!("{path}: {line} is in docs/UNSAFE.md only"));
    wrong.extend(gone);
    assert_none(wrong, "unsafe code is listed, with its reason");
}
