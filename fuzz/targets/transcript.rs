//! A conversation from a page or a client: an accepted one can be written and read back unchanged.
#![no_main]

#[path = "shared/memory.rs"]
mod memory;

use inf_llava_core::request::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (result, taken) = memory::measured(|| serde_json::from_slice::<Request>(data));
    let most = 200 * data.len() + (1 << 16);
    assert!(taken.peak <= most, "{} bytes of {most}", taken.peak);
    let Ok(request) = result else { return };
    let _ = request.options.sampling.validate();
    let written = serde_json::to_vec(&request).expect("it can be written");
    match serde_json::from_slice::<Request>(&written) {
        Ok(again) => assert_eq!(again, request),
        // JSON has no infinity; such a number is refused by `validate`.
        Err(_) => assert!(request.options.sampling.validate().is_err()),
    }
});
