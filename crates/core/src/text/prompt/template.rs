//! A checkpoint's chat template.
//!
//! In: the template, untrusted, and a conversation. Out: what the template makes of the conversation, with a sign for each
//! text ([`super::marks`]); [`super::cut`] makes ids of it. The truth is what the template would make of the texts
//! themselves: it is rendered a second time with these, and where the two differ it looks at what is said, and is refused.
//! What is rendered from the texts is compared and nothing else.

use std::borrow::Cow;

use minijinja::{Environment, ErrorKind, Value};

use super::cut::{self, Filled};
use super::found::{Found, MAX_BYTES};
use super::jinja::{NAME, environment};
use super::marks::{Lost, Marks, Signs};
use super::message::{Media, MediaKind, Message, Part, Placeholders, Role, Room};
use crate::error::{Error, Result};
use crate::printable::{one_line, quoted};
use crate::progress::Watch;
use crate::sequence::{MediaId, Sequence};
use crate::text::tokenizer::Tokenizer;

/// Work of a template that says nothing (an instruction, or 64 bytes made of others): a millisecond or two.
const FUEL: u64 = 30_000;
/// Work for each message; published templates take up to two hundred.
const FUEL_PER_MESSAGE: u64 = 1_000;
/// Bytes beside the texts that a template may say; and for each message.
const OWN_BYTES: usize = 256 << 10;
const OWN_BYTES_PER_MESSAGE: usize = 4 << 10;
/// Characters of a template's own error that are told.
const TOLD: usize = 200;
/// A name that no template asks a message or a part of one for. Where it occurs, a template prints messages as they are held.
const UNASKED: &str = "never_asked_for";

/// The names of tokens by `tokenizer_config.json`: `bos_token` and the like, with what they are.
pub type NamedTokens = Vec<(String, String)>;

/// How a template is given what a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As parts, each of a type.
    Parts,
    /// As one text, in which a picture is its placeholder and a line's end, as the original LLaVA has it.
    Text,
}

/// How a template is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Manner {
    form: Form,
    /// Whether it has a place for videos of its own. If not, the place is written as a text: transformers has another
    /// template then, which differs in nothing else (`SmolVLMProcessor`).
    says_videos: bool,
}

/// A template that has been tried.
#[derive(Debug)]
pub struct Template {
    file: String,
    environment: Environment<'static>,
    manner: Manner,
    has_system: bool,
    signs: Signs,
    tokens: NamedTokens,
    begin: Vec<u32>,
    placeholders: Placeholders,
}

impl Template {
    /// The longest template that is taken, in bytes. Published ones have up to twenty thousand.
    pub const MAX_BYTES: usize = MAX_BYTES;

    /// Takes a template, and tries it with a question. `begin` are the ids that the tokenizer puts in front of a text
    /// ([`super::begin_ids`]).
    ///
    /// # Errors
    /// [`Error::Config`], which names the file and the line: it does not parse, fails, takes too much work, or does not
    /// say what is asked.
    pub fn new(
        found: Found,
        tokens: NamedTokens,
        begin: Vec<u32>,
        placeholders: Placeholders,
    ) -> Result<Self> {
        let Found { file, text } = found;
        let long = text.len() > Self::MAX_BYTES;
        if long {
            let (found, most) = (text.len() >> 10, Self::MAX_BYTES >> 10);
            let reason = format!("the chat template has {found} KiB; at most {most} KiB are read");
            return Err(Error::config(file, reason));
        }
        let environment = environment(&text).map_err(|error| told(&file, &error))?;
        let mut template = Template {
            file,
            environment,
            manner: Manner {
                form: Form::Parts,
                says_videos: true,
            },
            has_system: false,
            signs: Signs::new(&text),
            tokens,
            begin,
            placeholders,
        };
        template.manner.form = template.tried()?;
        template.manner.says_videos = template.says_videos();
        template.has_system = template.says_system();
        Ok(template)
    }

    /// Whether it has a place for what a model is told before anything is asked.
    pub fn has_system(&self) -> bool {
        self.has_system
    }

    /// The file that it is from.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The form in which it says a question once, and nothing that is not in it.
    fn tried(&self) -> Result<Form> {
        let sign = self.signs.all().next().unwrap_or_default();
        let question = Told {
            role: Role::User,
            parts: vec![Said::Text {
                text: sign.to_string(),
                generated: false,
            }],
        };
        let try_form = |form| {
            let manner = Manner {
                form,
                ..self.manner
            };
            let rendered = self.render(&[question.messages(manner, &self.placeholders)], 1, 4)?;
            let count = rendered.chars().filter(|&char| char == sign).count();
            Ok::<_, Error>(count == 1 && !rendered.contains(UNASKED))
        };
        let as_parts = try_form(Form::Parts);
        if as_parts == Ok(true) {
            return Ok(Form::Parts);
        }
        // What it fails with when it is given the one form is told only if the other does not do either.
        if try_form(Form::Text)? {
            return Ok(Form::Text);
        }
        as_parts?;
        Err(self.failed("the chat template does not say what a user says, once and as it is"))
    }

