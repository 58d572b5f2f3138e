//! What a message says: a text, or a list of parts. In: a message's fields. Out: its text, and where its pictures are.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::BadRequest;
use super::fields::{self, Rest, name, need, wrong};
use super::foreign::{refuse_all, refuse_rest_of_part};
use crate::spec::Detail;

/// Chat completions have the first; programs that were written for OpenAI's responses send the others.
pub(crate) const TEXTS: [&str; 3] = ["text", "input_text", "output_text"];
pub(crate) const PICTURES: [&str; 2] = ["image_url", "input_image"];
const AS_A_PICTURE: &str = "a picture is sent as {\"type\": \"image_url\", \"image_url\": {\"url\": \"data:image/png;base64,...\"}}";

/// What one message says.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Its parts of text, a line each.
    pub text: String,
    /// In the order in which they stand.
    pub pictures: Vec<Place>,
}

/// A picture in a text.
#[derive(Debug)]
pub(super) struct Place {
    /// The field that holds its URL.
    pub field: String,
    /// Where it is.
    pub url: String,
    /// Bytes of the message's text in front of it.
    pub at: usize,
    /// How closely it is to be looked at.
    pub detail: Detail,
}

/// A part of text, beside its type.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Deserialize)]
pub(crate) struct TextPart {
    #[cfg_attr(test, ts(type = "string"))]
    text: Option<String>,
    #[serde(flatten)]
    #[cfg_attr(test, ts(skip))]
    rest: Rest,
}

/// A part with a picture, beside its type.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Deserialize)]
pub(crate) struct PicturePart {
    /// A URL, or a [`Picture`].
    #[cfg_attr(test, ts(type = "string | ImageUrl"))]
    image_url: Option<Value>,
    #[cfg_attr(test, ts(type = "Detail | null", optional))]
    detail: Option<String>,
    #[serde(flatten)]
    #[cfg_attr(test, ts(skip))]
    rest: Rest,
}

/// A URL in an object.
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(rename = "ImageUrl"))]
#[derive(Deserialize)]
pub(crate) struct Picture {
    #[cfg_attr(test, ts(type = "string"))]
    url: Option<String>,
    #[cfg_attr(test, ts(type = "Detail | null", optional))]
    detail: Option<String>,
    #[serde(flatten)]
    #[cfg_attr(test, ts(skip))]
    rest: Rest,
}

/// Reads a message's content, which stands at `place`. `of_user`: it may have pictures, and must say something.
///
/// # Errors
/// [`BadRequest`] naming the part.
pub(super) fn read(
    place: &str,
    content: Option<Value>,
    of_user: bool,
) -> Result<Content, BadRequest> {
    let parts = match content {
        Some(Value::String(text)) => {
            let pictures = Vec::new();
            return Ok(Content { text, pictures });
        }
        Some(Value::Array(parts)) => parts,
        None if !of_user => return Ok(Content::default()),
        _ => return Err(wrong(place.into())),
    };
    let mut content = Content::default();
    for (index, part) in parts.into_iter().enumerate() {
        read_part(&format!("{place}[{index}]"), part, of_user, &mut content)?;
    }
    Ok(content)
}

/// What else a part may have depends on its type.
fn read_part(
    place: &str,
    part: Value,
    of_user: bool,
    into: &mut Content,
) -> Result<(), BadRequest> {
    let mut part: Map<String, Value> = fields::read(place, part)?;
    let type_name = name(place, "type");
    let kind = part.remove("type").unwrap_or_default();
    let kind: Option<String> = fields::read(&type_name, kind)?;
    let kind = need(kind, place, "type")?;
    let kind = kind.as_str();
    if TEXTS.contains(&kind) {
        let part: TextPart = fields::read(place, part.into())?;
        join(&mut into.text, &need(part.text, place, "text")?);
        refuse_rest_of_part(place, &part.rest)
    } else if PICTURES.contains(&kind) && of_user {
        let mut part: PicturePart = fields::read(place, part.into())?;
        let at = into.text.len();
        into.pictures.push(read_picture(place, &mut part, at)?);
        refuse_rest_of_part(place, &part.rest)
    } else {
        let shown: String = kind.chars().take(40).collect();
        let message = match of_user {
            true => format!(
                "{type_name} must be \"text\" or \"image_url\", and is {shown:?}; {AS_A_PICTURE}"
            ),
            false => format!("{type_name} must be \"text\", and is {shown:?}"),
        };
        Err(BadRequest::unsupported(type_name, message))
    }
}

/// The URL stands by itself, or as the one thing of an object.
fn read_picture(place: &str, part: &mut PicturePart, at: usize) -> Result<Place, BadRequest> {
    let has_file = part.rest.get("file_id").is_some_and(|id| !id.is_null());
    if has_file && part.image_url.is_none() {
        let name = name(place, "file_id");
        let message = format!("{name}: no files are kept here; {AS_A_PICTURE}");
        return Err(BadRequest::unsupported(name, message));
    }
    let place_of_url = name(place, "image_url");
    let outer = read_detail(place, part.detail.take())?;
    match need(part.image_url.take(), place, "image_url")? {
        Value::String(url) => Ok(Place {
            field: place_of_url,
            url,
            at,
            detail: outer.unwrap_or_default(),
        }),
        picture @ Value::Object(_) => {
            let picture: Picture = fields::read(&place_of_url, picture)?;
            let url = need(picture.url, &place_of_url, "url")?;
            let detail = read_detail(&place_of_url, picture.detail)?;
            refuse_all(&place_of_url, &picture.rest)?;
            Ok(Place {
                field: name(&place_of_url, "url"),
                url,
                at,
                detail: detail.or(outer).unwrap_or_default(),
            })
        }
        _ => Err(wrong(place_of_url)),
    }
}

fn read_detail(place: &str, detail: Option<String>) -> Result<Option<Detail>, BadRequest> {
    let read = |detail: String| match Detail::NAMES.contains(&detail.as_str()) {
        true => detail.parse().map_err(|_| wrong(name(place, "detail"))),
        false => Err(wrong(name(place, "detail"))),
    };
    detail.map(read).transpose()
}

/// Adds a text on a line of its own, so that no two words become one; one that says nothing adds nothing.
pub(super) fn join(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push('\n');
    }
    text.push_str(more);
}
