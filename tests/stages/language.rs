//! The cache is written in place, and what it holds does not depend on how the prompt was cut.

use burn::tensor::{Device, Tensor, TensorData};
use inf_llava::gpu::kernel::launches;
use inf_llava::gpu::layer_cache::LayerCache;
use inf_llava::gpu::ops::rotary_cache;
use inf_llava::gpu::read::read;
use inf_llava::gpu::reference;
use inf_llava::gpu::rope::Rope;
use inf_llava::language::kv_cache::KvCache;
use inf_llava::model::Model;
use inf_llava::sequence::Sequence;
use inf_llava::spec::DecoderSpec;
use inf_llava::spec::RopeSpec;

fn ids(count: usize) -> Vec<u32> {
    (0..count).map(|i| (i * 37 % 400) as u32).collect()
}

/// A text without pictures.
fn embed(model: &Model, ids: Vec<u32>) -> Tensor<2> {
    let text = Sequence::of_text(ids);
    crate::block_on(model.embed(&text, |_| unreachable!("no picture"))).unwrap()
}

/// One token at a time, in uneven chunks, and at once: the same logits.
#[test]
fn chunks_do_not_matter() {
    for device in ["cpu", "wgpu"] {
        let model = crate::load("tiny", device);
        let embeds = embed(&model, ids(23));
        let run = |chunks: &[usize]| {
            let mut cache = KvCache::new(&model.config.decoder, 32, &model.device.device);
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
    let mut cache = KvCache::new(&model.config.decoder, 64, &model.device.device);
    let run = |cache: &mut KvCache, ids: &[u32]| {
        let embeds = embed(&model, ids.to_vec());
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
        let mut cache = KvCache::new(&model.config.decoder, 64, &model.device.device);
        for step in 0..4 {
            let embeds = embed(&model, ids(3));
            let hidden = model.decoder.forward(embeds, &model.rope, &mut cache);
            crate::block_on(read(hidden)).unwrap();
            assert!(cache.is_exclusive(), "step {step} on {device}");
        }
    }
}

/// Seven launches a layer: norm and QKV, rotary and cache, attention, what its splits found, output and residual, norm
/// and gated MLP, output and residual. One more gives the logits of a small vocabulary.
#[test]
fn launches_of_a_decoded_token() {
    let model = crate::load("tiny", "wgpu");
    let mut cache = KvCache::new(&model.config.decoder, 64, &model.device.device);
    // The attention of many tokens has no splits, but their norms are launches of their own.
    for (tokens, a_layer) in [(20, 8), (1, 7), (1, 7)] {
        let embeds = embed(&model, ids(tokens));
        let before = launches();
        let hidden = model.decoder.forward(embeds, &model.rope, &mut cache);
        let logits = model.decoder.logits(hidden, 1);
        let layers = model.config.decoder.num_hidden_layers as u64;
        assert_eq!(launches() - before, a_layer * layers + 1, "{tokens} tokens");
        crate::block_on(read(logits)).unwrap();
    }
}

/// Groups of heads, and positions behind others; nothing but the new tokens' places is written.
#[test]
fn rotary_cache_equals_its_reference() {
    for (heads, key_heads, head_dim) in [(1, 1, 2), (4, 2, 8), (6, 3, 64)] {
        let channels = (heads + 2 * key_heads) * head_dim;
        for (start, tokens) in [(0, 1), (3, 1), (5, 7)] {
            let config = DecoderSpec {
                hidden_size: heads * head_dim,
                num_attention_heads: heads,
                num_key_value_heads: key_heads,
                num_hidden_layers: 1,
                head_dim,
                ..crate::load("tiny", "cpu").config.decoder.clone()
            };
            type Op = fn(usize, usize, Tensor<2>, &Rope, &mut LayerCache) -> Tensor<2>;
            let run = |device: &Device, op: Op| {
                let rope = Rope::of(16, RopeSpec::of_theta(10_000.0), head_dim, device);
                let mut cache = KvCache::new(&config, 16, device);
                let values = (0..tokens * channels).map(|i| (i as f32 * 0.7).sin());
                let data = TensorData::new(values.collect(), [tokens, channels]);
                let q = op(
                    heads,
                    start,
                    Tensor::from_data(data, device),
                    &rope,
                    cache.layer(0),
                );
                let held = cache.layer(0);
                let all = [
                    q.flatten::<1>(0, 1),
                    held.keys().clone().flatten(0, 2),
                    held.values().clone().flatten(0, 2),
                ];
                crate::block_on(read(Tensor::cat(all.to_vec(), 0))).unwrap()
            };
            let before = launches();
            let found = run(&crate::device("wgpu").device, rotary_cache);
            assert_eq!(launches() - before, 1);
            let expected = run(&crate::device("cpu").device, reference::rotary_cache);
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(&expected) {
                assert!(
                    (a - b).abs() < 1e-6,
                    "{heads} / {key_heads} x {head_dim}: {a}, not {b}"
                );
            }
        }
    }
}
