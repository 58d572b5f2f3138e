//! The command line. In: the arguments. Out: what was asked for. clap prints the help, and refuses
//! a wrong command line with exit code 2. What the larger commands take stands beside them.

use std::path::PathBuf;

use clap::{Parser, Subcommand, value_parser};

use crate::checkpoint::CheckpointOptions;
use crate::release::Release;
use crate::test::TestOptions;

/// Ends `cargo xtask --help`.
const ENVIRONMENT_AND_CODES: &str = "\
What a command takes: cargo xtask COMMAND --help

Environment:
  CARGO_TARGET_DIR           Where to build. Logs of installations are in its folder xtask/.
  CHROMIUM, FIREFOX          The browsers to test with, instead of the first on PATH.
  INF_LLAVA_PREBUILT         trunk, wasm-bindgen and cargo-deny are downloaded from their publishers' releases on
                             GitHub, in fixed versions, and compiled where that fails. `no` compiles them at once;
                             an address (https) is that of a mirror with the same paths as GitHub.
  INF_LLAVA_WASM_TOOLCHAIN   `rustup` or `debian`: which compiler builds the page. Without it rustup's, or
                             Debian's packages where rustup cannot download.
  CI                         When set, cargo is run with --locked.

Exit codes:
  0 done    1 something failed    2 wrong command line    3 something must be installed by hand (the message says how)

Plain cargo and trunk work too, once set up: `cargo run --release -- --help`, `trunk serve`.";

/// Sets up, serves and tests INF-LLaVA. Every command first installs what it misses; nothing is done twice.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask",
    verbatim_doc_comment,
    args_override_self = true,
    after_help = ENVIRONMENT_AND_CODES
)]
pub struct Cli {
    /// Nothing asks for the help.
    #[command(subcommand)]
    pub request: Option<Request>,
}

