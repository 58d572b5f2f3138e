//! The paper's ablations between tower and projector, against PyTorch on whole maps
//! (`tests/reference/write_ablations.py`), live and dense, on both devices.

use inf_llava::spec::DEM;
use inf_llava::spec::Weight;
use std::collections::{BTreeMap, HashMap};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use inf_llava::config::Config;
use inf_llava::gpu::read::read;
use inf_llava::load::Builder;
use inf_llava::progress::Watch;
use inf_llava::recorder::Recorder;
use inf_llava::spec::Crop;
use inf_llava::spec::plan::{Coverage, Plan};
use inf_llava::vision::dem::{DemConnector, Features, Prepared};
use inf_llava::weights::checkpoint::Checkpoint;
use inf_llava::weights::folder::Folder;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::Deserialize;
use serde_json::{Value, json};

/// Largest absolute error. Values are of order 1; both compute in f32 and differ in the order of sums.
const LIMIT: f32 = 2e-5;

/// One configuration.
#[derive(Deserialize)]
struct Case {
    name: String,
    features: String,
    tokens_per_side: usize,
    inf_llava: Value,
}

struct Fixture {
    tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
    cases: Vec<Case>,
}

impl Fixture {
    fn read() -> Self {
        let bytes = std::fs::read(crate::fixture("ablations").join("ablations.safetensors"));
        let bytes = bytes.expect("the fixture");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
        let metadata = header.metadata().as_ref().expect("metadata");
        let cases: Vec<Case> = serde_json::from_str(&metadata["cases"]).expect("the cases");
        assert!(cases.len() > 30);
        let file = SafeTensors::deserialize(&bytes).expect("tensors");
        let tensors = file.tensors().into_iter().map(|(name, view)| {
            let values = view.data().as_chunks().0.iter();
            let values = values.map(|&chunk| f32::from_le_bytes(chunk)).collect();
            (name, (view.shape().to_vec(), values))
        });
        Fixture {
            tensors: tensors.collect(),
            cases,
        }
    }

    fn values(&self, name: &str) -> &[f32] {
        &self.tensors[name].1
    }

    /// The fixture's sizes in a configuration that is otherwise that of `tiny`.
    fn config(&self, case: &Case) -> Config {
        let json = std::fs::read(crate::fixture("tiny").join("config.json")).expect("fixture");
        let mut json: Value = serde_json::from_slice(&json).expect("JSON");
        let channels = self.tensors["model.spatial_embed.ln_fuse.weight"].0[0];
        let hidden = self.tensors["model.mm_projector.0.bias"].0[0];
        for (name, value) in [
            ("hidden_size", hidden),
            ("num_attention_heads", 2),
            ("mm_hidden_size", channels),
        ] {
            json[name] = value.into();
        }
        json["vision_config"]["hidden_size"] = channels.into();
        json["vision_config"]["image_size"] = (14 * case.tokens_per_side).into();
        json["inf_llava"] = case.inf_llava.clone();
        Config::from_json(json.to_string().as_bytes(), None).expect("a configuration")
    }

