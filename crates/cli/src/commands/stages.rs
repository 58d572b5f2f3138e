//! `inf-llava stages`: writes every intermediate tensor to a safetensors file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError};

use super::input::{image_name, read_image, read_prompt, refuse_both};
use super::video::{VideoArgs, check_video, read_video};
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
    /// Picture; - reads it from stdin; without one the model is asked without a picture
    #[arg(long, value_name = "FILE", value_parser = paths::parser())]
    image: Option<PathBuf>,
    /// Video, instead of a picture: an animated GIF, WebP or PNG, a folder of frames, or another one, which ffmpeg reads
    #[arg(long, value_name = "FILE|FOLDER", value_parser = paths::parser(), conflicts_with = "image")]
    video: Option<PathBuf>,
    #[command(flatten)]
    videos: VideoArgs,
    /// Question; - reads it from stdin
    #[arg(long, value_name = "TEXT", required_unless_present = "ids")]
    prompt: Option<String>,
    /// The whole prompt as ids, to which nothing is added, instead of a question
    #[arg(long, value_name = "1,2,3", value_delimiter = ',', conflicts_with_all = ["prompt", "image", "video"])]
    ids: Vec<u32>,
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
    refuse_both(args.image.as_slice(), args.prompt.as_deref().or(Some("")))?;
    for read in args.image.iter().chain(&args.video) {
        refuse_to_overwrite(read, "out", &args.out)?;
    }
    args.video.iter().try_for_each(|path| check_video(path))?;
    let prompt = args.prompt.as_deref().map(read_prompt).transpose()?;
    let bytes = args.image.as_deref().map(read_image).transpose()?;
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

    let picture = match (&args.image, bytes) {
        (Some(image), Some(bytes)) => Some(model.decode_picture(&image_name(image), &bytes)?),
        _ => None,
    };
    if let Some(picture) = &picture {
        let watch = &mut Watch::nobody();
        session.set_picture(picture, watch, &mut recorder).await?;
    }
    let mut clip = None;
    if let Some(path) = &args.video {
        let options = args.videos.options(&session)?;
        let (frames, _) = read_video(path, &options, &StopFlag::default())?;
        let watch = &mut Watch::nobody();
        session.set_video(&frames, watch, &mut recorder).await?;
        clip = Some(frames);
    }
    let (forced, wanted) = (args.force_ids.as_slice(), PROMPT_POSITIONS);
    let (prompt_logits, step_logits) = match &prompt {
        Some(prompt) => {
            let logits = session.forced_logits(prompt, forced, wanted, &mut recorder);
            logits.await?
        }
        None => {
            let logits = session.forced_logits_of_ids(&args.ids, forced, wanted, &mut recorder);
            logits.await?
        }
    };

    let mut stages = recorder.into_stages().await?;
    let stop = StopFlag::default();
    let canvases = match (&picture, &clip) {
        (Some(picture), _) => {
            let treatment = Treatment::only(Coverage::Live);
            model.vision()?.views(picture, treatment, &stop)?.canvases
        }
        (None, Some(clip)) => {
            let (frames, times_s) = (&clip.frames, &clip.times_s);
            let views = model
                .vision()?
                .video_views(frames, times_s, clip.seconds, &stop)?;
            views.canvases
        }
        (None, None) => Vec::new(),
    };
    let vocabulary = model.config.decoder.vocab_size;
    let mut add = |name: &str, shape: Vec<usize>, values: Vec<f32>| {
        stages.insert(name.to_string(), Stage { shape, values });
    };
    // INF-LLaVA's is a single square; of other models these are what the views are cut from.
    let names = canvas_names(canvases.len());
    for (canvas, [_, values_name]) in canvases.iter().zip(&names) {
        let [height, width] = canvas.size_px;
        let values = pixel_values(&canvas.bytes, model.vision()?.spec().pixels.normalise);
        add(values_name, vec![3, height, width], values);
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
    let pictures: Vec<(&str, &Canvas)> = names
        .iter()
        .map(|[name, _]| name.as_str())
        .zip(&canvases)
        .collect();
    write(&args.out, &stages, &pictures)?;
    eprintln!(
        "{} tensors written to {}",
        stages.len() + canvases.len(),
        args.out.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Names of the pictures' bytes and of their numbers.
fn canvas_names(count: usize) -> Vec<[String; 2]> {
    let names = |index: usize| match count {
        1 => ["square_u8".into(), "pixel_values".into()],
        _ => [format!("canvas{index}_u8"), format!("canvas{index}_values")],
    };
    (0..count).map(names).collect()
}

fn write(
    out: &Path,
    stages: &BTreeMap<String, Stage>,
    canvases: &[(&str, &Canvas)],
) -> anyhow::Result<()> {
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
    for (name, canvas) in canvases {
        let [height, width] = canvas.size_px;
        let view = TensorView::new(Dtype::U8, vec![height, width, 3], &canvas.bytes);
        views.push((name, view.map_err(failed)?));
    }
    let bytes = safetensors::serialize(views, None).map_err(failed)?;
    Ok(durable::write_file(out, &bytes)?)
}
