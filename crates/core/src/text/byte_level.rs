//! How byte-level vocabularies write bytes.

/// How many bytes of text a token of a byte-level vocabulary stands for.
pub fn stands_for(token: &str) -> usize {
    match token.chars().all(|char| byte_of(char).is_some()) {
        true => token.chars().count(),
        false => token.len(),
    }
}

/// GPT-2's byte-level alphabet: printable Latin-1 stands for itself, the other 68 bytes, in order,
/// for U+0100 and what follows.
pub fn char_of(byte: u8) -> char {
    char::from_u32(match byte {
        0x00..=0x20 => 0x100 + u32::from(byte),
        0x7F..=0xA0 => 0x121 + u32::from(byte - 0x7F),
        0xAD => 0x143,
        _ => u32::from(byte),
    })
    .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The inverse of [`char_of`]; `None` for a character outside the alphabet.
pub(super) fn byte_of(char: char) -> Option<u8> {
    let code = u32::from(char);
    let byte = match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => code,
        0x100..=0x120 => code - 0x100,
        0x121..=0x142 => code - 0x121 + 0x7F,
        0x143 => 0xAD,
        _ => return None,
    };
    u8::try_from(byte).ok()
}
