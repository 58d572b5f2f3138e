//! `inf-llava info`: a model's properties and requirements, without loading it.

use std::collections::BTreeSet;
use std::fmt;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::model::Files;
use super::output::{counted, say_json};
use super::{ModelArgs, say};
use inf_llava::Error;
use inf_llava::config::{CHAT_TEMPLATE_FILE, Config, OwnPrompt};
use inf_llava::model::{Estimate, chat_template, read_config, without_kernel};
use inf_llava::printable::one_line;
use inf_llava::progress::StopFlag;
use inf_llava::spec::plan::Coverage;
use inf_llava::spec::{Layout, TowerSpec};
use inf_llava::text::prompt::{PromptChoice, conv_llama3};
use inf_llava::weights::checkpoint::Checkpoint;
use inf_llava::weights::converted::Converted;
use inf_llava::weights::manifest::Manifest;
use inf_llava::weights::source::Source as _;
use inf_llava::weights::tensors::Tensors;

const MIB: f64 = (1 << 20) as f64;

#[derive(Args)]
pub struct InfoArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub async fn run(args: InfoArgs) -> anyhow::Result<ExitCode> {
    let place = args.model.place(&StopFlag::default())?;
    let source = place.source();
    let (config, manifest) = read_config(&source).await?;
    let context_tokens = config.context_tokens(args.model.context)?;
    let estimate = Estimate::new(&config, manifest.as_ref(), context_tokens);
    let prompt = Prompt::of(&args.model.prompt.choice()?, &config, &source).await?;
    let identity = place.identity().await?;
    let stored = Stored::of(source, &config, manifest).await?;
    let largest = |coverage| {
        let vision = config.vision.as_ref();
        vision
            .map(|vision| vision.largest_layout(coverage))
            .transpose()
    };
    let layout = largest(Coverage::Live)?;
    let dense = largest(Coverage::Dense)?.map(|layout| layout.passes());
    let dual = config.dual();
    let tower = config.vision.as_ref().map(|vision| &vision.tower);

    if args.json {
        let value = json!({
            "model": place.to_string(),
            "model_type": config.kind,
            "identity": identity,
            "parameters": estimate.parameters,
            "stored_bytes": stored.bytes,
            "stored_as": stored.dtypes,
            "files": stored.files,
            "crops_per_side": dual.map(|dual| dual.crops_per_side),
            "crop_px": tower.map(|tower| tower.view_px),
            "image_px": layout.as_ref().map(|layout| layout.size_px()[0]),
            "image_tokens": layout.as_ref().map(|layout| layout.tokens),
            "configuration": dual.map(|dual| dual.dem.ablation),
            "vision_passes": { "live": layout.as_ref().map(Layout::passes), "dense": dense },
            "vision_layers_run": tower.map(|tower| tower.layers_run()),
            "language_layers": config.decoder.num_hidden_layers,
            "vocabulary": config.decoder.vocab_size,
            "context_tokens": context_tokens,
            "memory_bytes": {
                "weights": estimate.weights_bytes,
                "cache": estimate.cache_bytes,
                "activations": estimate.activation_bytes,
                "total": estimate.total_bytes(),
            },
            "prompt": prompt.used,
            "chat_template": prompt.own,
            "without_kernel": without_kernel(&config),
            "random_weights": config.random_weights,
            "scope": config.scope,
        });
        say_json(&value);
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!("{place}"));
    say(format_args!("  identity     {identity}"));
    if config.random_weights {
        say(format_args!("  random weights: the answers are noise"));
    }
    if let Some(scope) = config.scope {
        say(format_args!("  knows only   {}", scope.describe()));
    }
    if let (Some(tower), Some(layout)) = (tower, &layout) {
        say_vision(&config, tower, layout, dense.unwrap_or_default());
    } else {
        say(format_args!("  picture      none: it is a language model"));
    }
    if let Some(departures) = dual.and_then(|dual| dual.dem.ablation.departures()) {
        say(format_args!("  not the release's: {departures}"));
    }
    let l = &config.decoder;
    say(format_args!(
        "  language     {} layers, {} channels, {} heads ({} key/value), vocabulary {}",
        l.num_hidden_layers,
        l.hidden_size,
        l.num_attention_heads,
        l.num_key_value_heads,
        l.vocab_size
    ));
    for operation in without_kernel(&config) {
        say(format_args!("  on a GPU     without a kernel: {operation}"));
    }
    say(format_args!("  prompt       {prompt}"));
    say(format_args!(
        "  weights      {} parameters, {:.1} MiB stored as {} in {}",
        estimate.parameters,
        stored.bytes as f64 / MIB,
        stored.dtypes.join(", "),
        counted(stored.files.len(), "file")
    ));
    say(format_args!(
        "  memory       {:.1} MiB: weights {:.1}, cache for {context_tokens} tokens {:.1}, intermediate results about {:.1}",
        estimate.total_bytes() as f64 / MIB,
        estimate.weights_bytes as f64 / MIB,
        estimate.cache_bytes as f64 / MIB,
        estimate.activation_bytes as f64 / MIB
    ));
    Ok(ExitCode::SUCCESS)
}

