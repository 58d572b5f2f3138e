//! Pictures at the limit: what they take at most, and that they can be stopped.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use inf_llava_core::Error;
use inf_llava_core::image::{Limits, decode, decode_watched, square_u8, square_u8_watched};
use inf_llava_core::progress::StopFlag;

/// Names the picture for [`decoded_alone`].
const PICTURE: &str = "INF_LLAVA_TEST_PICTURE";
/// The picture's side, which is the longest that it is allowed.
const SIDE: &str = "INF_LLAVA_TEST_SIDE";

/// Under which a square picture of this side is the largest.
fn limits(side: u16) -> Limits {
    Limits {
        max_pixels: u64::from(side).pow(2),
        max_side: side.into(),
    }
}

/// A grey progressive JPEG of three channels at full resolution: a few bytes for each thousand of pixels, of which
/// the decoder must hold all coefficients until the end.
fn progressive(side: u16) -> Vec<u8> {
    assert!(side.is_multiple_of(8));
    let [high, low] = side.to_be_bytes();
    let blocks = usize::from(side / 8).pow(2);
    let mut bytes = vec![0xFF, 0xD8];
    bytes.extend([0xFF, 0xDB, 0, 67, 0]); // one table of 64 quantisers
    bytes.extend([1; 64]);
    bytes.extend([0xFF, 0xC2, 0, 17, 8, high, low, high, low, 3]);
    bytes.extend([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    bytes.extend([0xFF, 0xC4, 0, 20, 0, 1]); // the code 0 means that a block is as the one before it
    bytes.extend([0; 15]);
    bytes.push(0);
    bytes.extend([0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0]);
    bytes.extend(vec![0; (3 * blocks).div_ceil(8)]);
    // One code: 2^14 and more blocks, as 14 further bits say, have no coefficients beside that. Of each channel 15 bits for 2^14 blocks.
    bytes.extend([0xFF, 0xC4, 0, 20, 0x10, 1]);
    bytes.extend([0; 15]);
    bytes.push(0xE0);
    for channel in 1..=3 {
        bytes.extend([0xFF, 0xDA, 0, 8, 1, channel, 0, 1, 63, 0]);
        bytes.extend(vec![0; blocks.div_ceil(1 << 14) * 15 / 8 + 1]);
    }
    bytes.extend([0xFF, 0xD9]);
    bytes
}

/// 60,000 passes over a picture of 48 megapixels would take minutes, and the file has 700 kB.
#[test]
fn a_jpeg_whose_scans_go_over_it_too_often_is_refused() {
    let scans = |side: u16, count: usize| {
        let mut bytes = progressive(side);
        bytes.truncate(bytes.len() - 2);
        bytes.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 5, 5, 0].repeat(count));
        bytes.extend([0xFF, 0xD9]);
        decode("many.jpg", &bytes, &Limits::NATIVE)
    };
    let refused = scans(6928, 60_000).expect_err("too many");
    let Error::ImageFormat { reason, .. } = &refused else {
        panic!("{refused}");
    };
    assert!(reason.contains("so many scans"), "{reason}");
    // Of a small one they are just wrong: what they tell was told already.
    let refused = scans(64, 60).expect_err("told twice");
    assert!(matches!(refused, Error::ImageDamaged { .. }), "{refused}");
}

/// The most memory that this process has had, in bytes.
#[cfg(target_os = "linux")]
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib << 10
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by a_huge_jpeg_takes_no_more_than_is_stated, in a process of its own"]
fn decoded_alone() {
    let bytes = std::fs::read(std::env::var_os(PICTURE).unwrap()).unwrap();
    let side = std::env::var(SIDE).unwrap().parse().unwrap();
    let before = peak_bytes();
    let picture = decode("huge", &bytes, &limits(side)).unwrap();
    assert_eq!(picture.rgb.len(), 3 * usize::from(side).pow(2));
    println!("\ntook {} of memory", peak_bytes() - before);
}

/// What decoding a square picture of this side took in a process of its own, in bytes.
#[cfg(target_os = "linux")]
fn taken(bytes: &[u8], side: u16) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("huge");
    std::fs::write(&file, bytes).unwrap();
    let test = format!(
        "{}::decoded_alone",
        module_path!().split_once("::").unwrap().1
    );
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &test,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(PICTURE, Path::new(&file))
        .env(SIDE, side.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let took = said
        .lines()
        .find_map(|line| line.strip_prefix("took "))
        .unwrap_or_else(|| panic!("{said}"));
    took.trim_end_matches(" of memory").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_huge_jpeg_takes_no_more_than_is_stated() {
    let side = 4096;
    let bytes = progressive(side);
    let took = taken(&bytes, side);
    assert!(
        took > 9 * limits(side).max_pixels - (8 << 20),
        "{took} bytes: it was not the worst kind of picture"
    );
    assert!(took <= limits(side).most_bytes(bytes.len()), "{took} bytes");
}

/// The largest picture, beside a colour profile for which alone there would be room.
#[cfg(target_os = "linux")]
#[test]
fn a_png_with_a_huge_profile_takes_no_more_than_is_stated() {
    use image::codecs::png::PngEncoder;
    use image::{ExtendedColorType, ImageEncoder};
    let side: u16 = 1024;
    let pixels = 8 * limits(side).max_pixels;
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    let profile = vec![0; (pixels + (62 << 20)) as usize];
    encoder.set_icc_profile(profile).unwrap();
    let picture = vec![0; pixels as usize];
    encoder
        .write_image(
            &picture,
            side.into(),
            side.into(),
            ExtendedColorType::Rgba16,
        )
        .unwrap();
    let took = taken(&bytes, side);
    assert!(took > pixels, "{took} bytes: less than the pixels");
    let most = limits(side).most_bytes(bytes.len());
    assert!(took <= most, "{took} bytes, and {most} are stated");
}

#[test]
fn stop_is_heard_while_a_huge_picture_is_read() {
    // Takes far longer than stop may go unheard.
    let bytes = progressive(8000);
    let stop = StopFlag::default();
    let press = stop.clone();
    let pressing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        press.stop();
    });
    let limits = Limits::NATIVE;
    assert_eq!(
        decode_watched("huge.jpg", &bytes, &limits, &stop),
        Err(Error::Stopped)
    );
    pressing.join().unwrap();
    assert_eq!(
        decode_watched("huge.jpg", &bytes, &limits, &stop),
        Err(Error::Stopped)
    );

    let small =
        decode_watched("small.jpg", &progressive(64), &limits, &StopFlag::default()).unwrap();
    assert_eq!(
        Ok(&small),
        decode("small.jpg", &progressive(64), &limits).as_ref()
    );
    assert_eq!(square_u8_watched(&small, 30, &stop), Err(Error::Stopped));
    assert_eq!(
        square_u8_watched(&small, 30, &StopFlag::default()),
        Ok(square_u8(&small, 30))
    );
}

/// A file longer than any picture within the limits is refused before it is looked at.
#[test]
fn a_file_that_is_too_long_is_refused() {
    let limits = Limits {
        max_pixels: 1,
        max_side: 1,
    };
    let bytes = vec![0xFF; limits.file_bytes() as usize + 1];
    assert!(matches!(
        decode("x", &bytes, &limits),
        Err(Error::ImageFormat { .. })
    ));
}
