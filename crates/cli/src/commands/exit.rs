//! Exit codes for scripts. In: an error. Out: its number in the table of `--help`.

use inf_llava::error::Error;

/// The table at the end of `--help`.
pub(super) const CODES: &str = "\
Exit codes:
  0    done
  1    parity: a value is beyond its limit
  2    the command line is wrong, or the question is empty
  3    the model folder or the data is missing, incomplete or broken, or changed while it was in use; a hub that
       cannot be reached or is not to be trusted; training that diverged
  4    the picture cannot be read
  5    the model or the conversation does not fit
  6    the device is not there, or failed
  7    the output cannot be written, or another run is writing it
  101  the program broke down: a bug in it, or in a driver
  130  stopped with Ctrl-C (serve ends with 0 then, as with SIGTERM)
  141  the reader of the output went away";

/// The code of an error, see [`CODES`]. Errors without a type of their own are about the command
/// line.
pub(super) fn code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Error>().map_or(2, Error::exit_code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use anyhow::Context;

    use super::{CODES, code};
    use inf_llava::error::Error;

    /// One error of each kind, by its code in the table.
    fn all() -> Vec<(u8, Vec<Error>)> {
        let word = || "x".to_string();
        vec![
            (
                2,
                vec![
                    Error::EmptyQuestion,
                    Error::Option {
                        option: word(),
                        reason: word(),
                    },
                ],
            ),
            (
                3,
                vec![
                    Error::FileMissing { file: word() },
                    Error::FileAccess {
                        file: word(),
                        reason: word(),
                    },
                    Error::ModelChanged {
                        file: word(),
                        was: word(),
                        is: word(),
                    },
                    Error::Network {
                        url: word(),
                        reason: word(),
                    },
                    Error::Hub {
                        hub: word(),
                        field: word(),
                        value: word(),
                        reason: word(),
                    },
                    Error::config("x", "x"),
                    Error::Tokenizer {
                        file: word(),
                        reason: word(),
                    },
                    Error::checkpoint("x", "x"),
                    Error::TensorMissing {
                        name: word(),
                        file: word(),
                        hint: word(),
                    },
                    Error::TensorShape {
                        name: word(),
                        file: word(),
                        found: vec![],
                        expected: vec![],
                    },
                    Error::TensorDtype {
                        name: word(),
                        file: word(),
                        found: word(),
                    },
                    Error::TensorValue {
                        name: word(),
                        file: word(),
                        index: 0,
                        value: word(),
                    },
                    Error::Manifest {
                        file: word(),
                        reason: word(),
                    },
                    Error::Quantised { reason: word() },
                    Error::Dataset {
                        file: word(),
                        reason: word(),
                    },
                    Error::BadRecord {
                        file: word(),
                        id: word(),
                        reason: word(),
                    },
                    Error::Example { reason: word() },
                    Error::NothingScored,
                    Error::Diverged { step: 1, loss: 0.0 },
                    Error::Resume {
                        file: word(),
                        field: word(),
                        found: word(),
                        expected: word(),
                    },
                ],
            ),
            (
                4,
                vec![
                    Error::ImageFormat {
                        file: word(),
                        reason: word(),
                    },
                    Error::ImageDamaged {
                        file: word(),
                        reason: word(),
                    },
                    Error::ImageTooLarge {
                        file: word(),
                        width: 1,
                        height: 1,
                        max_megapixels: 1,
                        max_side: 1,
                    },
                    Error::ImageShape {
                        width: 1,
                        height: 1,
                        reason: word(),
                    },
                    Error::PictureNotHeld { key: word() },
                ],
            ),
            (
                5,
                vec![
                    Error::Memory {
                        what: word(),
                        needed_mib: 1,
                        available_mib: 1,
                        device: word(),
                        hint: word(),
                    },
                    Error::ContextExceeded {
                        needed_tokens: 1,
                        context_tokens: 1,
                        hint: word(),
                    },
                    Error::OutOfMemory { reason: word() },
                ],
            ),
            (
                6,
                vec![
                    Error::Device {
                        device: word(),
                        reason: word(),
                    },
                    Error::DeviceLost { reason: word() },
                    Error::NotFinite { stage: word() },
                ],
            ),
            (
                7,
                vec![
                    Error::Output {
                        file: word(),
                        reason: word(),
                    },
                    Error::FolderInUse { folder: word() },
                ],
            ),
            (130, vec![Error::Stopped]),
        ]
    }

    #[test]
    fn every_kind_of_error_has_the_documented_exit_code() {
        let mut kinds = BTreeSet::new();
        for (expected, errors) in all() {
            let in_the_table = format!("\n  {expected:<5}");
            assert!(CODES.contains(&in_the_table), "{expected}: {CODES}");
            for error in errors {
                kinds.insert(error.code());
                assert_eq!(code(&error.clone().into()), expected, "{error:?}");
                // Added context does not change the code.
                let named = Err::<(), _>(error.clone()).context("--model");
                assert_eq!(code(&named.unwrap_err()), expected, "{error:?}");
            }
        }
        // One for each match arm of `Error::code`.
        let written = include_str!("../../../core/src/error.rs")
            .matches("=> \"")
            .count();
        assert_eq!(kinds.len(), written, "{kinds:?}");
    }

    #[test]
    fn what_has_no_type_is_about_the_command_line() {
        assert_eq!(code(&anyhow::anyhow!("--json needs --prompt")), 2);
    }
}
