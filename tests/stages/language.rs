//! The cache is written in place, and what it holds does not depend on how the prompt was cut.

use inf_llava::language::kv_cache::KvCache;
use inf_llava::language::splice::{Run, runs, token_count};
use inf_llava::stages::read;

fn ids(count: usize) -> Vec<i32> {
    (0..count).map(|i| (i * 37 % 400) as i32).collect()
}

/// One token at a time, in uneven chunks, and at once: the same logits.
#[test]
fn chunks_do_not_matter() {
    for device in ["cpu", "wgpu"] {
        let model = crate::load("tiny", device);
        let embeds = crate::block_on(model.embed(&ids(23), None)).unwrap();
        let run = |chunks: &[usize]| {
            let mut cache = KvCache::new(&model.config.language, 32, &model.device.device);
            let mut start = 0;
            let mut hidden = None;
            for &chunk in chunks {
                let part = embeds.clone().narrow(0, start, chunk);
                hidden = Some(model.decoder.forward(part, &model.rope, &mut cache));
                start += chunk;
            }
            assert_eq!(cache.len(), 23);
            crate::block_on(read(model.decoder.logits(hidden.unwrap(), 1))).unwrap()
        };
        let whole = run(&[23]);
        for chunks in [vec![1; 23], vec![7, 1, 15], vec![22, 1]] {
            for (a, b) in run(&chunks).iter().zip(&whole) {
                assert!((a - b).abs() < 1e-4, "{device}, {chunks:?}: {a} and {b}");
            }
        }
    }
}

/// What was cut off is not read again: after truncation the same tokens give the same logits.
#[test]
fn truncation_forgets() {
    let model = crate::load("tiny", "cpu");
    let mut cache = KvCache::new(&model.config.language, 64, &model.device.device);
    let run = |cache: &mut KvCache, ids: &[i32]| {
        let embeds = crate::block_on(model.embed(ids, None)).unwrap();
        let hidden = model.decoder.forward(embeds, &model.rope, cache);
        crate::block_on(read(model.decoder.logits(hidden, 1))).unwrap()
    };
    run(&mut cache, &ids(10));
    let first = run(&mut cache, &[1, 2, 3]);
    cache.truncate(10);
    run(&mut cache, &[300, 301, 302, 303, 304, 305]);
    cache.truncate(10);
    assert_eq!(run(&mut cache, &[1, 2, 3]), first);
}

/// No view of the stores outlives a step, so that the next write finds one owner and needs no copy.
#[test]
fn the_cache_is_written_in_place() {
    for device in ["cpu", "wgpu"] {
        let model = crate::load("tiny", device);
        let mut cache = KvCache::new(&model.config.language, 64, &model.device.device);
        for step in 0..4 {
            let embeds = crate::block_on(model.embed(&ids(3), None)).unwrap();
            let hidden = model.decoder.forward(embeds, &model.rope, &mut cache);
            crate::block_on(read(hidden)).unwrap();
            assert!(cache.is_exclusive(), "step {step} on {device}");
        }
    }
}

#[test]
fn the_picture_takes_its_place() {
    let ids = [5, 6, -200, 7];
    assert_eq!(
        runs(&ids),
        [Run::Text(vec![5, 6]), Run::Image, Run::Text(vec![7])]
    );
    assert_eq!(token_count(&ids, 16), 19);
}
