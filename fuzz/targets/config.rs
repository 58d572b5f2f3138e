//! The files that say what a model is, separated by NUL: config.json, generation_config.json, preprocessor_config.json,
//! processor_config.json, and names of tensors, one a line. The sizes of what is accepted can be computed without
//! overflow, and a picture of any size has a bounded number of views.
#![no_main]

use std::collections::BTreeSet;

use inf_llava_core::config::{Config, ConfigFiles, Treatment, Vision};
use inf_llava_core::spec::parameters;
use inf_llava_core::spec::plan::Coverage;
use libfuzzer_sys::fuzz_target;

/// Passes of INF-LLaVA with 16 crops a side, densely computed: the most of any model.
const MOST_PASSES: usize = 513;

fn look(vision: &Vision, size_px: [usize; 2]) {
    let largest = vision.largest_layout(Coverage::Dense).expect("a layout");
    assert!((1..=MOST_PASSES).contains(&largest.passes()));
    for is_only in [true, false] {
        let treatment = Treatment {
            is_only,
            ..Treatment::only(Coverage::Live)
        };
        // A sliver may be refused.
        if let Ok(layout) = vision.layout(size_px, treatment) {
            assert!(layout.passes() <= largest.passes() && layout.tokens <= largest.tokens);
        }
    }
    let _ = vision.video_layout(&[0.0, 1e300, f64::NAN], f64::INFINITY);
}

fuzz_target!(|data: &[u8]| {
    let mut files = data.split(|&byte| byte == 0);
    let config = files.next().unwrap_or_default();
    let mut file = || files.next().filter(|file| !file.is_empty());
    let [generation, preprocessor, processor, tensors] = [file(), file(), file(), file()];
    let names = tensors.map(|names| {
        let names = String::from_utf8_lossy(names);
        names
            .lines()
            .map(String::from)
            .collect::<BTreeSet<String>>()
    });
    let files = ConfigFiles {
        config,
        generation,
        preprocessor,
        processor,
        tensors: names.as_ref(),
    };
    if let Ok(config) = Config::from_files(&files) {
        let parameters = parameters(&config.weights());
        let sum: u64 = config.weights().iter().map(|weight| weight.numbers()).sum();
        assert_eq!(parameters, sum);
        let _ = config.decoder.cache_bytes_per_token();
        // Any size, and the same for the same input.
        let side = |salt: usize| {
            data.iter()
                .fold(salt, |sum, &byte| (sum * 31 + usize::from(byte)) % 30_011)
        };
        if let Some(vision) = &config.vision {
            look(vision, [side(7), side(11)]);
        }
    }
});
