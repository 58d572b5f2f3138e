//! Jinja as published chat templates expect it, within bounds.
//!
//! In: a template's text, untrusted. Out: an environment that renders it. It must not know what a conversation is.
//! A template is a program, so what it may do is counted: its work and all that it makes (`fuel`), how deep it calls
//! itself, and how deep what it says and makes is ([`super::bounds`]). It sees what it is given and nothing else: no files, no other templates, no clock.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters,
};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::bounds::{FILTER, bounded, no_deeper};

/// The name of the one template of an environment.
pub(super) const NAME: &str = "chat_template";
/// How deep macros and loops may call themselves.
const DEPTH: usize = 24;

/// An environment with the template `text`.
///
/// # Errors
/// What does not parse.
pub(super) fn environment(text: &str) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_recursion_limit(DEPTH);
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.add_function("raise_exception", raise_exception);
    environment.add_filter("tojson", tojson);
    environment.add_filter(FILTER, no_deeper);
    let own = environment.globals().find(|(name, _)| *name == "namespace");
    if let Some((_, own)) = own {
        let checked = move |state: &mut State, given: Option<Value>, named: Kwargs| {
            let names: Vec<&str> = named.args().collect();
            for name in names {
                no_deeper(state, &named.get::<Value>(name)?, true)?;
            }
            let given = match given {
                Some(given) => no_deeper(state, &given, true)?,
                None => Value::from(named),
            };
            own.call(state, &[given])
        };
        environment.add_function("namespace", checked);
    }
    let text = bounded(text).map_err(|(line, what)| {
        Error::new(ErrorKind::SyntaxError, format!("line {line}: {what}"))
    })?;
    environment.add_template_owned(NAME, text)?;
    Ok(environment)
}

/// How a template says that it is not made for a conversation.
fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// JSON as Python writes it, without the escapes that Jinja's own has for web pages.
fn tojson(value: &Value, indent: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let json = filters::tojson(value, indent, options)?;
    let json = json.as_str().unwrap_or_default();
    let mut plain = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let escape = ESCAPES.iter().find(|(escape, _)| rest.starts_with(escape));
        match escape {
            Some((escape, char)) => {
                plain.push(*char);
                rest = &rest[escape.len()..];
            }
            // A backslash and the character that it escapes, which may be another one.
            None => {
                let mut chars = rest.chars();
                plain.extend(chars.by_ref().take(2));
                rest = chars.as_str();
            }
        }
    }
    plain.push_str(rest);
    Ok(Value::from(plain))
}

const ESCAPES: [(&str, char); 4] = [
    ("\\u003c", '<'),
    ("\\u003e", '>'),
    ("\\u0026", '&'),
    ("\\u0027", '\''),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_as_python_writes_it() {
        let text = r#"{{ {"a": "<b> & 'c' \\u003c é", "d": [1, true, none]} | tojson }}"#;
        let environment = environment(text).expect("a template");
        let template = environment.get_template(NAME).expect("the template");
        assert_eq!(
            template.render(()).expect("JSON"),
            r#"{"a": "<b> & 'c' \\u003c é", "d": [1, true, null]}"#
        );
    }
}
