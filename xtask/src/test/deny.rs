//! `deny`: checks the licences and sources of dependencies, and known vulnerabilities.
//!
//! Licences, bans and sources need only the lock files. Vulnerabilities are in online databases: if
//! one cannot be reached the table says so, and a finding fails the step.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::command::Command;
use crate::error::Error;
use crate::project::{self, Project};
use crate::setup::Tools;

/// The two dependency trees: the project's, and that of the fuzzing programs.
const TREES: [&[&str]; 2] = [
    &["--workspace"],
    &[
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--config",
        "deny.toml",
    ],
];
/// A database that sends nothing for this long counts as unreachable.
const FETCH_LIMIT: Duration = Duration::from_secs(60);
/// The registry of npm packages. Lock files may omit it: then the user's configured registry is
/// used.
const NPM_REGISTRY: &str = "https://registry.npmjs.org/";
/// Folders that are built or downloaded, and not part of the project.
const NOT_OURS: [&str; 4] = [".git", "target", "dist", "node_modules"];

/// Checks of licences, bans and sources for all crates.
pub fn commands(project: &Project, tools: &Tools) -> Vec<Command> {
    let check = |tree| deny(project, tools, tree).args(["check", "licenses", "bans", "sources"]);
    TREES.into_iter().map(check).collect()
}

/// Checks crates and npm packages for known vulnerabilities. Returns what could not be checked; a
/// finding is an error.
pub fn advisories(project: &Project, tools: &Tools) -> Result<Vec<String>, Error> {
    let locks = package_locks(&project.root)?;
    for lock in &locks {
        check_integrity(lock, &read_json(lock)?)?;
    }
    let mut left_out = Vec::new();
    if let Err(error) = fetch_database(project, tools) {
        println!("    {error}");
        left_out.push("RustSec's advisories: their database cannot be fetched".to_owned());
    } else {
        for tree in TREES {
            // The database was just updated.
            let check = deny(project, tools, tree).args(["--offline", "check", "advisories"]);
            check.run()?;
        }
    }
    for lock in &locks {
        match audit(project, tools, lock)? {
            Audit::Clean => {}
            Audit::Found(findings) => {
                return Err(Error::Failed(format!(
                    "npm knows something against packages of {}:\n{findings}\nTake newer versions into that lock file \
                     (`npm update NAME` in its folder).",
                    lock.display()
                )));
            }
            Audit::Unreachable(why) => {
                println!("    {why}");
                left_out.push("npm audit: the registry does not answer it".to_owned());
                // The registry is the same for all the others.
                break;
            }
        }
    }
    Ok(left_out)
}

fn deny(project: &Project, tools: &Tools, tree: &[&str]) -> Command {
    let command = tools.command(project, "cargo deny");
    command
        .args(project::locked_flag())
        .args(tree.iter().copied())
}

/// Downloads or updates the database of advisories.
fn fetch_database(project: &Project, tools: &Tools) -> Result<(), Error> {
    let fetch = tools
        .command(project, "cargo deny fetch db")
        // cargo-deny calls git, which would prompt and wait.
        .env("GIT_TERMINAL_PROMPT", "0");
    fetch.run_condensed(&project.work_dir().join("advisories.log"), FETCH_LIMIT)
}

/// The result of npm's audit of one lock file.
#[derive(Debug, PartialEq, Eq)]
enum Audit {
    Clean,
    /// A finding, with one line for each package.
    Found(String),
    Unreachable(String),
}

fn audit(project: &Project, tools: &Tools, lock: &Path) -> Result<Audit, Error> {
    let command = tools
        .command(project, "npm audit --package-lock-only --json")
        .args(["--fetch-retries=0", "--fetch-timeout=20000"])
        .dir(lock.parent().unwrap_or(&project.root));
    let report = command.run_for_report()?;
    read_audit(&report).map_err(|why| Error::Failed(format!("`{command}` {why}")))
}

/// Distinguishes the three by the output of `npm audit --json`.
fn read_audit(report: &str) -> Result<Audit, String> {
    let report: Value = serde_json::from_str(report)
        .map_err(|error| format!("printed no JSON ({error}): {report:.200}"))?;
    if let Some(found) = report["vulnerabilities"].as_object() {
        let line = |(name, finding): (&String, &Value)| {
            let titles = finding["via"].as_array().into_iter().flatten();
            let title = titles.filter_map(|via| via["title"].as_str()).next();
            let severity = finding["severity"].as_str().unwrap_or("unknown severity");
            format!(
                "  {name} ({severity}): {}",
                title.unwrap_or("by what it depends on")
            )
        };
        let lines: Vec<String> = found.iter().map(line).collect();
        return Ok(if lines.is_empty() {
            Audit::Clean
        } else {
            Audit::Found(lines.join("\n"))
        });
    }
    // A failed request is reported as a message without a code; npm's own errors have a code.
    let code = report["error"]["code"].as_str();
    match (report["message"].as_str(), code) {
        (Some(message), None) => Ok(Audit::Unreachable(message.to_owned())),
        _ => Err(format!("gave neither findings nor a reason: {report:.500}")),
    }
}

