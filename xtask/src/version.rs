//! Version numbers, from `--version` output and Cargo.lock.

/// A version's numbers, compared from the first on: `wasm-opt version 108` is `[108]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u32>);

impl Version {
    /// The first word of `text` that is a version, with or without a leading `v`.
    pub fn find(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(Self::parse)
    }

    /// `1.95.0`, `v20.1.0`, `0.2.130` (the part after `-` or `+` is dropped).
    fn parse(word: &str) -> Option<Self> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let core = word.split(['-', '+']).next()?;
        let numbers: Option<Vec<u32>> = core.split('.').map(|n| n.parse().ok()).collect();
        numbers.map(Self)
    }

    /// Whether this is `least` or newer. Missing numbers count as 0.
    pub fn is_at_least(&self, least: &[u32]) -> bool {
        self.0.as_slice() >= least
    }
}

/// The version of a package in a Cargo.lock.
pub fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    lines
        .next()?
        .strip_prefix("version = \"")?
        .strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<u32> {
        Version::find(text).map(|v| v.0).unwrap_or_default()
    }

    #[test]
    fn versions_are_found_in_what_tools_print() {
        assert_eq!(found("trunk 0.21.14"), [0, 21, 14]);
        assert_eq!(found("wasm-bindgen 0.2.130\n"), [0, 2, 130]);
        assert_eq!(found("wasm-opt version 108"), [108]);
        assert_eq!(found("wasm-opt version 132 (version_132)"), [132]);
        assert_eq!(found("v20.20.2"), [20, 20, 2]);
        assert_eq!(
            found("rustc 1.96.0-nightly (ac68faa20 2026-05-25)"),
            [1, 96, 0]
        );
        assert_eq!(found("command not found"), [0u32; 0]);
    }

    #[test]
    fn versions_compare_as_numbers() {
        let v = Version(vec![0, 21, 14]);
        assert!(v.is_at_least(&[0, 21, 9]));
        assert!(v.is_at_least(&[0, 21]));
        assert!(!v.is_at_least(&[0, 22]));
        assert!(!Version(vec![18, 20, 4]).is_at_least(&[20]));
    }

    #[test]
    fn the_lock_file_tells_a_package_by_its_whole_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.80\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(locked(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked(lock, "wasm"), None);
    }
}
