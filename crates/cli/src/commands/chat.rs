//! `inf-llava chat`: one question, or a conversation.

mod editor;
mod lines;
mod told;
mod transcript;

use std::io::{IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use self::editor::{Lines, Typed};
use self::lines::{HELP, Line};
use self::told::{say_remark, told};
use self::transcript::Transcript;
use super::input::{image_name, read_image, read_prompt, refuse_both, unreadable};
use super::output::{counted, say_json, say_piece};
use super::terminal::{Interrupt, Muted, Progress};
use super::video::{VideoArgs, check_video, read_video};
use super::{ModelArgs, paths, say};
use crate::commands::arguments::{at_least_one, usage};
use inf_llava::error::Error;
use inf_llava::generate::{Sampling, default_temperature};
use inf_llava::progress::{Event, Watch};
use inf_llava::session::{Answer, AskOptions, PictureInfo, Session, StopReason};
use inf_llava::spec::Detail;
use inf_llava::spec::plan::Coverage;

#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct ChatArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Picture to talk about: PNG, JPEG, WebP, GIF or BMP; - reads it from stdin; without one the model is asked without
    /// a picture. Can be given several times, for a model that knows several
    #[arg(long, value_name = "FILE", value_parser = paths::parser())]
    image: Vec<PathBuf>,
    /// Video to talk about: an animated GIF, WebP or PNG, a folder of frames, or another one, which ffmpeg reads. Can be
    /// given several times, for a model that sees videos
    #[arg(long, value_name = "FILE|FOLDER", value_parser = paths::parser())]
    video: Vec<PathBuf>,
    #[command(flatten)]
    videos: VideoArgs,
    /// Question; - reads it from stdin; without one a conversation begins
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// How closely pictures are looked at, where the model has a choice: low, auto, high, or the most visual tokens of a
    /// picture
    #[arg(long, value_name = "LEVEL", default_value_t)]
    detail: Detail,
    /// What the model is told before anything is asked (the system message)
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// 0 takes the likeliest token always; higher is more varied [default: 0.2, and 0 for a model that knows one kind of
    /// picture, as the demo model]
    #[arg(long)]
    temperature: Option<f32>,
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
    #[arg(long, default_value_t = 512, value_parser = at_least_one)]
    max_new_tokens: usize,
    /// Compute in f32 also where the GPU has f16 and is quicker with it
    #[arg(long)]
    exact: bool,
    /// Compute everything, also what cannot reach the output (for comparison; slower)
    #[arg(long)]
    dense: bool,
    /// Tell on stderr what each answer took: times, tokens, passes over the picture
    #[arg(long)]
    verbose: bool,
    /// Ask a model of narrow scope also what it has not learnt to answer, and without a picture
    #[arg(long)]
    anyway: bool,
    /// Print one JSON object instead of text (needs --prompt)
    #[arg(long)]
    json: bool,
}

pub async fn run(args: ChatArgs) -> anyhow::Result<ExitCode> {
    if args.json && args.prompt.is_none() {
        return Err(usage("--json needs --prompt".into()));
    }
    let mut options = AskOptions {
        sampling: Sampling {
            temperature: args.temperature.unwrap_or(Sampling::default().temperature),
            top_k: args.top_k,
            top_p: args.top_p,
            repetition_penalty: args.repetition_penalty,
            seed: args.seed,
        },
        max_new_tokens: args.max_new_tokens,
        stop: Vec::new(),
        anyway: args.anyway,
    };
    options.validate()?;
    refuse_both(&args.image, args.prompt.as_deref())?;
    let prompt = args.prompt.as_deref().map(read_prompt).transpose()?;
    let images = args.image.iter();
    let images: Vec<(String, Vec<u8>)> = images
        .map(|path| Ok::<_, Error>((image_name(path), read_image(path)?)))
        .collect::<Result<_, _>>()?;
    args.video.iter().try_for_each(|path| check_video(path))?;

    let interrupt = Interrupt::new()?;
    // What a download asks is answered before typing is hidden.
    let place = args.model.place(&interrupt.stop)?;
    // Input that is typed while the model loads must not be echoed among the progress bars either.
    let muted = (prompt.is_none() && stdin().is_terminal()).then(Muted::new);
    let (model, load_ms) = args.model.load(&interrupt.stop).await?;
    if !args.exact {
        model.device.allow_half().await?;
    }
    if args.temperature.is_none() {
        options.sampling.temperature = default_temperature(model.config.scope);
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
        verbose: args.verbose,
        videos: args.videos,
        said: Transcript::new(),
    };
    chat.session.set_detail(args.detail);
    if let Some(system) = &args.system {
        chat.told(system);
    }
    if !args.video.is_empty() {
        chat.videos.options(&chat.session)?;
    }
    for (name, bytes) in images {
        chat.look(&name, &bytes, true).await?;
    }
    for path in &args.video {
        chat.look_at_video(path).await?;
    }
    drop(muted);
    match prompt {
        Some(prompt) => chat.ask_once(&prompt, args.json, load_ms).await,
        None => chat.converse(&place.to_string()).await,
    }
}

