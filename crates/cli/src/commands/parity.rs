//! `inf-llava parity`: compares every stage with PyTorch.

use std::process::ExitCode;

use clap::Args;

use super::output::say_json;
use super::{ModelArgs, say};
use inf_llava::parity::{Row, check_expected, run as run_parity};
use inf_llava::progress::StopFlag;

#[derive(Args)]
pub struct ParityArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub async fn run(args: ParityArgs) -> anyhow::Result<ExitCode> {
    let stop = StopFlag::default();
    let place = args.model.place(&stop)?;
    check_expected(&place.source()).await?;
    let (model, _) = args.model.load(&stop).await?;
    let device = model.device.name.clone();
    if !args.json {
        say(format_args!("{place} on {device}"));
        say(format_args!(
            "{:12} {:34} {:>12} {:>12} {:>9}",
            "", "stage", "largest", "mean", "limit"
        ));
    }
    let mut on_row = |row: &Row| {
        if !args.json {
            say(line(row));
        }
    };
    let report = run_parity(&place.source(), model, &mut on_row).await?;
    if args.json {
        let value = serde_json::json!({
            "model": place.to_string(), "device": device, "passed": report.passed(), "rows": report.rows, "unused": report.unused,
        });
        say_json(&value);
    } else {
        for name in &report.unused {
            say(format_args!(
                "{name}: in expected.safetensors, compared with nothing"
            ));
        }
        let beyond = report.rows.iter().filter(|row| !row.passed()).count();
        say(format_args!(
            "{} comparisons, {beyond} beyond their limit",
            report.rows.len()
        ));
    }
    Ok(if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn line(row: &Row) -> String {
    let verdict = if row.passed() { "" } else { "  BEYOND" };
    format!(
        "{:12} {:34} {:>12.3e} {:>12.3e} {:>9.0e}{verdict}",
        row.kind, row.name, row.max_error, row.mean_error, row.limit
    )
}