/// Every package-lock.json of the project, sorted by path.
fn package_locks(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut locks = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let failed = |error| Error::Failed(format!("cannot read {}: {error}", folder.display()));
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let is_folder = entry.file_type().map_err(failed)?.is_dir();
            if is_folder && !NOT_OURS.iter().any(|other| name == *other) {
                folders.push(entry.path());
            } else if name == "package-lock.json" {
                locks.push(entry.path());
            }
        }
    }
    locks.sort();
    Ok(locks)
}

fn read_json(path: &Path) -> Result<Value, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::Failed(format!("cannot read {}: {error}", path.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::Failed(format!("{} is no JSON: {error}", path.display())))
}

/// Checks that every package comes from npm's registry and has a hash.
fn check_integrity(path: &Path, lock: &Value) -> Result<(), Error> {
    let packages = lock["packages"].as_object().ok_or_else(|| {
        Error::Failed(format!(
            "{} lists no packages: write it anew with npm 9 or newer",
            path.display()
        ))
    })?;
    for (place, package) in packages {
        // The entry of the root itself has an empty name.
        if place.is_empty() {
            continue;
        }
        let resolved = package["resolved"].as_str();
        let foreign = resolved.filter(|from| !from.starts_with(NPM_REGISTRY));
        let hash = package["integrity"].as_str().unwrap_or_default();
        let wrong = if let Some(from) = foreign {
            format!("comes from {from}, and only {NPM_REGISTRY} is allowed")
        } else if !hash.starts_with("sha512-") {
            "has no sha512 integrity, so anything may come in its place".to_owned()
        } else {
            continue;
        };
        return Err(Error::Failed(format!(
            "{}: {place} {wrong}",
            path.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_no_silence_and_silence_no_finding() {
        let clean = r#"{"auditReportVersion": 2, "vulnerabilities": {}, "metadata": {}}"#;
        assert_eq!(read_audit(clean), Ok(Audit::Clean));
        let found = r#"{"vulnerabilities": {
            "a": {"severity": "high", "via": [{"title": "Runs what it reads"}]},
            "b": {"severity": "low", "via": ["a"]}}}"#;
        let lines = "  a (high): Runs what it reads\n  b (low): by what it depends on";
        assert_eq!(read_audit(found), Ok(Audit::Found(lines.to_owned())));
        let refused = r#"{"message": "405 Method Not Allowed", "statusCode": 405, "error": {"summary": "", "detail": ""}}"#;
        let unreachable = Audit::Unreachable("405 Method Not Allowed".to_owned());
        assert_eq!(read_audit(refused), Ok(unreachable));
        // A folder without a lock file is an error, not an unreachable registry.
        let no_lock =
            r#"{"error": {"code": "ENOLOCK", "summary": "needs a lockfile", "detail": ""}}"#;
        assert!(read_audit(no_lock).is_err());
        assert!(read_audit("").is_err());
        assert!(read_audit("{}").is_err());
    }

    #[test]
    fn a_lock_file_holds_packages_to_one_content_from_one_place() {
        let check = |package: &str| {
            let lock = format!(r#"{{"packages": {{"": {{}}, "node_modules/a": {package}}}}}"#);
            let lock = serde_json::from_str(&lock).expect("JSON");
            check_integrity(Path::new("package-lock.json"), &lock).map_err(|e| e.to_string())
        };
        assert_eq!(check(r#"{"integrity": "sha512-x"}"#), Ok(()));
        let from = r#"{"integrity": "sha512-x", "resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz"}"#;
        assert_eq!(check(from), Ok(()));
        assert!(check("{}").is_err_and(|e| e.contains("node_modules/a has no sha512")));
        assert!(check(r#"{"integrity": "sha1-x"}"#).is_err());
        let git = r#"{"integrity": "sha512-x", "resolved": "git+ssh://git@example.org/a.git"}"#;
        assert!(check(git).is_err_and(|e| e.contains("git+ssh")));
    }

    #[test]
    fn the_lock_files_of_the_project_are_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let locks = package_locks(&root).expect("folders");
        for folder in ["web", "web/test", "tests/clients", "examples/web/vite"] {
            assert!(
                locks.contains(&root.join(folder).join("package-lock.json")),
                "{folder}"
            );
        }
        for lock in &locks {
            read_json(lock)
                .and_then(|json| check_integrity(lock, &json))
                .expect("whole");
        }
    }
}
