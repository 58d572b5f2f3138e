//! Counts tests by the summary lines of their runners.

use std::ops::AddAssign;

/// Counts of tests in one step or in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were skipped with a reason.
    pub skipped: u64,
}

impl Counts {
    /// Adds up all summary lines of cargo's and node's test runners in `output`.
    pub fn from_output(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines() {
            if let Some(rest) = line.strip_prefix("test result: ") {
                counts += Self::from_libtest(rest);
            } else if let Some(rest) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# "))
            {
                counts += Self::from_node(rest);
            }
        }
        counts
    }

    /// `ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
    fn from_libtest(rest: &str) -> Self {
        let number_before = |word: &str| {
            let mut words = rest
                .split([' ', ';'])
                .filter(|w| !w.is_empty())
                .collect::<Vec<_>>()
                .into_iter();
            let mut before = "";
            words
                .find_map(|w| {
                    if w == word {
                        before.parse().ok()
                    } else {
                        before = w;
                        None
                    }
                })
                .unwrap_or(0)
        };
        Self {
            passed: number_before("passed"),
            failed: number_before("failed"),
            skipped: number_before("ignored"),
        }
    }

    /// One of `tests 7`, `pass 5`, `fail 1`, `cancelled 0`, `skipped 1`, `todo 0`.
    fn from_node(rest: &str) -> Self {
        let mut counts = Self::default();
        if let Some((word, Ok(number))) = rest
            .split_once(' ')
            .map(|(word, n)| (word, n.trim().parse()))
        {
            match word {
                "pass" => counts.passed = number,
                "fail" | "cancelled" => counts.failed = number,
                "skipped" | "todo" => counts.skipped = number,
                _ => {}
            }
        }
        counts
    }

    /// Whether any test ran.
    pub fn any_ran(&self) -> bool {
        self.passed + self.failed > 0
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_add_up() {
        let output = "running 6 tests\n\
            test a ... ok\n\
            test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s\n\
            test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n\
            ℹ tests 7\nℹ suites 0\nℹ pass 5\nℹ fail 1\nℹ cancelled 0\nℹ skipped 1\nℹ todo 0\nℹ duration_ms 12\n";
        let counts = Counts::from_output(output);
        assert_eq!(
            counts,
            Counts {
                passed: 12,
                failed: 4,
                skipped: 2
            }
        );
        assert_eq!(counts.to_string(), "12 passed, 4 failed, 2 skipped");
    }

    #[test]
    fn no_closing_line_means_that_nothing_ran() {
        assert!(!Counts::from_output("   Compiling x\n# a heading\n").any_ran());
        let none = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s";
        assert!(!Counts::from_output(none).any_ran());
    }
}
