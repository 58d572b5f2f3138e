//! Checks that the version is the same everywhere, and finds its section of the changelog.

use serde_json::Value;

use crate::error::Error;
use crate::project::Project;
use crate::setup::Tools;

/// The version of all published crates.
pub fn of_crates(project: &Project, tools: &Tools) -> Result<String, Error> {
    // Not echoed, so that `release notes` prints only the notes.
    let metadata = tools.cargo(project, "metadata --no-deps --format-version 1");
    let metadata = metadata
        .output()
        .ok_or_else(|| Error::Failed(format!("`{metadata}` failed")))?;
    let metadata: Value = serde_json::from_str(&metadata)
        .map_err(|error| Error::Failed(format!("`cargo metadata` printed no JSON: {error}")))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    // A private package has an empty list of registries.
    let published = packages.filter(|package| {
        package["publish"]
            .as_array()
            .is_none_or(|to| !to.is_empty())
    });
    let versions = published.map(|package| {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        (text("name"), text("version"))
    });
    same(versions.collect())
}

/// The common version; each item is a name and a version.
fn same(versions: Vec<(String, String)>) -> Result<String, Error> {
    let Some((_, first)) = versions.first() else {
        return Err(Error::Failed(
            "no crate of the workspace is published".to_owned(),
        ));
    };
    if versions.iter().all(|(_, version)| version == first) {
        return Ok(first.clone());
    }
    let list: Vec<String> = versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    Err(Error::Failed(format!(
        "a release has one version, and these have more: {}",
        list.join(", ")
    )))
}

/// Checks that all versions agree, also with the tag.
pub fn check(project: &Project, tools: &Tools, tag: Option<&str>) -> Result<(), Error> {
    let version = of_crates(project, tools)?;
    let package = read(project, "web/package.json")?;
    let package: Value = serde_json::from_str(&package)
        .map_err(|error| Error::Failed(format!("web/package.json is no JSON: {error}")))?;
    let package = package["version"].as_str().unwrap_or_default().to_owned();
    let wanted = same(vec![
        ("the crates".to_owned(), version),
        ("web/package.json".to_owned(), package),
    ])?;
    if let Some(tag) = tag {
        if tag != format!("v{wanted}") {
            return Err(Error::Failed(format!(
                "the tag {tag} is not v{wanted}, which Cargo.toml and web/package.json say"
            )));
        }
        notes(&read(project, "CHANGELOG.md")?, &wanted)?;
    }
    println!("version {wanted}, in the crates and in the npm package");
    Ok(())
}

/// Prints the changelog's section on this version, for the release's page.
pub fn print_notes(project: &Project, tools: &Tools) -> Result<(), Error> {
    let version = of_crates(project, tools)?;
    println!("{}", notes(&read(project, "CHANGELOG.md")?, &version)?);
    Ok(())
}

/// The section of one version, without its heading.
fn notes(changelog: &str, version: &str) -> Result<String, Error> {
    let heading = |line: &str| {
        let rest = line
            .strip_prefix("## ")
            .map(|rest| rest.trim_start_matches('['));
        let rest = rest.and_then(|rest| rest.strip_prefix(version));
        rest.is_some_and(|rest| {
            !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "-.+".contains(c))
        })
    };
    let mut lines = changelog.lines().skip_while(|line| !heading(line));
    if lines.next().is_none() {
        return Err(Error::Failed(format!(
            "CHANGELOG.md has no section `## {version}`: rename `## Unreleased`, and begin a new one above it"
        )));
    }
    let section: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    let section = section.join("\n").trim().to_owned();
    if section.is_empty() {
        return Err(Error::Failed(format!(
            "CHANGELOG.md says nothing under `## {version}`"
        )));
    }
    Ok(section)
}

fn read(project: &Project, name: &str) -> Result<String, Error> {
    std::fs::read_to_string(project.root.join(name))
        .map_err(|error| Error::Failed(format!("cannot read {name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_are_the_versions_section_alone() {
        let changelog = "# Changelog\n\n## Unreleased\n- later\n\n## [1.2.0] - 2030-01-01\n### Added\n- this\n\n## 1.2.0-rc.1\n- before\n\n## 1.1.0\n";
        assert_eq!(
            notes(changelog, "1.2.0").ok().as_deref(),
            Some("### Added\n- this")
        );
        assert_eq!(
            notes(changelog, "1.2.0-rc.1").ok().as_deref(),
            Some("- before")
        );
        assert!(
            notes(changelog, "1.2").is_err_and(|e| e.to_string().contains("no section `## 1.2`"))
        );
        assert!(notes(changelog, "1.1.0").is_err_and(|e| e.to_string().contains("says nothing")));
    }

    #[test]
    fn all_have_one_version() {
        let version = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert!(
            same(vec![version("a", "1.0.0"), version("b", "1.0.0")]).is_ok_and(|v| v == "1.0.0")
        );
        let two = same(vec![version("a", "1.0.0"), version("b", "1.0.1")]);
        assert!(two.is_err_and(|e| e.to_string().contains("a 1.0.0, b 1.0.1")));
        assert!(same(Vec::new()).is_err());
    }
}
