//! Recognises files in unsupported formats by their first bytes.
//!
//! In: untrusted bytes. Out: for a message, the kind of file and what to do about it.

/// First bytes, and the kind of file that has them.
const BEGINNINGS: [(&[u8], &str); 36] = [
    (
        b"II*\0",
        "a TIFF or camera raw picture; convert it to PNG or JPEG first",
    ),
    (
        b"MM\0*",
        "a TIFF or camera raw picture; convert it to PNG or JPEG first",
    ),
    (b"II+\0", "a TIFF picture; convert it to PNG or JPEG first"),
    (b"MM\0+", "a TIFF picture; convert it to PNG or JPEG first"),
    (b"IIU\0", "a camera raw picture; develop it to JPEG first"),
    (b"IIRO", "a camera raw picture; develop it to JPEG first"),
    (b"IIRS", "a camera raw picture; develop it to JPEG first"),
    (
        b"FUJIFILMCCD-RAW",
        "a camera raw picture; develop it to JPEG first",
    ),
    (b"%PDF-", "a PDF document; save the page as PNG first"),
    (b"%!PS", "a PostScript drawing; export it as PNG first"),
    (
        b"\xC5\xD0\xD3\xC6",
        "a PostScript drawing; export it as PNG first",
    ),
    (b"8BPS", "a Photoshop document; export it as PNG first"),
    (b"gimp xcf", "a GIMP document; export it as PNG first"),
    (
        b"\xFF\x0A",
        "a JPEG XL picture; convert it to PNG or JPEG first",
    ),
    (
        b"\0\0\0\x0cJXL ",
        "a JPEG XL picture; convert it to PNG or JPEG first",
    ),
    (
        b"\0\0\0\x0cjP  ",
        "a JPEG 2000 picture; convert it to PNG or JPEG first",
    ),
    (
        b"\xFF\x4F\xFF\x51",
        "a JPEG 2000 picture; convert it to PNG or JPEG first",
    ),
    (
        b"II\xBC",
        "a JPEG XR picture; convert it to PNG or JPEG first",
    ),
    (
        b"\x8aMNG",
        "an MNG animation; save a picture of it as PNG first",
    ),
    (b"\x8bJNG", "a JNG picture; convert it to PNG or JPEG first"),
    (b"\0\0\x01\0", "an icon (ICO); save it as PNG first"),
    (b"\0\0\x02\0", "a pointer (CUR); save it as PNG first"),
    (b"icns", "an icon (ICNS); save it as PNG first"),
    (b"qoif", "a QOI picture; convert it to PNG first"),
    (b"DDS ", "a DDS texture; convert it to PNG first"),
    (
        b"\x76\x2f\x31\x01",
        "an OpenEXR picture; convert it to PNG first",
    ),
    (
        b"#?RADIANCE",
        "a Radiance HDR picture; convert it to PNG first",
    ),
    (b"BPG\xFB", "a BPG picture; convert it to PNG or JPEG first"),
    (b"AT&TFORM", "a DjVu document; save the page as PNG first"),
    (
        b"\xD7\xCD\xC6\x9A",
        "a Windows metafile; export it as PNG first",
    ),
    (
        b"\x1F\x8B",
        "packed with gzip, perhaps an SVGZ drawing; export it as PNG first",
    ),
    (
        b"PK\x03\x04",
        "a ZIP archive or an office document; take the picture out of it first",
    ),
    (b"Rar!", "an archive; take the picture out of it first"),
    (
        b"7z\xBC\xAF",
        "an archive; take the picture out of it first",
    ),
    (
        b"\x1A\x45\xDF\xA3",
        "a video; take a still picture from it first",
    ),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, not the file itself; run `git lfs pull`",
    ),
];

/// The kind of file, and what to do about it; `None` if it is not recognised.
pub(super) fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(1024)];
    if head.get(4..8) == Some(b"ftyp") {
        return Some(boxed(head));
    }
    // Icons and cursors have a count here; TGA pictures begin with the same bytes.
    if let [0, 0, 1 | 2, 0, 0, 0, ..] = head {
        return match head[2] {
            2 => Some("perhaps a TGA picture; convert it to PNG first"),
            _ => None,
        };
    }
    if let Some((_, what)) = BEGINNINGS.iter().find(|(bytes, _)| head.starts_with(bytes)) {
        return Some(what);
    }
    if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"AVI ") {
        return Some("a video; take a still picture from it first");
    }
    // Netpbm files: P1 to P7, then white space.
    if let [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..] = head {
        return Some("a PBM, PGM or PPM picture; convert it to PNG first");
    }
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.contains("<svg") {
        return Some("an SVG drawing; export it as PNG first");
    }
    if text.contains("<html") || text.contains("<!doctype html") {
        return Some("a web page, not a picture; the address may need a login");
    }
    if text.starts_with("data:image/") {
        return Some("a picture's data: address as text; save the picture itself as a file");
    }
    None
}

/// The kind of a file made of boxes, by its major brand, or by its compatible brands where the
/// major one is generic.
fn boxed(head: &[u8]) -> &'static str {
    let length = match head.first_chunk::<4>() {
        Some(length) => u32::from_be_bytes(*length) as usize,
        None => 0,
    };
    let box_end = length.clamp(12, head.len().max(12));
    let brands = head.get(8..box_end).unwrap_or_default();
    // The second field is a version.
    let mut brands = brands.as_chunks::<4>().0.iter().enumerate();
    let named = |name: [&[u8; 4]; 2]| {
        let mut brands = brands.clone();
        brands.any(|(place, brand)| place != 1 && name.contains(&brand))
    };
    if named([b"avif", b"avis"]) {
        return "an AVIF picture; convert it to PNG or JPEG first";
    }
    match brands.next().map(|(_, brand)| brand) {
        Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => {
            "a HEIC picture, as iPhones take them; export it as JPEG first"
        }
        Some(b"crx ") => "a camera raw picture; develop it to JPEG first",
        Some(b"jp2 " | b"jpx ") => "a JPEG 2000 picture; convert it to PNG or JPEG first",
        _ => "a video; take a still picture from it first",
    }
}
