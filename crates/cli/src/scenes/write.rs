//! Writes a folder of scenes for other programs: PNG files and `scenes.json` in LLaVA's layout.

use std::path::{Path, PathBuf};

use image::{
    ExtendedColorType, ImageEncoder,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};
use serde_json::{Value, json};

use super::layout::{Scene, SceneOptions, scene};
use super::{Picture, caption};
use crate::scenes::ask::{question_rng, questions};
use inf_llava::{Error, Result, durable};

/// Name of the file that is locked while the folder is written.
const LOCK_FILE: &str = ".lock";

/// The numbers of what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Number of pictures.
    pub pictures: u64,
    /// Number of questions with answers; a dense scene has one description instead.
    pub questions: usize,
    /// Path of `scenes.json`.
    pub list: PathBuf,
}

/// Writes the scenes 0..`count` of `seed` to `dir`: `images/000000.png`, ... and `scenes.json`, a
/// list of `{id, image, conversations}` as LLaVA's training reads it, with `families`, `kinds` and
/// `held_out` in addition, one entry per question. Dense scenes have a description instead of
/// questions. `report` is called with the number of finished pictures after each one.
///
/// The list is written last, under a temporary name, and then renamed, so that it exists only if
/// all pictures do. A lock keeps other runs from writing to the folder.
///
/// # Errors
/// [`Error::FolderInUse`] while another program writes there; [`Error::Output`] if there is a
/// `scenes.json` already, or something cannot be written.
pub fn write_folder(
    dir: &Path,
    seed: u64,
    count: u64,
    options: &SceneOptions,
    questions_per_picture: usize,
    mut report: impl FnMut(u64),
) -> Result<Written> {
    let list = dir.join("scenes.json");
    let _lock = durable::lock(dir, dir.join(LOCK_FILE))?;
    if list.exists() {
        return Err(failed(&list)("it is there already; choose another folder"));
    }
    let images = dir.join("images");
    durable::create_folder(&images)?;
    let mut entries = Vec::new();
    let mut asked = 0;
    for index in 0..count {
        let scene = scene(seed, index, options);
        let name = format!("images/{index:06}.png");
        let file = dir.join(&name);
        durable::write_in_unfinished(&file, &png(&file, &scene.draw(), QUICK)?)?;
        let talk = Talk::of(&scene, seed, index, options, questions_per_picture);
        asked += talk.turns.len();
        entries.push(talk.entry(index, &name));
        report(index + 1);
    }
    durable::sync_folder(&images)?;
    let text = serde_json::to_string_pretty(&entries).map_err(|e| failed(&list)(&e.to_string()))?;
    durable::write_file(&list, text.as_bytes())?;
    Ok(Written {
        pictures: count,
        questions: asked,
        list,
    })
}

/// The conversation about one picture.
struct Talk {
    /// Pairs of question and answer.
    turns: Vec<(String, String)>,
    families: Vec<&'static str>,
    kinds: Vec<&'static str>,
    held_out: Vec<bool>,
}

impl Talk {
    fn of(scene: &Scene, seed: u64, index: u64, options: &SceneOptions, count: usize) -> Self {
        let mut rng = question_rng(seed, index);
        if options.dense {
            return Talk {
                turns: vec![("Describe the picture.".into(), caption(scene))],
                families: vec!["caption"],
                kinds: vec!["caption"],
                held_out: vec![
                    scene.objects.iter().any(|object| object.is_held_out())
                        || scene.signs.iter().any(|sign| sign.held_out),
                ],
            };
        }
        let questions = questions(scene, &mut rng, count);
        Talk {
            families: questions.iter().map(|q| q.family.name()).collect(),
            kinds: questions.iter().map(|q| q.kind).collect(),
            held_out: questions.iter().map(|q| q.held_out).collect(),
            turns: questions.into_iter().map(|q| (q.text, q.answer)).collect(),
        }
    }

    /// An entry of the list; LLaVA puts the picture before the first question.
    fn entry(&self, index: u64, image: &str) -> Value {
        let mut conversations = Vec::new();
        for (turn, (question, answer)) in self.turns.iter().enumerate() {
            let mark = if turn == 0 { "<image>\n" } else { "" };
            conversations.push(json!({ "from": "human", "value": format!("{mark}{question}") }));
            conversations.push(json!({ "from": "gpt", "value": answer }));
        }
        json!({
            "id": format!("{index:06}"),
            "image": image,
            "conversations": conversations,
            "families": self.families,
            "kinds": self.kinds,
            "held_out": self.held_out,
        })
    }
}

/// Compression settings of a PNG.
pub(super) type Effort = (CompressionType, FilterType);
/// Fast, for many pictures.
const QUICK: Effort = (CompressionType::Fast, FilterType::Adaptive);
/// Small, for few pictures that are downloaded often: half the size. Filters do not help with fine
/// noise.
pub(super) const SMALL: Effort = (CompressionType::Best, FilterType::NoFilter);

/// The bytes of a PNG file; `path` is its destination, for error messages.
pub(super) fn png(path: &Path, picture: &Picture, effort: Effort) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    PngEncoder::new_with_quality(&mut bytes, effort.0, effort.1)
        .write_image(&picture.rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(|e| failed(path)(&e.to_string()))?;
    Ok(bytes)
}

/// Makes an [`Error::Output`] about this path.
pub(super) fn failed(path: &Path) -> impl Fn(&str) -> Error {
    let file = path.display().to_string();
    move |reason| Error::Output {
        file: file.clone(),
        reason: reason.to_string(),
    }
}
