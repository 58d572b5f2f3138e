//! What a message says: a text, or a list of parts. In: a message's fields. Out: its text, and where its pictures are.

use serde_json::Value;

use super::fields::Fields;
use super::options::{refuse_all, refuse_rest_of_part};
use super::refusal::Refusal;

/// Chat completions have the first; programs that were written for OpenAI's responses send the others.
const TEXTS: [&str; 3] = ["text", "input_text", "output_text"];
const PICTURES: [&str; 2] = ["image_url", "input_image"];
/// All of them mean the same here: a picture is looked at in full.
const DETAILS: [&str; 3] = ["auto", "low", "high"];
const AS_A_PICTURE: &str = "a picture is sent as {\"type\": \"image_url\", \"image_url\": {\"url\": \"data:image/png;base64,...\"}}";

/// What one message says.
#[derive(Debug, Default)]
pub struct Content {
    /// Its parts of text, a line each.
    pub text: String,
    /// URLs with the fields that hold them.
    pub pictures: Vec<(String, String)>,
}

/// Takes a message's content. `of_user`: it may have pictures, and must say something.
///
/// # Errors
/// [`Refusal`] naming the part.
pub fn read(message: &mut Fields, of_user: bool) -> Result<Content, Refusal> {
    let wanted = "a string or a list of parts";
    let place = message.name("content");
    let content: Option<Value> = message.take("content", wanted)?;
    let parts = match content {
        Some(Value::String(text)) => {
            let pictures = Vec::new();
            return Ok(Content { text, pictures });
        }
        Some(Value::Array(parts)) => parts,
        None if !of_user => return Ok(Content::default()),
        _ => {
            let message = format!("{place} must be {wanted}");
            return Err(Refusal::bad_value(place, message));
        }
    };
    let mut content = Content::default();
    for (index, part) in parts.into_iter().enumerate() {
        read_part(&format!("{place}[{index}]"), part, of_user, &mut content)?;
    }
    Ok(content)
}

fn read_part(place: &str, part: Value, of_user: bool, into: &mut Content) -> Result<(), Refusal> {
    let mut part = Fields::new(place, part)?;
    let kind: String = part.need("type", "\"text\" or \"image_url\"")?;
    let kind = kind.as_str();
    if TEXTS.contains(&kind) {
        let text: String = part.need("text", "a string")?;
        join(&mut into.text, &text);
    } else if PICTURES.contains(&kind) && of_user {
        into.pictures.push(read_picture(&mut part)?);
    } else {
        let name = part.name("type");
        let shown: String = kind.chars().take(40).collect();
        let message = match of_user {
            true => format!(
                "{name} must be \"text\" or \"image_url\", and is {shown:?}; {AS_A_PICTURE}"
            ),
            false => format!("{name} must be \"text\", and is {shown:?}"),
        };
        return Err(Refusal::unsupported(name, message));
    }
    refuse_rest_of_part(part)
}

/// The URL stands by itself, or as the one thing of an object.
fn read_picture(part: &mut Fields) -> Result<(String, String), Refusal> {
    if part.has("file_id") && !part.has("image_url") {
        let name = part.name("file_id");
        let message = format!("{name}: no files are kept here; {AS_A_PICTURE}");
        return Err(Refusal::unsupported(name, message));
    }
    let wanted = "a data: URL, or an object with one as its url";
    let name = part.name("image_url");
    check_detail(part)?;
    match part.need("image_url", wanted)? {
        Value::String(url) => Ok((name, url)),
        picture @ Value::Object(_) => {
            let mut picture = Fields::new(&name, picture)?;
            let url = picture.need("url", "a string")?;
            check_detail(&mut picture)?;
            let name = picture.name("url");
            refuse_all(picture)?;
            Ok((name, url))
        }
        _ => {
            let message = format!("{name} must be {wanted}");
            Err(Refusal::bad_value(name, message))
        }
    }
}

fn check_detail(of: &mut Fields) -> Result<(), Refusal> {
    let wanted = "\"auto\", \"low\" or \"high\"";
    match of.take::<String>("detail", wanted)? {
        Some(detail) if !DETAILS.contains(&detail.as_str()) => {
            let name = of.name("detail");
            let message = format!("{name} must be {wanted}");
            Err(Refusal::bad_value(name, message))
        }
        _ => Ok(()),
    }
}

/// Adds a text on a line of its own, so that no two words become one; one that says nothing adds nothing.
pub fn join(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push('\n');
    }
    text.push_str(more);
}