/// The requested command.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum Request {
    /// Build the page and serve it, alone or with a model
    ///
    /// Without DIR it builds the page, and once more whenever a source changes. With DIR it builds the page and
    /// the program, and serves both with the model in DIR: `inf-llava serve DIR`.
    #[command(verbatim_doc_comment)]
    Serve {
        /// Folder of a converted model
        #[arg(value_name = "DIR")]
        model: Option<PathBuf>,
        /// Port on 127.0.0.1
        #[arg(long, value_name = "N", default_value_t = 8080, value_parser = value_parser!(u16).range(1..))]
        port: u16,
        /// Show the page in the browser; with DIR, open the address that is printed
        #[arg(long, conflicts_with = "model")]
        open: bool,
    },
    Test(TestOptions),
    /// Time the hot operations, or with --shape 8b|demo|narrow the stages of an answer
    ///
    /// Runs `inf-llava bench ARG...`. To see what that takes: `cargo xtask bench -- --help`.
    #[command(verbatim_doc_comment)]
    Bench {
        /// Time in the browser, the operations beside onnxruntime-web; wants the page built before
        /// (`cargo xtask build-web`), and takes [--shape S] [--json] [--burn] [NAME...]
        #[arg(long, verbatim_doc_comment)]
        browser: bool,
        /// Handed on as they are
        #[arg(
            value_name = "ARG",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        args: Vec<String>,
    },
    /// Build the page into dist/, for any static web server
    BuildWeb,
    /// Build the package inf-llava for npm, check it and its size, and pack it
    Npm,
    /// One part of a release; nothing is published without --publish
    #[command(subcommand)]
    Release(Release),
    /// Write whose software goes into the program and the page, with the licences
    ///
    /// They are THIRD-PARTY.txt and web/THIRD-PARTY.txt.
    Notices {
        /// Only look whether both files are right
        #[arg(long)]
        check: bool,
    },
    /// Write the bills of materials of the program and the page, as CycloneDX 1.6
    ///
    /// They are sbom/*.cdx.json in the target folder, the same bytes each time; SOURCE_DATE_EPOCH adds a time.
    Sbom,
    /// Only install what the page and the tests need
    ///
    /// With neither flag, what both need.
    Setup {
        /// For the page: Rust's wasm32 target, trunk, wasm-bindgen, wasm-opt, node, npm packages
        #[arg(long)]
        web: bool,
        /// For the tests: software Vulkan, Chromium, Firefox, cargo-deny
        #[arg(long)]
        test: bool,
    },
    Checkpoint(CheckpointOptions),
    /// Print what plain `trunk serve` needs in its shell: eval "$(cargo xtask env)"
    ///
    /// Prints only a comment where it needs nothing.
    Env,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::checkpoint::{Real, Shape};
    use crate::release::Crates;

    fn parse(line: &str) -> Result<Option<Request>, clap::Error> {
        let words = std::iter::once("xtask").chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.request)
    }

    fn strings(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn clap_finds_the_definitions_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_and_their_flags() {
        let serve = |model: Option<&str>, port, open| {
            let model = model.map(PathBuf::from);
            Request::Serve { model, port, open }
        };
        let test = |names, all, minutes| {
            let names = strings(names);
            Request::Test(TestOptions {
                names,
                all,
                minutes,
            })
        };
        let bench = |browser, args| {
            let args = strings(args);
            Request::Bench { browser, args }
        };
        let crates =
            |verify, publish| Request::Release(Release::Crates(Crates { verify, publish }));
        let checkpoint = |folder: Option<&str>, shape, layers, real| {
            let folder = folder.map(PathBuf::from);
            Request::Checkpoint(CheckpointOptions {
                folder,
                shape,
                layers,
                real,
            })
        };
        let tag = Some("v1.2.3".to_owned());
        let (web, check) = (false, true);
        for (line, request) in [
            ("serve", serve(None, 8080, false)),
            ("serve --open --port 9000", serve(None, 9000, true)),
            ("serve --port 1 --port=9000", serve(None, 9000, false)),
            ("serve tiny --port 9000", serve(Some("tiny"), 9000, false)),
            ("test", test("", false, None)),
            ("test web --all docs", test("web docs", true, None)),
            ("test fuzz --minutes 30", test("fuzz", false, Some(30))),
            ("test --minutes=30 fuzz", test("fuzz", false, Some(30))),
            ("bench --json -x matvec", bench(false, "--json -x matvec")),
            ("bench -- --help", bench(false, "--help")),
            ("bench --browser --json", bench(true, "--json")),
            ("checkpoint x", checkpoint(Some("x"), None, None, None)),
            (
                "checkpoint x --layers 32",
                checkpoint(Some("x"), None, Some(32), None),
            ),
            (
                "checkpoint --shape llava-1.5-7b --layers 1",
                checkpoint(None, Some(Shape::Llava157b), Some(1), None),
            ),
            (
                "checkpoint --real smollm2-135m x",
                checkpoint(Some("x"), None, None, Some(Real::Smollm2)),
            ),
            ("notices --check", Request::Notices { check }),
            ("setup --test", Request::Setup { web, test: true }),
            (
                "release check v1.2.3",
                Request::Release(Release::Check { tag }),
            ),
            ("release crates", crates(false, false)),
            ("release crates --verify", crates(true, false)),
            ("release crates --publish", crates(false, true)),
        ] {
            assert_eq!(parse(line).expect(line), Some(request), "{line}");
        }
        assert!(parse("").is_ok_and(|request| request.is_none()));
    }

    #[test]
    fn help_is_not_an_error() {
        for line in [
            "--help",
            "-h",
            "help",
            "test --help",
            "release crates --verify -h",
        ] {
            assert!(
                parse(line).is_err_and(|help| help.exit_code() == 0),
                "{line}"
            );
        }
    }

    #[test]
    fn a_wrong_command_line_has_exit_code_2() {
        for line in [
            "sevre",
            "serve --port",
            "serve --port x",
            "serve --port 0",
            "serve model other",
            "serve model --open",
            "serve --opne",
            "setup web",
            "test wbe",
            "test --al",
            "test fuzz --minutes",
            "test fuzz --minutes 0",
            "test fuzz --minutes 1441",
            "test fuzz --minutes soon",
            "checkpoint",
            "checkpoint x --layers 33",
            "checkpoint x --layers 0",
            "checkpoint --layers 3",
            "checkpoint --shape 9b",
            "checkpoint --real smollm2",
            "checkpoint --real smollm2-135m --layers 3",
            "checkpoint --real smollm2-135m --shape 8b",
            "env x",
            "npm publish",
            "release",
            "release crates --publsh",
            "release crates --verify --publish",
            "release checksums",
            "release npm --publish",
            "release archive x86_64-unknown-linux-gnu",
            "release archive --target wasm32-unknown-unknown",
        ] {
            assert!(
                parse(line).is_err_and(|error| error.exit_code() == 2),
                "{line}"
            );
        }
    }
}
