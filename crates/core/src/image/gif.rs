//! The frames of a GIF, and the first one on its canvas.
//!
//! In: an untrusted file whose size has been checked. Out: indices of colours, or RGB. If the first frame is larger than
//! the logical screen or extends beyond it, the canvas is enlarged, as in browsers and Pillow;
//! pixels outside the frame are as in Pillow.

use std::borrow::Cow;
use std::io::Cursor;
use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, Frame, MemoryLimit};

use super::rgb::from_palette;
use super::sniff::GifFrames;

/// Decodes a GIF's frames in their order.
pub(super) struct Frames<'a>(Decoder<Cursor<Cow<'a, [u8]>>>);

impl<'a> Frames<'a> {
    /// Of a file whose frames have a colour table, their own or the file's, if `has_table`; `most_bytes` limits the
    /// memory for the samples of one.
    pub(super) fn new(
        bytes: &'a [u8],
        has_table: bool,
        most_bytes: u64,
    ) -> Result<Self, DecodingError> {
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::Indexed);
        let most = NonZeroU64::new(most_bytes).unwrap_or(NonZeroU64::MIN);
        options.set_memory_limit(MemoryLimit::Bytes(most));
        let bytes = match has_table {
            true => Cow::Borrowed(bytes),
            false => Cow::Owned(with_grey_table(bytes)),
        };
        options.read_info(Cursor::new(bytes)).map(Frames)
    }

    /// The next frame.
    ///
    /// # Errors
    /// The decoder's; [`DecodingError::UnexpectedEof`] if there is none.
    pub(super) fn next(&mut self) -> Result<Indexed<'_>, DecodingError> {
        let Frames(decoder) = self;
        let frame = match decoder.read_next_frame()? {
            Some(_) => decoder.current_frame_info(),
            None => None,
        };
        let frame = frame.ok_or(DecodingError::UnexpectedEof)?;
        let table = match &frame.palette {
            Some(own) => own.as_slice(),
            None => decoder.global_palette().unwrap_or_default(),
        };
        Ok(Indexed { frame, table })
    }
}

/// A frame, as indices into a table of colours.
pub(super) struct Indexed<'a> {
    /// Its place, its indices and what becomes of it.
    pub(super) frame: &'a Frame<'static>,
    table: &'a [u8],
}

impl Indexed<'_> {
    /// The colour of an index; `None` for the transparent one.
    pub(super) fn colour(&self, index: u8) -> Option<[u8; 3]> {
        let is_transparent = self.frame.transparent == Some(index);
        (!is_transparent).then(|| from_palette(self.table, index))
    }

    /// The colour around the first frame, as Pillow has it; `None` for a transparent one.
    pub(super) fn outside(&self) -> Option<[u8; 3]> {
        self.colour(self.frame.transparent.unwrap_or(0))
    }
}

/// The first frame, `[height, width, 3]`, with `ground` where it is transparent; `frames` describes
/// `bytes`, and `most_bytes` limits the memory for its samples.
pub(super) fn first_frame(
    bytes: &[u8],
    frames: &GifFrames,
    most_bytes: u64,
    ground: [u8; 3],
) -> Result<Vec<u8>, DecodingError> {
    let mut decoder = Frames::new(bytes, frames.has_table, most_bytes)?;
    let indexed = decoder.next()?;
    let frame = indexed.frame;
    let (width, height) = frames.canvas;
    let outside = indexed.outside().unwrap_or(ground);
    let mut rgb = outside.repeat(width as usize * height as usize);
    let (left, frame_width) = (usize::from(frame.left), usize::from(frame.width));
    let rows = rgb.chunks_exact_mut(3 * width as usize);
    let rows = rows.skip(frame.top.into());
    for (row, indices) in rows.zip(frame.buffer.chunks_exact(frame_width.max(1))) {
        let row = &mut row[3 * left..][..3 * frame_width];
        for (out, &index) in row.as_chunks_mut().0.iter_mut().zip(indices) {
            *out = indexed.colour(index).unwrap_or(ground);
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
