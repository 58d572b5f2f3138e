//! What is dead is dead, and passes are counted where the tower runs.

use burn::tensor::Tensor;
use inf_llava::config::Treatment;
use inf_llava::gpu::read::read;
use inf_llava::image::Picture;
use inf_llava::model::Model;
use inf_llava::progress::{Phase, StopFlag, Watch};
use inf_llava::recorder::Recorder;
use inf_llava::spec::Crop;
use inf_llava::spec::plan::{Coverage, LowSource};
use inf_llava::vision::dem::Features;
use inf_llava::{Error, progress::Event};

fn picture(model: &Model, fixture: &str) -> Picture {
    let bytes = std::fs::read(crate::fixture(fixture).join("images/0.png")).unwrap();
    model.decode_picture("0.png", &bytes).unwrap()
}

/// Replaces the crops that `alive` does not name by NaN: the whole of it, as the authors' dense code
/// would compute it, with every dead value poisoned.
fn poison(features: Tensor<3>, all: &[Crop], alive: &[Crop]) -> Tensor<3> {
    let [_, tokens, channels] = features.dims();
    let parts = all
        .iter()
        .enumerate()
        .map(|(index, crop)| match alive.contains(crop) {
            true => features.clone().narrow(0, index, 1),
            false => Tensor::full([1, tokens, channels], f32::NAN, &features.device()),
        });
    Tensor::cat(parts.collect(), 0)
}

fn keep(features: Tensor<3>, all: &[Crop], alive: &[Crop]) -> Tensor<3> {
    let parts = all
        .iter()
        .enumerate()
        .filter(|(_, crop)| alive.contains(crop))
        .map(|(index, _)| features.clone().narrow(0, index, 1));
    Tensor::cat(parts.collect(), 0)
}

/// NaN in every dead crop changes nothing: the dense computation on poisoned features gives the same
/// tokens as the clean one, and so does the live one.
#[test]
fn nan_in_dead_crops_changes_nothing() {
    for device in ["cpu", "wgpu"] {
        for fixture in ["tiny", "tiny-n2-bf16", "tiny-n4-f16", "released-geometry"] {
            let model = crate::load(fixture, device);
            let picture = picture(&model, fixture);
            let [live, dense] = [Coverage::Live, Coverage::Dense].map(|coverage| {
                let plan = model.vision().unwrap().plan(Treatment::only(coverage));
                plan.unwrap()
            });
            let views = crate::views(&model, &picture, Coverage::Dense);
            let (watch, off) = (&mut Watch::nobody(), &mut Recorder::off());
            let passes =
                crate::block_on(model.vision().unwrap().features(&views, watch, off)).unwrap();
            let clean = Features::from_passes(dense, passes);
            let tokens = |features: &Features, coverage| {
                let treatment = Treatment::only(coverage);
                let dem = model.vision().unwrap().dem().unwrap();
                let tokens = dem.modules.forward(dem.prepared(treatment), features);
                crate::block_on(read(tokens)).unwrap()
            };
            let expected = tokens(&clean, Coverage::Dense);

            let (locals, globals) = (dense.local_crops(), dense.global_crops());
            let both = clean.local.clone().zip(clean.global.clone());
            let (local, global) = both.expect("both perspectives");
            let local = poison(local, &locals, &live.local_crops());
            let global = poison(global, &globals, &live.global_crops());
            let poisoned = Features {
                local: Some(local.clone()),
                global: Some(global.clone()),
                low: clean.low.clone(),
            };
            let dead = dense.passes().len() - live.passes().len();
            let close = |found: &[f32], what: &str| {
                let largest = found
                    .iter()
                    .zip(&expected)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0f32, |m, e| if e.is_nan() { e } else { m.max(e) });
                assert!(
                    largest <= 1e-5,
                    "{what}: {fixture} on {device}, {dead} dead passes: {largest}"
                );
            };
            close(&tokens(&poisoned, Coverage::Dense), "dense");

            // What the live plan keeps of the poisoned features, low from where it says.
            let global = keep(global, &globals, &live.global_crops());
            let low = match live.low {
                LowSource::OwnPass | LowSource::Unused => clean.low.clone(),
                LowSource::GlobalCrop(index) => {
                    Some(global.clone().narrow(0, index, 1).squeeze_dim(0))
                }
            };
            let kept = Features {
                local: Some(keep(local, &locals, &live.local_crops())),
                global: Some(global),
                low,
            };
            close(&tokens(&kept, Coverage::Live), "live");
        }
    }
}

#[test]
fn passes_are_counted_and_reported() {
    for (fixture, live, dense) in [
        ("tiny", 10, 19),
        ("tiny-n2-bf16", 9, 9),
        ("tiny-n4-f16", 21, 33),
    ] {
        let model = crate::load(fixture, "cpu");
        let picture = picture(&model, fixture);
        for (coverage, expected) in [(Coverage::Live, live), (Coverage::Dense, dense)] {
            let mut last = None;
            let mut watch = Watch::new(StopFlag::default(), |event| last = Some(event));
            let encoded = crate::block_on(model.vision().unwrap().encode(
                &crate::views(&model, &picture, coverage),
                &mut watch,
                &mut Recorder::off(),
            ))
            .unwrap();
            drop(watch);
            assert_eq!(encoded.vision_passes, expected, "{fixture} {coverage:?}");
            let total = expected as u64;
            assert_eq!(
                last,
                Some(Event::Progress {
                    phase: Phase::Vision,
                    done: total,
                    total
                })
            );
        }
    }
}

/// Stop is heard between passes: the released geometry runs them one by one.
#[test]
fn stops_between_passes() {
    let model = crate::load("released-geometry", "cpu");
    let picture = picture(&model, "released-geometry");
    let stop = StopFlag::default();
    let handle = stop.clone();
    let mut passes = 0;
    let mut watch = Watch::new(stop, |event| {
        if let Event::Progress {
            phase: Phase::Vision,
            done,
            ..
        } = event
        {
            passes = done;
            if done == 3 {
                handle.stop();
            }
        }
    });
    let result = crate::block_on(model.vision().unwrap().encode(
        &crate::views(&model, &picture, Coverage::Live),
        &mut watch,
        &mut Recorder::off(),
    ));
    drop(watch);
    assert_eq!(result.err(), Some(Error::Stopped));
    assert_eq!(passes, 3);
}
