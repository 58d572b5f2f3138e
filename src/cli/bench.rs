//! `inf-llava bench`: the hot operations at the released sizes, timed and checked.

use std::process::ExitCode;

use clap::Args;

use super::say;
use crate::bench::{KERNELS, Timing, time_kernel};
use crate::gpu::device::{DeviceChoice, choose};

#[derive(Args)]
pub struct BenchArgs {
    /// Which: all of them if none is named
    #[arg(value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(KERNELS))]
    names: Vec<String>,
    /// Where to run: auto (a GPU, else a software adapter, else the CPU), wgpu, cpu
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// Runs of each, of which the median is told
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let device = choose(DeviceChoice::from_name(&args.device)?).await?;
    eprintln!("on {}", device.name);
    let all = || KERNELS.iter().map(ToString::to_string).collect();
    let names = if args.names.is_empty() {
        all()
    } else {
        args.names
    };
    let mut timings = Vec::new();
    for name in names {
        let timing = time_kernel(&device.device, &name, args.runs.max(1)).await?;
        if !args.json {
            say(line(&timing));
        }
        timings.push(timing);
    }
    if args.json {
        say(serde_json::json!({ "device": device.name, "timings": timings }));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(timing: &Timing) -> String {
    let mut ms = timing.ms.clone();
    ms.sort_by(f64::total_cmp);
    let median = ms[ms.len() / 2];
    format!(
        "{:<14} {median:>9.2} ms  {:>8.2} GFLOP/s  {:>7.2} GB/s of weights  {:>3} kernels  error {:.0e}  {}",
        timing.name,
        2.0 * timing.products / median / 1e6,
        timing.weight_bytes / median / 1e6,
        timing.launches,
        timing.error,
        timing.shape,
    )
}
