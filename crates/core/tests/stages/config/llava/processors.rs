//! How a view is made of a picture: what the settings of each class say.

use inf_llava_core::image::{Filter, Normalise};
use inf_llava_core::spec::Fit;
use serde_json::{Value, json};

use super::{Files, anyres, fit, llava_1_5, onevision, vision};

#[test]
fn processors_say_how_a_view_is_made() {
    let as_processor = |class: &str, entries: Value| {
        let mut files = llava_1_5().with("preprocessor/image_processor_type", json!(class));
        for (name, value) in entries.as_object().expect("entries") {
            files = files.with(&format!("preprocessor/{name}"), value.clone());
        }
        fit(&files
            .read()
            .unwrap_or_else(|error| panic!("{class}: {error}")))
    };
    let pad = |short_px| Fit::Pad {
        colour: [122, 116, 104],
        short_px,
    };
    let square = json!({"height": 336, "width": 336});
    for (class, entries, expected) in [
        ("CLIPImageProcessor", json!({}), Fit::Crop { short_px: 336 }),
        (
            "CLIPImageProcessorFast",
            json!({"size": 400, "crop_size": 336}),
            Fit::Crop { short_px: 400 },
        ),
        // Its own class would not pad.
        (
            "CLIPImageProcessor",
            json!({"do_pad": true}),
            Fit::Crop { short_px: 336 },
        ),
        ("CLIPImageProcessor", json!({"size": square}), Fit::Squash),
        (
            "LlavaImageProcessor",
            json!({}),
            Fit::Crop { short_px: 336 },
        ),
        (
            "LlavaImageProcessor",
            json!({"do_pad": false}),
            Fit::Crop { short_px: 336 },
        ),
        ("LlavaImageProcessorFast", json!({"do_pad": true}), pad(336)),
        (
            "LlavaImageProcessor",
            json!({"do_pad": true, "size": 340}),
            pad(340),
        ),
        (
            "LlavaImageProcessor",
            json!({"do_pad": true, "size": square}),
            pad(336),
        ),
        // A square of that size loses nothing.
        (
            "LlavaImageProcessor",
            json!({"do_pad": true, "do_center_crop": false}),
            pad(336),
        ),
        ("SiglipImageProcessor", json!({"size": square}), Fit::Squash),
        ("SiglipImageProcessor", json!({"size": 336}), Fit::Squash),
    ] {
        assert_eq!(
            as_processor(class, entries.clone()),
            expected,
            "{class} {entries}"
        );
    }
    // Where the file names none, the tower tells.
    let unnamed = llava_1_5().without("preprocessor/image_processor_type");
    assert_eq!(
        fit(&unnamed.read().expect("CLIP's")),
        Fit::Crop { short_px: 336 }
    );
    let old = unnamed.with(
        "preprocessor/feature_extractor_type",
        json!("CLIPFeatureExtractor"),
    );
    assert_eq!(
        fit(&old.read().expect("CLIP's")),
        Fit::Crop { short_px: 336 }
    );
    let siglip =
        Files::of("llava-siglip-qwen2").without("processor/image_processor/image_processor_type");
    assert_eq!(fit(&siglip.read().expect("SigLIP's")), Fit::Squash);
    // Defaults of mean and deviation go with the processor, not with the tower.
    let bare = Files::of("llava-siglip-qwen2")
        .without("processor/image_processor/image_mean")
        .without("processor/image_processor/image_std");
    let normalise = |files: &Files| vision(&files.read().expect("a model")).pixels.normalise;
    assert_eq!(normalise(&bare), Normalise::HALVES);
    let mut bare = onevision();
    bare.preprocessor = Some(json!({"resample": 2}));
    assert_eq!(normalise(&bare), Normalise::CLIP);
    let bare = bare.read().expect("a model");
    assert_eq!(vision(&bare).pixels.filter, Filter::Bilinear);
    assert_eq!(
        anyres(&bare).several,
        Some(Fit::Pad {
            colour: [122, 116, 104],
            short_px: 384
        })
    );
}
