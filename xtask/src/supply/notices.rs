//! The notices: every distributed package with its copyright holders, its licence and the licence's
//! text.
//!
//! In: a [`Product`]. Out: one text, the same on every system. Equivalent texts are included once.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::inventory::{Package, Product};
use super::license::{self, RightsFile, body, holds, sameness};
use crate::error::Error;
use crate::project::Project;

/// Distributed files that are not in any package.
const FONTS: &str = "crates/cli/assets/fonts";
/// rustc links it into every program, but cargo does not list it.
const STANDARD_LIBRARY: &str = "\
Rust's standard library: Apache-2.0 [1]
    https://github.com/rust-lang/rust (it lists the authors of its parts in COPYRIGHT-library.html, beside each compiler)
    Copyright (c) The Rust Project Contributors
";
const RULE: &str = "========================================================================================================";

/// The whole text of `product`'s notices.
pub fn write(project: &Project, product: &Product) -> Result<String, Error> {
    let own = read(&project.root.join("LICENSE"))?;
    let mut texts = Texts::new(&own);
    let entries = product
        .packages
        .iter()
        .map(Entry::read)
        .collect::<Result<Vec<_>, _>>()?;
    for entry in &entries {
        entry.add_own_texts(&mut texts);
    }
    let mut list = String::new();
    for entry in &entries {
        let _ = writeln!(list, "{}", entry.describe(&mut texts)?);
    }
    let _ = writeln!(list, "{STANDARD_LIBRARY}");
    if product.word == "program" {
        let number = texts.add(
            "Licence of the fonts",
            &read(&project.root.join(FONTS).join("LICENSE.txt"))?,
        );
        let _ = writeln!(
            list,
            "DejaVu fonts 2.37 (Sans Bold, Sans Mono Bold, Serif Bold; printable ASCII, without hinting) [{number}]\n    \
             https://dejavu-fonts.github.io/\n"
        );
    }
    let title = format!("Software of others in {}", product.title);
    Ok(format!(
        "{title}\n{}\n\nMade by `cargo xtask notices`; do not edit it.\n\ninf-llava itself is under the Apache License 2.0, \
         which is text [1] below. Into {} of version {} go the {}\npackages that follow. Where one offers a choice of \
         licences, the one that is named was taken. The numbers in brackets\nlead to the texts at the end. Each package \
         can be had with its source at the address under its name; none was changed.\n\n{list}{}",
        "=".repeat(title.len()),
        product.title,
        product.version,
        product.packages.len(),
        texts.listed(),
    ))
}

fn read(path: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::Failed(format!("cannot read {}: {error}", path.display())))?;
    Ok(license::plain(&text))
}

/// A package, with what its files say.
struct Entry<'a> {
    package: &'a Package,
    taken: Vec<&'static str>,
    files: Vec<RightsFile>,
}

impl<'a> Entry<'a> {
    fn read(package: &'a Package) -> Result<Self, Error> {
        Ok(Self {
            package,
            taken: license::taken(package)?,
            files: license::rights_files(&package.folder)?,
        })
    }

    /// The package's own file with a chosen licence.
    fn text_of(&self, id: &str) -> Option<&RightsFile> {
        let whole = |file: &&RightsFile| !file.is_notice() && !file.is_of_a_part();
        self.files
            .iter()
            .filter(whole)
            .find(|file| holds(id, &file.text))
    }

    fn add_own_texts(&self, texts: &mut Texts) {
        for id in &self.taken {
            if let Some(file) = self.text_of(id) {
                texts.add(id, &body(&file.text));
            }
        }
    }

    /// The package's entry in the list.
    fn describe(&self, texts: &mut Texts) -> Result<String, Error> {
        let Package { name, version, .. } = self.package;
        let mut licences = Vec::new();
        for id in &self.taken {
            let number = match self.text_of(id) {
                Some(file) => Some(texts.add(id, &body(&file.text))),
                // Many packages name a licence but do not include its text.
                None => texts.any_of(id),
            };
            let number = number.ok_or_else(|| {
                Error::Failed(format!(
                    "{name} {version} is under {id} and has no text of it, nor has any other package: {}",
                    self.package.folder.display()
                ))
            })?;
            licences.push(format!("{id} [{number}]"));
        }
        let mut lines = format!(
            "{name} {version}: {}\n    {}\n",
            licences.join(" and "),
            self.package.address()
        );
        for line in self.holders(&texts.own) {
            let _ = writeln!(lines, "    {line}");
        }
        for file in self
            .files
            .iter()
            .filter(|file| file.is_notice() || file.is_of_a_part())
        {
            let number = if file.is_notice() {
                texts.add("Further notices", &file.text)
            } else {
                texts.add("Licence of a part", &body(&file.text))
            };
            let _ = writeln!(lines, "    {} [{number}]", file.name);
        }
        Ok(lines)
    }

    /// The copyright holders: the copyright lines of its files, otherwise the authors in its
    /// manifest.
    fn holders(&self, own: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for file in self.files.iter().filter(|file| !file.is_notice()) {
            for line in license::holders(&file.text, own) {
                if !lines.iter().any(|known| known == line) {
                    lines.push(line.to_owned());
                }
            }
        }
        let Package {
            authors,
            repository,
            ..
        } = self.package;
        if lines.is_empty() && !authors.is_empty() {
            lines.push(format!("By {}", authors.join(", ")));
        } else if lines.is_empty() && !repository.is_empty() {
            lines.push(format!("By the contributors of {repository}"));
        }
        lines
    }
}