/// What a picture becomes at most, and the tower.
fn say_vision(config: &Config, tower: &TowerSpec, layout: &Layout, dense: usize) {
    let [height, width] = layout.size_px();
    let (tokens, passes) = (layout.tokens, layout.passes());
    match config.dual() {
        Some(dual) => say(format_args!(
            "  picture      {width} x {height} pixels as {n} x {n} crops of {}; {tokens} tokens; {passes} vision passes ({dense} dense)",
            tower.view_px,
            n = dual.crops_per_side,
        )),
        None => say(format_args!(
            "  picture      up to {width} x {height} pixels in views of {}; at most {tokens} tokens and {passes} vision passes",
            tower.view_px
        )),
    }
    say(format_args!(
        "  vision       {} of {} layers, {} channels, {} heads",
        tower.layers_run(),
        tower.num_hidden_layers,
        tower.hidden_size,
        tower.num_attention_heads
    ));
}

/// How the model is asked.
struct Prompt {
    /// What it is called.
    used: String,
    /// Where the model's own chat template is, if it has one.
    own: Option<String>,
}

impl Prompt {
    async fn of(choice: &PromptChoice, config: &Config, source: &Files) -> Result<Self, Error> {
        // A file that cannot be read matters only to whoever chose it.
        let own = match (chat_template(source).await, choice) {
            (Ok(found), _) => found.map(|found| found.file),
            (Err(error), PromptChoice::Checkpoint) => return Err(error),
            (Err(_), _) => None,
        };
        let used = match (choice, &own) {
            (PromptChoice::Given(found), _) => found.file.clone(),
            (PromptChoice::Checkpoint, Some(file)) => file.clone(),
            (PromptChoice::Checkpoint, None) => return Err(source.missing(CHAT_TEMPLATE_FILE)),
            (PromptChoice::Own, Some(file)) if config.prompt == OwnPrompt::Checkpoint => {
                file.clone()
            }
            (PromptChoice::Own, _) if config.prompt != OwnPrompt::ConvLlama3 => {
                "the original LLaVA's conversation".into()
            }
            (PromptChoice::Own | PromptChoice::ConvLlama3, _) => conv_llama3::NAME.into(),
        };
        Ok(Prompt { used, own })
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.used))?;
        match &self.own {
            Some(own) if *own != self.used => write!(
                f,
                "; the template in {} is asked with --chat-template checkpoint",
                one_line(own)
            ),
            _ => Ok(()),
        }
    }
}

/// The files of the weights.
struct Stored {
    bytes: u64,
    dtypes: Vec<String>,
    files: Vec<String>,
}

impl Stored {
    /// Checks that every required tensor exists, and that no tensor would be wrongly ignored.
    async fn of(source: Files, config: &Config, manifest: Option<Manifest>) -> Result<Self, Error> {
        let weights = config.weights();
        if let Some(manifest) = manifest {
            let converted = Converted::new(source, manifest)?;
            converted.check_all(&weights)?;
            let manifest = converted.manifest();
            let dtypes: BTreeSet<&str> = manifest
                .tensors
                .values()
                .map(|stored| stored.dtype.name())
                .collect();
            return Ok(Stored {
                bytes: manifest.shard_bytes(),
                dtypes: dtypes.into_iter().map(str::to_string).collect(),
                files: manifest
                    .shards
                    .iter()
                    .map(|shard| shard.file.clone())
                    .collect(),
            });
        }
        let checkpoint = Checkpoint::open(source).await?;
        checkpoint.check_all(&weights)?;
        Ok(Stored {
            bytes: checkpoint.stored_bytes(),
            dtypes: checkpoint.dtypes(),
            files: checkpoint
                .files()
                .map(|(_, file)| file.to_string())
                .collect(),
        })
    }
}
