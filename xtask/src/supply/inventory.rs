//! Lists the contents of the two distributed products: the program, and the page with its npm
//! package.
//!
//! In: cargo's resolution of Cargo.lock, and web/package-lock.json. Out: a [`Product`] for each.
//! Crates that run only at build time (build scripts, macros) are in neither.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::error::Error;
use crate::project::Project;
use crate::setup::Tools;

/// The systems that the program is built for. All are included, so that the lists do not depend on
/// the system that makes them.
const SYSTEMS: [&str; 5] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
];
/// The build options of the page, as in `index.html`.
const PAGE: [&str; 3] = [
    "--target",
    "wasm32-unknown-unknown",
    "--no-default-features",
];
/// The npm packages that esbuild bundles into the page's scripts; `web/build.mjs` fails on any
/// other.
const BUNDLED: [&str; 1] = ["marked"];
/// The crate that the page is made of, and what the names of the other crates of this project begin with.
const ENGINE: &str = "inf-llava";
const PROGRAM: &str = "inf-llava-cli";

/// A distributed product and its contents.
#[derive(Debug)]
pub struct Product {
    /// Its title.
    pub title: &'static str,
    /// Its name in file names: `program` or `page`.
    pub word: &'static str,
    /// Path of its notices, relative to the repository's root.
    pub notices: &'static str,
    /// The project's own version.
    pub version: String,
    /// Its packages, sorted by name and version.
    pub packages: Vec<Package>,
    /// Its direct dependencies, as indices in `packages`.
    pub uses: Vec<usize>,
}

/// A crate or an npm package.
#[derive(Clone, Debug)]
pub struct Package {
    pub source: Source,
    pub name: String,
    pub version: String,
    /// The SPDX expression in the package's manifest, or empty.
    pub license: String,
    pub authors: Vec<String>,
    /// The address of its source code, or empty.
    pub repository: String,
    /// The folder of its files on this machine.
    pub folder: PathBuf,
    /// The hash in the lock file: sha256 of a crate, sha512 of an npm package, in hexadecimal
    /// digits.
    pub hash: String,
    /// Its dependencies, as indices in the product's list.
    pub uses: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    CratesIo,
    Npm,
}

impl Package {
    /// The address of this version with its source code.
    pub fn address(&self) -> String {
        let Self { name, version, .. } = self;
        match self.source {
            Source::CratesIo => format!("https://crates.io/crates/{name}/{version}"),
            Source::Npm => format!("https://www.npmjs.com/package/{name}/v/{version}"),
        }
    }
}

/// The program and the page.
pub fn products(project: &Project, tools: &Tools) -> Result<[Product; 2], Error> {
    let known = Known::read(project, tools)?;
    let systems = SYSTEMS.iter().flat_map(|system| ["--target", system]);
    let program = Tree::read(project, tools, PROGRAM, systems)?;
    let page = Tree::read(project, tools, ENGINE, PAGE)?;
    let npm = BUNDLED
        .iter()
        .map(|name| npm_package(project, name))
        .collect::<Result<Vec<_>, _>>()?;
    Ok([
        product(&known, &program, Vec::new()).map(|(version, packages, uses)| Product {
            title: "the program inf-llava",
            word: "program",
            notices: "THIRD-PARTY.txt",
            version,
            packages,
            uses,
        })?,
        product(&known, &page, npm).map(|(version, packages, uses)| Product {
            title: "the page and the npm package inf-llava",
            word: "page",
            notices: "web/THIRD-PARTY.txt",
            version,
            packages,
            uses,
        })?,
    ])
}

type Key = (String, String);

fn is_own((name, _): &Key) -> bool {
    name == ENGINE || name.starts_with("inf-llava-")
}

