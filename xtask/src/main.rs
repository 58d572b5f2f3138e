//! `cargo xtask`: sets up, serves, tests and releases the project.
//!
//! In: the command line, the checkout, the machine. Out: installed tools, the built page, test
//! results. It knows cargo, trunk, apt-get, npm and node; it must not know the model.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod checkpoint;
mod command;
mod counts;
mod error;
mod npm;
mod page;
mod project;
mod release;
mod setup;
mod supply;
mod test;
mod version;

use std::process::ExitCode;

use args::{Cli, Request};
use clap::{CommandFactory as _, Parser as _};
use error::Error;
use project::Project;

fn main() -> ExitCode {
    let Some(request) = Cli::parse().request else {
        // Help that nobody reads is no failure.
        drop(Cli::command().print_help());
        return ExitCode::SUCCESS;
    };
    match run(request) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(request: Request) -> Result<(), Error> {
    let project = Project::find()?;
    match request {
        Request::Setup { web, test } => setup::run(&project, web, test),
        Request::Serve { model, port, open } => match model {
            None => page::serve(&project, port, open),
            Some(folder) => page::serve_model(&project, &folder, port),
        },
        Request::Bench { browser, args } => bench::run(&project, browser, args),
        Request::BuildWeb => page::build(&project),
        Request::Notices { check } => supply::run_notices(&project, check),
        Request::Sbom => supply::run_sbom(&project),
        Request::Npm => npm::run(&project),
        Request::Release(part) => release::run(&project, &part),
        Request::Test(options) => test::run(&project, &options),
        Request::Checkpoint(options) => checkpoint::run(&project, &options),
        Request::Env => page::print_env(&project),
    }
}
