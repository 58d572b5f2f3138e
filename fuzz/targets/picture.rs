//! A picture file in any format: it is decoded or refused within the memory that the limits allow.
#![no_main]

#[path = "shared/memory.rs"]
mod memory;

use inf_llava_core::image::{Limits, decode};
use libfuzzer_sys::fuzz_target;

/// Small, so that exceeding them is detected.
const LIMITS: Limits = Limits {
    max_pixels: 4 << 20,
    max_side: 4096,
};

fuzz_target!(|data: &[u8]| {
    let (result, taken) = memory::measured(|| decode("picture", data, &LIMITS));
    let most = LIMITS.most_bytes(data.len());
    assert!(taken.peak as u64 <= most, "{} bytes of {most}", taken.peak);
    if let Ok(picture) = result {
        let pixels = picture.width as u64 * picture.height as u64;
        assert!((1..=LIMITS.max_pixels).contains(&pixels));
        assert!(picture.width.max(picture.height) <= LIMITS.max_side as usize);
        assert_eq!(picture.rgb.len() as u64, 3 * pixels);
    }
});
