//! Builds the page, and optionally serves it. Trunk finds all tools on PATH and downloads nothing.

use std::net::TcpListener;
use std::path::{self, Path};

use crate::command::{Command, quoted};
use crate::error::Error;
use crate::project::{self, Project};
use crate::setup::{self, Tools, wasm};

/// `cargo xtask serve`
pub fn serve(project: &Project, port: u16, open: bool) -> Result<(), Error> {
    // Checked before a build that takes minutes.
    check_port(port)?;
    let tools = setup::ensure(project, setup::WEB)?;
    fetch_command(project, &tools).run()?;
    println!("\nBuilding the page, then serving it at http://127.0.0.1:{port}/ (Ctrl-C stops)");
    if !project.dist().join("index.html").is_file() {
        println!(
            "The first build compiles everything for the browser: 10 to 15 minutes on two cores. Later ones are quick."
        );
    }
    serve_command(project, &tools, port, open).run()
}

/// `cargo xtask serve DIR`
pub fn serve_model(project: &Project, model: &Path, port: u16) -> Result<(), Error> {
    check_port(port)?;
    let model = path::absolute(model)
        .map_err(|error| Error::Failed(format!("{}: {error}", model.display())))?;
    if !model.is_dir() {
        return Err(Error::Failed(format!("{} is no folder", model.display())));
    }
    let tools = setup::ensure(project, setup::WEB)?;
    fetch_command(project, &tools).run()?;
    build_command(project, &tools).run()?;
    serve_model_command(project, &tools, &model, port).run()
}

/// `cargo xtask build-web`
pub fn build(project: &Project) -> Result<(), Error> {
    let tools = setup::ensure(project, setup::WEB)?;
    fetch_command(project, &tools).run()?;
    build_command(project, &tools).run()?;
    println!(
        "\nBuilt in {}, ready for any static web server:",
        project.dist().display()
    );
    for (name, bytes) in largest_files(&project.dist()) {
        println!("  {:>10} KiB  {name}", bytes.div_ceil(1024));
    }
    Ok(())
}

/// `cargo xtask env`: prints shell commands that set the environment for a plain `trunk serve`.
pub fn print_env(project: &Project) -> Result<(), Error> {
    let Some(route) = wasm::Route::find()? else {
        return Err(Error::Failed(
            "no wasm32 target yet. Run: cargo xtask setup --web".to_owned(),
        ));
    };
    let tools = Tools::found(project);
    if route.envs().is_empty() && tools.path_first.is_empty() {
        println!("# Nothing to set: plain `trunk serve` works in this shell.");
        return Ok(());
    }
    println!("# For `trunk`, in a shell of its own (the native build wants none of it):");
    println!("#   eval \"$(cargo xtask env)\"");
    for (name, value) in route.envs() {
        println!("export {name}={}", quoted(&value));
    }
    for dir in tools.path_first.iter().rev() {
        println!(
            "export PATH={}:\"$PATH\"",
            quoted(&dir.display().to_string())
        );
    }
    Ok(())
}

/// Downloads the crates, so that trunk can run offline.
pub fn fetch_command(project: &Project, tools: &Tools) -> Command {
    let fetch = tools.wasm_command(project, "cargo");
    fetch
        .args(project::locked_flag())
        .args(["fetch", "--target", wasm::TARGET])
}

/// Builds `dist/`.
pub fn build_command(project: &Project, tools: &Tools) -> Command {
    let build = tools.wasm_command(project, "trunk build --release --offline");
    build.args(project::locked_flag())
}

fn serve_command(project: &Project, tools: &Tools, port: u16, open: bool) -> Command {
    let command = tools
        .wasm_command(
            project,
            "trunk serve --release --offline --address 127.0.0.1 --port",
        )
        .arg(port.to_string());
    if open { command.arg("--open") } else { command }
}

fn serve_model_command(project: &Project, tools: &Tools, model: &Path, port: u16) -> Command {
    let serve = tools.cargo(project, "run --release --quiet -- serve");
    serve
        .arg(model.display().to_string())
        .args(["--page", &project.dist().display().to_string()])
        .args(["--port", &port.to_string()])
}

fn check_port(port: u16) -> Result<(), Error> {
    TcpListener::bind(("127.0.0.1", port)).map(drop).map_err(|error| {
        Error::Failed(format!("cannot serve on 127.0.0.1:{port}: {error}. Choose another: cargo xtask serve --port N"))
    })
}

/// The five largest files of `dir`'s top level.
fn largest_files(dir: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<(String, u64)> = entries
        .filter_map(|entry| {
            let data = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((entry.file_name().to_string_lossy().into_owned(), data.len()))
        })
        .collect();
    files.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    files.truncate(5);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trunk_is_called_offline_and_locally() {
        let project = Project {
            root: "/checkout".into(),
            target: "/checkout/target".into(),
        };
        let tools = Tools::default();
        // In CI the command ends with an additional flag.
        let build = build_command(&project, &tools).to_string();
        assert!(build.starts_with("trunk build --release --offline"));
        assert_eq!(
            serve_command(&project, &tools, 8081, true).to_string(),
            "trunk serve --release --offline --address 127.0.0.1 --port 8081 --open"
        );
        let debian = Tools {
            wasm: Some(wasm::Route::Debian {
                linker: "/lld".into(),
            }),
            ..Tools::default()
        };
        assert!(
            build_command(&project, &debian)
                .to_string()
                .starts_with("RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo ")
        );
    }

    #[test]
    fn a_port_in_use_is_refused_before_the_build() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = taken.local_addr().expect("its address").port();
        assert!(check_port(port).is_err_and(|e| e.to_string().contains("--port N")));
    }
}