    /// Whether it has a place for a video in front of a question.
    fn says_videos(&self) -> bool {
        let text = Said::Text {
            text: self.signs.all().next().unwrap_or_default().to_string(),
            generated: false,
        };
        let video = Media::new(MediaKind::Video, MediaId::of(&[]), &[]);
        let question = Told {
            role: Role::User,
            parts: vec![Said::Media(video), text],
        };
        let messages = [question.messages(self.manner, &self.placeholders)];
        let rendered = self.render(&messages, 1, 4);
        rendered.is_ok_and(|rendered| rendered.contains(&self.placeholders.video))
    }

    /// Whether it says once what a system message says, and the question.
    fn says_system(&self) -> bool {
        let signs: Vec<char> = self.signs.all().take(2).collect();
        let roles = [Role::System, Role::User];
        let messages = roles.into_iter().zip(&signs).map(|(role, sign)| {
            let text = sign.to_string();
            let generated = false;
            let parts = vec![Said::Text { text, generated }];
            Told { role, parts }.messages(self.manner, &self.placeholders)
        });
        let rendered = self.render(&messages.collect::<Vec<_>>(), 2, 8);
        rendered.is_ok_and(|rendered| {
            let count = |sign: &char| rendered.chars().filter(|char| char == sign).count();
            signs.iter().all(|sign| count(sign) == 1)
        })
    }

    /// A conversation's sequence: [`super::Prompt::sequence`].
    pub(super) async fn sequence<'a>(
        &self,
        tokenizer: &Tokenizer,
        messages: impl Iterator<Item = Result<Message<'a>>>,
        room: Room,
        watch: &mut Watch<'_>,
    ) -> Result<Sequence> {
        let told = self.told(tokenizer, messages, room)?;
        watch.breathe().await?;
        let mut marks = Marks::default();
        let rendered = self.marked(&told, &mut marks)?;
        watch.breathe().await?;
        let media = told.iter().flat_map(Told::media).collect();
        let filled = Filled {
            rendered: &marks.without_double_spaces(&rendered),
            marks: &marks,
            media,
        };
        let parts = cut::parts(&filled, &self.placeholders, tokenizer)
            .map_err(|reason| self.failed(reason))?;
        cut::sequence(parts, &self.begin, tokenizer, room, watch).await
    }

    /// The messages, with what is known as ids in words.
    fn told<'a>(
        &self,
        tokenizer: &Tokenizer,
        messages: impl Iterator<Item = Result<Message<'a>>>,
        room: Room,
    ) -> Result<Vec<Told>> {
        let (mut told, mut bytes) = (Vec::new(), 0);
        let mut asked = false;
        for message in messages {
            let message = message?;
            let mut parts = Vec::new();
            for part in message.parts {
                let (text, generated) = match part {
                    Part::Media(media) => {
                        parts.push(Said::Media(media));
                        continue;
                    }
                    Part::Text(text) => (text.into_owned(), false),
                    Part::Ids(ids) => (tokenizer.decode(&ids)?, true),
                };
                bytes += text.len();
                room.check_bytes(text.len())?;
                parts.push(Said::Text { text, generated });
            }
            let is_blank =
                |said: &Said| matches!(said, Said::Text { text, .. } if text.trim().is_empty());
            asked = message.role == Role::User;
            if asked
                && parts
                    .iter()
                    .all(|said| is_blank(said) || matches!(said, Said::Media(_)))
            {
                return Err(Error::EmptyQuestion);
            }
            told.push(Told {
                role: message.role,
                parts,
            });
            // Each message takes a token at least.
            room.check_bytes(bytes)?;
            room.check(told.len() / 2)?;
        }
        match asked {
            true => Ok(told),
            false => Err(Error::EmptyQuestion),
        }
    }

    /// What the template makes of a conversation with signs for its texts.
    fn marked<'t>(&self, told: &'t [Told], marks: &mut Marks<'t>) -> Result<String> {
        let mut signs = self.signs.all();
        let mut hidden = Vec::with_capacity(told.len());
        for message in told {
            let mut parts = Vec::with_capacity(message.parts.len());
            for part in &message.parts {
                parts.push(match part {
                    Said::Media(media) => Said::Media(media.clone()),
                    Said::Text { text, generated } => {
                        let Some(sign) = signs.next() else {
                            return Err(self.failed("a conversation has too many texts"));
                        };
                        Said::Text {
                            text: marks.mark(sign, text, *generated),
                            generated: *generated,
                        }
                    }
                });
            }
            hidden.push(Told {
                role: message.role,
                parts,
            });
        }
        let bytes: usize = told.iter().map(Told::bytes).sum();
        let values = |told: &[Told]| -> Vec<Value> {
            let values = told.iter();
            values
                .map(|told| told.messages(self.manner, &self.placeholders))
                .collect()
        };
        let rendered = self.render(&values(&hidden), told.len(), bytes)?;
        marks.check(&rendered).map_err(|lost| {
            let (text, what) = match lost {
                Lost::Dropped(text) => (text, "leaves out"),
                Lost::Doubled(text) => (text, "says more than once"),
            };
            self.failed(format!("the chat template {what} {}", quoted(text)))
        })?;
        let plain = self.render(&values(told), told.len(), bytes)?;
        if marks.filled(&rendered) != plain {
            return Err(self.failed(
                "the chat template looks at what is said in this conversation, or changes it, which is not supported; name \
                 another one with --chat-template",
            ));
        }
        Ok(rendered)
    }

    fn render(&self, messages: &[Value], count: usize, bytes: usize) -> Result<String> {
        let mut environment = self.environment.clone();
        let fuel = FUEL + FUEL_PER_MESSAGE * count as u64 + bytes as u64;
        environment.set_fuel(Some(fuel));
        let mut given: Vec<(&str, Value)> = vec![
            ("messages", Value::from(messages.to_vec())),
            ("add_generation_prompt", true.into()),
            ("tools", ().into()),
            ("documents", ().into()),
        ];
        let tokens = self.tokens.iter();
        given.extend(tokens.map(|(name, token)| (name.as_str(), token.as_str().into())));
        let most = OWN_BYTES + OWN_BYTES_PER_MESSAGE * count + bytes;
        let rendered = environment
            .get_template(NAME)
            .and_then(|template| template.render(Value::from_pairs(given)))
            .map_err(|error| match error.kind() {
                ErrorKind::OutOfFuel => self.failed(format!(
                    "{}the chat template takes more than {fuel} steps",
                    line(&error)
                )),
                _ => told(&self.file, &error),
            })?;
        match rendered.len() > most {
            true => Err(self.failed(format!("the chat template says more than {most} bytes"))),
            false => Ok(rendered),
        }
    }

    fn failed(&self, reason: impl Into<String>) -> Error {
        Error::config(self.file.as_str(), reason.into())
    }
}

