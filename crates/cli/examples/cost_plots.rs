//! Plots what the cost of an answer depends on: `cargo run --release --example cost_plots`.
//! Measures on a GPU, otherwise on a software adapter, prints the figures, and writes
//! docs/plots/*.svg.

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use inf_llava::bench::{Asked, median, time_stage};
use inf_llava::gpu::device::{ChosenDevice, DeviceChoice, choose};
use inf_llava::model::Model;
use inf_llava::platform::Timer;
use inf_llava::progress::Watch;
use inf_llava::recorder::Recorder;
use inf_llava::session::Session;
use inf_llava::spec::plan::Coverage;
use inf_llava::weights::folder::Folder;
use plotters::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const FOLDER: &str = "docs/plots";
const RUNS: usize = 5;
const TURNS: usize = 16;
const ANSWER: u32 = 32;
const SIZE: (u32, u32) = (720, 400);
const COLOURS: [RGBColor; 2] = [RGBColor(0, 90, 181), RGBColor(220, 50, 32)];

/// A line of a plot.
struct Series {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

fn main() -> Result<()> {
    std::fs::create_dir_all(FOLDER)?;
    let device = pollster::block_on(choose(DeviceChoice::Wgpu))?;
    println!("on {}", device.name);
    context(&device)?;
    passes(&device)?;
    turns(&device)
}

fn time(device: &ChosenDevice, asked: &Asked<'_>) -> Result<f64> {
    let timing = pollster::block_on(time_stage(&device.device, asked, RUNS))?;
    Ok(median(&timing.ms))
}

/// A token requires reading the weights, and the cache of the tokens before it.
fn context(device: &ChosenDevice) -> Result<()> {
    let mut points = Vec::new();
    for context in [0, 512, 1024, 2048, 4096, 6144, 8000] {
        let asked = Asked {
            context: Some(context),
            ..Asked::new("decode", "8b")
        };
        points.push((context as f64, time(device, &asked)?));
    }
    let series = [Series {
        name: "a token, one layer of the 8B shape",
        points,
    }];
    plot("context.svg", "tokens of context", "ms", &series)
}

/// The tower's cost depends on the passes that are run, the enhancement's on the sets that are
/// computed; both grow with N.
fn passes(device: &ChosenDevice) -> Result<()> {
    let sides = [1, 2, 3, 4, 5];
    let series = |stage: &'static str, name: &'static str| {
        let of = |&crops: &usize| {
            let asked = Asked {
                crops: Some(crops),
                ..Asked::new(stage, "demo")
            };
            Ok((crops as f64, time(device, &asked)?))
        };
        let points = sides.iter().map(of).collect::<Result<Vec<_>>>();
        points.map(|points| Series { name, points })
    };
    let vision = [
        series("vision", "what is alive")?,
        series("vision_dense", "everything")?,
    ];
    plot(
        "vision.svg",
        "crops per side N, demo model",
        "ms of the tower",
        &vision,
    )?;
    let by_pass = |series: &Series, count: fn(usize) -> usize| {
        let points = sides.iter().zip(&series.points);
        points
            .map(|(&crops, &(_, ms))| (count(crops) as f64, ms))
            .collect()
    };
    let passes = [
        Series {
            name: "what is alive",
            points: by_pass(&vision[0], |crops| passes_of(crops, Coverage::Live)),
        },
        Series {
            name: "everything",
            points: by_pass(&vision[1], |crops| passes_of(crops, Coverage::Dense)),
        },
    ];
    plot(
        "passes.svg",
        "passes of the tower, demo model",
        "ms",
        &passes,
    )?;
    let enhance = [
        series("enhance", "what is alive")?,
        series("enhance_dense", "everything")?,
    ];
    plot(
        "enhance.svg",
        "crops per side N, demo model",
        "ms of the enhancement",
        &enhance,
    )
}

fn passes_of(crops: usize, coverage: Coverage) -> usize {
    let ablation = inf_llava::spec::Ablation::default();
    let plan = inf_llava::spec::plan::Plan::new(crops, 8, ablation, coverage);
    plan.passes().len()
}

/// A turn's cost depends on its own tokens, not on those of earlier turns.
fn turns(device: &ChosenDevice) -> Result<()> {
    let folder = Path::new("models/demo");
    let mut watch = Watch::nobody();
    let loaded = Model::load(Folder::new(folder), device, None, &mut watch);
    let model = Rc::new(pollster::block_on(loaded)?);
    let mut session = Session::new(model, Coverage::Live);
    let picture = std::fs::read(folder.join("samples/1.png"))?;
    pollster::block_on(session.set_image("1.png", &picture, &mut watch))?;
    let mut points = Vec::new();
    for turn in 1..=TURNS {
        let timer = Timer::start();
        // The same tokens in every turn, so that all answers have the same length.
        let answer: Vec<u32> = (0..ANSWER).collect();
        let mut off = Recorder::off();
        let said = session.forced_logits("What is in the picture?", &answer, 1, &mut off);
        pollster::block_on(said)?;
        points.push((turn as f64, timer.elapsed_ms()));
    }
    let series = [Series {
        name: "a question and an answer of 32 tokens",
        points,
    }];
    plot(
        "turns.svg",
        "turn of a conversation, demo model",
        "ms",
        &series,
    )
}

fn plot(file: &str, x: &str, y: &str, series: &[Series]) -> Result<()> {
    for Series { name, points } in series {
        println!("{file}, {name}: {points:.2?}");
    }
    let path = Path::new(FOLDER).join(file);
    let area = SVGBackend::new(&path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let all = || series.iter().flat_map(|series| &series.points);
    let up_to = |largest: f64| -> Range<f64> { 0.0..largest * 1.1 };
    let most = |of: fn(&(f64, f64)) -> f64| up_to(all().map(of).fold(0.0, f64::max));
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(most(|point| point.0), most(|point| point.1))?;
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .light_line_style(WHITE)
        .draw()?;
    for (Series { name, points }, colour) in series.iter().zip(COLOURS) {
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(4);
        chart
            .draw_series(line)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour));
    }
    let place = SeriesLabelPosition::UpperLeft;
    chart
        .configure_series_labels()
        .position(place)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
