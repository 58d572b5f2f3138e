//! Licences: which of the offered ones is chosen, and which a file's text contains.

use std::path::{Path, PathBuf};

use spdx::{Expression, Licensee, ParseMode};

use super::inventory::Package;
use crate::error::Error;

/// Preference among the offered licences: the project's own, then permissive ones, then those with
/// file-level copyleft. `deny.toml` says which packages may use which.
const TAKEN: [&str; 12] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "BSL-1.0",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
    "MPL-2.0",
    "NCSA",
];
/// Phrases that occur in one licence's text only, in lower case, with single spaces.
const MARKS: [(&str, &str); 12] = [
    ("Apache-2.0", "apache license version 2.0, january 2004"),
    (
        "Apache-2.0 WITH LLVM-exception",
        "llvm exceptions to the apache 2.0 license",
    ),
    (
        "MIT",
        "to any person obtaining a copy of this software and associated documentation files",
    ),
    (
        "BSD-2-Clause",
        "redistributions in binary form must reproduce the above copyright",
    ),
    (
        "BSD-3-Clause",
        "redistributions in binary form must reproduce the above copyright",
    ),
    (
        "ISC",
        "permission to use, copy, modify, and/or distribute this software for any purpose",
    ),
    (
        "Zlib",
        "this software is provided 'as-is', without any express or implied",
    ),
    ("BSL-1.0", "boost software license - version 1.0"),
    ("Unicode-3.0", "unicode license v3"),
    (
        "CDLA-Permissive-2.0",
        "community data license agreement - permissive - version 2.0",
    ),
    ("MPL-2.0", "mozilla public license version 2.0"),
    ("NCSA", "university of illinois/ncsa open source license"),
];

/// The chosen licences of a package: all that its expression requires, one of each choice.
pub fn taken(package: &Package) -> Result<Vec<&'static str>, Error> {
    choose(&package.license).map_err(|why| {
        Error::Failed(format!(
            "the licence of {} {}, `{}`, {why}. If it may be used, name it in xtask/src/supply/license.rs and deny.toml.",
            package.name, package.version, package.license
        ))
    })
}

fn choose(expression: &str) -> Result<Vec<&'static str>, String> {
    let parsed = Expression::parse_mode(expression, ParseMode::LAX)
        .map_err(|error| format!("is no licence expression ({})", error.reason))?;
    let accepted: Vec<Licensee> = TAKEN
        .iter()
        .filter_map(|name| Licensee::parse(name).ok())
        .collect();
    let needed = parsed
        .minimized_requirements(&accepted)
        .map_err(|_| "is none of those that are taken".to_owned())?;
    let name = |needed: &spdx::LicenseReq| {
        let place = accepted
            .iter()
            .position(|licensee| licensee.satisfies(needed))?;
        TAKEN.get(place).copied()
    };
    let names: Option<Vec<_>> = needed.iter().map(name).collect();
    names.ok_or_else(|| "is none of those that are taken".to_owned())
}

/// Whether `text` contains the licence `id`.
pub fn holds(id: &str, text: &str) -> bool {
    let text = text
        .to_lowercase()
        .replace(['"', '\u{201c}', '\u{201d}'], "");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Removes Markdown emphasis, and a comma that some texts omit.
    let text = text
        .replace("**", "")
        .replace("apache license, version", "apache license version");
    MARKS
        .iter()
        .any(|(name, mark)| *name == id && text.contains(mark))
}

/// A file of a package about licences or rights.
#[derive(Clone, Debug)]
pub struct RightsFile {
    pub name: String,
    pub text: String,
}

impl RightsFile {
    /// Whether it is the licence of a part of the package, stored beside that part.
    pub fn is_of_a_part(&self) -> bool {
        self.name.contains('/') && !self.name.to_lowercase().starts_with("licen")
    }

