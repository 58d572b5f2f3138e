//! The body of a completion request: it is accepted, or refused with a reason that is valid JSON,
//! within a few times its size in memory.
#![no_main]

#[path = "shared/memory.rs"]
mod memory;

use inf_llava_core::openai::{Ask, ErrorBody, ErrorKind, Face};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (result, taken) = memory::measured(|| Ask::read(data, Face::Server, None));
    let most = 200 * data.len() + (1 << 16);
    assert!(taken.peak <= most, "{} bytes of {most}", taken.peak);
    match result {
        Ok(ask) => {
            assert!(ask.request.options.sampling.validate().is_ok());
            assert!(ask.request.options.max_new_tokens > 0);
            assert!(ask.request.begun.is_empty());
            assert!(ask.request.options.stop.iter().all(|text| !text.is_empty()));
            assert_eq!(ask.pictures.len(), ask.request.all_pictures().count());
            assert!(ask.model.is_some());
        }
        Err(refusal) => {
            let (code, param) = (refusal.code, refusal.param.as_deref());
            let body = ErrorBody::new(ErrorKind::InvalidRequestError, code, param, &refusal.message);
            let told = serde_json::to_value(&body).expect("it can be written");
            assert!(told["error"]["message"].is_string());
        }
    }
});
