//! A converted model's manifest. An accepted one can be written and read again, and its tensors are
//! where it says.
#![no_main]

use inf_llava_core::weights::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(manifest) = Manifest::from_json("manifest.json", data) else {
        return;
    };
    for stored in manifest.tensors.values() {
        for piece in &stored.pieces {
            let bytes = stored
                .dtype
                .bytes(piece.rows, &stored.shape[1..])
                .expect("checked");
            assert!(piece.offset + bytes <= manifest.shards[piece.shard].bytes);
        }
    }
    let again = Manifest::from_json("manifest.json", &manifest.to_json());
    assert_eq!(again.as_ref(), Ok(&manifest));
});
