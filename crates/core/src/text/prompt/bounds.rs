//! What `fuel` does not count of a template: how deep its expressions and its values are. Whatever walks over them calls itself
//! for each level, so a deep one would take all of the stack.
//!
//! In: a template's text, untrusted. Out: the text with two things changed. What is assigned goes through the filter
//! [`FILTER`], since assignments are how a value grows from one turn of a loop to the next. And transformers' `{% generation %}`,
//! which marks what a model is to learn, becomes a block that does nothing.

use minijinja::value::{ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// The filter that what is assigned goes through.
pub(super) const FILTER: &str = "no_deeper_than_it_may_be";
/// Levels of a value that is assigned.
const LEVELS: usize = 32;
/// Words, signs and texts of one tag. Published templates have up to a hundred.
const TOKENS: usize = 400;
/// Brackets within brackets of one tag.
const BRACKETS: usize = 8;
/// Filters of one tag, and likewise slices.
const FILTERS: usize = 16;
/// Of one template.
const ELIFS: usize = 200;

/// A template's text with [`FILTER`] on what is assigned.
///
/// # Errors
/// The line, and what is too much of it.
pub(super) fn bounded(text: &str) -> Result<String, (usize, String)> {
    let mut changed = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    let mut elifs = 0;
    while let Some((at, end)) = next_tag(rest) {
        let (before, tag) = rest.split_at(at);
        changed.push_str(before);
        let line = 1 + text[..text.len() - tag.len()].matches('\n').count();
        let tag_end = match end {
            "#}" => tag.find(end).map_or(tag.len(), |end| end + 2),
            _ => {
                let read = Tag::read(&tag[2..], end).map_err(|what| (line, what))?;
                if end == "%}" {
                    elifs += usize::from(read.word == "elif");
                    if elifs > ELIFS {
                        return Err((line, format!("more than {ELIFS} elif")));
                    }
                    changed.push_str("{%");
                    read.change(&mut changed);
                    rest = &tag[2 + read.text.len()..];
                    if read.word == "raw" {
                        let end = end_of_raw(rest);
                        changed.push_str(&rest[..end]);
                        rest = &rest[end..];
                    }
                    continue;
                }
                2 + read.text.len()
            }
        };
        changed.push_str(&tag[..tag_end]);
        rest = &tag[tag_end..];
    }
    changed.push_str(rest);
    Ok(changed)
}

/// Where the next tag or comment begins, and how it ends.
fn next_tag(text: &str) -> Option<(usize, &'static str)> {
    let mut from = 0;
    while let Some(at) = text[from..].find('{') {
        let at = from + at;
        match text.as_bytes().get(at + 1) {
            Some(b'{') => return Some((at, "}}")),
            Some(b'%') => return Some((at, "%}")),
            Some(b'#') => return Some((at, "#}")),
            _ => from = at + 1,
        }
    }
    None
}

/// Where what is left as it is ends: in front of the tag that ends it.
fn end_of_raw(text: &str) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].find("{%") {
        let at = from + at;
        let word = text[at + 2..].trim_start_matches(['-', '+']).trim_start();
        if word.starts_with("endraw") {
            return at;
        }
        from = at + 2;
    }
    text.len()
}

/// A tag without its first two signs.
struct Tag<'a> {
    /// With what ends it.
    text: &'a str,
    /// Its first word.
    word: &'a str,
    /// Where that begins.
    word_at: usize,
    /// Where what is assigned begins.
    assigned_at: Option<usize>,
    /// Where its contents end.
    end: usize,
}

impl<'a> Tag<'a> {
    fn read(text: &'a str, end: &str) -> Result<Self, String> {
        let begin = text.len() - text.trim_start_matches(['-', '+']).trim_start().len();
        let mut tag = Tag {
            text,
            word: "",
            word_at: begin,
            assigned_at: None,
            end: text.len(),
        };
        let (mut open, mut tokens, mut filters, mut slices) = (Vec::new(), 0, 0, 0);
        let mut at = begin;
        while let Some(char) = text[at..].chars().next() {
            if open.is_empty() && text[at..].starts_with(end) {
                tag.end = at;
                tag.text = &text[..at + end.len()];
                break;
            }
            let start = at;
            at += char.len_utf8();
            if char.is_whitespace() {
                continue;
            }
            tokens += 1;
            match char {
                '\'' | '"' => at += end_of_text(&text[at..], char),
                '(' | '[' | '{' => open.push(char),
                ')' | ']' | '}' => drop(open.pop()),
                '|' => filters += 1,
                ':' if open.last() == Some(&'[') => slices += 1,
                '=' => {
                    let is_compared = text[..start].ends_with(['=', '!', '<', '>'])
                        || text[at..].starts_with('=');
                    if open.is_empty() && !is_compared && tag.assigned_at.is_none() {
                        tag.assigned_at = Some(at);
                    }
                }
                _ if is_word(char) => {
                    let more = text[at..].find(|char| !is_word(char));
                    at += more.unwrap_or(text.len() - at);
                    if start == begin {
                        tag.word = &text[start..at];
                    }
                }
                _ => {}
            }
            for (count, most, what) in [
                (tokens, TOKENS, "words and signs"),
                (open.len(), BRACKETS, "brackets within brackets"),
                (filters, FILTERS, "filters"),
                (slices, FILTERS, "slices"),
            ] {
                if count > most {
                    return Err(format!("a tag has more than {most} {what}"));
                }
            }
        }
        Ok(tag)
    }

