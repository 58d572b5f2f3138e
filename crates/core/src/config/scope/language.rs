//! Detects a language other than English by a text's script and its function words.

use super::question::{is_of_questions, words};

/// Function words of questions in other languages that are not English words.
const FOREIGN: &[&str] = &[
    // German
    "wie",
    "viele",
    "viel",
    "der",
    "das",
    "dem",
    "den",
    "ist",
    "sind",
    "ein",
    "eine",
    "einen",
    "gibt",
    "es",
    "und",
    "welche",
    "welcher",
    "welches",
    "wo",
    "wer",
    "bild",
    "beschreibe",
    "beschreib",
    "auf",
    "steht",
    "farbe",
    "hallo",
    "bitte",
    "nicht",
    "ich",
    "zeigt",
    "im",
    "siehst",
    "schild",
    "kannst",
    // French
    "combien",
    "quelle",
    "quel",
    "quels",
    "quelles",
    "est",
    "le",
    "la",
    "les",
    "des",
    "une",
    "dans",
    "sur",
    "il",
    "elle",
    "où",
    "que",
    "qui",
    "bonjour",
    "salut",
    "décris",
    "décrivez",
    "du",
    "couleur",
    "vois",
    "voit",
    "peux",
    "cette",
    "ce",
    // Spanish
    "cuántos",
    "cuantos",
    "cuántas",
    "cuantas",
    "hay",
    "qué",
    "cuál",
    "cual",
    "el",
    "los",
    "las",
    "un",
    "una",
    "en",
    "de",
    "dónde",
    "donde",
    "imagen",
    "hola",
    "está",
    "dice",
    "puedes",
    "describir",
    "esta",
    "ves",
    // Portuguese
    "quantos",
    "quantas",
    "há",
    "qual",
    "os",
    "uma",
    "na",
    "onde",
    "imagem",
    "descreva",
    "olá",
    "ola",
    "cor",
    "da",
    "é",
    "são",
    // Italian
    "quanti",
    "quante",
    "ci",
    "sono",
    "quale",
    "che",
    "lo",
    "gli",
    "di",
    "della",
    "del",
    "colore",
    "dove",
    "ciao",
    "immagine",
    "nel",
    "nella",
    "cosa",
    "descrivi",
    "c'è",
    // Dutch
    "hoeveel",
    "zijn",
    "er",
    "welke",
    "het",
    "een",
    "waar",
    "wat",
    "van",
    "op",
    "beschrijf",
    "kleur",
    "zie",
    // Swedish, Danish, Norwegian
    "hur",
    "många",
    "är",
    "finns",
    "det",
    "vad",
    "vilken",
    "färg",
    "bilden",
    "hej",
    "hvor",
    "mange",
    "hvad",
    "og",
    "hva",
    // Polish, Turkish, Indonesian
    "ile",
    "jest",
    "są",
    "jaki",
    "jaka",
    "co",
    "gdzie",
    "czy",
    "kaç",
    "var",
    "ne",
    "renk",
];

/// Function words of English that do not occur in questions about pictures.
const ENGLISH: &[&str] = &[
    "who", "why", "when", "hello", "hi", "hey", "me", "my", "we", "us", "he", "she", "his", "her",
    "your", "yours", "was", "were", "be", "been", "not", "but", "for", "with", "from", "at", "as",
    "if", "then", "will", "should", "could", "may", "must", "please", "thanks", "thank", "tell",
    "write", "make", "give", "let", "know", "think", "time", "good", "morning", "yes", "no", "an",
    "these", "some", "much", "help", "today",
];

/// Whether `text` is in another language.
pub(super) fn is_foreign(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let (latin, other): (Vec<char>, Vec<char>) = letters.partition(|&c| is_latin(c));
    if other.len() > latin.len() {
        return true;
    }
    let words = words(text);
    let count = |is: &dyn Fn(&str) -> bool| words.iter().filter(|word| is(word)).count();
    let foreign = count(&|word| FOREIGN.contains(&word) || has_marks(word));
    let english = count(&|word| ENGLISH.contains(&word) || is_of_questions(word));
    foreign > english
}

/// Letters of the Latin script, including those with the diacritics of other languages.
fn is_latin(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// Diacritics are rare in English.
fn has_marks(word: &str) -> bool {
    word.chars().any(|c| c.is_alphabetic() && !c.is_ascii())
}