    /// Whether it is something other than a licence that must be passed on: a notice, or the
    /// licences of parts.
    pub fn is_notice(&self) -> bool {
        let name = self.name.to_lowercase();
        [
            "notice",
            "copyright",
            "third-party",
            "third_party",
            "thirdparty",
        ]
        .iter()
        .any(|word| name.contains(word))
    }
}

/// The licences and notices among a package's files, sorted by path.
pub fn rights_files(folder: &Path) -> Result<Vec<RightsFile>, Error> {
    let mut files = Vec::new();
    collect(folder, folder, &mut files)?;
    Ok(files)
}

fn collect(package: &Path, folder: &Path, files: &mut Vec<RightsFile>) -> Result<(), Error> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_lowercase();
        if path.is_dir() {
            // Files in these folders are not linked into the product.
            if !["tests", "benches", "examples", "node_modules"].contains(&name.as_str()) {
                collect(package, &path, files)?;
            }
            continue;
        }
        let words = ["licen", "copying", "notice", "copyright"];
        // `license.rs` is source code.
        let is_text = !name.contains('.')
            || [".txt", ".md", ".mit", ".apache", "-2.0", "exception"]
                .iter()
                .any(|end| name.ends_with(end));
        if words.iter().any(|word| name.contains(word)) && is_text {
            let bytes = std::fs::read(&path).map_err(|error| {
                Error::Failed(format!("cannot read {}: {error}", path.display()))
            })?;
            let name = path.strip_prefix(package).unwrap_or(&path);
            files.push(RightsFile {
                // The same separator on every system.
                name: name.to_string_lossy().replace('\\', "/"),
                text: plain(&String::from_utf8_lossy(&bytes)),
            });
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::Failed(format!("cannot read {}: {error}", folder.display()));
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// Normalises a text: line feeds, no byte order marks, no trailing white space, no empty lines at
/// either end.
pub fn plain(text: &str) -> String {
    let text = text
        .replace('\u{feff}', "")
        .replace("\r\n", "\n")
        .replace(['\r', '\u{c}'], "\n");
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.trim_end().replace('\t', "    "))
        .collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// Whether a line is a copyright line: `Copyright (c) 2020 Somebody`.
pub fn is_copyright(line: &str) -> bool {
    let line = line
        .trim_matches(|c: char| c.is_whitespace() || "*#/<>-".contains(c))
        .to_lowercase();
    let Some(rest) = line
        .strip_prefix("copyright")
        .or_else(|| line.strip_prefix("©"))
    else {
        // Not a list item named c.
        let rest = line.strip_prefix("(c)").unwrap_or_default().trim_start();
        return rest.starts_with(|c: char| c.is_ascii_digit());
    };
    // Apache's appendix has a template with placeholders.
    let form = ["[yyyy]", "{yyyy}", "[year]", "<year>"]
        .iter()
        .any(|form| rest.contains(form));
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
    !form
        && (rest.starts_with("(c)")
            || rest.starts_with('©')
            || rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// A licence's text without its leading copyright lines, which are listed with each package.
pub fn body(text: &str) -> String {
    let (head, rest) = head_and_rest(text);
    let own = |line: &&str| {
        let alone = line.trim().trim_end_matches('.').to_lowercase();
        !is_copyright(line) && alone != "all rights reserved"
    };
    let kept: Vec<&str> = head.into_iter().filter(own).chain(rest).collect();
    plain(&kept.join("\n"))
}

/// The copyright lines of a file; `own` is the text of the Apache licence.
pub fn holders<'a>(text: &'a str, own: &str) -> Vec<&'a str> {
    let (head, rest) = head_and_rest(text);
    // Apache's text contains them in the template at its end.
    let rest = if is_plain_apache(text, own) {
        rest
    } else {
        Vec::new()
    };
    let lines = head
        .into_iter()
        .chain(rest)
        .filter(|line| is_copyright(line));
    lines
        .map(|line| line.trim_matches(|c: char| c.is_whitespace() || "*#/".contains(c)))
        .collect()
}

/// The titles and copyright lines at the beginning of a text, and the rest.
fn head_and_rest(text: &str) -> (Vec<&str>, Vec<&str>) {
    let lines: Vec<&str> = text.lines().collect();
    let of_head = |line: &&str| {
        let rights = line
            .trim()
            .to_lowercase()
            .starts_with("all rights reserved");
        line.trim().is_empty() || is_title(line) || is_copyright(line) || rights
    };
    let length = lines.iter().take_while(|line| of_head(line)).count();
    let rest = lines[length..].to_vec();
    (lines[..length].to_vec(), rest)
}

/// `The MIT License (MIT)`
fn is_title(line: &str) -> bool {
    line.len() <= 60 && line.to_lowercase().contains("licen") && !line.contains("hereby")
}

/// Whether `text` is the Apache licence as in `own`, with little else. Its appendix may be missing.
pub fn is_plain_apache(text: &str, own: &str) -> bool {
    let letters = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).count();
    // Room for a filled-in name.
    const MORE: usize = 400;
    holds("Apache-2.0", text) && letters(text) <= letters(own) + MORE
}

