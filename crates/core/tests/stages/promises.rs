//! docs/SECURITY.md promises nothing that no test holds: every test that it names is there.

use std::fs;

fn text(path: &str) -> String {
    let path = crate::root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_promise_is_held_by_a_test() {
    let mut tests = String::new();
    let mut folders = ["tests", "crates/core/tests", "crates/cli/tests"]
        .map(|folder| crate::root().join(folder))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                tests += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let promises = text("docs/SECURITY.md");
    let mut named = 0;
    for word in promises.split('`').skip(1).step_by(2) {
        if let Some(file) = word
            .strip_suffix(".test.mjs")
            .filter(|file| !file.contains(' '))
        {
            assert!(!text(&format!("web/test/{file}.test.mjs")).is_empty());
        } else if let Some((module, test)) = word.rsplit_once("::") {
            let module = module.rsplit("::").next().unwrap_or(module);
            // Of the crate, not of its tests.
            if module.starts_with(char::is_uppercase) {
                continue;
            }
            assert!(tests.contains(&format!("mod {module};")), "{word}");
            assert!(
                test == "*" || tests.contains(&format!("fn {test}(")),
                "{word}"
            );
        } else {
            continue;
        }
        named += 1;
    }
    assert!(named > 30, "only {named} tests are named");
}
