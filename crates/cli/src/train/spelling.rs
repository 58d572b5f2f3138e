//! How texts are encoded in channels, both by the vision tower and in the word embeddings that
//! stand in for a picture.
//!
//! A text has one place for each character that a sign may have, and each place has an equal share
//! of the channels, which holds the character's code. One channel for each character would need 128
//! of a token's 128 channels; codes need 64 and leave room for everything else. (ARCHITECTURE.md,
//! decision 13.)

use burn::tensor::{Tensor, TensorData};

use super::labels::{CHARACTERS, SLOTS};
use super::loss::{cross_entropy, is_right, select_rows};

/// Channels of a code.
pub const CODE: usize = 16;
/// A correctly written code is e to the power of this likelier than one that is orthogonal to it.
const SHARPNESS: f32 = 8.0;

/// The text at a token, if there is one: the class of the character in each place, 0 for no
/// character.
pub type Text = Option<[usize; SLOTS]>;

/// The code of a character's class (from 1), as +1 and -1: any two codes differ in half of the
/// channels or in all (a first-order Reed-Muller code).
pub fn code(class: usize) -> [f32; CODE] {
    let index = class - 1;
    std::array::from_fn(|channel| {
        let parity = (index & channel).count_ones() as usize + (index >> 4);
        1.0 - 2.0 * (parity % 2) as f32
    })
}

/// `texts` encoded in `channels` channels of magnitude `size`, `[texts, channels]`: a character's
/// code is repeated to fill the share of its place.
pub fn spelled(texts: &[Text], channels: usize, size: f32) -> Vec<f32> {
    let share = channels / SLOTS;
    let mut values = vec![0.0; texts.len() * channels];
    for (row, text) in texts.iter().enumerate() {
        for (slot, &character) in text.iter().flatten().enumerate() {
            if character > 0 {
                let first = row * channels + slot * share;
                let code = code(character).into_iter().cycle();
                for (value, sign) in values[first..first + share].iter_mut().zip(code) {
                    *value = sign * size;
                }
            }
        }
    }
    values
}

/// How well texts are encoded.
pub struct Spelling {
    /// The squared error, per token with a text.
    pub squares: Tensor<1>,
    /// The cross-entropy of decoding by the nearest code, averaged over the characters of each
    /// place and summed over the places: a fourth character, which few signs have, counts as much
    /// as a first.
    pub entropy: Tensor<1>,
    /// For the log: the squared error, and the sum of the target's squares.
    pub missing: (f64, f64),
    /// For the log: for each place the number of characters decoded correctly, and the total.
    pub read: [(f64, f64); SLOTS],
}

/// For the log: names of the places of a text.
pub const PLACES: [&str; SLOTS] = ["read 1st", "read 2nd", "read 3rd", "read 4th"];
/// For the log: names of the places of counts; the last is unused.
pub const COUNTED: [&str; SLOTS] = ["count of colour", "count of shape", "count of all", ""];

impl Spelling {
    /// The results of each place that has any characters, with the places' names.
    pub fn read_by(
        &self,
        names: [&'static str; SLOTS],
    ) -> impl Iterator<Item = (&'static str, (f64, f64))> {
        let places = names.into_iter().zip(self.read);
        places.filter(|(_, (_, there))| *there > 0.0)
    }
}

/// How well `outputs` `[texts, channels]` encode `texts`; `None` if there is no text.
pub fn spelling(outputs: &Tensor<2>, texts: &[Text], size: f32) -> Option<Spelling> {
    let [_, channels] = outputs.dims();
    let share = channels / SLOTS;
    let device = outputs.device().without_autodiff();
    let (rows, texts): (Vec<usize>, Vec<Text>) = texts
        .iter()
        .enumerate()
        .filter(|(_, text)| text.is_some())
        .map(|(row, text)| (row, *text))
        .unzip();
    if rows.is_empty() {
        return None;
    }
    let outputs = select_rows(outputs.clone(), &rows);

    // Logits: the similarity of the outputs to each character's code, SHARPNESS if written
    // correctly.
    let scale = SHARPNESS / (share as f32 * size);
    let codes = (0..share).flat_map(|channel| {
        (1..=CHARACTERS.len()).map(move |class| scale * code(class)[channel % CODE])
    });
    let codes = TensorData::new(codes.collect::<Vec<_>>(), [share, CHARACTERS.len()]);
    let codes = Tensor::<2>::from_data(codes, &device);
    let mut entropy: Option<Tensor<1>> = None;
    let mut read = [(0.0, 0.0); SLOTS];
    for (slot, read) in read.iter_mut().enumerate() {
        let placed = texts.iter().enumerate();
        let (rows, targets): (Vec<usize>, Vec<usize>) = placed
            .filter_map(|(row, text)| Some((row, (*text)?[slot].checked_sub(1)?)))
            .unzip();
        if rows.is_empty() {
            continue;
        }
        let place = outputs.clone().narrow(1, slot * share, share);
        let logits = select_rows(place, &rows).matmul(codes.clone());
        let right = is_right(logits.clone(), &targets);
        let right = right.into_iter().filter(|right| *right).count();
        *read = (right as f64, targets.len() as f64);
        let of_slot = cross_entropy(logits, &targets).div_scalar(targets.len() as f32);
        entropy = Some(match entropy {
            None => of_slot,
            Some(entropy) => entropy + of_slot,
        });
    }

    let wanted = spelled(&texts, channels, size);
    let own: f32 = wanted.iter().map(|value| value.powi(2)).sum();
    let wanted = Tensor::from_data(TensorData::new(wanted, [rows.len(), channels]), &device);
    let squares = (outputs - wanted).powi_scalar(2).sum();
    let missing = f64::from(squares.clone().inner().into_scalar::<f32>());
    Some(Spelling {
        squares: squares.div_scalar(rows.len() as f32),
        entropy: entropy?,
        missing: (missing, f64::from(own)),
        read,
    })
}
