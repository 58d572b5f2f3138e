//! What a JPEG's channels are.

use super::header::Frame;

/// What the channels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    Grey,
    Rgb,
    YCbCr,
    Cmyk,
    Ycck,
}

/// As libjpeg guesses it: by JFIF's marker, by Adobe's, by the channels' names.
pub fn colours(frame: &Frame, is_jfif: bool, transform: Option<u8>) -> Colours {
    let names: Vec<u8> = frame.components.iter().map(|c| c.id).collect();
    match (names.as_slice(), transform) {
        ([_], _) => Colours::Grey,
        ([..], Some(0)) if names.len() == 3 && !is_jfif => Colours::Rgb,
        (b"RGB", None) if !is_jfif => Colours::Rgb,
        ([_, _, _], _) => Colours::YCbCr,
        (_, None | Some(0)) => Colours::Cmyk,
        _ => Colours::Ycck,
    }
}
