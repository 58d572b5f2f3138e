//! Training: what moves and what is frozen, what is learnt, resuming, and what goes wrong.

use inf_llava::spec::Weight;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use inf_llava::config::Config;
use inf_llava::error::Error;
use inf_llava::progress::StopFlag;
use inf_llava_cli::scenes::{SceneOptions, write_folder};
use inf_llava_cli::train::checkpoint::{MODEL_FILE, read_companions, read_tensors};
use inf_llava_cli::train::file::{Kind, Stage, TemplateName};
use inf_llava_cli::train::init::{Weights, initial_weights};
use inf_llava_cli::train::run::Report;
use inf_llava_cli::train::stage::{Ended, Project};
use inf_llava_cli::train::workers::Workers;
use tempfile::TempDir;

use crate::fixture;

fn cpu() -> Device {
    crate::device("cpu").device
}

/// A stage of the tiny fixture's size.
pub fn stage(kind: Kind, steps: u64) -> Stage {
    Stage {
        name: "stage".into(),
        kind,
        steps,
        units: 2,
        learning_rate: 2e-3,
        warm_up: 0.1,
        final_share: 0.0,
        weight_decay: 0.0,
        clip_norm: 1.0,
        template: None,
        facts_share: 0.0,
        descriptions: None,
        noise: 0.0,
        every_token: false,
        inf_llava: Default::default(),
        scenes_per_unit: 1,
        first_scene: 0,
        pictures: 4,
        questions: 2,
        families: Vec::new(),
        often: Vec::new(),
        leave_out: Vec::new(),
        data: None,
        images: None,
    }
}

/// A project that begins from the fixture's weights and writes to `out`.
pub fn project(out: &Path) -> Project {
    let model = fixture("tiny");
    let companions = read_companions(&model).unwrap();
    let workers = Workers::new(2).unwrap();
    Project::new(&model, companions, 7, out, cpu(), workers).unwrap()
}

/// Runs a stage to its end; gives the reported losses.
pub fn train(project: &mut Project, stage: &Stage) -> Result<Vec<f64>, Error> {
    let mut losses = Vec::new();
    let mut on_report = |report: &Report| losses.push(report.loss);
    let ended = project.run(stage, &mut on_report, &mut |_| {}, &StopFlag::default())?;
    assert_eq!(ended, Ended::Finished);
    Ok(losses)
}

fn written(out: &TempDir, file: &str) -> Vec<u8> {
    std::fs::read(out.path().join("stage").join(file)).unwrap()
}

// --- what moves ----------------------------------------------------------------------------------

#[test]
fn gradients_reach_every_parameter() {
    let out = TempDir::new().unwrap();
    let mut project = project(out.path());
    // The first update moves whatever has a gradient: AdamW's first step has the same size for all.
    let before = project.weights.clone();
    let mut one = stage(Kind::Instruction, 1);
    one.units = 6;
    train(&mut project, &one).unwrap();
    // Softmax does not see what is added to every score alike.
    let blind = |name: &str| name.ends_with("attention.linears.1.bias");
    let vocabulary = |name: &str| name.contains("embed_tokens") || name == "lm_head.weight";
    for Weight { name, .. } in project
        .config
        .decoder
        .weights()
        .into_iter()
        .chain(project.config.dual().unwrap().dem.projector_weights())
        .chain(project.config.dual().unwrap().dem.enhancement_weights())
    {
        let (old, new) = (&before[&name].values, &project.weights[&name].values);
        let still = old.iter().zip(new).filter(|(a, b)| a == b).count();
        if !blind(&name) && !vocabulary(&name) {
            assert!(
                still * 20 < old.len(),
                "{name}: {still} of {} did not move",
                old.len()
            );
        }
    }
}

fn moved(before: &Weights, after: &Weights, prefix: &str) -> (usize, usize) {
    let mut counts = (0, 0);
    for (name, tensor) in before.iter().filter(|(name, _)| name.starts_with(prefix)) {
        counts.1 += 1;
        if after[name] != *tensor {
            counts.0 += 1;
        }
    }
    assert!(counts.1 > 0, "no tensor begins with {prefix}");
    counts
}

