//! TypeScript's view of what JavaScript is given and gives: written from the types here, and compared with the file that the
//! page's sources have, so that neither changes without the other. A part of the tests, and of no program.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, its helpers too"
)]

use ts_rs::{Config, TS};

use crate::config::{Remark, RemarkCode, Scope};
use crate::hub::page;
use crate::image::clip;
use crate::openai;
use crate::spec::Detail;
use crate::weights::remote;
use crate::{durable, files, generate, known, progress, reply, request};

const FILE: &str = "../../web/src/engine/generated.ts";
const MODELS_FILE: &str = "../../web/src/engine/known-models.ts";
/// Many times of what it has.
const MOST_BYTES: u64 = 1 << 20;
/// Set, the file is written.
const WRITE: &str = "WRITE_TYPES";
const HEAD: &str = "\
/**
 * What the engine takes and gives, and the shapes of OpenAI's API: types only. Written from the types in Rust, whose names
 * and comments they have: change those, then run
 *
 *     WRITE_TYPES=1 cargo test --package inf-llava-core --lib typescript
 */
";

const MODELS_HEAD: &str = "\
/**
 * The models that are known by name, smallest first. Written from crates/core/src/models.json: change that, then run
 *
 *     WRITE_TYPES=1 cargo test --package inf-llava-core --lib typescript
 */

import type { KnownModel } from './generated.js';

export const KNOWN_MODELS: readonly KnownModel[] = ";

/// A type as it is declared, with its comments; each stands on a line of its own, and what belongs to a type is indented.
fn declared<T: TS>(config: &Config) -> String {
    let docs = T::docs().unwrap_or_default();
    let text = format!("{docs}export {}\n", T::decl(config)).replace("\n */", " */");
    let mut lines = Vec::new();
    let mut is_within = false;
    for line in text.lines().map(str::trim_end) {
        let line = match line.strip_prefix(" * ") {
            // The first line of a comment.
            Some(words)
                if lines
                    .last()
                    .is_some_and(|last: &String| last.ends_with("/**")) =>
            {
                format!("{} {words}", lines.pop().unwrap_or_default())
            }
            _ if is_within => format!("  {}", line.replace(", };", ",\n};")),
            _ => line.to_string(),
        };
        is_within |= line.starts_with("export type");
        lines.push(line);
    }
    without_links(&lines.join("\n")) + "\n"
}

/// Links of Rust's documentation as the names that they have.
fn without_links(text: &str) -> String {
    let mut parts = text.split("[`");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |before, part| {
        let (name, rest) = part.split_once("`]").unwrap_or((part, ""));
        let target = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        format!("{before}`{name}`{}", target.map_or(rest, |(_, rest)| rest))
    })
}

/// Texts of which a value is one.
fn one_of(texts: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let quoted = texts.into_iter().map(|text| format!("'{text}'"));
    quoted.collect::<Vec<_>>().join(" | ")
}

/// A value as its JSON says it.
fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).expect("JSON");
    value.as_str().expect("a text").to_string()
}

/// What `config` tells a page. It stands in rooms of its own, where every name is told here.
fn of_config() -> String {
    let scopes = [Scope::DrawnScenes];
    let code = [
        RemarkCode::NeedsPicture,
        RemarkCode::NotEnglish,
        RemarkCode::UnlikeQuestions,
    ];
    // A remark or a code that is changed does not compile, or is no such text.
    for scope in scopes {
        match scope {
            Scope::DrawnScenes => {}
        }
    }
    for code in code {
        match code {
            RemarkCode::NeedsPicture | RemarkCode::NotEnglish | RemarkCode::UnlikeQuestions => {}
        }
    }
    let remark = Scope::DrawnScenes.remark("q", false).expect("a remark");
    let Remark {
        code: _,
        answered: _,
        text: _,
        examples: _,
    } = &remark;
    let json = serde_json::to_value(&remark).expect("JSON");
    assert!(json["code"].is_string() && json["answered"].is_boolean());
    assert!(json["text"].is_string() && json["examples"][0].is_string());
    format!(
        "\
/** The one kind of picture that a model of narrow scope knows. */
export type Scope = {};

/** What must be said of a question that a model of narrow scope was asked. */
export type Remark = {{
  /** There is no picture; the question is not in English; the model has not learnt to answer such a question. */
  code: {};
  /** Whether the model answered all the same; else the remark stands in the place of an answer. */
  answered: boolean;
  /** In English. */
  text: string;
  /** Questions that work. */
  examples: Array<string>;
}};
",
        one_of(scopes.map(word)),
        one_of(code.map(word)),
    )
}

/// A part of a message is of one type or the other by its `type`.
fn parts_of_content() -> String {
    format!(
        "\
/** How closely a picture is to be looked at, where the model has a choice. */
export type Detail = {};

/** A part of what a message says. */
export type ContentPart = ({{ type: {} }} & TextPart) | ({{ type: {} }} & PicturePart);
",
        one_of(Detail::NAMES),
        one_of(openai::TEXTS),
        one_of(openai::PICTURES),
    )
}

fn everything() -> String {
    let config = Config::new().with_large_int("number");
    macro_rules! all {
        ($($type:ty),* $(,)?) => {
            vec![$(declared::<$type>(&config)),*]
        };
    }
    let mut parts = vec![HEAD.to_string(), of_config()];
    parts.extend(all![
        progress::Phase,
        progress::Event,
        page::Found,
        page::FolderFile,
        page::Folder,
        remote::Part,
        remote::Plan,
        reply::ModelInfo,
        reply::PictureInfo,
        reply::EnhancementAttention,
        generate::Sampling,
        request::AskOptions,
        request::Shown,
        request::Exchange,
        request::Request,
        generate::generation::StopReason,
        reply::Timings,
        reply::Answer,
        clip::ReelFrame,
        clip::ReelHead,
        known::DetailTokens,
        known::Known,
    ]);
    parts.push(parts_of_content());
    parts.extend(all![
        openai::Picture,
        openai::TextPart,
        openai::PicturePart,
        openai::Message,
        openai::StreamOptions,
        openai::Fields,
        openai::FinishReason,
        openai::PromptTokens,
        openai::Usage,
        openai::Said,
        openai::CompletionChoice,
        openai::Completion,
        openai::Delta,
        openai::ChunkChoice,
        openai::CompletionChunk,
        openai::Head,
        openai::Understood,
        openai::CompletionEvent,
        openai::Completed,
    ]);
    parts.join("\n")
}

/// Compares a file of the page with what it must be, or writes it.
fn check(file: &str, wanted: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os(WRITE).is_some() {
        durable::write_file(&path, wanted.as_bytes()).expect("the file is written");
    }
    let found = files::read(&path, MOST_BYTES).unwrap_or_default();
    assert!(
        String::from_utf8_lossy(&found).replace("\r\n", "\n") == wanted,
        "{file} is not what Rust says. Write it anew: {WRITE}=1 cargo test --package inf-llava-core --lib typescript"
    );
}

#[test]
fn types_are_those_of_the_page() {
    check(FILE, &everything());
}

#[test]
fn known_models_are_those_of_the_page() {
    let models = serde_json::to_string_pretty(known::all()).expect("JSON");
    check(MODELS_FILE, &format!("{MODELS_HEAD}{models};\n"));
}
