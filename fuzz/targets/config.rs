//! config.json and generation_config.json: the sizes of an accepted configuration can be computed
//! without overflow.
#![no_main]

use inf_llava_core::config::{Config, Vision};
use inf_llava_core::spec::parameters;
use inf_llava_core::spec::plan::Coverage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (config, generation) = match data.iter().position(|&byte| byte == 0) {
        Some(end) => (&data[..end], Some(&data[end + 1..])),
        None => (data, None),
    };
    if let Ok(config) = Config::from_json(config, generation) {
        let parameters = parameters(&config.weights());
        let sum: u64 = config.weights().iter().map(|weight| weight.numbers()).sum();
        assert_eq!(parameters, sum);
        let layout = |vision: &Vision| vision.largest_layout(Coverage::Live);
        let _ = (
            config.vision.as_ref().map(layout),
            config.decoder.cache_bytes_per_token(),
        );
    }
});
