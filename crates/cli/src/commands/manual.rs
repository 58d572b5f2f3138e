//! `inf-llava completions` and `inf-llava man`: shell completions and manual pages, both generated
//! from the command line's definition.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::output::say_lines;
use super::{paths, say};
use inf_llava::durable;
use inf_llava::error::Error;

const NAME: &str = "inf-llava";

#[derive(Args)]
#[command(after_help = "\
bash:        inf-llava completions bash > ~/.local/share/bash-completion/completions/inf-llava
zsh:         inf-llava completions zsh > ~/.zfunc/_inf-llava     (with ~/.zfunc in $fpath before compinit)
fish:        inf-llava completions fish > ~/.config/fish/completions/inf-llava.fish
PowerShell:  inf-llava completions powershell >> $PROFILE")]
pub(super) struct CompletionsArgs {
    /// The shell that shall complete
    shell: Shell,
}

#[derive(Args)]
#[command(after_help = "\
To read one:      inf-llava man chat | man -l -
To install them:  inf-llava man --out ~/.local/share/man/man1")]
pub(super) struct ManArgs {
    /// The command that the page is about [default: the program]
    #[arg(value_name = "COMMAND", value_parser = PossibleValuesParser::new(commands()))]
    command: Option<String>,
    /// Write all pages to this folder instead
    #[arg(long, value_name = "DIR", value_parser = paths::parser(), conflicts_with = "command")]
    out: Option<PathBuf>,
}

/// The names of [`super::Command`], in its order.
const COMMANDS: &[&str] = &[
    "chat",
    "stages",
    "parity",
    "train",
    "ablate",
    "eval",
    "vocabulary",
    "info",
    "models",
    "convert",
    "verify",
    "serve",
    "bench",
    "scenes",
    "licenses",
    "completions",
    "man",
];

/// Called while the command line is being built, so it cannot ask the command line itself.
fn commands() -> Vec<&'static str> {
    COMMANDS.to_vec()
}

/// `program` is the command line to complete.
pub(super) fn completions(
    args: &CompletionsArgs,
    mut program: Command,
) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, NAME, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if args.shell == Shell::Bash {
        script = with_one_name(&script);
    }
    say_lines(script.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// Repairs the Bash script, in which a name with a hyphen is spelled in two ways, so that the
/// commands' cases would never match.
fn with_one_name(script: &str) -> String {
    let set = NAME.replace('-', "__");
    let asked_for = NAME.replace('-', "__subcmd__");
    script.replace(&asked_for, &set)
}

/// `program` is the command line that the pages describe.
pub(super) fn man(args: &ManArgs, program: Command) -> anyhow::Result<ExitCode> {
    let pages = pages(program);
    if let Some(folder) = &args.out {
        durable::create_folder(folder)?;
        for (name, page) in &pages {
            durable::write_file(&folder.join(format!("{name}.1")), page.as_bytes())?;
        }
        say(format_args!("{} pages: {}", pages.len(), folder.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let name = match &args.command {
        Some(command) => format!("{NAME}-{command}"),
        None => NAME.to_string(),
    };
    let found = pages.into_iter().find(|(page, _)| *page == name);
    let (_, page) = found.ok_or_else(|| Error::Option {
        option: "COMMAND".into(),
        reason: format!("there is no page {name}"),
    })?;
    say_lines(page.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// (name, page) of the program and of each command.
fn pages(program: Command) -> Vec<(String, String)> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let commands: Vec<Command> = program.get_subcommands().cloned().collect();
    let name = |command: &Command| match command.get_name() {
        NAME => NAME.to_string(),
        command => format!("{NAME}-{command}"),
    };
    let all = [program].into_iter().chain(commands);
    all.map(|command| (name(&command), page(command))).collect()
}

fn page(command: Command) -> String {
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = Man::new(command).render(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_list_of_commands_is_the_command_line() {
        let program = super::super::Cli::command();
        let names: Vec<&str> = program
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        assert_eq!(names, super::COMMANDS);
        program.debug_assert();
    }
}