    /// The tag with what is changed of it.
    fn change(&self, changed: &mut String) {
        let inner = &self.text[..self.end];
        let control = inner.len() - usize::from(inner.ends_with(['-', '+']));
        let assigned = self.assigned_at.filter(|&at| at <= control);
        match (self.word, assigned) {
            ("generation" | "endgeneration", _) => {
                let end = if self.word == "generation" { "" } else { "end" };
                changed.push_str(&self.text[..self.word_at]);
                changed.push_str(end);
                changed.push_str("with");
                changed.push_str(&self.text[self.word_at + self.word.len()..]);
            }
            ("set", Some(at)) => {
                changed.push_str(&self.text[..at]);
                // What is put into a namespace must not be one: it might be that one itself.
                let is_within = self.text[..at].contains('.');
                let assigned = &self.text[at..control];
                changed.push_str(&format!("({assigned})|{FILTER}({is_within}) "));
                changed.push_str(&self.text[control..]);
            }
            _ => changed.push_str(self.text),
        }
    }
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Where a text ends that began with `quote`.
fn end_of_text(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, char) in text.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if char == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The filter: the value, made anew where it is of many, so that nothing of it is left to be worked out later.
///
/// # Errors
/// More than [`LEVELS`]; a namespace within something, which might be within itself; no fuel left.
pub(super) fn no_deeper(state: &State, value: &Value, is_within: bool) -> Result<Value, Error> {
    match is_namespace(value) && !is_within {
        true => Ok(value.clone()),
        false => copy(state, value, 0),
    }
}

fn is_namespace(value: &Value) -> bool {
    let object = value.as_object();
    object.is_some_and(|object| object.type_name().ends_with("::Namespace"))
}

fn copy(state: &State, value: &Value, level: usize) -> Result<Value, Error> {
    let refused = |what: String| Error::new(ErrorKind::InvalidOperation, what);
    if !matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
    ) {
        return Ok(value.clone());
    }
    if level == LEVELS {
        return Err(refused(format!(
            "a value of more than {LEVELS} levels is assigned"
        )));
    }
    if is_namespace(value) {
        return Err(refused("a namespace is assigned within something".into()));
    }
    if let Some(object) = value.as_object()
        && object.repr() == ObjectRepr::Map
    {
        let mut copied = Vec::new();
        for (key, value) in object.try_iter_pairs().into_iter().flatten() {
            state.consume_fuel(1)?;
            copied.push((
                copy(state, &key, level + 1)?,
                copy(state, &value, level + 1)?,
            ));
        }
        return Ok(Value::from_pairs(copied));
    }
    let mut list = Vec::new();
    for item in value.try_iter()?.checked() {
        state.consume_fuel(1)?;
        list.push(copy(state, &item?, level + 1)?);
    }
    Ok(Value::from(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_tags_keep_their_white_space_control() {
        for (text, expected) in [
            (
                "{% generation %}a{% endgeneration %}",
                "{% with %}a{% endwith %}",
            ),
            (
                "{%- generation -%}{%+endgeneration-%}",
                "{%- with -%}{%+endwith-%}",
            ),
            (
                "{%generation%} {%\nendgeneration\n%}",
                "{%with%} {%\nendwith\n%}",
            ),
            (
                "{% if generation %}{% generation_x %}{%",
                "{% if generation %}{% generation_x %}{%",
            ),
            ("{{ '{% generation %}' }}{", "{{ '{% generation %}' }}{"),
        ] {
            assert_eq!(bounded(text).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_assigned_goes_through_the_filter() {
        let on = |text: &str, is_within: bool| format!("({text})|{FILTER}({is_within}) ");
        for (text, expected) in [
            (
                "{% set a = 1 %}",
                format!("{{% set a ={}%}}", on(" 1 ", false)),
            ),
            (
                "{%-set n.x=a == b-%}",
                format!("{{%-set n.x={}-%}}", on("a == b", true)),
            ),
            (
                "{% set a, b = ')%}', {'c': [1]} +%}",
                format!("{{% set a, b ={}+%}}", on(" ')%}', {'c': [1]} ", false)),
            ),
            // Nothing is assigned here.
            (
                "{% set a %}x{% endset %}",
                "{% set a %}x{% endset %}".into(),
            ),
            (
                "{% if a == b %}{{ f(a=1) }}{% set",
                "{% if a == b %}{{ f(a=1) }}{% set".into(),
            ),
            (
                "{# {% set a = 1 %} #}{% raw %}{% set a = 1 %}{% endraw %}",
                "{# {% set a = 1 %} #}{% raw %}{% set a = 1 %}{% endraw %}".into(),
            ),
            (
                "{{ '{% set a = 1 %}' }}é{",
                "{{ '{% set a = 1 %}' }}é{".into(),
            ),
        ] {
            assert_eq!(bounded(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_line_of_what_is_too_much_is_told() {
        for (tag, what) in [
            ("not ".repeat(401), "words and signs"),
            ("[".repeat(9), "brackets"),
            ("a|b".repeat(17), "filters"),
            ("a[1:]".repeat(17), "slices"),
        ] {
            let (line, found) = bounded(&format!("a\n\n{{{{ {tag} }}}}")).expect_err(what);
            assert_eq!(line, 3);
            assert!(found.contains(what), "{found}");
        }
        let many = "{% if a %}".to_string() + &"{% elif a %}".repeat(201);
        assert!(bounded(&many).is_err_and(|(_, what)| what.contains("elif")));
    }
}
