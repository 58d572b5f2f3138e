//! `inf-llava stages`: writes every intermediate tensor to a safetensors file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError};

use super::input::{image_name, read_image, read_prompt, refuse_both};
use super::{ModelArgs, paths, refuse_to_overwrite};
use inf_llava::config::Treatment;
use inf_llava::durable;
use inf_llava::error::Error;
use inf_llava::gpu::ops::Canvas;
use inf_llava::image::pixel_values;
use inf_llava::progress::{StopFlag, Watch};
use inf_llava::recorder::{Recorder, Stage};
use inf_llava::session::Session;
use inf_llava::spec::plan::Coverage;

/// Positions at the end of the prompt whose logits are written.
const PROMPT_POSITIONS: usize = 8;

#[derive(Args)]
pub struct StagesArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Picture; - reads it from stdin
    #[arg(long, value_name = "FILE", value_parser = paths::parser())]
    image: PathBuf,
    /// Question; - reads it from stdin
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// Continue the prompt with these ids and write their step_logits; stop ids are not heeded
    #[arg(long, value_name = "1,2,3", value_delimiter = ',')]
    force_ids: Vec<u32>,
    /// Compute and write everything, also what cannot reach the output
    #[arg(long)]
    dense: bool,
    /// File to write
    #[arg(long, value_name = "F.safetensors", value_parser = paths::parser())]
    out: PathBuf,
}

pub async fn run(args: StagesArgs) -> anyhow::Result<ExitCode> {
    refuse_both(std::slice::from_ref(&args.image), Some(&args.prompt))?;
    refuse_to_overwrite(&args.image, "out", &args.out)?;
    let prompt = read_prompt(&args.prompt)?;
    let bytes = read_image(&args.image)?;
    let (model, _) = args.model.load(&StopFlag::default()).await?;
    if let Some(id) = args
        .force_ids
        .iter()
        .find(|&&id| id as usize >= model.config.decoder.vocab_size)
    {
        let reason = format!(
            "{id} is not among the {} ids of the model",
            model.config.decoder.vocab_size
        );
        return Err(Error::Option {
            option: "force-ids".into(),
            reason,
        }
        .into());
    }
    let coverage = if args.dense {
        Coverage::Dense
    } else {
        Coverage::Live
    };
    let mut session = Session::new(model.clone(), coverage);
    let mut recorder = Recorder::on();

    let picture = model.decode_picture(&image_name(&args.image), &bytes)?;
    session
        .set_picture(&picture, &mut Watch::nobody(), &mut recorder)
        .await?;
    let (prompt_logits, step_logits) = session
        .forced_logits(&prompt, &args.force_ids, PROMPT_POSITIONS, &mut recorder)
        .await?;

    let mut stages = recorder.into_stages().await?;
    let encoder = model.vision()?;
    let treatment = Treatment::only(Coverage::Live);
    let views = encoder.views(&picture, treatment, &StopFlag::default())?;
    let normalise = encoder.spec().pixels.normalise;
    let vocabulary = model.config.decoder.vocab_size;
    let mut add = |name: &str, shape: Vec<usize>, values: Vec<f32>| {
        stages.insert(name.to_string(), Stage { shape, values });
    };
    // INF-LLaVA's is a single square.
    for canvas in &views.canvases {
        let [height, width] = canvas.size_px;
        let values = pixel_values(&canvas.bytes, normalise);
        add("pixel_values", vec![3, height, width], values);
    }
    add(
        "prompt_logits_last8",
        vec![prompt_logits.len() / vocabulary, vocabulary],
        prompt_logits,
    );
    if !step_logits.is_empty() {
        add(
            "step_logits",
            vec![step_logits.len() / vocabulary, vocabulary],
            step_logits,
        );
    }
    write(&args.out, &stages, &views.canvases)?;
    eprintln!(
        "{} tensors written to {}",
        stages.len() + 1,
        args.out.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn write(out: &Path, stages: &BTreeMap<String, Stage>, canvases: &[Canvas]) -> anyhow::Result<()> {
    let failed = |e: SafeTensorError| durable::failed(out, e);
    let bytes: BTreeMap<&str, Vec<u8>> = stages
        .iter()
        .map(|(name, stage)| {
            (
                name.as_str(),
                stage.values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        })
        .collect();
    let mut views = Vec::new();
    for (name, stage) in stages {
        let view = TensorView::new(Dtype::F32, stage.shape.clone(), &bytes[name.as_str()]);
        views.push((name.as_str(), view.map_err(failed)?));
    }
    for canvas in canvases {
        let [height, width] = canvas.size_px;
        let view = TensorView::new(Dtype::U8, vec![height, width, 3], &canvas.bytes);
        views.push(("square_u8", view.map_err(failed)?));
    }
    let bytes = safetensors::serialize(views, None).map_err(failed)?;
    Ok(durable::write_file(out, &bytes)?)
}