/// Minijinja's error in the file `file`.
fn told(file: &str, error: &minijinja::Error) -> Error {
    let detail = error.detail().unwrap_or_default();
    let said: String = detail.chars().take(TOLD).collect();
    let reason = match said.is_empty() {
        true => format!("{}the chat template fails: {}", line(error), error.kind()),
        false => format!(
            "{}the chat template fails: {}: {}",
            line(error),
            error.kind(),
            one_line(&said)
        ),
    };
    Error::config(file, reason)
}

fn line(error: &minijinja::Error) -> String {
    error
        .line()
        .map_or(String::new(), |line| format!("line {line}: "))
}

/// A message in words.
struct Told {
    role: Role,
    parts: Vec<Said>,
}

/// A part of it.
enum Said {
    Text {
        text: String,
        /// Whether it is an answer as it was generated.
        generated: bool,
    },
    Media(Media),
}

impl Told {
    fn bytes(&self) -> usize {
        let bytes = self.parts.iter().map(|said| match said {
            Said::Text { text, .. } => text.len(),
            Said::Media(_) => 0,
        });
        bytes.sum()
    }

    fn media(&self) -> impl Iterator<Item = &Media> {
        self.parts.iter().filter_map(|said| match said {
            Said::Media(media) => Some(media),
            Said::Text { .. } => None,
        })
    }

    /// As a template is given it.
    fn messages(&self, manner: Manner, placeholders: &Placeholders) -> Value {
        let content = match manner.form {
            Form::Parts => {
                let parts = self.parts.iter();
                parts.map(|said| said.value(manner, placeholders)).collect()
            }
            Form::Text => Value::from(self.text(placeholders)),
        };
        Value::from_pairs([
            ("role", Value::from(self.role.name())),
            ("content", content),
            (UNASKED, Value::from("")),
        ])
    }

    fn text(&self, placeholders: &Placeholders) -> String {
        let place = |media: &Media| match media.kind {
            MediaKind::Image => &placeholders.image,
            MediaKind::Video => &placeholders.video,
        };
        let media = self.media().map(|media| format!("{}\n", place(media)));
        let texts = self.parts.iter().filter_map(|said| match said {
            Said::Text { text, .. } => Some(Cow::Borrowed(text.as_str())),
            Said::Media(_) => None,
        });
        media.map(Cow::Owned).chain(texts).collect()
    }
}

impl Said {
    fn value(&self, manner: Manner, placeholders: &Placeholders) -> Value {
        let (kind, text) = match self {
            Said::Text { text, .. } => ("text", Some(text.as_str())),
            Said::Media(media) => match media.kind {
                MediaKind::Image => ("image", None),
                MediaKind::Video if manner.says_videos => ("video", None),
                MediaKind::Video => ("text", Some(placeholders.video.as_str())),
            },
        };
        let mut value = vec![("type", kind)];
        value.extend(text.map(|text| ("text", text)));
        value.push((UNASKED, ""));
        Value::from_pairs(value)
    }
}