struct Chat {
    session: Session,
    options: AskOptions,
    interrupt: Interrupt,
    /// Whether the picture is of a kind that the model was not trained on.
    outside_scope: bool,
    /// Whether to show every detail of what an answer took.
    verbose: bool,
    /// How videos are looked at.
    videos: VideoArgs,
    /// The conversation so far, for `/save`.
    said: Transcript,
}

/// What the model is asked.
enum Ask<'a> {
    Question(&'a str),
    Again,
}

impl Chat {
    /// What the model is told before anything is asked.
    fn told(&mut self, system: &str) {
        self.session.set_system(system);
        if let Some(notice) = self.session.model().about_system(system) {
            eprintln!("{notice}");
        }
    }

    /// Looks at a picture, `also` beside the others of the conversation. For a model that knows one picture a
    /// conversation begins with it.
    async fn look(&mut self, name: &str, bytes: &[u8], also: bool) -> anyhow::Result<()> {
        let progress = Progress::new();
        let mut watch = Watch::new(self.interrupt.stop.clone(), |event| progress.show(&event));
        let seen = match also {
            true => self.session.add_image(name, bytes, &mut watch).await,
            false => self.session.set_image(name, bytes, &mut watch).await,
        };
        progress.clear();
        let seen = seen?;
        match also {
            true => self.said.show(name.to_string()),
            false => self.said.begin(vec![name.to_string()]),
        }
        self.tell(seen);
        Ok(())
    }

    /// Looks at a video, beside the pictures of the conversation. A model that sees none says so before the video is
    /// read.
    async fn look_at_video(&mut self, path: &Path) -> anyhow::Result<()> {
        check_video(path)?;
        let options = self.videos.options(&self.session)?;
        let (clip, read_ms) = read_video(path, &options, &self.interrupt.stop)?;
        let (name, seconds) = (path.display().to_string(), clip.seconds);
        if self.verbose || stderr().is_terminal() {
            let (some, all) = (clip.frames.len(), counted(clip.of, "frame"));
            eprintln!("{name}: {some} of {all} are looked at ({seconds:.1} s)");
        }
        let progress = Progress::new();
        let mut watch = Watch::new(self.interrupt.stop.clone(), |event| progress.show(&event));
        let seen = self.session.add_video(&clip, read_ms, &mut watch).await;
        progress.clear();
        let seen = seen?;
        self.said.show(name);
        self.tell(seen);
        Ok(())
    }

    /// Says what should be known of what was looked at.
    fn tell(&mut self, seen: PictureInfo) {
        self.outside_scope = seen.outside_scope;
        for notice in seen.notices {
            eprintln!("{notice}");
        }
        if let Some(scope) = self.session.model().config.scope
            && seen.outside_scope
        {
            eprintln!("{}", scope.warning());
        }
    }

