//! The index of a sharded checkpoint.
#![no_main]

use inf_llava_core::weights::checkpoint::Checkpoint;
use inf_llava_core::weights::source::Memory;
use libfuzzer_sys::fuzz_target;

/// A shard with one tensor of one number, `w`.
fn shard() -> Vec<u8> {
    let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(1f32.to_le_bytes());
    bytes
}

fuzz_target!(|data: &[u8]| {
    let files = [
        ("model.safetensors.index.json".to_string(), data.to_vec()),
        ("a.safetensors".to_string(), shard()),
        ("b.safetensors".to_string(), shard()),
    ];
    if let Ok(checkpoint) = pollster::block_on(Checkpoint::open(Memory(files.into()))) {
        assert!(checkpoint.stored_bytes() <= 4);
    }
});
