//! config.json and generation_config.json: what is accepted has sizes that can be computed with.
#![no_main]

use inf_llava::config::Config;
use inf_llava::weights::names;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (config, generation) = match data.iter().position(|&byte| byte == 0) {
        Some(end) => (&data[..end], Some(&data[end + 1..])),
        None => (data, None),
    };
    if let Ok(config) = Config::from_json(config, generation) {
        let parameters = names::parameters(&config);
        let sum: u64 = names::tensors(&config)
            .iter()
            .map(|(_, shape)| shape.iter().map(|&d| d as u64).product::<u64>())
            .sum();
        assert_eq!(parameters, sum);
        let _ = (
            config.square_px(),
            config.image_tokens(),
            config.cache_bytes_per_token(),
        );
    }
});