    /// Asks the model; the answer is written to stdout as it is generated, unless `quiet`.
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
            say_remark(&answer, "--image FILE");
            self.say_cut(&answer);
        }
        if self.verbose {
            eprintln!("{}", told(&answer, true));
        }
        Ok(match answer.stop_reason {
            StopReason::Stopped => ExitCode::from(130),
            _ => ExitCode::SUCCESS,
        })
    }

    async fn converse(&mut self, model: &str) -> anyhow::Result<ExitCode> {
        let mut lines = Lines::of_stdin();
        let on_terminal = lines.on_terminal();
        if on_terminal {
            let sees = self.session.model().config.vision.is_some();
            let first = match self.said.pictures().len() {
                0 if !sees => "This model sees no pictures.",
                0 => "/image FILE looks at a picture.",
                1 => "Ask about the picture.",
                _ => "Ask about the pictures.",
            };
            eprintln!("{first} /help lists the commands.");
        }
        // Input that is typed during an answer is shown when it is read. The editor echoes its own
        // input.
        let _muted = (on_terminal && !lines.echoes()).then(Muted::new);
        let mut leaving = false;
        loop {
            self.interrupt.set_working(false);
            if on_terminal {
                eprintln!("");
            }
            let typed = match lines.next().map_err(unreadable)? {
                Typed::Line(typed) => typed,
                Typed::End => return Ok(ExitCode::SUCCESS),
                Typed::Interrupted if leaving => return Ok(ExitCode::from(130)),
                Typed::Interrupted => {
                    leaving = true;
                    eprintln!("Ctrl-C once more leaves, as Ctrl-D does.");
                    continue;
                }
            };
            leaving = false;
            self.interrupt.set_working(true);
            let muted = lines.echoes().then(Muted::new);
            for line in lines::split(&typed) {
                let done = match lines::read(line) {
                    Line::Quit => return Ok(ExitCode::SUCCESS),
                    line => self.heed(line, model, on_terminal).await,
                };
                // An interactive conversation continues after errors, unless the model is lost.
                if let Err(error) = done {
                    if error.downcast_ref().is_some_and(ends_the_model) {
                        return Err(error);
                    }
                    // A script would not notice that a question refers to the previous picture, so
                    // an error ends it.
                    if !on_terminal {
                        return Err(error);
                    }
                    eprintln!("error: {error:#}");
                }
            }
            drop(muted);
        }
    }

    /// Executes a line.
    async fn heed(&mut self, line: Line, model: &str, on_terminal: bool) -> anyhow::Result<()> {
        match line {
            Line::Nothing | Line::Quit => {}
            Line::Refused(told) => return Err(usage(told)),
            Line::Help => eprint!("{HELP}"),
            Line::New => {
                self.session.new_chat();
                self.said.begin(self.said.pictures());
            }
            Line::Forget => {
                self.session.clear_image();
                self.outside_scope = false;
                self.said.begin(Vec::new());
            }
            Line::Image(path) => {
                let bytes = read_image(&path)?;
                let vision = self.session.model().config.vision.as_ref();
                let most = vision.and_then(|vision| vision.most_pictures());
                let name = path.display().to_string();
                self.look(&name, &bytes, most != Some(1)).await?;
            }
            Line::Video(path) => self.look_at_video(&path).await?,
            Line::Save(path) => {
                let turns = self.said.save(model, &path)?;
                if on_terminal {
                    eprintln!("{}: {}", counted(turns, "answer"), path.display());
                }
            }
            Line::Again => {
                let Some(question) = self.said.last_question() else {
                    return Err(usage("/again: nothing was asked yet".into()));
                };
                let answer = self.say(Ask::Again, on_terminal).await?;
                self.said.add(&question, &answer, true);
            }
            Line::Ask(question) => {
                let answer = self.say(Ask::Question(&question), on_terminal).await?;
                self.said.add(&question, &answer, false);
            }
        }
        Ok(())
    }

    async fn say(&mut self, ask: Ask<'_>, on_terminal: bool) -> anyhow::Result<Answer> {
        let answer = self.ask(ask, false).await?;
        say("");
        say_remark(&answer, "/image FILE");
        self.say_cut(&answer);
        if (on_terminal || self.verbose) && answer.answer_tokens > 0 {
            eprintln!("[{}]", told(&answer, self.verbose));
        }
        Ok(answer)
    }

    /// Says that an answer was cut off, since it might look complete.
    fn say_cut(&self, answer: &Answer) {
        match answer.stop_reason {
            StopReason::Length => eprintln!(
                "The answer was cut at {} (--max-new-tokens).",
                counted(self.options.max_new_tokens, "token")
            ),
            StopReason::Context => eprintln!(
                "The answer was cut: the conversation fills the context (--context) of {} tokens.",
                self.session.model().context_tokens
            ),
            StopReason::Stop | StopReason::Stopped => {}
        }
    }
}

/// Whether the model must be loaded again: its files have changed, or the data on its device is not
/// reliable.
fn ends_the_model(error: &Error) -> bool {
    matches!(
        error,
        Error::ModelChanged { .. }
            | Error::Device { .. }
            | Error::DeviceLost { .. }
            | Error::OutOfMemory { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::{Error, ends_the_model};
    use crate::commands::exit;

    #[test]
    fn a_conversation_ends_with_a_device_that_failed_and_its_code() {
        let word = || "x".to_string();
        let device = Error::Device {
            device: word(),
            reason: word(),
        };
        for (error, code) in [
            (Error::DeviceLost { reason: word() }, 6),
            (device, 6),
            (Error::OutOfMemory { reason: word() }, 5),
        ] {
            assert!(ends_the_model(&error), "{error}");
            assert_eq!(exit::code(&error.into()), code);
        }
        for error in [Error::EmptyQuestion, Error::Stopped] {
            assert!(!ends_the_model(&error), "{error}");
        }
    }
}
