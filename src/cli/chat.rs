//! `inf-llava chat`: one question, or a conversation.

use std::io::{BufRead, IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::output::{say_json, say_piece};
use super::terminal::{Interrupt, Progress};
use super::{ModelArgs, read_image, say, usage};
use crate::error::Error;
use crate::generate::Sampling;
use crate::progress::{Event, Watch};
use crate::session::{Answer, AskOptions, Session, StopReason};
use crate::vision::plan::Coverage;

const HELP: &str = "\
  /image FILE   look at another picture (starts a new conversation)
  /new          start a new conversation about the same picture
  /again        answer the last question again
  /quit         leave (also Ctrl-D); Ctrl-C stops an answer";

#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct ChatArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Picture to talk about: PNG, JPEG, WebP, GIF or BMP; without one the model is asked without a picture
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Question; without one a conversation begins
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// 0 takes the likeliest token always; higher is more varied
    #[arg(long, default_value_t = 0.2)]
    temperature: f32,
    /// Choose among this many of the likeliest tokens; 0 is off
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Choose among the likeliest tokens that together have this probability; 1 is off
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Above 1 makes tokens that have occurred less likely
    #[arg(long, default_value_t = 1.0)]
    repetition_penalty: f32,
    /// The same seed gives the same answer
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Most tokens of an answer
    #[arg(long, default_value_t = 512)]
    max_new_tokens: usize,
    /// Compute in f32 throughout, also where the GPU has f16 and is quicker with it
    #[arg(long)]
    exact: bool,
    /// Compute everything, also what cannot reach the output (for comparison; slower)
    #[arg(long)]
    dense: bool,
    /// Print one JSON object instead of text (needs --prompt)
    #[arg(long)]
    json: bool,
}

pub async fn run(args: ChatArgs) -> anyhow::Result<ExitCode> {
    if args.json && args.prompt.is_none() {
        return Err(usage("--json needs --prompt".into()));
    }
    let options = AskOptions {
        sampling: Sampling {
            temperature: args.temperature,
            top_k: args.top_k,
            top_p: args.top_p,
            repetition_penalty: args.repetition_penalty,
            seed: args.seed,
        },
        max_new_tokens: args.max_new_tokens,
    };
    options.sampling.validate()?;
    if args
        .prompt
        .as_ref()
        .is_some_and(|prompt| prompt.trim().is_empty())
    {
        return Err(Error::EmptyQuestion.into());
    }
    let image = args
        .image
        .as_deref()
        .map(|path| Ok::<_, anyhow::Error>((path, read_image(path)?)))
        .transpose()?;

    let interrupt = Interrupt::new()?;
    let (model, load_ms) = args.model.load(&interrupt.stop).await?;
    if !args.exact {
        model.device.allow_half().await?;
    }
    let coverage = if args.dense {
        Coverage::Dense
    } else {
        Coverage::Live
    };
    let mut chat = Chat {
        session: Session::new(model, coverage),
        options,
        interrupt,
        outside_scope: false,
    };
    if let Some((path, bytes)) = image {
        chat.look(path, &bytes).await?;
    }
    match args.prompt {
        Some(prompt) => chat.ask_once(&prompt, args.json, load_ms).await,
        None => chat.converse().await,
    }
}

struct Chat {
    session: Session,
    options: AskOptions,
    interrupt: Interrupt,
    /// Whether the picture is of a kind that the model does not know.
    outside_scope: bool,
}

/// What to ask.
enum Ask<'a> {
    Question(&'a str),
    Again,
}

impl Chat {
    async fn look(&mut self, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        let progress = Progress::new();
        let mut watch = Watch::new(self.interrupt.stop.clone(), |event| progress.show(&event));
        let seen = self
            .session
            .set_image(&path.display().to_string(), bytes, &mut watch)
            .await;
        progress.clear();
        let seen = seen?;
        self.outside_scope = seen.outside_scope;
        for notice in seen.notices {
            eprintln!("{notice}");
        }
        if let Some(scope) = self.session.model().config.scope
            && seen.outside_scope
        {
            eprintln!("{}", scope.warning());
        }
        Ok(())
    }

