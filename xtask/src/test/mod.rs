//! `cargo xtask test`: runs the steps, those that fail fastest first, and prints a table at the
//! end.
//!
//! burn takes minutes to compile, so it is built in as few configurations as possible: release
//! natively, release for wasm, and the two metadata-only builds that clippy and the docs share.

mod deny;
mod fuzz;
mod steps;
mod workflows;

use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;
use clap::{Args, value_parser};

use crate::counts::Counts;
use crate::error::Error;
use crate::project::Project;
use crate::setup::{self, Need, Tools, wasm::Route};
use steps::{Step, choose, commands, names};

/// Run the tests, the quickest first, up to the first failure
#[derive(Args, Debug, Default, PartialEq, Eq)]
pub struct TestOptions {
    /// Steps and groups of steps; all but cpu if none is named
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    pub names: Vec<String>,
    /// Run what takes long, too: long property tests, two minutes of fuzzing with each program, gigabytes of weights
    /// in the browser, the examples of examples/web
    #[arg(long, verbatim_doc_comment)]
    pub all: bool,
    /// Fuzz with each program for N minutes (1 to 1440), going on from what earlier runs found
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1440))]
    pub minutes: Option<u32>,
}

/// The result of a step.
enum Outcome {
    Held(Counts),
    /// Passed, except for parts that were not available, which the text lists.
    HeldWithout(String, Counts),
    Failed(Error, Counts),
    LeftOut(String, Counts),
}

struct Record {
    step: Step,
    outcome: Outcome,
    time: Duration,
}

/// Runs the selected steps up to the first failure.
pub fn run(project: &Project, options: &TestOptions) -> Result<(), Error> {
    let steps = choose(&options.names);
    let started = Instant::now();
    // All requirements first, so that those to be installed by hand are reported at once.
    let mut needs: Vec<Need> = Vec::new();
    for need in steps.iter().flat_map(|step| step.needs) {
        if !needs.contains(need) {
            needs.push(*need);
        }
    }
    let tools = setup::ensure(project, &needs)?;
    let set_up = started.elapsed();

    let mut records = Vec::new();
    for step in &steps {
        println!("\n== {}: {} ==", step.name, step.what);
        let started = Instant::now();
        let outcome = run_step(project, &tools, *step, options);
        let failed = matches!(outcome, Outcome::Failed(..));
        records.push(Record {
            step: *step,
            outcome,
            time: started.elapsed(),
        });
        if failed {
            break;
        }
    }
    report(&steps, records, set_up)
}

fn run_step(project: &Project, tools: &Tools, step: Step, options: &TestOptions) -> Outcome {
    if step.name == "clippy-web" && matches!(tools.wasm, Some(Route::Debian { .. })) {
        let why =
            "Debian's toolchain has no clippy beside it; the page's build still compiles this code";
        return Outcome::LeftOut(why.to_owned(), Counts::default());
    }
    if step.name == "workflows" {
        return match workflows::check(project, tools) {
            Ok((counts, left_out)) if left_out.is_empty() => Outcome::Held(counts),
            Ok((counts, left_out)) if counts.any_ran() => {
                Outcome::HeldWithout(left_out.join("; "), counts)
            }
            Ok((counts, left_out)) => Outcome::LeftOut(left_out.join("; "), counts),
            Err((error, counts)) => Outcome::Failed(error, counts),
        };
    }
    let prepared = match step.name {
        "fuzz" => fuzz::prepare(project, fuzz::Length::of(options)),
        _ => Ok(()),
    };
    let commands = match prepared.and_then(|()| commands(project, tools, step.name, options)) {
        Ok(commands) => commands,
        Err(error) => return Outcome::Failed(error, Counts::default()),
    };
    let mut counts = Counts::default();
    for command in commands {
        let result = if step.counts {
            command.run_counted()
        } else {
            command
                .run()
                .map(|()| Counts::default())
                .map_err(|error| (error, Counts::default()))
        };
        match result {
            Ok(more) => counts += more,
            Err((error, more)) => {
                counts += more;
                return Outcome::Failed(error, counts);
            }
        }
    }
    if step.counts && !counts.any_ran() {
        return Outcome::Failed(
            Error::Failed(format!("step {} ran no test", step.name)),
            counts,
        );
    }
    if step.name == "deny" {
        return match deny::advisories(project, tools) {
            Ok(left_out) if left_out.is_empty() => Outcome::Held(counts),
            Ok(left_out) => Outcome::HeldWithout(left_out.join("; "), counts),
            Err(error) => Outcome::Failed(error, counts),
        };
    }
    Outcome::Held(counts)
}

/// Prints the table and the summary; the first failure becomes the error.
fn report(steps: &[Step], records: Vec<Record>, set_up: Duration) -> Result<(), Error> {
    println!("\nstep        seconds  result");
    println!("{:<10} {:>8}  ok", "setup", set_up.as_secs());
    let done = records.len();
    let mut total = Counts::default();
    let mut failure = None;
    let mut closing = Vec::new();
    for Record {
        step,
        outcome,
        time,
    } in records
    {
        let (word, counts) = match outcome {
            Outcome::Held(counts) => ("ok".to_owned(), counts),
            Outcome::HeldWithout(what, counts) => (format!("ok, without {what}"), counts),
            Outcome::LeftOut(why, counts) => (format!("left out: {why}"), counts),
            Outcome::Failed(error, counts) => {
                failure = Some((step.name, error));
                ("FAILED".to_owned(), counts)
            }
        };
        println!("{:<10} {:>8}  {word}", step.name, time.as_secs());
        if step.counts {
            closing.push(format!("{}: {counts}", step.name));
            total += counts;
        }
    }
    for step in &steps[done..] {
        println!("{:<10} {:>8}  not reached", step.name, "");
    }
    println!();
    closing.iter().for_each(|line| println!("{line}"));
    if closing.len() > 1 {
        println!("total: {total}");
    }
    match failure {
        None => Ok(()),
        Some((name, error)) => Err(Error::Failed(format!(
            "step {name}: {error}\nRun it alone with: cargo xtask test {name}"
        ))),
    }
}