#[test]
fn frozen_parts_do_not_move() {
    let tower = "model.vision_tower";
    let decoder = "model.layers";
    for (kind, still, moving) in [
        (
            Kind::Tower,
            vec![decoder, "model.spatial_embed", "lm_head"],
            vec![tower],
        ),
        (
            Kind::Language,
            vec![tower, "model.spatial_embed", "model.mm_projector"],
            vec![decoder],
        ),
        (
            Kind::Words,
            vec![tower, "model.spatial_embed", "model.mm_projector"],
            vec![decoder, "model.embed_tokens"],
        ),
        (
            Kind::Naming,
            vec![tower, decoder, "lm_head", "model.embed_tokens"],
            vec!["model.spatial_embed", "model.mm_projector"],
        ),
        (
            Kind::Alignment,
            vec![tower, decoder, "lm_head", "model.embed_tokens"],
            vec!["model.spatial_embed", "model.mm_projector"],
        ),
        (
            Kind::Instruction,
            vec![tower],
            vec![
                "model.spatial_embed",
                "model.mm_projector",
                decoder,
                "lm_head",
            ],
        ),
    ] {
        let out = TempDir::new().unwrap();
        let mut project = project(out.path());
        let before = project.weights.clone();
        // The tower's heads begin from zeros: it has a gradient from the second step on, and the last
        // step's rate is zero.
        train(&mut project, &stage(kind, 3)).unwrap();
        let saved = read_tensors(&out.path().join("stage").join(MODEL_FILE)).unwrap();
        assert_eq!(
            saved, project.weights,
            "{kind:?}: the folder is not what was trained"
        );
        for prefix in still {
            assert_eq!(
                moved(&before, &saved, prefix).0,
                0,
                "{kind:?} moved {prefix}"
            );
        }
        for prefix in moving {
            let (count, of) = moved(&before, &saved, prefix);
            assert!(
                count * 10 > of * 8,
                "{kind:?} moved {count} of {of} of {prefix}"
            );
        }
    }
}

#[test]
fn a_fresh_start_takes_no_weights_from_the_folder() {
    let out = TempDir::new().unwrap();
    let mut project = project(out.path());
    let name = "model.embed_tokens.weight";
    let first = initial_weights(&project.config, project.seed);
    assert_ne!(project.weights[name], first[name]);
    project.begin_anew();
    assert_eq!(project.weights, first);
}

#[test]
fn a_stage_may_have_a_configuration_of_its_own() {
    let out = TempDir::new().unwrap();
    let mut project = project(out.path());
    let before = project.weights.clone();
    let mut plain = stage(Kind::Instruction, 2);
    plain.inf_llava = [("crops_per_side", 1.into()), ("modules", "none".into())]
        .map(|(name, value): (&str, serde_json::Value)| (name.to_string(), value))
        .into();
    train(&mut project, &plain).unwrap();
    // Its folder is a model of that configuration; the enhancement waits for its turn.
    let json: serde_json::Value = serde_json::from_slice(&written(&out, "config.json")).unwrap();
    assert_eq!(json["inf_llava"]["crops_per_side"], 1);
    assert_eq!(moved(&before, &project.weights, "model.spatial_embed").0, 0);
    assert!(moved(&before, &project.weights, "model.mm_projector").0 > 0);
    assert_eq!(project.config.dual().unwrap().crops_per_side, 3);
}

#[test]
fn the_loss_falls() {
    for kind in [
        Kind::Tower,
        Kind::Language,
        Kind::Words,
        Kind::Naming,
        Kind::Alignment,
        Kind::Instruction,
    ] {
        let out = TempDir::new().unwrap();
        let mut project = project(out.path());
        let mut twenty = stage(kind, 20);
        twenty.pictures = 2;
        let losses = train(&mut project, &twenty).unwrap();
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (mean(&losses[..4]), mean(&losses[16..]));
        assert!(last < 0.9 * first, "{kind:?}: {first} to {last}");
    }
}

#[test]
fn a_share_of_the_conversations_is_put_as_facts() {
    let losses = |change: &dyn Fn(&mut Stage)| {
        let out = TempDir::new().unwrap();
        let mut four = stage(Kind::Words, 4);
        change(&mut four);
        train(&mut project(out.path()), &four).unwrap()
    };
    let all = losses(&|stage| stage.facts_share = 1.0);
    let facts = losses(&|stage| stage.template = Some(TemplateName::Facts));
    assert_eq!(all, facts);
    // One of two units: the first step has one of each.
    let (half, none) = (losses(&|stage| stage.facts_share = 0.5), losses(&|_| {}));
    assert!(half[0] != none[0] && half[0] != all[0]);
}

