//! A picture's bytes from the `data:` URL that a message holds it in. No address is ever fetched: a request could
//! otherwise make this machine ask others in its network.
//!
//! Read strictly, since half a picture must not pass for a whole one: the crate `data-url` reads as browsers do, which end
//! the bytes at a `#`, and passes over bits that belong to no byte.

use crate::printable::sha256;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::error::BadRequest;
use super::face::Face;
use crate::error::Error;

/// A picture's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFile {
    /// What its URL says that it is, in lower case: `image/png`.
    pub media_type: String,
    /// As they were sent.
    pub bytes: Vec<u8>,
}

impl PictureFile {
    /// SHA-256 of the bytes, by which its features are kept.
    pub fn key(&self) -> String {
        sha256(&self.bytes)
    }
}

const TYPES: [&str; 7] = [
    "image/png",
    "image/jpeg",
    "image/jpg",
    "image/webp",
    "image/gif",
    "image/bmp",
    "image/x-ms-bmp",
];
const WANTED: &str = "data:image/png;base64,... (or jpeg, webp, gif, bmp)";

/// Some programs leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The file in `url`, which stands in the request's field `param`. Whether its bytes are a picture is the decoder's
/// business. The browser decodes what this program does not, so a page takes a picture of any type.
///
/// # Errors
/// [`BadRequest`] with `unsupported` for an address, and with `image-format` for anything else.
pub fn picture_file(param: &str, url: &str, face: Face) -> Result<PictureFile, BadRequest> {
    let damaged = |reason: String| {
        let file = param.to_string();
        BadRequest::of(&Error::ImageFormat { file, reason }, param)
    };
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if ["http", "https", "file", "ftp"].into_iter().any(is) {
        let message =
            format!("{param}: no picture is fetched from an address; send its bytes: {WANTED}");
        return Err(BadRequest::unsupported(param, message));
    }
    let Some((head, data)) = rest.split_once(',').filter(|_| is("data")) else {
        return Err(damaged(format!("it must be {WANTED}")));
    };
    let head = head.to_ascii_lowercase();
    let media_type = head.split(';').next().unwrap_or_default().trim();
    let is_picture = match face {
        Face::Server => TYPES.contains(&media_type),
        Face::Page => media_type.starts_with("image/"),
    };
    if !is_picture {
        let shown: String = media_type.chars().take(40).collect();
        let reason = format!("its URL says {shown:?}; it must be {WANTED}");
        return Err(damaged(reason));
    }
    if head.rsplit(';').next().map(str::trim) != Some("base64") {
        return Err(damaged(format!(
            "its URL is not in base64; it must be {WANTED}"
        )));
    }
    let decoded = match data.contains(|c: char| c.is_ascii_whitespace()) {
        // Python's encodebytes breaks lines.
        true => BASE64.decode(data.split_ascii_whitespace().collect::<String>()),
        false => BASE64.decode(data),
    };
    let bytes = decoded.map_err(|error| damaged(format!("its base64 is damaged: {error}")))?;
    Ok(PictureFile {
        media_type: media_type.into(),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::error::BadRequest;
    use super::{Face, picture_file};

    fn picture_bytes(param: &str, url: &str) -> Result<Vec<u8>, BadRequest> {
        picture_file(param, url, Face::Server).map(|file| file.bytes)
    }

    proptest! {
        #[test]
        fn no_text_panics(url in "(data)?:?(image/png)?;?(base64)?,?.{0,8}") {
            let _ = picture_bytes("p", &url);
        }
    }

    #[test]
    fn data_urls_are_read_however_they_are_written() {
        for url in [
            "data:image/png;base64,AAEC/w==",
            "DATA:Image/JPEG;BASE64,AAEC/w",
            "data:image/webp;name=a.webp;base64,AAEC\r\n/w==\n",
        ] {
            assert_eq!(picture_bytes("p", url), Ok(vec![0, 1, 2, 255]), "{url}");
        }
    }

    #[test]
    fn a_page_takes_pictures_that_the_browser_decodes() {
        let url = "data:Image/AVIF;base64,AAEC";
        let file = picture_file("p", url, Face::Page).expect("a file");
        assert_eq!(
            (file.media_type.as_str(), file.bytes.len()),
            ("image/avif", 3)
        );
        assert!(picture_bytes("p", url).is_err());
        assert!(picture_file("p", "data:text/html;base64,AAEC", Face::Page).is_err());
    }

    #[test]
    fn other_urls_are_refused_with_the_field_that_holds_them() {
        for (url, code, says) in [
            (
                "http://169.254.169.254/latest",
                "unsupported",
                "no picture is fetched",
            ),
            (
                "HTTPS://example.com/a.png",
                "unsupported",
                "no picture is fetched",
            ),
            ("file:///etc/passwd", "unsupported", "no picture is fetched"),
            ("", "image-format", "it must be data:image/png"),
            ("data", "image-format", "it must be data:image/png"),
            ("data:", "image-format", "it must be data:image/png"),
            (
                "data:image/png;base64",
                "image-format",
                "it must be data:image/png",
            ),
            ("data:,", "image-format", "its URL says \"\""),
            ("data:text/html;base64,AAAA", "image-format", "text/html"),
            (
                "data:image/svg+xml;base64,AAAA",
                "image-format",
                "image/svg+xml",
            ),
            ("data:image/png,AAAA", "image-format", "not in base64"),
            ("data:image/png;base64,@@@@", "image-format", "damaged"),
            ("data:image/png;base64,A", "image-format", "damaged"),
            // Browsers end the bytes there, take the signs for others, or drop the last bits.
            ("data:image/png;base64,AAEC#/w==", "image-format", "damaged"),
            (
                "data:image/png;base64,AAEC%2Fw==",
                "image-format",
                "damaged",
            ),
            ("data:image/png;base64,AB==", "image-format", "damaged"),
            (
                "data:image/png;base64,\u{e9}\u{20ac}",
                "image-format",
                "damaged",
            ),
            (
                "\u{e9}\u{20ac}:\u{e9},",
                "image-format",
                "it must be data:image/png",
            ),
        ] {
            let refusal = picture_bytes("the field", url).expect_err(url);
            assert_eq!(refusal.code, code, "{url}");
            assert_eq!(refusal.param.as_deref(), Some("the field"));
            assert!(refusal.message.contains(says), "{url}: {}", refusal.message);
        }
    }
}
