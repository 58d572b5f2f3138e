//! The paper's ablations in `config.json`: what is chosen, and that nothing else is taken for a choice.

use inf_llava_core::Error;
use inf_llava_core::config::Config;
use inf_llava_core::spec::{Ablation, Dem, Directions, Fusion, Modules, Pooling};
use serde_json::{Value, json};

use super::{read, refused, tiny};

/// `tiny` with `block` added to `inf_llava`.
fn ablated(block: Value) -> Result<Config, Error> {
    let mut config = tiny();
    for (name, value) in block.as_object().expect("object") {
        config["inf_llava"][name] = value.clone();
    }
    read(&config, None)
}

#[test]
fn the_papers_ablations_are_choices() {
    let choices = |block| {
        ablated(block)
            .expect("a configuration")
            .dual()
            .expect("INF-LLaVA")
            .dem
            .ablation
    };
    assert_eq!(choices(json!({})), Ablation::default());
    assert_eq!(Ablation::default().departures(), None);
    let release = json!({
        "low_resolution": true, "pooling": "bilinear", "modules": "dcm_dem",
        "enhancement": "both", "fusion": "linear_concat", "dem": "released",
    });
    assert_eq!(choices(release), Ablation::default());
    let other = choices(json!({
        "low_resolution": false, "pooling": "average", "enhancement": "local",
        "fusion": "conv3x3", "dem": "paper",
    }));
    let expected = Ablation {
        low_resolution: false,
        pooling: Pooling::Average,
        modules: Modules::DcmDem,
        directions: Directions::Local,
        fusion: Fusion::Conv3x3,
        dem: Dem::Paper,
    };
    assert_eq!(other, expected);
    let words =
        "low_resolution false, pooling average, enhancement local, fusion conv3x3, dem paper";
    assert_eq!(other.departures().as_deref(), Some(words));
    // Every name is read back as what it names.
    for &fusion in Fusion::ALL {
        assert_eq!(Fusion::from_name(fusion.name()), Some(fusion));
        assert_eq!(choices(json!({"fusion": fusion.name()})).fusion, fusion);
    }
    for &modules in Modules::ALL {
        assert_eq!(choices(json!({"modules": modules.name()})).modules, modules);
    }
}

#[test]
fn unknown_choices_and_entries_are_refused_by_name() {
    for (entry, supported) in [
        ("pooling", "bilinear, average"),
        ("modules", "dcm_dem, local, global, local_global, none"),
        ("enhancement", "both, global, local"),
        (
            "fusion",
            "linear_concat, conv3x3, multiplication, weighted_addition, maxpool, addition",
        ),
        ("dem", "released, paper"),
    ] {
        for value in ["", "Average", "max"] {
            let name = format!("inf_llava.{entry}");
            let written = format!("{value:?}");
            refused(
                ablated(json!({entry: value})),
                &[&name, &written, supported],
            );
        }
        refused(ablated(json!({entry: 1})), &["config.json"]);
    }
    refused(ablated(json!({"low_resolution": "no"})), &["config.json"]);
    refused(
        ablated(json!({"poolng": "average"})),
        &["poolng", "pooling"],
    );
}

/// What is stated about a part that is not there would be taken for computed.
#[test]
fn choices_about_nothing_are_refused() {
    for (block, words) in [
        (
            json!({"modules": "local", "fusion": "addition"}),
            ["fusion", "local"],
        ),
        (
            json!({"modules": "global", "dem": "paper"}),
            ["dem", "global"],
        ),
        (
            json!({"modules": "local_global", "enhancement": "global"}),
            ["enhancement", "local_global"],
        ),
        (
            json!({"modules": "none", "pooling": "average"}),
            ["pooling", "none"],
        ),
        (
            json!({"modules": "none", "low_resolution": false}),
            ["low_resolution", "none"],
        ),
    ] {
        refused(ablated(block), &words);
    }
    // The release's values go with everything.
    for &modules in Modules::ALL {
        let block =
            json!({"modules": modules.name(), "fusion": "linear_concat", "dem": "released"});
        assert!(ablated(block).is_ok(), "{modules:?}");
    }
}