/// The cosine of two rows.
fn likeness(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn attention_begins_by_looking_for_what_is_like_the_token() {
    let model = fixture("tiny");
    let companions = read_companions(&model).unwrap();
    let config = Config::from_json(&companions["config.json"], None).unwrap();
    let weights = initial_weights(&config, 3);
    let row = |name: &str, row: usize| {
        let tensor = &weights[name];
        let columns = tensor.shape[1];
        tensor.values[row * columns..(row + 1) * columns].to_vec()
    };
    // The slowest channel of the first head: its pair is the last.
    let slow = config.decoder.head_dim / 2 - 1;
    for (row_index, wanted) in [(slow, 0.8..1.0), (0, -1.0..-0.8)] {
        let queries = row("model.layers.0.self_attn.q_proj.weight", row_index);
        let keys = row("model.layers.0.self_attn.k_proj.weight", row_index);
        let found = likeness(&queries, &keys);
        assert!(wanted.contains(&found), "channel {row_index}: {found}");
    }
    // The last head has a beginning of its own.
    let last = config.decoder.num_attention_heads * config.decoder.head_dim - 1;
    let last_keys = config.decoder.num_key_value_heads * config.decoder.head_dim - 1;
    let queries = row("model.layers.0.self_attn.q_proj.weight", last);
    let keys = row("model.layers.0.self_attn.k_proj.weight", last_keys);
    assert!(likeness(&queries, &keys).abs() < 0.6);
    let said = row("lm_head.weight", 17);
    assert!(likeness(&said, &row("model.embed_tokens.weight", 17)) > 0.8);
    assert!(likeness(&said, &row("model.embed_tokens.weight", 18)) < 0.6);
}

// --- resuming ------------------------------------------------------------------------------------

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    for kind in [Kind::Tower, Kind::Instruction] {
        let six = stage(kind, 6);
        let whole = TempDir::new().unwrap();
        train(&mut project(whole.path()), &six).unwrap();

        let parts = TempDir::new().unwrap();
        let stop = StopFlag::default();
        let mut stop_at_three = |report: &Report| {
            if report.step == 3 {
                stop.stop();
            }
        };
        let ended = project(parts.path()).run(&six, &mut stop_at_three, &mut |_| {}, &stop);
        assert_eq!(ended.unwrap(), Ended::Stopped);
        assert_ne!(written(&parts, MODEL_FILE), written(&whole, MODEL_FILE));
        let mut resumed = project(parts.path());
        let mut steps = Vec::new();
        resumed
            .run(
                &six,
                &mut |r| steps.push(r.step),
                &mut |_| {},
                &StopFlag::default(),
            )
            .unwrap();
        assert_eq!(steps, [4, 5, 6]);
        for file in [MODEL_FILE, "training.safetensors", "training.json"] {
            assert!(
                written(&parts, file) == written(&whole, file),
                "{kind:?}: {file} differs"
            );
        }
    }
}

#[test]
fn a_checkpoint_of_other_settings_is_refused() {
    let out = TempDir::new().unwrap();
    train(&mut project(out.path()), &stage(Kind::Tower, 2)).unwrap();

    let mut faster = stage(Kind::Tower, 2);
    faster.learning_rate = 5e-3;
    let error = train(&mut project(out.path()), &faster).unwrap_err();
    assert!(
        matches!(&error, Error::Resume { field, .. } if field == "stage.learning_rate"),
        "{error}"
    );

    let mut other = project(out.path());
    let json = other.companions.get_mut("config.json").unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(json).unwrap();
    config["inf_llava"]["dem_heads"] = 4.into();
    *json = serde_json::to_vec(&config).unwrap();
    other.config = Config::from_json(json, None).unwrap();
    let error = train(&mut other, &stage(Kind::Tower, 2)).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("inf_llava.dem_heads is 8 there and 4 here"),
        "{message}"
    );
}

#[test]
fn a_checkpoint_of_other_sizes_is_refused_by_the_entry_and_not_by_a_tensor() {
    let out = TempDir::new().unwrap();
    train(&mut project(out.path()), &stage(Kind::Language, 2)).unwrap();
    let mut wider = project(out.path());
    let json = wider.companions.get_mut("config.json").unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(json).unwrap();
    config["intermediate_size"] = 256.into();
    *json = serde_json::to_vec(&config).unwrap();
    let error = train(&mut wider, &stage(Kind::Language, 2)).unwrap_err();
    assert!(
        matches!(&error, Error::Resume { field, .. } if field == "config.json.intermediate_size"),
        "{error}"
    );
}