    /// The modules, from a checkpoint that holds the tensors of this configuration and no other.
    fn connector(&self, config: &Config, device: &Device) -> DemConnector {
        let stored: BTreeMap<String, (Vec<usize>, Vec<u8>)> = config
            .weights()
            .into_iter()
            .map(|Weight { name, shape, .. }| {
                let bytes = match self.tensors.get(&name) {
                    Some((of, values)) => {
                        assert_eq!(*of, shape, "{name}");
                        values.iter().flat_map(|v| v.to_le_bytes()).collect()
                    }
                    // Of the tower and the decoder, which nothing here runs.
                    None => vec![0; 4 * shape.iter().product::<usize>()],
                };
                (name, (shape, bytes))
            })
            .collect();
        let views = stored.iter().map(|(name, (shape, bytes))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            (name, view.expect("a tensor"))
        });
        let folder = tempfile::tempdir().expect("a folder");
        let file = serialize(views, None).expect("a file");
        std::fs::write(folder.path().join("model.safetensors"), file).expect("a file");
        crate::block_on(async {
            let checkpoint = Checkpoint::open(Folder::new(folder.path())).await?;
            let mut watch = Watch::nobody();
            let weights = config.weights();
            let mut builder = Builder::new(&checkpoint, &weights, device, &mut watch)?;
            DemConnector::load(config.dual().unwrap().dem, &mut builder).await
        })
        .expect("the modules")
    }

    /// What the tower gives for each of `passes`, `[passes, h * h, C]`.
    fn passes(&self, case: &Case, plan: &Plan, device: &Device) -> Tensor<3> {
        let part = |name: &str| {
            let (shape, values) = &self.tensors[&format!("{}.features_{name}", case.features)];
            let [.., tokens, channels] = shape[..] else {
                panic!("{shape:?}")
            };
            let crops = values.len() / tokens / channels;
            let data = TensorData::new(values.clone(), [crops, tokens, channels]);
            Tensor::<3>::from_data(data, device)
        };
        let n = plan.crops_per_side;
        let passes = plan.passes().into_iter().map(|crop| match crop {
            Crop::Local(r, c) => part("local").narrow(0, r * n + c, 1),
            Crop::Global(r, c) => part("global").narrow(0, r * n + c, 1),
            Crop::Low => part("low"),
        });
        Tensor::cat(passes.collect(), 0)
    }
}

fn close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(expected.iter().any(|v| v.abs() > 0.1), "{what}: nothing");
    let errors = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let largest = errors.fold(0.0f32, |max, e| if e.is_nan() { e } else { max.max(e) });
    assert!(largest <= LIMIT, "{what}: {largest}");
}

#[test]
fn every_choice_agrees_with_pytorch() {
    let fixture = Fixture::read();
    for name in ["cpu", "wgpu"] {
        let device = crate::device(name).device;
        for case in &fixture.cases {
            let config = fixture.config(case);
            let modules = fixture.connector(&config, &device);
            for coverage in [Coverage::Live, Coverage::Dense] {
                let prepared = Prepared::new(&config.dual().unwrap(), coverage, &device);
                let passes = fixture.passes(case, &prepared.plan, &device);
                let features = Features::from_passes(&prepared.plan, passes);
                let mut recorder = Recorder::on();
                modules.forward_recorded(&prepared, &features, &mut recorder);
                let stages = crate::block_on(recorder.into_stages()).expect("stages");
                for stage in ["merged", "visual_tokens"] {
                    let key = format!("{}.{stage}", case.name);
                    let what = format!("{key}, {coverage:?} on {name}");
                    close(&what, &stages[stage].values, fixture.values(&key));
                }
            }
        }
    }
}

/// Each pass of a live plan reaches the output: what could be left out is left out.
#[test]
fn nothing_dead_is_computed() {
    let fixture = Fixture::read();
    let device = crate::device("cpu").device;
    for case in &fixture.cases {
        let config = fixture.config(case);
        let modules = fixture.connector(&config, &device);
        let prepared = Prepared::new(&config.dual().unwrap(), Coverage::Live, &device);
        let passes = fixture.passes(case, &prepared.plan, &device);
        let tokens = |passes: Tensor<3>| {
            let features = Features::from_passes(&prepared.plan, passes);
            crate::block_on(read(modules.forward(&prepared, &features))).expect("tokens")
        };
        let clean = tokens(passes.clone());
        for (index, crop) in prepared.plan.passes().into_iter().enumerate() {
            let [_, height, channels] = passes.dims();
            let ranges = [index..index + 1, 0..height, 0..channels];
            let other = passes.clone().slice(ranges.clone()).sin();
            let changed = tokens(passes.clone().slice_assign(ranges, other));
            assert_ne!(changed, clean, "{}: {crop:?} is dead", case.name);
        }
    }
}

#[derive(Default)]
struct Collect(Vec<(Vec<usize>, Vec<f32>)>);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let values = crate::block_on(read(value.clone())).expect("values");
        self.0.push((value.dims().to_vec(), values));
    }
}

