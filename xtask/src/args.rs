//! The command line.

use std::path::PathBuf;

use crate::error::Error;

/// The output of `--help`.
pub const HELP: &str = "\
Sets up, serves and tests INF-LLaVA. Every command first installs what it misses; nothing is done twice.

Usage: cargo xtask COMMAND

  serve [--port N] [--open]  Build the page and serve it on http://127.0.0.1:8080/ (or port N);
                             --open shows it in the browser. It rebuilds when a source changes.
  serve DIR [--port N]       Build the page and the program, and serve both with the model in DIR:
                             `inf-llava serve DIR`.
  test [NAME...] [--all] [--minutes N]
                             Run the tests, the quickest first, up to the first failure.
                             NAME picks steps: a step (fmt, workflows, deny, notices, light, fuzz, clippy, clippy-web, docs,
                             native, cpu, page, package, browser) or a group (lint, native, web, docs). Step cpu, which
                             is run by its name only, needs no GPU driver. `cargo xtask test browser` needs the page
                             built before (step page). --all makes property tests long, fuzzes with
                             each program for two minutes instead of seconds, loads gigabytes of weights in the
                             browser, and builds the examples of examples/web. --minutes N fuzzes N minutes each
                             (1 to 1440), going on from what earlier runs found: `cargo xtask test fuzz --minutes 30`.
  bench [ARG...]             Time the hot operations, or with --shape 8b|demo|narrow the stages of an answer:
                             `inf-llava bench ARG...`, which --help tells more of.
  bench --browser [--shape S] [--json] [NAME...]
                             The same in the browser, the operations beside onnxruntime-web. It wants the page
                             built before.
  build-web                  Build the page into dist/, for any static web server.
  npm                        Build the package inf-llava for npm, check it and its size, and pack it.
  release PART               One part of a release; nothing is published without --publish. PART is one of:
                             check [TAG]: whether all say one version, that of the tag, with words in CHANGELOG.md
                             notes: print those words
                             archive [--target TRIPLE]: build the program, and pack it into release-files/ of the target folder
                             checksums DIR: write SHA256SUMS of the archives of all five machines in DIR
                             npm [--publish DIR]: pack the npm package, or publish the one packed in DIR, with provenance
                             crates [--verify|--publish]: try to publish the crates in their order; build what was packed; or publish
  notices [--check]          Write whose software goes into the program and the page, with the licences:
                             THIRD-PARTY.txt and web/THIRD-PARTY.txt. --check only looks whether they are right.
  sbom                       Write the same for programs, as CycloneDX 1.6: sbom/*.cdx.json in the target folder.
                             The same bytes each time; SOURCE_DATE_EPOCH adds a time.
  setup [--web] [--test]     Only install: what the page needs (Rust's wasm32 target, trunk, wasm-bindgen,
                             wasm-opt, node, npm packages), what the tests need (software Vulkan, Chromium,
                             Firefox, cargo-deny),
                             or, with neither flag, both.
  checkpoint DIR [--layers N]
                             Write a checkpoint of random weights in the released shapes and names, to measure
                             with: 16.7 GB, or less with fewer of the 32 layers.
  env                        Print what plain `trunk serve` needs in its shell: eval \"$(cargo xtask env)\".
                             Prints only a comment where it needs nothing.
  --help                     This text.

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

/// The requested command.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    Help,
    Setup { web: bool, test: bool },
    Serve { port: u16, open: bool },
    ServeModel { folder: PathBuf, port: u16 },
    Bench { browser: bool, args: Vec<String> },
    BuildWeb,
    Npm,
    Release(Release),
    Notices { check: bool },
    Sbom,
    Checkpoint { folder: PathBuf, layers: usize },
    Test(TestOptions),
    Env,
}

/// A part of a release.
#[derive(Debug, PartialEq, Eq)]
pub enum Release {
    Check {
        tag: Option<String>,
    },
    Notes,
    Archive {
        target: Option<String>,
    },
    Checksums {
        folder: PathBuf,
    },
    /// With the folder of a packed package, publishes that package.
    Npm {
        publish: Option<PathBuf>,
    },
    Crates(Crates),
}

/// How far to go with publishing the crates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crates {
    /// Packs them and determines their order.
    Try,
    /// Also builds what was packed.
    Verify,
    Publish,
}

/// The tests to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TestOptions {
    /// Steps or groups; all if empty.
    pub names: Vec<String>,
    /// Whether to run the slow suites too.
    pub all: bool,
    /// Minutes for each fuzzing program, instead of its usual time.
    pub minutes: Option<u32>,
}

impl Request {
    /// Parses the arguments after the program's name.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let mut args = args.into_iter().peekable();
        let Some(command) = args.next() else {
            return Ok(Self::Help);
        };
        let rest: Vec<String> = args.collect();
        if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
            return Ok(Self::Help);
        }
        match command.as_str() {
            "--help" | "-h" | "help" => Ok(Self::Help),
            "setup" => flags(&rest, &["--web", "--test"]).map(|on| Self::Setup {
                web: on[0],
                test: on[1],
            }),
            "serve" => parse_serve(rest),
            "checkpoint" => parse_checkpoint(&rest),
            "bench" => {
                let (browser, args): (Vec<_>, Vec<_>) =
                    rest.into_iter().partition(|arg| arg == "--browser");
                Ok(Self::Bench {
                    browser: !browser.is_empty(),
                    args,
                })
            }
            "build-web" => flags(&rest, &[]).map(|_| Self::BuildWeb),
            "notices" => flags(&rest, &["--check"]).map(|on| Self::Notices { check: on[0] }),
            "sbom" => flags(&rest, &[]).map(|_| Self::Sbom),
            "npm" => flags(&rest, &[]).map(|_| Self::Npm),
            "release" => parse_release(&rest).map(Self::Release),
            "env" => flags(&rest, &[]).map(|_| Self::Env),
            "test" => parse_test(rest).map(Self::Test),
            other => Err(Error::Usage(format!("there is no command `{other}`"))),
        }
    }
}

/// Whether each of the `known` flags is given; any other argument is refused.
fn flags(args: &[String], known: &[&str]) -> Result<Vec<bool>, Error> {
    if let Some(stranger) = args.iter().find(|arg| !known.contains(&arg.as_str())) {
        return Err(Error::Usage(format!("unexpected argument `{stranger}`")));
    }
    Ok(known
        .iter()
        .map(|flag| args.iter().any(|arg| arg == flag))
        .collect())
}

fn parse_checkpoint(args: &[String]) -> Result<Request, Error> {
    let (folder, layers) = match args {
        [folder] => (folder, "32"),
        [folder, flag, layers] if flag == "--layers" => (folder, layers.as_str()),
        _ => return Err(Error::Usage("checkpoint wants a folder".to_owned())),
    };
    match layers.parse() {
        Ok(layers @ 1..=32) => Ok(Request::Checkpoint {
            folder: PathBuf::from(folder),
            layers,
        }),
        _ => Err(Error::Usage(format!(
            "--layers wants a number from 1 to 32, not `{layers}`"
        ))),
    }
}

fn parse_release(args: &[String]) -> Result<Release, Error> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    Ok(match words.as_slice() {
        ["check"] => Release::Check { tag: None },
        ["check", tag] if !tag.starts_with('-') => Release::Check {
            tag: Some((*tag).to_owned()),
        },
        ["notes"] => Release::Notes,
        ["archive"] => Release::Archive { target: None },
        ["archive", "--target", target] => Release::Archive {
            target: Some((*target).to_owned()),
        },
        ["checksums", folder] => Release::Checksums {
            folder: PathBuf::from(folder),
        },
        ["npm"] => Release::Npm { publish: None },
        ["npm", "--publish", folder] => Release::Npm {
            publish: Some(PathBuf::from(folder)),
        },
        ["crates"] => Release::Crates(Crates::Try),
        ["crates", "--verify"] => Release::Crates(Crates::Verify),
        ["crates", "--publish"] => Release::Crates(Crates::Publish),
        _ => {
            return Err(Error::Usage(format!(
                "there is no `release {}`",
                words.join(" ")
            )));
        }
    })
}

fn parse_test(args: Vec<String>) -> Result<TestOptions, Error> {
    let mut options = TestOptions::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let value = match arg.as_str() {
            "--all" => {
                options.all = true;
                continue;
            }
            "--minutes" => args.next().unwrap_or_default(),
            _ if !arg.starts_with('-') => {
                options.names.push(arg);
                continue;
            }
            _ => match arg.strip_prefix("--minutes=") {
                Some(value) => value.to_owned(),
                None => return Err(Error::Usage(format!("unexpected argument `{arg}`"))),
            },
        };
        options.minutes = match value.parse() {
            Ok(minutes @ 1..=1440) => Some(minutes),
            _ => {
                return Err(Error::Usage(format!(
                    "--minutes wants a number from 1 to 1440, not `{value}`"
                )));
            }
        };
    }
    Ok(options)
}

fn parse_serve(args: Vec<String>) -> Result<Request, Error> {
    let (mut port, mut open, mut folder) = (8080, false, None);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let value = match arg.as_str() {
            "--open" => {
                open = true;
                continue;
            }
            "--port" => args.next().unwrap_or_default(),
            _ if !arg.starts_with('-') && folder.is_none() => {
                folder = Some(PathBuf::from(arg));
                continue;
            }
            _ => match arg.strip_prefix("--port=") {
                Some(value) => value.to_owned(),
                None => return Err(Error::Usage(format!("unexpected argument `{arg}`"))),
            },
        };
        port = match value.parse() {
            Ok(number @ 1..) => number,
            _ => {
                return Err(Error::Usage(format!(
                    "--port wants a number from 1 to 65535, not `{value}`"
                )));
            }
        };
    }
    match folder {
        None => Ok(Request::Serve { port, open }),
        Some(folder) if !open => Ok(Request::ServeModel { folder, port }),
        Some(_) => Err(Error::Usage(
            "with a model, open the address that is printed: --open is for the page alone"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, Error> {
        Request::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn commands_and_their_flags() {
        assert_eq!(parse("").ok(), Some(Request::Help));
        assert_eq!(
            parse("serve").ok(),
            Some(Request::Serve {
                port: 8080,
                open: false
            })
        );
        assert_eq!(
            parse("serve --open --port 9000").ok(),
            Some(Request::Serve {
                port: 9000,
                open: true
            })
        );
        assert_eq!(
            parse("serve --port=9000").ok(),
            Some(Request::Serve {
                port: 9000,
                open: false
            })
        );
        assert_eq!(
            parse("serve converted --port 9000").ok(),
            Some(Request::ServeModel {
                folder: PathBuf::from("converted"),
                port: 9000
            })
        );
        assert_eq!(
            parse("setup --test").ok(),
            Some(Request::Setup {
                web: false,
                test: true
            })
        );
        let options = TestOptions {
            names: vec!["web".to_owned(), "docs".to_owned()],
            all: true,
            minutes: None,
        };
        assert_eq!(
            parse("test web --all docs").ok(),
            Some(Request::Test(options))
        );
        for line in ["test fuzz --minutes 30", "test --minutes=30 fuzz"] {
            let options = TestOptions {
                names: vec!["fuzz".to_owned()],
                all: false,
                minutes: Some(30),
            };
            assert_eq!(parse(line).ok(), Some(Request::Test(options)), "{line}");
        }
        assert_eq!(parse("test --help").ok(), Some(Request::Help));
        assert_eq!(parse("npm").ok(), Some(Request::Npm));
        let publish = Release::Crates(Crates::Publish);
        assert_eq!(
            parse("release crates --publish").ok(),
            Some(Request::Release(publish))
        );
        let tag = Some("v1.2.3".to_owned());
        let check = Request::Release(Release::Check { tag });
        assert_eq!(parse("release check v1.2.3").ok(), Some(check));
        let check = Request::Notices { check: true };
        assert_eq!(parse("notices --check").ok(), Some(check));
    }

    #[test]
    fn a_wrong_command_line_is_a_usage_error() {
        for line in [
            "sevre",
            "serve --port",
            "serve --port x",
            "serve --port 0",
            "serve model other",
            "serve model --open",
            "serve --opne",
            "setup web",
            "test --al",
            "test fuzz --minutes",
            "test fuzz --minutes 0",
            "test fuzz --minutes 1441",
            "test fuzz --minutes soon",
            "env x",
            "npm publish",
            "release",
            "release crates --publsh",
            "release npm --publish",
            "release archive x86_64-unknown-linux-gnu",
        ] {
            assert!(parse(line).is_err_and(|e| e.exit_code() == 2), "{line}");
        }
    }
}
