//! Bodies that were sent compressed: unpacked to no more bytes than one may have that was sent as it is.
//!
//! In: bytes, and how they were packed. Out: what was packed, or a refusal. A kilobyte can unpack to a megabyte, so
//! every step is counted, against the limit on a body and the budget of all.

use std::io::{self, Read};

use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::body::{Held, busy, too_large};
use super::budget::Budget;
use super::refusal::{Refusal, UNPACKED};

/// Nobody packs more often.
const MOST_TIMES: usize = 3;
const PIECE_BYTES: usize = 64 << 10;

/// How a body was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// `gzip`, one member or more.
    Gzip,
    /// `deflate`: with zlib's frame, as the standard has it, or without, as some programs send it.
    Deflate,
}

/// How a body was packed, the first packing first.
///
/// # Errors
/// 415 with `bad-encoding` for what cannot be unpacked here, by its name.
pub fn packings(headers: &HeaderMap) -> Result<Vec<Packing>, Refusal> {
    let mut packings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = String::from_utf8_lossy(value.as_bytes());
        for name in value.split(',').map(str::trim) {
            match name.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" => packings.push(Packing::Gzip),
                "deflate" => packings.push(Packing::Deflate),
                _ => {
                    let shown: String = name.chars().take(40).collect();
                    return Err(unsupported(format!(
                        "the Content-Encoding {shown:?} is not unpacked here; {UNPACKED} are, or send the request as it is"
                    )));
                }
            }
        }
    }
    match packings.len() <= MOST_TIMES {
        true => Ok(packings),
        false => Err(unsupported(format!(
            "the request is packed {} times over; at most {MOST_TIMES} are unpacked",
            packings.len()
        ))),
    }
}

fn unsupported(message: String) -> Refusal {
    Refusal {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ..Refusal::bad_request("bad-encoding", message)
    }
}

/// Unpacks a body, the last packing first. It takes as much of the budget as packed and unpacked bytes need that are
/// there at the same time.
///
/// # Errors
/// 413 with `too-large` beyond `most` bytes; 503 with `busy` where others hold the memory; 400 with `bad-encoding` for
/// what is damaged or was packed otherwise.
pub fn unpack(
    mut held: Held,
    packings: &[Packing],
    budget: &Budget,
    most: usize,
) -> Result<Held, Refusal> {
    for packing in packings.iter().rev() {
        let packed = std::mem::take(&mut held.bytes);
        held.bytes = match packing {
            Packing::Gzip => read(
                MultiGzDecoder::new(&packed[..]),
                &packed,
                &mut held,
                budget,
                most,
            )?,
            Packing::Deflate => match has_zlibs_frame(&packed) {
                true => read(
                    ZlibDecoder::new(&packed[..]),
                    &packed,
                    &mut held,
                    budget,
                    most,
                )?,
                false => read(
                    DeflateDecoder::new(&packed[..]),
                    &packed,
                    &mut held,
                    budget,
                    most,
                )?,
            },
        };
        drop(packed);
        held.share.shrink(held.bytes.len());
    }
    Ok(held)
}