#[test]
fn a_finished_stage_is_read_and_not_written_again() {
    let out = TempDir::new().unwrap();
    train(&mut project(out.path()), &stage(Kind::Language, 2)).unwrap();
    let file = out.path().join("stage").join(MODEL_FILE);
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    let mut again = project(out.path());
    train(&mut again, &stage(Kind::Language, 2)).unwrap();
    assert_eq!(again.weights, read_tensors(&file).unwrap());
    assert_eq!(
        std::fs::metadata(&file).unwrap().modified().unwrap(),
        written
    );
}

#[test]
fn a_save_that_was_cut_off_leaves_the_one_before() {
    let out = TempDir::new().unwrap();
    train(&mut project(out.path()), &stage(Kind::Tower, 2)).unwrap();
    let folder = out.path().join("stage");
    // Cut off between the two renames.
    std::fs::rename(&folder, out.path().join("stage.old")).unwrap();
    std::fs::create_dir(out.path().join("stage.next")).unwrap();
    assert!(inf_llava_cli::train::checkpoint::exists(&folder));
    assert!(folder.join(MODEL_FILE).is_file());
}

#[test]
fn a_diverged_run_stops_and_keeps_the_last_checkpoint() {
    let out = TempDir::new().unwrap();
    let mut project = project(out.path());
    project.checkpoint_every = std::time::Duration::ZERO;
    let mut wild = stage(Kind::Language, 50);
    wild.learning_rate = 1e30;
    wild.warm_up = 0.0;
    let error = train(&mut project, &wild).unwrap_err();
    let Error::Diverged { step, .. } = error else {
        panic!("{error}");
    };
    let progress =
        inf_llava_cli::train::checkpoint::read_progress(&out.path().join("stage")).unwrap();
    assert_eq!(progress.step, step - 1);
    let saved = read_tensors(&out.path().join("stage").join(MODEL_FILE)).unwrap();
    assert!(
        saved
            .values()
            .all(|tensor| tensor.values.iter().all(|v| v.is_finite()))
    );
}

// --- data ----------------------------------------------------------------------------------------

/// A folder of scenes in LLaVA's format, and its list.
fn llava_folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("data");
    let written = write_folder(&target, 3, 3, &SceneOptions::default(), 2, |_| {}).unwrap();
    (folder, written.list)
}

#[test]
fn a_llava_file_can_be_learnt_from_and_what_is_wrong_with_it_is_told() {
    let (folder, list) = llava_folder();
    let mut json: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(&list).unwrap()).unwrap();
    json[1]["image"] = "images/none.png".into();
    std::fs::write(&list, serde_json::to_vec(&json).unwrap()).unwrap();

    let out = TempDir::new().unwrap();
    let mut tuned = stage(Kind::Instruction, 20);
    tuned.data = Some(list.clone());
    tuned.images = Some(folder.path().join("data"));
    let (mut losses, mut notes) = (Vec::new(), Vec::new());
    project(out.path())
        .run(
            &tuned,
            &mut |report| losses.push(report.loss),
            &mut |note| notes.push(note.to_string()),
            &StopFlag::default(),
        )
        .unwrap();
    assert!(losses[19] < 0.9 * losses[0], "{losses:?}");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].contains("1 of 3") && notes[0].contains("none.png"),
        "{}",
        notes[0]
    );

    // Without their pictures the entries still have a slot for them.
    tuned.kind = Kind::Language;
    let losses = train(&mut project(TempDir::new().unwrap().path()), &tuned).unwrap();
    assert!(losses[19] < 0.9 * losses[0], "{losses:?}");

    let mut strict = project(TempDir::new().unwrap().path());
    strict.on_bad = inf_llava::dataset::OnBadRecord::Refuse;
    let error = train(&mut strict, &tuned).unwrap_err();
    assert_eq!(error.code(), "bad-record", "{error}");
}

#[test]
fn features_are_kept_and_torn_ones_computed_again() {
    let out = TempDir::new().unwrap();
    let whole = TempDir::new().unwrap();
    train(&mut project(out.path()), &stage(Kind::Alignment, 2)).unwrap();
    let file = std::fs::read_dir(out.path().join("features"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .next()
        .unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    assert!(bytes.iter().any(|&byte| byte != 0));
    bytes[40] ^= 1;
    std::fs::write(&file, &bytes).unwrap();

    let mut again = project(whole.path());
    again.features = out.path().join("features");
    train(&mut again, &stage(Kind::Alignment, 2)).unwrap();
    assert!(written(&out, MODEL_FILE) == written(&whole, MODEL_FILE));
}

// --- files ---------------------------------------------------------------------------------------
