//! The body of a request for a completion: it is read or refused by a reason that is JSON, within a few times its memory.
#![no_main]

#[path = "shared/memory.rs"]
mod memory;

use inf_llava::cli::serve::ask::Ask;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (result, taken) = memory::measured(|| Ask::read(data));
    let most = 200 * data.len() + (1 << 16);
    assert!(taken.peak <= most, "{} bytes of {most}", taken.peak);
    match result {
        Ok(ask) => {
            assert!(ask.request.options.sampling.validate().is_ok());
            assert!(ask.request.options.max_new_tokens > 0);
            assert!(ask.request.begun.is_empty());
            assert!(ask.request.options.stop.iter().all(|text| !text.is_empty()));
            assert_eq!(ask.picture.map(|picture| picture.key), ask.request.picture);
        }
        Err(refusal) => {
            assert!(refusal.status.is_client_error());
            assert!(refusal.json()["error"]["message"].is_string());
        }
    }
});