/// The first two bytes of zlib's frame (RFC 1950, 2.2). Without the frame, the first byte would begin a block that is
/// stored as it is, with padding that is not zero, and no program writes that.
fn has_zlibs_frame(packed: &[u8]) -> bool {
    match packed {
        [method, flags, ..] => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

fn read(
    mut from: impl Read,
    packed: &[u8],
    held: &mut Held,
    budget: &Budget,
    most: usize,
) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => return Ok(bytes),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let message = format!(
                    "the request is not packed as its Content-Encoding says, or is damaged: {error}"
                );
                return Err(Refusal::bad_request("bad-encoding", message));
            }
        };
        if bytes.len() + length > most {
            return Err(too_large(most));
        }
        let both = packed.len() + bytes.len() + length;
        if !budget.grow(&mut held.share, both) || bytes.try_reserve(length).is_err() {
            return Err(busy());
        }
        bytes.extend_from_slice(&piece[..length]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::http::{HeaderMap, HeaderValue};
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::super::body::Held;
    use super::super::budget::{Budget, Share};
    use super::{Packing, packings, unpack};

    const TEXT: &[u8] = b"{\"model\": \"m\", \"messages\": []}";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("room");
        encoder.finish().expect("room")
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("room");
        encoder.finish().expect("room")
    }

    fn deflate(bytes: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(bytes).expect("room");
        encoder.finish().expect("room")
    }

    fn unpacked(
        bytes: Vec<u8>,
        packings: &[Packing],
        most: usize,
    ) -> Result<Vec<u8>, &'static str> {
        let budget = Budget::new(8 << 20);
        let mut share = Share::default();
        assert!(budget.grow(&mut share, bytes.len()));
        let held = unpack(Held { bytes, share }, packings, &budget, most);
        let held = held.map_err(|refusal| refusal.code)?;
        let rest = (8 << 20) - held.bytes.len().next_multiple_of(1024);
        assert!(budget.has(rest) && !budget.has(rest + 1));
        Ok(held.bytes)
    }

    #[test]
    fn what_was_packed_comes_out_however_it_was_packed() {
        use Packing::{Deflate, Gzip};
        let long = b"all work and no play ".repeat(20_000);
        for text in [TEXT, b"", &long] {
            for (packed, by) in [
                (gzip(text), &[Gzip][..]),
                (zlib(text), &[Deflate]),
                (deflate(text, 0), &[Deflate]),
                (deflate(text, 1), &[Deflate]),
                (deflate(text, 9), &[Deflate]),
                (
                    [gzip(&text[..text.len() / 2]), gzip(&text[text.len() / 2..])].concat(),
                    &[Gzip],
                ),
                (gzip(&gzip(text)), &[Gzip, Gzip]),
                (gzip(&zlib(text)), &[Deflate, Gzip]),
                (text.to_vec(), &[]),
            ] {
                assert_eq!(unpacked(packed, by, 1 << 20).as_deref(), Ok(text), "{by:?}");
            }
        }
    }

    #[test]
    fn what_is_damaged_or_unpacks_to_too_much_is_refused() {
        use Packing::{Deflate, Gzip};
        for (packed, by) in [
            (TEXT.to_vec(), Gzip),
            (TEXT.to_vec(), Deflate),
            (Vec::new(), Gzip),
            (gzip(TEXT)[..20].to_vec(), Gzip),
            (zlib(TEXT)[..20].to_vec(), Deflate),
            ([gzip(TEXT), b"more".to_vec()].concat(), Gzip),
        ] {
            assert_eq!(
                unpacked(packed, &[by], 1 << 20),
                Err("bad-encoding"),
                "{by:?}"
            );
        }
        let bomb = vec![0; 4 << 20];
        for (packed, by) in [
            (gzip(&bomb), Gzip),
            (zlib(&bomb), Deflate),
            (deflate(&bomb, 9), Deflate),
        ] {
            assert!(packed.len() < 1 << 14);
            assert_eq!(unpacked(packed.clone(), &[by], 1 << 20), Err("too-large"));
            assert_eq!(
                unpacked(packed, &[by], 4 << 20).map(|bytes| bytes.len()),
                Ok(4 << 20)
            );
        }
        // Others hold the memory.
        let over = vec![0; 9 << 20];
        assert_eq!(unpacked(gzip(&over), &[Gzip], 16 << 20), Err("busy"));
    }

    #[test]
    fn encodings_are_known_by_their_names() {
        use Packing::{Deflate, Gzip};
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_str(value).expect("a value");
                headers.append("content-encoding", value);
            }
            packings(&headers).map_err(|refusal| (refusal.status.as_u16(), refusal.message))
        };
        for (values, expected) in [
            (&[][..], &[][..]),
            (&["identity"], &[]),
            (&[""], &[]),
            (&["gzip"], &[Gzip]),
            (&["X-GZip"], &[Gzip]),
            (&["deflate, identity ,GZIP"], &[Deflate, Gzip]),
            (&["deflate", "gzip"], &[Deflate, Gzip]),
        ] {
            assert_eq!(read(values).as_deref(), Ok(expected), "{values:?}");
        }
        for (values, says) in [
            (&["br"][..], "\"br\" is not unpacked"),
            (&["gzip, zstd"], "\"zstd\""),
            (&["compress"], "gzip, deflate are"),
            (&["gzip, gzip", "gzip,gzip"], "4 times"),
            (&["\u{e9}"], "is not unpacked"),
        ] {
            let (status, message) = read(values).expect_err(says);
            assert!(status == 415 && message.contains(says), "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), gzip in any::<bool>()) {
            let by = if gzip { Packing::Gzip } else { Packing::Deflate };
            let _ = unpacked(bytes, &[by], 1 << 20);
        }
    }
}
