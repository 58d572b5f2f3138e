//! Third-party software in the distributed products: `cargo xtask notices` lists it for people,
//! `cargo xtask sbom` for programs.

mod inventory;
mod license;
mod notices;
mod sbom;

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::project::Project;
use crate::setup::{self, Need, Tools};

/// `cargo xtask notices`
pub fn run_notices(project: &Project, check: bool) -> Result<(), Error> {
    let tools = setup::ensure(project, NEEDS)?;
    notices(project, &tools, check)
}

/// Requirements of reading the packages: the npm packages, for the licences of those bundled into
/// the page.
pub const NEEDS: &[Need] = &[Need::Node, Need::NodePackages];

/// Writes the notices of both products; with `check` only verifies that they are up to date.
pub fn notices(project: &Project, tools: &Tools, check: bool) -> Result<(), Error> {
    let mut stale = Vec::new();
    for product in inventory::products(project, tools)? {
        let text = notices::write(project, &product)?;
        let path: PathBuf = project.root.join(product.notices);
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        if check && there != text {
            stale.push(product.notices);
        } else if !check {
            std::fs::write(&path, &text).map_err(|error| {
                Error::Failed(format!("cannot write {}: {error}", path.display()))
            })?;
        }
        println!(
            "{}: {} packages, {} bytes",
            product.notices,
            product.packages.len(),
            text.len()
        );
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(Error::Failed(format!(
        "{} not what is linked now. Run: cargo xtask notices",
        match stale.as_slice() {
            [one] => format!("{one} is"),
            many => format!("{} are", many.join(" and ")),
        }
    )))
}

/// `cargo xtask sbom`: writes the bills of materials of both products to the target folder.
pub fn run_sbom(project: &Project) -> Result<(), Error> {
    let tools = setup::ensure(project, NEEDS)?;
    let epoch_s = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => Some(text.parse().map_err(|_| {
            Error::Usage(format!(
                "SOURCE_DATE_EPOCH wants seconds since 1970, not `{text}`"
            ))
        })?),
        Err(_) => None,
    };
    let folder = project.target.join("sbom");
    let failed = |path: &Path, error: std::io::Error| {
        Error::Failed(format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    for product in inventory::products(project, &tools)? {
        let document = sbom::document(&product, epoch_s);
        sbom::verify(&document).map_err(|why| {
            Error::Failed(format!("the bill of materials of {}: {why}", product.title))
        })?;
        let path = folder.join(format!("inf-llava-{}.cdx.json", product.word));
        std::fs::write(&path, format!("{document:#}\n")).map_err(|error| failed(&path, error))?;
        println!("{}: {} packages", path.display(), product.packages.len());
    }
    Ok(())
}
