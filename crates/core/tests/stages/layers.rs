//! Which file names which: arrows between rooms go down (ARCHITECTURE.md has the picture), and no files name one another
//! in a circle. What a file names is read by `syn`; a name that another file hands on counts as a name of the file that
//! has it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, Meta, UseTree, Visibility};

/// The rooms, from the ground up. A room may name those before it.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "ground",
        &[
            "error",
            "printable",
            "files",
            "durable",
            "foreign",
            "platform",
            "progress",
            "sequence",
            "known",
        ],
    ),
    (
        "files and texts, without tensors",
        &[
            "quant", "spec", "image", "config", "text", "generate", "reply", "request", "openai",
            "weights", "hub", "dataset",
        ],
    ),
    ("operations on tensors", &["gpu", "recorder"]),
    ("layers, and from files to them", &["nn", "load"]),
    ("parts of a model", &["vision", "language"]),
    ("a model", &["model"]),
    ("a conversation", &["session"]),
    (
        "uses of it",
        &[
            "demo", "engine", "parity", "bench", "scenes", "evaluate", "train",
        ],
    ),
    ("faces", &["commands", "web"]),
    ("tests", &["typescript"]),
];

/// Where the crates have their sources, the lower first. A module's name is in one of them only.
const SOURCES: [&str; 3] = ["crates/core/src", "src", "crates/cli/src"];
/// What a path begins with that goes on from a crate's root. A crate hands on the modules of the one below it.
const CRATES: [&str; 4] = ["crate", "inf_llava", "inf_llava_core", "inf_llava_cli"];

/// `vision::plan`, without the crate.
type Name = Vec<String>;

/// A file of the crate.
#[derive(Default)]
struct File {
    /// What `use` brings in, and whether it is handed on.
    uses: Vec<(bool, Name)>,
    /// The name that each of these has here.
    bound: BTreeMap<String, Name>,
    /// Whose names are all brought in.
    globs: Vec<Name>,
    /// Other paths that stand in it.
    paths: Vec<Name>,
    /// What it has of its own.
    items: BTreeSet<String>,
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else {
            return false;
        };
        let mut words = list.tokens.to_string();
        words.retain(|c| c.is_alphanumeric() || c == '(' || c == ',');
        list.path.is_ident("cfg") && (words == "test" || words.starts_with("all(test"))
    })
}

/// Reads a file. Paths are told from the crate's root; others, of other crates, are left out.
struct Reader<'a> {
    file: File,
    /// The file's module, and what is open in it.
    here: Name,
    modules: &'a BTreeMap<Name, PathBuf>,
}

impl Reader<'_> {
    fn absolute(&self, path: &[String]) -> Option<Name> {
        let (first, rest) = path.split_first()?;
        let (mut base, mut rest) = match first.as_str() {
            first if CRATES.contains(&first) => return Some(rest.to_vec()),
            "self" => (self.here.clone(), rest),
            "super" => (self.here.clone(), path),
            _ => {
                let inner = [&self.here[..], &path[..1]].concat();
                let inner = self.modules.contains_key(&inner).then_some(inner)?;
                return Some([&inner[..], rest].concat());
            }
        };
        while let Some(("super", more)) = rest.split_first().map(|(s, more)| (s.as_str(), more)) {
            base.pop();
            rest = more;
        }
        Some([&base[..], rest].concat())
    }

    fn tree(&mut self, is_public: bool, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (path, name) = match tree {
            UseTree::Path(path) => return self.tree(is_public, &with(&path.ident), &path.tree),
            UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|tree| self.tree(is_public, before, tree));
            }
            UseTree::Glob(_) => {
                if let Some(path) = self.absolute(before) {
                    self.file.globs.push(path.clone());
                    self.file.uses.push((is_public, path));
                }
                return;
            }
            UseTree::Name(name) if name.ident == "self" => {
                (before.to_vec(), before.last().cloned())
            }
            UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string())),
            UseTree::Rename(name) => (with(&name.ident), Some(name.rename.to_string())),
        };
        if let Some(path) = self.absolute(&path) {
            self.file
                .bound
                .extend(name.map(|name| (name, path.clone())));
            self.file.uses.push((is_public, path));
        }
    }

    fn path(&mut self, path: Name) {
        let is_here = path
            .first()
            .is_some_and(|first| self.file.bound.contains_key(first));
        if path.len() > 1 && !is_here {
            let path = self.absolute(&path);
            self.file.paths.extend(path);
        }
    }
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_item(&mut self, item: &'a Item) {
        let (attributes, name) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Mod(item) => (&item.attrs, Some(&item.ident)),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Use(item) => (&item.attrs, None),
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            self.file.items.extend(name.map(ToString::to_string));
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'a ItemMod) {
        // Of a module in a file of its own only the name stands here.
        if module.content.is_some() {
            self.here.push(module.ident.to_string());
            visit::visit_item_mod(self, module);
            self.here.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.tree(is_public, &[], &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names = path.segments.iter().map(|part| part.ident.to_string());
        self.path(names.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'a Macro) {
        let words = called.tokens.to_string();
        let starts = CRATES.map(|name| format!("{name} :: "));
        let paths = starts.iter().flat_map(|start| words.split(start).skip(1));
        for path in paths {
            let names = path.split(" :: ").map(|name| {
                let ends = name.find(|c: char| !c.is_alphanumeric() && c != '_');
                (
                    name[..ends.unwrap_or(name.len())].to_string(),
                    ends.is_none(),
                )
            });
            let mut path = vec!["crate".to_string()];
            for (name, goes_on) in names {
                path.push(name);
                if !goes_on {
                    break;
                }
            }
            self.path(path);
        }
    }
}

/// The files of all crates, by module. A crate's root and its program are left out: they name everything.
fn modules() -> BTreeMap<Name, PathBuf> {
    let mut found = BTreeMap::new();
    for source in SOURCES {
        let root = crate::root().join(source);
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(&root).expect("below it");
                let name = name.with_extension("");
                let mut name: Name = name
                    .iter()
                    .map(|part| part.to_string_lossy().into())
                    .collect();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs") {
                    name.pop_if(|last| last == "mod");
                    if name != ["lib"] && name != ["main"] {
                        let other = found.insert(name, path.clone());
                        assert_eq!(other, None, "has the name of {}", path.display());
                    }
                }
            }
        }
    }
    assert!(found.len() > 150, "{} files", found.len());
    found
}

