//! `cargo xtask bench`: natively runs the program's own command; in the browser runs web/bench,
//! compared with onnxruntime-web.

use crate::error::Error;
use crate::project::Project;
use crate::setup::{self, Need};

/// Runs the benchmark, which prints its table.
pub fn run(project: &Project, browser: bool, args: Vec<String>) -> Result<(), Error> {
    // The flag is also taken from behind arguments that are handed on.
    let (behind, args): (Vec<_>, Vec<_>) = args.into_iter().partition(|arg| arg == "--browser");
    let browser = browser || !behind.is_empty();
    if !browser {
        let tools = setup::ensure(project, &[Need::Vulkan])?;
        let bench = tools.cargo(project, "run --release --quiet -- bench");
        return bench.args(&args).run();
    }
    if !project.dist().join("index.html").is_file() {
        return Err(Error::Failed(
            "dist/ holds no page. Build it first: cargo xtask build-web".to_owned(),
        ));
    }
    let needs = [Need::Node, Need::Chromium, Need::NodePackages];
    let tools = setup::ensure(project, &needs)?;
    let npm = "npm --prefix web/bench ci --no-audit --no-fund";
    tools.command(project, npm).run()?;
    let mut bench = tools.command(project, "node web/bench/run.mjs").args(&args);
    if let Some(chromium) = &tools.chromium {
        bench = bench.env(setup::CHROMIUM, chromium.display().to_string());
    }
    bench.run()
}
