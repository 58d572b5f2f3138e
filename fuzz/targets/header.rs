//! A safetensors file: its header, and every tensor listed there.
#![no_main]

use inf_llava_core::weights::tensors::Tensors;
use inf_llava_core::weights::checkpoint::Checkpoint;
use inf_llava_core::weights::source::Memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let files = Memory([("model.safetensors".to_string(), data.to_vec())].into());
    let Ok(checkpoint) = pollster::block_on(Checkpoint::open(files)) else {
        return;
    };
    // The sizes were checked against the file's, so that reading allocates no more than that.
    assert!(checkpoint.stored_bytes() <= data.len() as u64);
    for name in ["a", "w", "model.norm.weight", ""] {
        for shape in [&[][..], &[1], &[2], &[2, 3]] {
            let _ = pollster::block_on(checkpoint.read_f32(name, shape));
        }
    }
});
