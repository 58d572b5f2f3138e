//! The pickle in a file written by `torch.save`.
#![no_main]

use inf_llava_core::weights::pickle::state_dict;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(tensors) = state_dict(data) {
        assert!(!tensors.is_empty());
        for saved in tensors.values() {
            let _ = saved.is_contiguous();
        }
    }
});