/// Combines cargo's dependency tree with the packages' metadata.
fn product(
    known: &Known,
    tree: &Tree,
    npm: Vec<Package>,
) -> Result<(String, Vec<Package>, Vec<usize>), Error> {
    let keys: Vec<&Key> = tree.uses.keys().filter(|key| !is_own(key)).collect();
    let places = |of: &BTreeSet<Key>| -> Vec<usize> {
        of.iter()
            .filter_map(|key| keys.binary_search(&key).ok())
            .collect()
    };
    let mut packages = Vec::new();
    for &key in &keys {
        let mut package = known.package(key)?;
        package.uses = places(&tree.uses[key]);
        packages.push(package);
    }
    let own: Vec<_> = tree.uses.iter().filter(|(key, _)| is_own(key)).collect();
    let Some(((_, version), _)) = own.first() else {
        return Err(Error::Failed(
            "cargo's tree has no crate of this project".to_owned(),
        ));
    };
    // Direct is what any of the project's crates names.
    let direct = own.iter().flat_map(|(_, uses)| uses.iter().cloned());
    let mut uses = places(&direct.collect());
    uses.extend(packages.len()..packages.len() + npm.len());
    packages.extend(npm);
    Ok((version.clone(), packages, uses))
}

/// The dependencies between packages, as cargo links them.
#[derive(Debug, Default)]
struct Tree {
    uses: BTreeMap<Key, BTreeSet<Key>>,
}

impl Tree {
    fn read<'a>(
        project: &Project,
        tools: &Tools,
        package: &str,
        which: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Error> {
        let command = tools
            .cargo(project, "tree --quiet --package")
            .arg(package)
            .args(["--edges", "normal,no-proc-macro", "--prefix", "depth"])
            .args(["--format", "{p}"])
            .args(which);
        Self::parse(&command.run_for_text()?)
            .ok_or_else(|| Error::Failed(format!("`{command}` printed what is no tree")))
    }

    /// Parses lines like `2serde v1.0.0 (*)`: depth, name, version, and a rest that is ignored.
    fn parse(text: &str) -> Option<Self> {
        let mut tree = Self::default();
        let mut above: Vec<Key> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let name_at = line.find(|c: char| !c.is_ascii_digit())?;
            let depth: usize = line[..name_at].parse().ok()?;
            let mut words = line[name_at..].split(' ');
            let name = words.next()?.to_owned();
            let version = words.next()?.strip_prefix('v')?.to_owned();
            let key = (name, version);
            above.truncate(depth);
            if let Some(user) = above.last() {
                tree.uses.get_mut(user)?.insert(key.clone());
            }
            tree.uses.entry(key.clone()).or_default();
            above.push(key);
        }
        Some(tree)
    }
}

/// cargo's metadata of every crate of the lock file.
struct Known {
    packages: BTreeMap<Key, Package>,
}

impl Known {
    fn read(project: &Project, tools: &Tools) -> Result<Self, Error> {
        let metadata = metadata(project, tools)?;
        let lock = project.root.join("Cargo.lock");
        let lock = std::fs::read_to_string(&lock)
            .map_err(|error| Error::Failed(format!("cannot read {}: {error}", lock.display())))?;
        let hashes = checksums(&lock);
        let mut packages = BTreeMap::new();
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
            let key = (text("name"), text("version"));
            // The project's own crates have no checksum and are not listed.
            let Some(hash) = hashes.get(&key) else {
                continue;
            };
            let authors = package["authors"].as_array().into_iter().flatten();
            let mut folder = PathBuf::from(text("manifest_path"));
            folder.pop();
            let package = Package {
                source: Source::CratesIo,
                name: key.0.clone(),
                version: key.1.clone(),
                license: text("license"),
                authors: authors
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
                repository: text("repository"),
                folder,
                hash: hash.clone(),
                uses: Vec::new(),
            };
            packages.insert(key, package);
        }
        Ok(Self { packages })
    }

    fn package(&self, key: &Key) -> Result<Package, Error> {
        self.packages.get(key).cloned().ok_or_else(|| {
            let (name, version) = key;
            Error::Failed(format!(
                "Cargo.lock and cargo metadata do not both know {name} {version}"
            ))
        })
    }
}

fn metadata(project: &Project, tools: &Tools) -> Result<Value, Error> {
    let command = tools.cargo(project, "metadata --quiet --format-version 1");
    serde_json::from_str(&command.run_for_text()?)
        .map_err(|error| Error::Failed(format!("`{command}` printed no JSON: {error}")))
}