/// Training takes the names in the order of the modules' fields.
#[test]
fn fields_are_in_the_order_of_the_names() {
    let fixture = Fixture::read();
    let device = crate::device("cpu").device;
    for case in &fixture.cases {
        let config = fixture.config(case);
        let mut found = Collect::default();
        fixture.connector(&config, &device).visit(&mut found);
        let names = config.vision.as_ref().unwrap().connector.weights();
        let expected: Vec<_> = names
            .iter()
            .map(|Weight { name, shape, .. }| (shape.clone(), fixture.values(name).to_vec()))
            .collect();
        assert!(found.0 == expected, "{}: {names:?}", case.name);
    }
}

struct Leaves;

impl ModuleMapper for Leaves {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| value.autodiff().require_grad())
    }
}

struct Largest<'a>(&'a burn::tensor::Gradients, Vec<f32>);

impl ModuleVisitor for Largest<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.0).expect("a gradient");
        let values = crate::block_on(read(gradient)).expect("values");
        let largest = values.iter().fold(0.0f32, |max, v| max.max(v.abs()));
        assert!(values.iter().all(|v| v.is_finite()));
        self.1.push(largest);
    }
}

/// Every parameter of every configuration learns, on whichever device: a kernel that broke the graph
/// would leave none to what lies before it.
#[test]
fn every_parameter_has_a_gradient() {
    let fixture = Fixture::read();
    for name in ["cpu", "wgpu"] {
        let device = crate::device(name).device;
        let some = ["released", "paper", "fusion_conv3x3", "fusion_maxpool"];
        for case in &fixture.cases {
            if name == "wgpu" && !some.contains(&case.name.as_str()) {
                continue;
            }
            let config = fixture.config(case);
            let prepared = Prepared::new(&config.dual().unwrap(), Coverage::Live, &device);
            let modules = fixture.connector(&config, &device).map(&mut Leaves);
            let passes = fixture.passes(case, &prepared.plan, &device).autodiff();
            let features = Features::from_passes(&prepared.plan, passes);
            let tokens = modules.forward(&prepared, &features);
            let gradients = (tokens.clone() * tokens).sum().backward();
            let mut largest = Largest(&gradients, Vec::new());
            modules.visit(&mut largest);
            let names = config.vision.as_ref().unwrap().connector.weights();
            assert_eq!(largest.1.len(), names.len());
            for (
                largest,
                Weight {
                    name: parameter, ..
                },
            ) in largest.1.iter().zip(&names)
            {
                // The keys' bias adds the same to all scores of a query: softmax does not see it.
                let unseen = parameter.ends_with(".linears.1.bias");
                let what = format!("{}, {parameter} on {name}: {largest}", case.name);
                assert!(unseen || *largest > 1e-4, "{what}");
            }
        }
    }
}

/// A checkpoint of one configuration lacks what another needs, by name.
#[test]
fn a_checkpoint_of_another_configuration_is_refused() {
    let fixture = Fixture::read();
    let case = |block: Value| Case {
        name: String::new(),
        features: String::new(),
        tokens_per_side: 3,
        inf_llava: block,
    };
    let names = |block: Value| -> Vec<String> {
        let config = fixture.config(&case(block));
        let names = config.dual().unwrap().dem.enhancement_weights().into_iter();
        names.map(|weight| weight.name).collect()
    };
    let released = names(json!({"dem_heads": 2}));
    assert_eq!(released.len(), 20);
    for (block, own) in [
        (json!({"dem": "paper"}), "attention_local.linears.3.bias"),
        (json!({"fusion": "conv3x3"}), "conv_fuse.weight"),
        (json!({"fusion": "weighted_addition"}), "weight_crop"),
    ] {
        let mut block = block;
        block["dem_heads"] = 2.into();
        let own = format!("{DEM}.{own}");
        assert!(
            names(block).contains(&own) && !released.contains(&own),
            "{own}"
        );
    }
    for modules in ["local", "global", "local_global", "none"] {
        let block = json!({"dem_heads": 2, "modules": modules});
        assert!(names(block).is_empty(), "{modules}");
    }
}