fn files(modules: &BTreeMap<Name, PathBuf>) -> BTreeMap<Name, File> {
    let read = |(name, path): (&Name, &PathBuf)| {
        let text = std::fs::read_to_string(path).expect("a file");
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut reader = Reader {
            file: File::default(),
            here: name.clone(),
            modules,
        };
        // What is brought in first, since it tells what other paths begin with.
        for item in &parsed.items {
            if let Item::Use(item) = item
                && !is_test(&item.attrs)
            {
                reader.visit_item_use(item);
            }
        }
        reader.file.uses.clear();
        reader.file.globs.clear();
        reader.visit_file(&parsed);
        (name.clone(), reader.file)
    };
    modules.iter().map(read).collect()
}

/// The file that has what `path` names, whichever hand it on.
fn owner<'a>(files: &'a BTreeMap<Name, File>, path: &[String], hops: usize) -> Option<&'a Name> {
    let module = (1..=path.len()).rev().map(|count| &path[..count]);
    let (module, file) = module
        .into_iter()
        .find_map(|module| files.get_key_value(module))?;
    let Some(item) = path.get(module.len()).filter(|_| hops > 0) else {
        return Some(module);
    };
    if let Some(other) = file.bound.get(item) {
        let rest = &path[module.len() + 1..];
        return owner(files, &[&other[..], rest].concat(), hops - 1);
    }
    let has = |glob: &&Name| {
        files
            .get(*glob)
            .is_some_and(|file| file.items.contains(item))
    };
    match file.globs.iter().find(has) {
        Some(glob) if !file.items.contains(item) => files.get_key_value(glob).map(|(name, _)| name),
        _ => Some(module),
    }
}

/// Which files each file names.
fn arrows() -> BTreeMap<Name, BTreeSet<Name>> {
    let modules = modules();
    let files = files(&modules);
    let of = |(name, file): (&Name, &File)| {
        // What a module hands on of its own parts is theirs.
        let own = |is_public: bool, target: &Name| is_public && target.starts_with(name);
        let named = file.uses.iter().filter_map(|(is_public, path)| {
            let target = owner(&files, path, 8)?;
            (!own(*is_public, target)).then_some(target)
        });
        let others = file.paths.iter().filter_map(|path| owner(&files, path, 8));
        let targets = named.chain(others).filter(|target| *target != name);
        (name.clone(), targets.cloned().collect())
    };
    files.iter().map(of).collect()
}

/// What can be reached from `from`.
fn reached(arrows: &BTreeMap<Name, BTreeSet<Name>>, from: &Name) -> BTreeSet<Name> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(name) = open.pop() {
        for next in arrows.get(name).into_iter().flatten() {
            if found.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    found
}

#[test]
fn no_files_name_one_another_in_a_circle() {
    let arrows = arrows();
    let reach: BTreeMap<&Name, _> = arrows
        .keys()
        .map(|name| (name, reached(&arrows, name)))
        .collect();
    let count: usize = arrows.values().map(BTreeSet::len).sum();
    assert!(count > 500, "{count} arrows: the reader sees too little");
    let circle: Vec<String> = reach
        .iter()
        .filter(|(name, found)| found.contains(**name))
        .map(|(name, found)| {
            let next = arrows[*name]
                .iter()
                .filter(|next| found.contains(*next) && reach[next].contains(*name));
            let next: Vec<String> = next.map(|next| next.join("::")).collect();
            format!("{} names {}", name.join("::"), next.join(", "))
        })
        .collect();
    assert!(
        circle.is_empty(),
        "files in a circle:\n{}",
        circle.join("\n")
    );
}

#[test]
fn arrows_between_rooms_go_down() {
    let rooms: Vec<&str> = LAYERS
        .iter()
        .flat_map(|(_, rooms)| rooms.iter().copied())
        .collect();
    let height = |name: &Name| {
        let place = rooms.iter().position(|room| name[0] == *room);
        place.unwrap_or_else(|| panic!("{} is in no layer", name[0]))
    };
    let mut wrong = Vec::new();
    for (name, targets) in arrows() {
        for target in targets
            .iter()
            .filter(|target| height(target) > height(&name))
        {
            wrong.push(format!("{} names {}", name.join("::"), target.join("::")));
        }
    }
    assert!(wrong.is_empty(), "arrows that go up:\n{}", wrong.join("\n"));
}