/// A key that is equal for texts that differ only in titles, quotation marks and line breaks.
pub fn sameness(body: &str) -> String {
    let untitled = body
        .lines()
        .skip_while(|line| line.trim().is_empty() || is_title(line));
    let letters = untitled
        .flat_map(str::chars)
        .filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_licence_of_a_choice_is_taken_and_all_of_a_sum() {
        for (offered, wanted) in [
            ("MIT OR Apache-2.0", vec!["Apache-2.0"]),
            ("MIT/Apache-2.0", vec!["Apache-2.0"]),
            ("MIT", vec!["MIT"]),
            ("Unlicense OR MIT", vec!["MIT"]),
            (
                "(MIT OR Apache-2.0) AND Unicode-3.0",
                vec!["Apache-2.0", "Unicode-3.0"],
            ),
            (
                "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
                vec!["Apache-2.0"],
            ),
            (
                "Apache-2.0 WITH LLVM-exception",
                vec!["Apache-2.0 WITH LLVM-exception"],
            ),
        ] {
            let mut taken = choose(offered).expect(offered);
            taken.sort_unstable();
            assert_eq!(taken, wanted, "{offered}");
        }
        for refused in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "", "Somebody's own"] {
            assert!(choose(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_taken_may_be_used() {
        let deny = include_str!("../../../deny.toml");
        for name in TAKEN {
            assert!(
                deny.contains(&format!("\"{name}\"")),
                "deny.toml does not name {name}"
            );
            assert!(
                MARKS.iter().any(|(marked, _)| *marked == name),
                "{name} has no mark"
            );
        }
    }

    #[test]
    fn texts_that_say_the_same_are_the_same() {
        let one = "The MIT License (MIT)\n\nCopyright (c) 2015 A\n\nPermission is hereby granted, \"AS IS\"\nfor all.";
        let other = "MIT License\n\nCopyright 2020 B <b@example.org>\nAll rights reserved.\n\nPermission is hereby\ngranted, 'AS IS' for all.\n";
        assert_eq!(sameness(&body(one)), sameness(&body(other)));
        assert_ne!(
            sameness(&body(one)),
            sameness(&body("Permission is hereby granted for some."))
        );
    }

    #[test]
    fn a_copyright_line_is_told_from_talk_of_copyright() {
        for line in [
            "Copyright (c) 2015 A",
            "  Copyright 2020 B",
            "© 2019 C",
            "// Copyright: (c) D",
        ] {
            assert!(is_copyright(line), "{line}");
        }
        for line in [
            "Copyright [yyyy] [name of copyright owner]",
            "copyright license to reproduce",
            "COPYRIGHT AND PERMISSION NOTICE",
            "(c) You must retain, in the Source form",
        ] {
            assert!(!is_copyright(line), "{line}");
        }
    }
}