/// The checksums of the packages of a Cargo.lock that have one.
fn checksums(lock: &str) -> BTreeMap<Key, String> {
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
    };
    let entry = |block: &str| {
        let key = (field(block, "name")?, field(block, "version")?);
        Some((key, field(block, "checksum")?))
    };
    lock.split("[[package]]").filter_map(entry).collect()
}

/// A package bundled into the page's scripts, as installed in web/node_modules.
fn npm_package(project: &Project, name: &str) -> Result<Package, Error> {
    let web = project.root.join("web");
    let read = |path: PathBuf| -> Result<Value, Error> {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Error::Failed(format!(
                "cannot read {}: {error}. Run: cargo xtask setup --web",
                path.display()
            ))
        })?;
        serde_json::from_str(&text)
            .map_err(|error| Error::Failed(format!("{}: {error}", path.display())))
    };
    let lock = read(web.join("package-lock.json"))?;
    let locked = &lock["packages"][format!("node_modules/{name}")];
    let folder = web.join("node_modules").join(name);
    let installed = read(folder.join("package.json"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&locked["version"]);
    if version.is_empty() || installed["version"] != locked["version"] {
        return Err(Error::Failed(format!(
            "web/node_modules holds {name} {}, and web/package-lock.json wants {version}. Run: cargo xtask setup --web",
            installed["version"]
        )));
    }
    let hash = text(&locked["integrity"]);
    let hash = hash.strip_prefix("sha512-").and_then(hex_of_base64);
    Ok(Package {
        source: Source::Npm,
        name: name.to_owned(),
        version,
        license: text(&installed["license"]),
        authors: vec![text(&installed["author"])]
            .into_iter()
            .filter(|author| !author.is_empty())
            .collect(),
        repository: text(&installed["repository"]["url"]).replace("git+https", "https"),
        folder,
        hash: hash.ok_or_else(|| {
            Error::Failed(format!("web/package-lock.json holds {name} to no sha512"))
        })?,
        uses: Vec::new(),
    })
}

/// npm writes hashes in base64; hexadecimal digits are used everywhere else.
fn hex_of_base64(text: &str) -> Option<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut hex) = (0u32, 0, String::new());
    for digit in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|&known| known == digit)?;
        bits = (bits << 6) | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            hex.push_str(&format!("{:02x}", (bits >> count) & 0xff));
        }
    }
    Some(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_tells_who_uses_whom() {
        let text = "0inf-llava v0.1.0 (/checkout)\n1a v1.0.0\n2b v2.0.0\n1b v2.0.0 (*)\n1c v3.0.0+more\n\n";
        let tree = Tree::parse(text).expect("a tree");
        let key = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let all: Vec<String> = tree
            .uses
            .keys()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        assert_eq!(
            all,
            ["a 1.0.0", "b 2.0.0", "c 3.0.0+more", "inf-llava 0.1.0"]
        );
        assert_eq!(
            tree.uses[&key("a", "1.0.0")],
            BTreeSet::from([key("b", "2.0.0")])
        );
        assert_eq!(tree.uses[&key("inf-llava", "0.1.0")].len(), 3);
        assert!(Tree::parse("error: no such package").is_none());
    }

    #[test]
    fn hashes_come_from_the_lock_files() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"x\"\nchecksum = \"00ff\"\n\n\
                    [[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        let sums = checksums(lock);
        assert_eq!(sums.len(), 1);
        assert_eq!(sums[&("a".to_owned(), "1.0.0".to_owned())], "00ff");
        assert_eq!(hex_of_base64("AP8Q").as_deref(), Some("00ff10"));
        assert_eq!(hex_of_base64("AP8=").as_deref(), Some("00ff"));
        assert_eq!(hex_of_base64("*"), None);
    }

    #[test]
    fn the_page_is_built_with_the_features_that_are_looked_up() {
        let page = include_str!("../../../index.html");
        assert!(page.contains("data-cargo-no-default-features"));
    }
}