/// Licence texts, numbered in order of their first use.
struct Texts {
    own: String,
    /// The licence and the text.
    texts: Vec<(String, String)>,
    places: BTreeMap<String, usize>,
}

impl Texts {
    /// Starts with the project's own licence, which most packages share.
    fn new(own: &str) -> Self {
        let mut texts = Self {
            own: own.to_owned(),
            texts: Vec::new(),
            places: BTreeMap::new(),
        };
        texts.add("Apache-2.0", own);
        texts
    }

    /// The number of a text; equivalent texts have the same number.
    fn add(&mut self, id: &str, text: &str) -> usize {
        let next = self.texts.len() + 1;
        let text = if license::is_plain_apache(text, &self.own) {
            &self.own
        } else {
            text
        };
        let number = *self.places.entry(sameness(text)).or_insert(next);
        if number == next {
            self.texts.push((id.to_owned(), text.to_owned()));
        }
        number
    }

    /// The number of the first text of a licence.
    fn any_of(&self, id: &str) -> Option<usize> {
        self.texts
            .iter()
            .position(|(name, _)| name == id)
            .map(|place| place + 1)
    }

    fn listed(&self) -> String {
        let mut all = String::new();
        for (place, (id, text)) in self.texts.iter().enumerate() {
            let _ = write!(all, "{RULE}\n[{}] {id}\n{RULE}\n\n{text}\n\n", place + 1);
        }
        all.trim_end().to_owned() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::super::inventory::Source;
    use super::*;

    const MIT: &str = "MIT License\n\nCopyright (c) 2020 Somebody\n\nPermission is hereby granted, free of charge, to any person \
                       obtaining a copy of this software and associated documentation files, to use it.\n";

    /// A temporary crate folder with these files, removed on drop.
    struct Crate(PathBuf);

    impl Crate {
        fn with(name: &str, files: &[(&str, &str)]) -> Self {
            let folder =
                std::env::temp_dir().join(format!("notices-{}-{name}", std::process::id()));
            for (file, text) in files {
                let path = folder.join(file);
                fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                fs::write(path, text).expect("written");
            }
            fs::create_dir_all(&folder).expect("made");
            Self(folder)
        }

        fn package(&self, name: &str, license: &str) -> Package {
            Package {
                source: Source::CratesIo,
                name: name.to_owned(),
                version: "1.0.0".to_owned(),
                license: license.to_owned(),
                authors: vec!["An Author".to_owned()],
                repository: String::new(),
                folder: self.0.clone(),
                hash: String::new(),
                uses: Vec::new(),
            }
        }
    }

    impl Drop for Crate {
        fn drop(&mut self) {
            // A temporary folder that remains is harmless.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn written(packages: Vec<Package>) -> Result<String, Error> {
        let project = Project {
            root: Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
            target: PathBuf::new(),
        };
        let product = Product {
            title: "a thing",
            word: "page",
            notices: "",
            version: "1.2.3".to_owned(),
            packages,
            uses: Vec::new(),
        };
        write(&project, &product)
    }

    #[test]
    fn each_package_is_named_with_its_holders_and_each_text_once() {
        let one = Crate::with(
            "one",
            &[
                ("LICENSE-MIT", MIT),
                ("NOTICE", "Built on the work of others."),
            ],
        );
        let other = Crate::with(
            "other",
            &[("license.md", &MIT.replace("2020 Somebody", "2021 Others"))],
        );
        let bare = Crate::with("bare", &[("src/license.rs", "fn main() {}")]);
        let text = written(vec![
            one.package("one", "MIT"),
            other.package("other", "MIT"),
            bare.package("bare", "MIT"),
        ])
        .expect("all have a text");
        let entry = |name: &str| {
            let begins = text.find(&format!("\n{name} 1.0.0: ")).expect(name) + 1;
            text[begins..]
                .split("\n\n")
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let address = "https://crates.io/crates";
        assert_eq!(
            entry("one"),
            format!(
                "one 1.0.0: MIT [2]\n    {address}/one/1.0.0\n    Copyright (c) 2020 Somebody\n    NOTICE [3]"
            )
        );
        assert_eq!(
            entry("other"),
            format!(
                "other 1.0.0: MIT [2]\n    {address}/other/1.0.0\n    Copyright (c) 2021 Others"
            )
        );
        assert_eq!(
            entry("bare"),
            format!("bare 1.0.0: MIT [2]\n    {address}/bare/1.0.0\n    By An Author")
        );
        assert_eq!(text.matches("Permission is hereby granted").count(), 1);
        assert!(text.contains("Built on the work of others."));
        assert!(
            text.contains("TERMS AND CONDITIONS FOR USE"),
            "the project's own licence comes first"
        );
    }

    #[test]
    fn a_licence_without_a_text_or_that_may_not_be_used_is_an_error() {
        let bare = Crate::with("lone", &[]);
        let refused = |license: &str| {
            written(vec![bare.package("lone", license)])
                .err()
                .map(|e| e.to_string())
        };
        assert!(
            refused("ISC")
                .is_some_and(|why| why.contains("lone 1.0.0 is under ISC and has no text"))
        );
        assert!(
            refused("GPL-3.0-only")
                .is_some_and(|why| why.contains("lone 1.0.0") && why.contains("deny.toml"))
        );
        assert_eq!(refused("Apache-2.0"), None);
    }
}
