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

use args::Request;
use error::Error;
use project::Project;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run() -> Result<(), Error> {
    let request = Request::parse(std::env::args().skip(1))?;
    let project = Project::find()?;
    match request {
        Request::Help => {
            println!("{}", args::HELP);
            Ok(())
        }
        Request::Setup { web, test } => setup::run(&project, web, test),
        Request::Serve { port, open } => page::serve(&project, port, open),
        Request::ServeModel { folder, port } => page::serve_model(&project, &folder, port),
        Request::Bench { browser, args } => bench::run(&project, browser, &args),
        Request::BuildWeb => page::build(&project),
        Request::Notices { check } => supply::run_notices(&project, check),
        Request::Sbom => supply::run_sbom(&project),
        Request::Npm => npm::run(&project),
        Request::Release(part) => release::run(&project, &part),
        Request::Test(options) => test::run(&project, &options),
        Request::Checkpoint { folder, layers } => checkpoint::write(&project, &folder, layers),
        Request::Env => page::print_env(&project),
    }
}
