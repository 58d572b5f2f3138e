//! Installs Debian packages: as root or through sudo; otherwise shows the exact command.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::command::Command;
use crate::error::Error;
use crate::project::{self, Project};

const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Whether this run has updated the package lists.
static UPDATED: AtomicBool = AtomicBool::new(false);

/// How apt-get can be run here.
#[derive(Debug, PartialEq, Eq)]
enum Right {
    Root,
    Sudo,
    None,
}

/// Installs `packages`; `what` describes them for systems with other packages.
pub fn install(project: &Project, what: &str, packages: &[&str]) -> Result<(), Error> {
    if project::on_path(&["apt-get"]).is_none() {
        return Err(Error::ByHand(format!(
            "{what} is missing, and this system has no apt-get. Install it with the system's own package manager \
             (Debian calls it: {}), then run the same command again.",
            packages.join(" ")
        )));
    }
    let right = right();
    if right == Right::None {
        return Err(Error::ByHand(by_hand(what, packages)));
    }
    let log = |name: &str| project.work_dir().join(format!("{name}.log"));
    if !UPDATED.swap(true, Ordering::Relaxed) {
        let update = apt_get(&right, &["update"]).run_condensed(&log("apt-update"), LIMIT);
        if let Err(error) = update {
            // One broken source must not prevent an installation from the others.
            println!("    apt-get update failed, trying the packages known so far: {error}");
        }
    }
    let mut args = vec!["install", "-y", "--no-install-recommends"];
    args.extend_from_slice(packages);
    apt_get(&right, &args).run_condensed(&log("apt-install"), LIMIT)
}

fn right() -> Right {
    if Command::line("id -u").output().as_deref() == Some("0") {
        Right::Root
    } else if Command::line("sudo -n true").output().is_some() {
        Right::Sudo
    } else {
        Right::None
    }
}

fn apt_get(right: &Right, args: &[&str]) -> Command {
    // sudo drops the environment, so `env` sets it inside.
    let line = match right {
        Right::Sudo => "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get",
        Right::Root | Right::None => "env DEBIAN_FRONTEND=noninteractive apt-get",
    };
    Command::line(line).args(args.iter().copied())
}

fn by_hand(what: &str, packages: &[&str]) -> String {
    format!(
        "{what} is missing, and installing it needs root. Type this, then run the same command again:\n\n  \
         sudo apt-get update && sudo apt-get install -y --no-install-recommends {}\n",
        packages.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_exact() {
        assert_eq!(
            apt_get(&Right::Sudo, &["install", "-y", "binaryen"]).to_string(),
            "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y binaryen"
        );
        assert_eq!(
            apt_get(&Right::Root, &["update"]).to_string(),
            "env DEBIAN_FRONTEND=noninteractive apt-get update"
        );
        assert!(by_hand("wasm-opt", &["binaryen"]).contains(
            "\n  sudo apt-get update && sudo apt-get install -y --no-install-recommends binaryen\n"
        ));
    }
}
