//! `inf-llava bench`: times and checks the hot operations at the released sizes, and the stages of
//! an answer.

use std::process::ExitCode;

use clap::Args;

use super::output::say_json;
use super::say;
use crate::commands::arguments::{at_least_one, device_names};
use inf_llava::bench::{
    Asked, KERNELS, SHAPES, STAGES, StageTiming, Timing, median, time_kernel, time_stage,
};
use inf_llava::gpu::adapter;
use inf_llava::gpu::device::{DeviceChoice, choose};

#[derive(Args)]
pub struct BenchArgs {
    /// Which: all operations if none is named, or all stages with --shape
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Time the stages of an answer in these sizes: 8b (with so many --layers), demo, narrow (32 thin layers)
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(SHAPES))]
    shape: Option<String>,
    /// Layers of either tower in the shape 8b
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    layers: usize,
    /// Tokens before the decoded one
    #[arg(long, value_parser = at_least_one)]
    context: Option<usize>,
    /// Crops per side
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=16))]
    crops: Option<u8>,
    /// Where to run: auto (a GPU, else the processor), wgpu, portable, cpu
    #[arg(long, default_value = "auto", value_name = "DEVICE", value_parser = device_names(), hide_possible_values = true)]
    device: String,
    /// Runs of each, of which the median is told
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    runs: usize,
    /// Time burn's own operations beside the kernels
    #[arg(long, conflicts_with = "shape")]
    burn: bool,
    /// Time each submission to the device of a stage, and what they were without cutting them by measured speed
    #[arg(long, requires = "shape")]
    submissions: bool,
    /// Let tiles hold f16, where the adapter has it
    #[arg(long)]
    half: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let device = choose(DeviceChoice::from_name(&args.device)?).await?;
    if args.half {
        adapter::change(&device.device, |adapter| {
            adapter.variants.half = adapter.has_half
        });
    }
    let variants = adapter::variants(&device.device);
    eprintln!("on {}: {variants}", device.name);
    let known = if args.shape.is_some() {
        STAGES
    } else {
        KERNELS
    };
    let names = match args.names.is_empty() {
        true => known.iter().map(ToString::to_string).collect(),
        false => args.names,
    };
    let runs = args.runs;
    let mut timings = Vec::new();
    for name in names {
        let (line, timing) = match &args.shape {
            None => {
                let timing = time_kernel(&device.device, &name, runs, args.burn).await?;
                (kernel_line(&timing), serde_json::to_value(timing)?)
            }
            Some(shape) => {
                let asked = Asked {
                    stage: &name,
                    shape,
                    layers: args.layers,
                    context: args.context,
                    crops: args.crops.map(usize::from),
                    submissions: args.submissions,
                };
                let timing = time_stage(&device.device, &asked, runs).await?;
                (stage_line(&timing), serde_json::to_value(timing)?)
            }
        };
        if !args.json {
            say(line);
        }
        timings.push(timing);
    }
    if args.json {
        say_json(
            &serde_json::json!({ "device": device.name, "variants": variants, "timings": timings }),
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn kernel_line(timing: &Timing) -> String {
    let ms = median(&timing.ms);
    let burn = match timing.burn_ms.is_empty() {
        true => String::new(),
        false => format!("burn {:.1} times as long  ", median(&timing.burn_ms) / ms),
    };
    format!(
        "{:<14} {ms:>9.2} ms  host {:>6.2} ms  {:>8.2} GFLOP/s  {:>7.2} GB/s of weights  {:>3} kernels  {:>5} MiB in use  error {:.0e}  {burn}{}",
        timing.name,
        median(&timing.host_ms),
        2.0 * timing.products / ms / 1e6,
        timing.weight_bytes / ms / 1e6,
        timing.launches,
        mib(timing.bytes_in_use),
        timing.error,
        timing.shape,
    )
}

fn stage_line(timing: &StageTiming) -> String {
    let submissions = timing.submissions.as_ref().map_or(String::new(), |of| {
        let (count, longest, unpaced) = (of.count, of.longest_ms, of.longest_unpaced_ms);
        format!("{count} submissions of at most {longest:.0} ms, {unpaced:.0} ms uncut  ")
    });
    format!(
        "{:<14} {:>9.2} ms  host {:>8.2} ms  {:>4} kernels  {:>6} MiB in use, at most {:>6}  error {:.0e}  {submissions}{}",
        timing.name,
        median(&timing.ms),
        median(&timing.host_ms),
        timing.launches,
        mib(timing.bytes_in_use),
        mib(timing.peak_bytes),
        timing.error,
        timing.shape,
    )
}

fn mib(bytes: Option<u64>) -> String {
    bytes.map_or("-".to_string(), |bytes| {
        format!("{:.0}", bytes as f64 / f64::from(1 << 20))
    })
}
