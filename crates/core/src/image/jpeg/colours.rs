//! The colour space of a JPEG.

use super::header::Frame;

/// The colour space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    Grey,
    Rgb,
    YCbCr,
    Cmyk,
    Ycck,
}

/// libjpeg's rules: by the JFIF marker, the Adobe marker, and the components' ids.
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
