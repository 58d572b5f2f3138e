//! The first frame of a GIF, on its canvas.
//!
//! In: an untrusted file whose size has been checked. Out: RGB. If the first frame is larger than
//! the logical screen or extends beyond it, the canvas is enlarged, as in browsers and Pillow;
//! pixels outside the frame are as in Pillow.

use std::io::Cursor;
use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use super::rgb::from_palette;
use super::sniff::GifFrames;

/// The first frame, `[height, width, 3]`, with `ground` where it is transparent; `frames` describes
/// `bytes`, and `most_bytes` limits the memory for its samples.
pub(super) fn first_frame(
    bytes: &[u8],
    frames: &GifFrames,
    most_bytes: u64,
    ground: [u8; 3],
) -> Result<Vec<u8>, DecodingError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let most = NonZeroU64::new(most_bytes).unwrap_or(NonZeroU64::MIN);
    options.set_memory_limit(MemoryLimit::Bytes(most));
    let with_table;
    let bytes = match frames.has_table {
        true => bytes,
        false => {
            with_table = with_grey_table(bytes);
            &with_table
        }
    };
    let mut decoder = options.read_info(Cursor::new(bytes))?;
    let frame = match decoder.read_next_frame()? {
        Some(_) => decoder.current_frame_info(),
        None => None,
    };
    let frame = frame.ok_or(DecodingError::UnexpectedEof)?;
    let table = match &frame.palette {
        Some(own) => own.as_slice(),
        None => decoder.global_palette().unwrap_or_default(),
    };
    let pixel = |&index: &u8| match frame.transparent == Some(index) {
        true => ground,
        false => from_palette(table, index),
    };
    let (width, height) = frames.canvas;
    let outside = pixel(&frame.transparent.unwrap_or(0));
    let mut rgb = outside.repeat(width as usize * height as usize);
    let (left, frame_width) = (usize::from(frame.left), usize::from(frame.width));
    let rows = rgb.chunks_exact_mut(3 * width as usize);
    let rows = rows.skip(frame.top.into());
    for (row, indices) in rows.zip(frame.buffer.chunks_exact(frame_width.max(1))) {
        let row = &mut row[3 * left..][..3 * frame_width];
        for (out, index) in row.as_chunks_mut().0.iter_mut().zip(indices) {
            *out = pixel(index);
        }
    }
    Ok(rgb)
}

/// The file with a global table in which each index is its own grey, as Pillow shows files without
/// a table.
fn with_grey_table(bytes: &[u8]) -> Vec<u8> {
    const HEADER_BYTES: usize = 13;
    let (header, rest) = bytes.split_at(HEADER_BYTES.min(bytes.len()));
    let mut with_table = header.to_vec();
    if let Some(flags) = with_table.get_mut(10) {
        *flags |= 0x87; // a table of 256 colours
    }
    with_table.extend((0..=255).flat_map(|grey| [grey; 3]));
    with_table.extend(rest);
    with_table
}
