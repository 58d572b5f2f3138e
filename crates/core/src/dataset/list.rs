//! Splits a JSON list into its entries before any of them is parsed.
//!
//! In: an untrusted stream. Out: the bytes of one entry at a time, which need not be valid JSON. A
//! parser of the whole list would have to stop at an invalid entry; here that entry alone is bad,
//! and the ones after it are read. Only brackets and quotation marks are interpreted. At most one
//! entry is held in memory.

use std::io::{self, BufRead};

/// Longest entry in bytes; LLaVA's have a few thousand.
pub(super) const MAX_ENTRY_BYTES: usize = 16 << 20;

/// Why the list ended early.
pub(super) enum Broken {
    /// The stream could not be read.
    Read(io::Error),
    /// It is not a list, or is truncated: what is wrong.
    Form(&'static str),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Broken::Read(error)
    }
}

/// The entries of the list in a stream.
pub(super) struct Entries<R> {
    reader: R,
    begun: bool,
    ended: bool,
}

impl<R: BufRead> Entries<R> {
    pub(super) fn new(reader: R) -> Self {
        Entries {
            reader,
            begun: false,
            ended: false,
        }
    }

    /// Reads the next entry's bytes into `entry`; false after the last one. If the entry is longer
    /// than [`MAX_ENTRY_BYTES`], `entry` gets that many bytes and one more.
    ///
    /// # Errors
    /// [`Broken`], after which no further entry can be read.
    pub(super) fn next(&mut self, entry: &mut Vec<u8>) -> Result<bool, Broken> {
        entry.clear();
        if self.ended {
            return Ok(false);
        }
        if !self.begun {
            match self.skip_space()? {
                Some(b'[') => self.reader.consume(1),
                _ => return Err(Broken::Form("it does not begin with [")),
            }
            self.begun = true;
            if self.skip_space()? == Some(b']') {
                self.reader.consume(1);
                return self.end();
            }
        }
        match self.cut(entry)? {
            b',' => {}
            _ => drop(self.end()?),
        }
        Ok(true)
    }

    /// Reads an entry and returns the comma or bracket after it.
    fn cut(&mut self, entry: &mut Vec<u8>) -> Result<u8, Broken> {
        let mut depth = 0_u64;
        let (mut in_text, mut escaped) = (false, false);
        loop {
            let held = self.reader.fill_buf()?;
            if held.is_empty() {
                return Err(Broken::Form("it breaks off before the end of the list"));
            }
            let mut end = None;
            for (at, &byte) in held.iter().enumerate() {
                match (in_text, byte) {
                    (true, _) if escaped => escaped = false,
                    (true, b'\\') => escaped = true,
                    (_, b'"') => in_text = !in_text,
                    (true, _) => {}
                    (false, b'[' | b'{') => depth += 1,
                    (false, b',' | b']') if depth == 0 => {
                        end = Some((at, byte));
                        break;
                    }
                    (false, b'}') if depth == 0 => {
                        return Err(Broken::Form("it has a } without its {"));
                    }
                    (false, b']' | b'}') => depth -= 1,
                    (false, _) => {}
                }
            }
            let length = end.map_or(held.len(), |(at, _)| at);
            let room = (MAX_ENTRY_BYTES + 1).saturating_sub(entry.len());
            entry.extend_from_slice(&held[..length.min(room)]);
            self.reader.consume(length + usize::from(end.is_some()));
            if let Some((_, byte)) = end {
                return Ok(byte);
            }
        }
    }

    /// After the list's closing bracket: only white space may follow.
    fn end(&mut self) -> Result<bool, Broken> {
        self.ended = true;
        match self.skip_space()? {
            None => Ok(false),
            Some(_) => Err(Broken::Form("something comes after the list")),
        }
    }

    /// Skips white space and returns the next byte without consuming it.
    fn skip_space(&mut self) -> Result<Option<u8>, Broken> {
        loop {
            let held = self.reader.fill_buf()?;
            let length = held.len();
            let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            let other = held.iter().position(|byte| !space(byte));
            let found = other.map(|at| held[at]);
            self.reader.consume(other.unwrap_or(length));
            if found.is_some() || length == 0 {
                return Ok(found);
            }
        }
    }
}
