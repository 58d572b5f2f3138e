//! A JSON list, cut into its entries before any of them is parsed.
//!
//! In: an untrusted stream. Out: the bytes of one entry after the other, which need not be JSON. A parser of the whole
//! list could not go on after an entry that it cannot read; here such an entry is one bad entry, and what comes after
//! it is read. Only brackets and quotation marks are looked at. No more is held than one entry.

use std::io::{self, BufRead};

/// The longest entry that is held, in bytes; LLaVA's have a few thousand.
pub(super) const MAX_ENTRY_BYTES: usize = 16 << 20;

/// Why there is no further entry, though the list has not ended.
pub(super) enum Broken {
    /// The stream cannot be read.
    Read(io::Error),
    /// It is no list, or breaks off: what is wrong.
    Form(&'static str),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Broken::Read(error)
    }
}

/// The list in a stream.
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

    /// The next entry's bytes, in `entry`; false after the last one. Of one that is longer than [`MAX_ENTRY_BYTES`]
    /// `entry` gets the beginning, a byte more than that.
    ///
    /// # Errors
    /// [`Broken`]. There is no sense in asking again.
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

    /// Takes an entry and the comma or bracket behind it, which it gives.
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

    /// After the list's bracket: there may be white space and nothing else.
    fn end(&mut self) -> Result<bool, Broken> {
        self.ended = true;
        match self.skip_space()? {
            None => Ok(false),
            Some(_) => Err(Broken::Form("something comes after the list")),
        }
    }

    /// The next byte that is no white space, which is left where it is.
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
