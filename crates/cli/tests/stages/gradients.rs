//! Gradients: autodiff against finite differences, and against the forward pass without it.

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use inf_llava::gpu::ops::{Cut, DemShape, dem_attention};
use inf_llava_cli::train::parameters::leaves;

fn cpu() -> Device {
    crate::device("cpu").device
}

/// Compares autodiff with central differences of `loss` at some elements of `x`.
fn check_gradient<const D: usize>(name: &str, x: Tensor<D>, loss: impl Fn(Tensor<D>) -> Tensor<1>) {
    let leaf = x.clone().autodiff().require_grad();
    let mut gradients = loss(leaf.clone()).backward();
    let gradient = leaf.grad_remove(&mut gradients).unwrap();
    let gradient: Vec<f32> = gradient.into_data().try_into_vec().unwrap();
    let values: Vec<f32> = x.clone().into_data().try_into_vec().unwrap();
    let largest = gradient.iter().fold(0.0_f32, |m, g| m.max(g.abs()));
    assert!(largest > 0.0, "{name}: no gradient at all");
    let step = 1e-2;
    for index in (0..values.len()).step_by(values.len() / 12 + 1) {
        let at = |delta: f32| -> f32 {
            let mut moved = values.clone();
            moved[index] += delta;
            let data = burn::tensor::TensorData::new(moved, x.dims());
            loss(Tensor::from_data(data, &x.device())).into_scalar()
        };
        let slope = (at(step) - at(-step)) / (2.0 * step);
        let error = (slope - gradient[index]).abs();
        assert!(
            error <= 0.02 * largest + 1e-3,
            "{name}[{index}]: {} by autodiff, {slope} by differences",
            gradient[index]
        );
    }
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &cpu())
}

/// A scalar that weighs every element differently.
fn weigh<const D: usize>(y: Tensor<D>) -> Tensor<1> {
    let count = y.shape().num_elements();
    let weights: Vec<f32> = (0..count).map(|i| (i as f32 * 0.7).sin()).collect();
    let weights = burn::tensor::TensorData::new(weights, [count]);
    (y.clone().reshape([count]) * Tensor::from_data(weights, &y.device().without_autodiff())).sum()
}

#[test]
fn gradients_of_dem_attention() {
    let shape = DemShape {
        crops_per_side: 3,
        tokens_per_side: 2,
        residues: vec![1],
        tiles: vec![0, 1, 2],
        heads: 2,
    };
    for (cut, sets) in [(Cut::Tiles, 9), (Cut::Strided, 1)] {
        let (q, k, v) = (random([4, 8]), random([sets, 4, 8]), random([sets, 4, 8]));
        let of = |q: &Tensor<2>, k: &Tensor<3>, v: &Tensor<3>| {
            weigh(dem_attention(&shape, cut, q.clone(), k.clone(), v.clone()))
        };
        check_gradient("q", q.clone(), |q| of(&q, &k, &v));
        check_gradient("k", k.clone(), |k| of(&q, &k, &v));
        check_gradient("v", v.clone(), |v| of(&q, &k, &v));
    }
}

#[test]
fn gradients_of_norms_and_rope() {
    use inf_llava::gpu::rope::Rope;
    use inf_llava::nn::{LayerNorm, RmsNorm};
    let layer_norm = LayerNorm::new(random([8]), random([8]), 1e-5);
    let rms_norm = RmsNorm::new(random([8]), 1e-5);
    let rope = Rope::of(6, inf_llava::spec::RopeSpec::of_theta(10_000.0), 4, &cpu());
    check_gradient("LayerNorm", random([5, 8]), |x| {
        weigh(layer_norm.forward(x))
    });
    check_gradient("RmsNorm", random([5, 8]), |x| weigh(rms_norm.forward(x)));
    check_gradient("Rope", random([3, 2, 4]), |x| weigh(rope.apply(x, 2)));
}

#[test]
fn gradients_of_the_decoder_and_the_tower() {
    use inf_llava::language::kv_cache::KvCache;
    let model = crate::load("tiny", "cpu");
    let language = &model.config.decoder;
    check_gradient("decoder", random([7, language.hidden_size]), |x| {
        let mut cache = KvCache::new(language, 7, &cpu());
        weigh(model.decoder.forward(x, &model.rope, &mut cache)).mul_scalar(0.1)
    });
}

#[test]
fn training_computes_what_answering_computes() {
    use inf_llava::language::kv_cache::KvCache;
    let model = crate::load("tiny", "cpu");
    let embeds: Tensor<2> = random([12, model.config.decoder.hidden_size]);
    let run = |embeds: Tensor<2>, decoder: &inf_llava::language::decoder::Decoder| {
        let mut cache = KvCache::new(&model.config.decoder, embeds.dims()[0], &cpu());
        decoder.forward(embeds, &model.rope, &mut cache).inner()
    };
    let plain = run(embeds.clone(), &model.decoder);
    let trained = leaves(&model.decoder);
    let difference = (plain.clone() - run(embeds.clone(), &trained)).abs().max();
    assert!(difference.into_scalar::<f32>() < 1e-5);

    // A token does not see those behind it: with other tokens behind, the first rows stay.
    let other = Tensor::cat(
        vec![embeds.narrow(0, 0, 5), random([7, plain.dims()[1]])],
        0,
    );
    let changed = run(other, &trained);
    let first = (plain.narrow(0, 0, 5) - changed.narrow(0, 0, 5))
        .abs()
        .max();
    assert!(first.into_scalar::<f32>() < 1e-5);
}

#[test]
fn leaves_have_the_module_s_values() {
    let model = crate::load("tiny", "cpu");
    let decoder = leaves(&model.decoder);
    assert_eq!(decoder.num_params(), model.decoder.num_params());
    let leaf = decoder.embed_tokens.trainable().unwrap();
    assert!(leaf.is_require_grad());
    let values = |tensor: Tensor<2>| tensor.into_data().try_into_vec::<f32>().unwrap();
    let of_model = model.decoder.embed_tokens.trainable().unwrap();
    assert_eq!(values(leaf.inner()), values(of_model));
}
