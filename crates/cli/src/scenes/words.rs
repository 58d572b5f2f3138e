//! The texts of signs: codes as on number plates, and short words.

use rand_chacha::ChaCha8Rng;

use super::dice;
use crate::scenes::split::Split;

/// The characters of signs: no I, O, 0 and 1, as on number plates, so that no two look alike.
pub const ALPHABET: [u8; 32] = *b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Share of a Test picture's words that are held out.
const HELD_OUT_SHARE: f32 = 0.4;

/// Words of two to four letters of [`ALPHABET`] that both splits show. None is a colour, a shape or
/// a direction, since those are answers to other questions.
pub const WORDS: [&str; 72] = [
    "AM", "AT", "BY", "GP", "HQ", "PC", "TV", "US", "ART", "BAG", "BED", "BUS", "CAB", "CAR",
    "CUP", "DAY", "EAT", "EGG", "FAX", "GAS", "GYM", "HAM", "HAT", "JAM", "LAW", "NET", "NEW",
    "NUT", "PEN", "PET", "PUB", "SEA", "SKY", "SPA", "TAX", "VAN", "WAY", "ZEN", "BANK", "BEEF",
    "CAFE", "CAKE", "CAMP", "DECK", "EAST", "EXAM", "FLAT", "FREE", "FUEL", "GAME", "HALL", "HALT",
    "JAZZ", "LANE", "MALL", "NEWS", "NEXT", "PASS", "PLAY", "PULL", "PUSH", "QUAY", "RACE", "RENT",
    "SALE", "SEAT", "STAY", "TENT", "VETS", "WALK", "WAVE", "YARD",
];

/// Words that only [`Split::Test`] shows.
pub const HELD_OUT_WORDS: [&str; 16] = [
    "UP", "BAR", "KEY", "MAP", "SUN", "TEA", "CASH", "DUTY", "FARM", "GATE", "HELP", "LAKE",
    "MENU", "PARK", "TRAM", "WEST",
];

/// The text of a sign, and whether it is a held-out word. In Test half are words and half codes, of
/// every length equally often. In Train codes are more common, and longer: the last characters are
/// learned last, and the end of a word can be guessed from its beginning.
pub fn text(rng: &mut ChaCha8Rng, split: Split) -> (String, bool) {
    let (codes, lengths): (f32, &[usize]) = match split {
        Split::Train => (0.75, &[2, 3, 3, 4, 4, 4]),
        Split::Test => (0.5, &[2, 3, 4]),
    };
    if dice::chance(rng, codes) {
        return (code(rng, lengths), false);
    }
    let held_out = split == Split::Test && dice::chance(rng, HELD_OUT_SHARE);
    let list: &[&str] = if held_out { &HELD_OUT_WORDS } else { &WORDS };
    (list[dice::below(rng, list.len())].to_string(), held_out)
}

/// Whether it is one of [`WORDS`] or [`HELD_OUT_WORDS`], and not a code.
pub fn is_word(text: &str) -> bool {
    WORDS.contains(&text) || HELD_OUT_WORDS.contains(&text)
}

/// A random code that is not a word, with one of these `lengths`. Many codes have no digit;
/// otherwise a text of letters only would always be a word of the list, which could be guessed from
/// one or two letters.
fn code(rng: &mut ChaCha8Rng, lengths: &[usize]) -> String {
    loop {
        let length = lengths[dice::below(rng, lengths.len())];
        let code: String = (0..length)
            .map(|_| char::from(ALPHABET[dice::below(rng, ALPHABET.len())]))
            .collect();
        if !is_word(&code) {
            return code;
        }
    }
}