    /// Asks; the answer's pieces go to stdout as they come, unless `quiet`.
    async fn ask(&mut self, ask: Ask<'_>, quiet: bool) -> anyhow::Result<Answer> {
        let progress = Progress::new();
        let mut watch = Watch::new(self.interrupt.stop.clone(), |event| match event {
            Event::Progress { .. } => progress.show(&event),
            Event::Piece { text, .. } if !quiet => {
                progress.clear();
                say_piece(&text);
            }
            Event::Piece { .. } => {}
        });
        let answer = match ask {
            Ask::Question(question) => self.session.ask(question, &self.options, &mut watch).await,
            Ask::Again => self.session.regenerate(&self.options, &mut watch).await,
        };
        progress.clear();
        Ok(answer?)
    }

    async fn ask_once(
        &mut self,
        prompt: &str,
        json: bool,
        load_ms: f64,
    ) -> anyhow::Result<ExitCode> {
        let answer = self.ask(Ask::Question(prompt), json).await?;
        if json {
            let mut value = serde_json::to_value(&answer).context("the answer as JSON")?;
            value["timings_ms"]["load"] = load_ms.into();
            value["outside_scope"] = self.outside_scope.into();
            say_json(&value);
        } else {
            say("");
        }
        Ok(match answer.stop_reason {
            StopReason::Stopped => ExitCode::from(130),
            _ => ExitCode::SUCCESS,
        })
    }

    async fn converse(&mut self) -> anyhow::Result<ExitCode> {
        let on_terminal = stdin().is_terminal();
        if on_terminal {
            eprintln!("Ask about the picture. /help lists the commands.");
        }
        loop {
            self.interrupt.set_working(false);
            if on_terminal {
                eprint!("\n> ");
            }
            // A line that is no UTF-8 is a question with odd characters, not the end.
            let mut line = Vec::new();
            let read = stdin().lock().read_until(b'\n', &mut line);
            if read.context("reading the question")? == 0 {
                return Ok(ExitCode::SUCCESS);
            }
            let line = String::from_utf8_lossy(&line);
            self.interrupt.set_working(true);
            let line = line.trim();
            let done = match line.split_once(' ').unwrap_or((line, "")) {
                ("", _) => Ok(()),
                ("/quit", _) => return Ok(ExitCode::SUCCESS),
                ("/help", _) => {
                    eprint!("{HELP}\n");
                    Ok(())
                }
                ("/new", _) => {
                    self.session.new_chat();
                    Ok(())
                }
                ("/image", path) => self.look_at(Path::new(path.trim())).await,
                ("/again", _) => self.say(Ask::Again, on_terminal).await,
                _ => self.say(Ask::Question(line), on_terminal).await,
            };
            // A conversation outlives its errors, but not its model.
            if let Err(error) = done {
                if let Some(Error::ModelChanged { .. }) = error.downcast_ref() {
                    return Err(error);
                }
                eprintln!("error: {error:#}");
            }
        }
    }

    async fn look_at(&mut self, path: &Path) -> anyhow::Result<()> {
        let bytes = read_image(path)?;
        self.look(path, &bytes).await
    }

    async fn say(&mut self, ask: Ask<'_>, on_terminal: bool) -> anyhow::Result<()> {
        let answer = self.ask(ask, false).await?;
        say("");
        if on_terminal {
            eprintln!(
                "[{} tokens, {:.1} a second; {} of {} prompt tokens computed, {} vision passes]",
                answer.answer_tokens,
                answer.tokens_per_second,
                answer.new_prompt_tokens,
                answer.prompt_tokens,
                answer.vision_passes
            );
        }
        Ok(())
    }
}
