//! Animations that tests make.

use gif::{DisposalMethod, Encoder, Frame};

/// A frame of a GIF.
#[derive(Clone)]
pub(super) struct FrameOfGif {
    pub at: (u16, u16),
    pub size: (u16, u16),
    /// Its grey, everywhere.
    pub grey: u8,
    /// In hundredths of a second.
    pub delay: u16,
}

impl FrameOfGif {
    pub(super) fn filled(width: u16, height: u16, grey: u8) -> Self {
        FrameOfGif {
            at: (0, 0),
            size: (width, height),
            grey,
            delay: 10,
        }
    }
}

/// A GIF whose colours are greys.
pub(super) fn gif(
    (width, height): (u16, u16),
    frames: impl IntoIterator<Item = FrameOfGif>,
) -> Vec<u8> {
    let greys: Vec<u8> = (0..=255).flat_map(|grey| [grey; 3]).collect();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height, &greys).expect("a GIF");
    for frame in frames {
        let (width, height) = frame.size;
        let indices = vec![frame.grey; usize::from(width) * usize::from(height)];
        let encoded = Frame {
            left: frame.at.0,
            top: frame.at.1,
            width,
            height,
            delay: frame.delay,
            dispose: DisposalMethod::Keep,
            buffer: indices.into(),
            ..Frame::default()
        };
        encoder.write_frame(&encoded).expect("a frame");
    }
    drop(encoder);
    bytes
}

/// One pixel as a GIF has it: the size of a code, and a block.
pub(super) const PIXEL: [u8; 5] = [2, 2, 0x44, 1, 0];

/// A GIF of so many frames in the upper left of a canvas, without anything that could be left out. All have the same
/// data, which may be wrong.
pub(super) fn gif_of_frames(
    frames: usize,
    canvas: (u16, u16),
    (width, height): (u16, u16),
    data: &[u8],
) -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend([canvas.0.to_le_bytes(), canvas.1.to_le_bytes()].concat());
    bytes.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]); // two colours
    for _ in 0..frames {
        bytes.extend([0x2C, 0, 0, 0, 0]);
        bytes.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
        bytes.push(0);
        bytes.extend(data);
    }
    bytes.push(0x3B);
    bytes
}

/// A chunk of a PNG.
pub(super) fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut sum = crc32fast::Hasher::new();
    sum.update(name);
    sum.update(data);
    let length = (data.len() as u32).to_be_bytes();
    [&length[..], name, data, &sum.finalize().to_be_bytes()].concat()
}

/// What controls a frame of an animated PNG: its number, its place and its delay.
pub(super) fn control(number: u32, place: [u32; 4], delay: (u16, u16)) -> Vec<u8> {
    let [left, top, width, height] = place;
    let numbers = [number, width, height, left, top].map(u32::to_be_bytes);
    let delays = [delay.0, delay.1].map(u16::to_be_bytes);
    let data = [&numbers.concat()[..], &delays.concat(), &[0, 0]].concat();
    chunk(b"fcTL", &data)
}

/// The compressed data of a grey PNG whose rows count up, in one block that is not compressed.
pub(super) fn data(width: u32, height: u32) -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..height {
        rows.push(0); // no filter
        rows.extend((0..width).map(|x| (40 * y + 10 * x) as u8));
    }
    let length = (rows.len() as u16).to_le_bytes();
    let opposite = (!(rows.len() as u16)).to_le_bytes();
    let (mut a, mut b) = (1_u32, 0_u32);
    for &byte in &rows {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let sum = (b << 16 | a).to_be_bytes();
    [&[0x78, 1, 1][..], &length, &opposite, &rows, &sum].concat()
}

/// The chunks of a grey animated PNG, the signature first: a frame for each of `delays`, all alike.
pub(super) fn apng_chunks(
    width: u32,
    height: u32,
    delays: &[(u16, u16)],
    exif: &[u8],
) -> Vec<Vec<u8>> {
    let header = [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[8, 0, 0, 0, 0],
    ];
    let count = (delays.len() as u32).to_be_bytes();
    let mut chunks = vec![
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header.concat()),
        chunk(b"acTL", &[count, [0; 4]].concat()),
    ];
    if !exif.is_empty() {
        chunks.push(chunk(b"eXIf", exif));
    }
    let mut number = 0;
    for &delay in delays {
        chunks.push(control(number, [0, 0, width, height], delay));
        number += 1;
        let data = data(width, height);
        if number == 1 {
            chunks.push(chunk(b"IDAT", &data));
        } else {
            chunks.push(chunk(b"fdAT", &[&number.to_be_bytes()[..], &data].concat()));
            number += 1;
        }
    }
    chunks.push(chunk(b"IEND", b""));
    chunks
}

/// The same as a file.
pub(super) fn apng(width: u32, height: u32, delays: &[(u16, u16)], exif: &[u8]) -> Vec<u8> {
    apng_chunks(width, height, delays, exif).concat()
}

/// A PNG, shown twice: as the picture that it is, and as a layer of its own.
pub(super) fn twice_png(png: &[u8]) -> Vec<u8> {
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("a side"));
    let place = [0, 0, side(16), side(20)];
    let (mut twice, mut at, mut data) = (png[..8].to_vec(), 8, Vec::new());
    while at + 8 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().expect("a length")) as usize;
        let whole = &png[at..(at + 12 + length).min(png.len())];
        match &whole[4..8] {
            b"IHDR" => {
                twice.extend(whole);
                twice.extend(chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]));
                twice.extend(control(0, place, (1, 10)));
            }
            b"IEND" => {
                twice.extend(control(1, place, (1, 10)));
                twice.extend(chunk(b"fdAT", &[&2_u32.to_be_bytes()[..], &data].concat()));
                twice.extend(whole);
            }
            b"IDAT" => {
                twice.extend(whole);
                data.extend(&whole[8..8 + length]);
            }
            _ => twice.extend(whole),
        }
        at += 12 + length;
    }
    twice
}

/// A WebP, shown twice.
pub(super) fn twice_webp(webp: &[u8], (width, height): (u32, u32)) -> Vec<u8> {
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    let piece = |name: &[u8], data: &[u8]| {
        let padding = vec![0; data.len() % 2];
        [name, &(data.len() as u32).to_le_bytes(), data, &padding].concat()
    };
    let mut picture = &webp[12..];
    // What it begins with if it has more than a picture.
    if picture.starts_with(b"VP8X") {
        picture = &picture[18..];
    }
    let (width, height) = (three(width - 1), three(height - 1));
    // Nothing shows through.
    let head = [&[0; 6][..], &width, &height, &three(100), &[2]].concat();
    let frame = piece(b"ANMF", &[&head[..], picture].concat());
    let extended = [&[0x12, 0, 0, 0][..], &width, &height].concat();
    let body = [
        b"WEBP",
        &piece(b"VP8X", &extended)[..],
        &piece(b"ANIM", &[0; 6]),
        &frame,
        &frame,
    ];
    piece(b"RIFF", &body.concat())
}
