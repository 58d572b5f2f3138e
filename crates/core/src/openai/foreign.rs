//! Options of a request that nothing here is for: OpenAI's own, and those of other servers that programs send
//! to whatever answers. In: a request's fields. Out: nothing, or a refusal that names the field: what would change an
//! answer is not passed over. Those that the answer keeps to are read elsewhere.

use serde_json::Value;

use super::error::BadRequest;
use super::fields::{self, Rest};

/// Characters of a field's name.
const MOST_SHOWN: usize = 200;

/// A field's name, which values of it mean no more than its absence, and what can be done.
type Foreign = (&'static str, fn(&Value) -> bool, &'static str);

const NO_TOOLS: &str = "this model calls no tools";
const NO_LOGPROBS: &str = "log probabilities are not given";
const TEXT_ONLY: &str = "answers are text";
const ASK_FOR_IT: &str = "answers are text; ask for another form in the question";
const PENALTY: &str = "use repetition_penalty";
const MOST_TOKENS: &str = "use max_tokens";
const NO_LEAST: &str = "an answer ends where the model ends it, or at max_tokens";
const CUT: &str = "use temperature, top_p and top_k";
const STOP: &str = "use stop";
const ONE_TEMPLATE: &str = "the model was made with one template";
const SAY_IT: &str = "the model was made with one system prompt and takes no other; say it in the question, or switch the system prompt off in the client";
const NO_REASONING: &str = "this model does not reason before it answers";
const MESSAGES: &str = "use messages";
const IN_PARTS: &str = "pictures are parts of messages: {\"type\": \"image_url\", \"image_url\": {\"url\": \"data:image/png;base64,...\"}}";

const FOREIGN: &[Foreign] = &[
    // What OpenAI's own requests have.
    ("n", is_one, "one answer is given; ask again for another"),
    ("best_of", is_one, "one answer is made"),
    ("tools", is_empty, NO_TOOLS),
    ("functions", is_empty, "this model calls no functions"),
    ("tool_choice", calls_nothing, NO_TOOLS),
    ("function_call", calls_nothing, NO_TOOLS),
    ("parallel_tool_calls", any, ""),
    ("logprobs", is_false, NO_LOGPROBS),
    ("top_logprobs", is_zero, NO_LOGPROBS),
    (
        "response_format",
        |format| format["type"] == "text",
        ASK_FOR_IT,
    ),
    ("presence_penalty", is_zero, PENALTY),
    ("frequency_penalty", is_zero, PENALTY),
    ("logit_bias", is_empty, "tokens cannot be preferred by hand"),
    (
        "modalities",
        |kinds| *kinds == serde_json::json!(["text"]),
        TEXT_ONLY,
    ),
    ("audio", never, TEXT_ONLY),
    ("web_search_options", never, "nothing is searched for"),
    ("reasoning_effort", |effort| effort == "none", NO_REASONING),
    ("reasoning", never, NO_REASONING),
    (
        "verbosity",
        |much| much == "medium",
        "ask for it in the question",
    ),
    ("store", is_false, "nothing is stored"),
    ("metadata", any, ""),
    ("user", any, ""),
    ("safety_identifier", any, ""),
    ("service_tier", any, ""),
    ("prompt_cache_key", any, ""),
    ("prompt_cache_retention", any, ""),
    // It only makes another server quicker.
    ("prediction", any, ""),
    ("prompt", never, MESSAGES),
    ("input", never, MESSAGES),
    ("suffix", is_empty, MESSAGES),
    ("echo", is_false, "an answer does not repeat its question"),
    ("max_output_tokens", never, MOST_TOKENS),
    // What other servers have beside them.
    ("min_p", is_zero, CUT),
    ("typical_p", is_one, CUT),
    ("tfs_z", is_one, CUT),
    ("top_a", is_zero, CUT),
    ("mirostat", is_zero, CUT),
    ("xtc_probability", is_zero, CUT),
    ("samplers", never, CUT),
    ("logits_processors", is_empty, CUT),
    (
        "allowed_token_ids",
        is_empty,
        "tokens cannot be preferred by hand",
    ),
    ("bad_words", is_empty, "tokens cannot be preferred by hand"),
    ("random_seed", never, "use seed"),
    ("repeat_penalty", is_one, PENALTY),
    (
        "repeat_last_n",
        never,
        "repetition_penalty looks at the whole conversation",
    ),
    ("dry_multiplier", is_zero, PENALTY),
    ("n_predict", never, MOST_TOKENS),
    ("num_predict", never, MOST_TOKENS),
    ("max_new_tokens", never, MOST_TOKENS),
    ("max_length", never, MOST_TOKENS),
    ("min_tokens", is_zero, NO_LEAST),
    ("min_new_tokens", is_zero, NO_LEAST),
    ("ignore_eos", is_false, NO_LEAST),
    ("stop_token_ids", is_empty, STOP),
    (
        "include_stop_str_in_output",
        is_false,
        "an answer ends in front of its stop text",
    ),
    (
        "skip_special_tokens",
        is_true,
        "an answer has no control tokens",
    ),
    ("grammar", is_empty, ASK_FOR_IT),
    ("json_schema", never, ASK_FOR_IT),
    ("guided_json", never, ASK_FOR_IT),
    ("guided_regex", is_empty, ASK_FOR_IT),
    ("guided_choice", is_empty, ASK_FOR_IT),
    ("guided_grammar", is_empty, ASK_FOR_IT),
    ("structured_outputs", never, ASK_FOR_IT),
    ("format", is_empty, ASK_FOR_IT),
    ("use_beam_search", is_false, "one answer is made"),
    ("length_penalty", is_one, "one answer is made"),
    ("early_stopping", is_false, "one answer is made"),
    ("add_generation_prompt", is_true, ONE_TEMPLATE),
    (
        "continue_final_message",
        is_false,
        "the last message is a question",
    ),
    ("chat_template", never, ONE_TEMPLATE),
    ("chat_template_kwargs", is_empty, ONE_TEMPLATE),
    ("documents", is_empty, "put them into the question"),
    ("system", is_empty, SAY_IT),
    ("images", is_empty, IN_PARTS),
    ("think", is_false, NO_REASONING),
    ("thinking", never, NO_REASONING),
    (
        "options",
        is_empty,
        "its entries stand in the request itself: temperature, top_p, top_k, seed, max_tokens, stop",
    ),
    // How others keep what they hold, which changes no answer.
    ("cache_prompt", any, ""),
    ("keep_alive", any, ""),
    ("request_id", any, ""),
];

/// What a message may have beside its role and its content.
const OF_A_MESSAGE: &[Foreign] = &[
    // The template has no place for it.
    ("name", any, ""),
    ("cache_control", any, ""),
    ("function_call", is_empty, NO_TOOLS),
    ("refusal", is_empty, "put what was said into content"),
    ("annotations", is_empty, TEXT_ONLY),
    ("audio", never, TEXT_ONLY),
    ("prefix", is_false, "the last message is a question"),
    ("partial", is_false, "the last message is a question"),
    ("reasoning_content", is_empty, NO_REASONING),
    ("reasoning", is_empty, NO_REASONING),
    ("thinking", is_empty, NO_REASONING),
    ("images", is_empty, IN_PARTS),
];

/// What a part of a message's content may have beside its text or its picture.
const OF_A_PART: &[Foreign] = &[
    ("cache_control", any, ""),
    ("annotations", is_empty, TEXT_ONLY),
    ("logprobs", is_empty, NO_LOGPROBS),
    (
        "file_id",
        never,
        "no files are kept here; send the picture's bytes in image_url",
    ),
];

/// What the options of a stream may have beside `include_usage`.
const OF_A_STREAM: &[Foreign] = &[
    // Nothing is made longer to hide its length, which changes no text.
    ("include_obfuscation", any, ""),
    (
        "continuous_usage_stats",
        is_false,
        "what an answer took is told at its end",
    ),
];

fn any(_: &Value) -> bool {
    true
}

fn never(_: &Value) -> bool {
    false
}

fn is_false(value: &Value) -> bool {
    *value == false
}

fn is_true(value: &Value) -> bool {
    *value == true
}

fn is_zero(value: &Value) -> bool {
    value.as_f64() == Some(0.0)
}

fn is_one(value: &Value) -> bool {
    value.as_f64() == Some(1.0)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn calls_nothing(value: &Value) -> bool {
    value == "none" || value == "auto"
}

/// Refuses what is left of the request, which stands at `place`, if it would change the answer or is not known.
///
/// # Errors
/// [`BadRequest`] with `unsupported`, naming the field.
pub(super) fn refuse_rest(place: &str, rest: &Rest) -> Result<(), BadRequest> {
    refuse(place, rest, FOREIGN)
}

/// As [`refuse_rest`], of a message.
pub(super) fn refuse_rest_of_message(place: &str, rest: &Rest) -> Result<(), BadRequest> {
    refuse(place, rest, OF_A_MESSAGE)
}

/// As [`refuse_rest`], of a part of a message's content.
pub(super) fn refuse_rest_of_part(place: &str, rest: &Rest) -> Result<(), BadRequest> {
    refuse(place, rest, OF_A_PART)
}

/// As [`refuse_rest`], of a stream's options.
pub(super) fn refuse_rest_of_stream(place: &str, rest: &Rest) -> Result<(), BadRequest> {
    refuse(place, rest, OF_A_STREAM)
}

/// As [`refuse_rest`], of an object in which everything is known.
pub(super) fn refuse_all(place: &str, rest: &Rest) -> Result<(), BadRequest> {
    refuse(place, rest, &[])
}

fn refuse(place: &str, rest: &Rest, foreign: &[Foreign]) -> Result<(), BadRequest> {
    for (field, value) in rest.iter().filter(|(_, value)| !value.is_null()) {
        let known = foreign.iter().find(|(name, _, _)| name == field);
        // A stranger's word may be long, and is told back.
        let name: String = fields::name(place, field)
            .chars()
            .take(MOST_SHOWN)
            .collect();
        let message = match known {
            Some((_, is_harmless, _)) if is_harmless(value) => continue,
            Some((_, _, advice)) => format!("{name} is not supported as it is set: {advice}"),
            None => format!("{name} is not known here and could change the answer; leave it out"),
        };
        return Err(BadRequest::unsupported(name, message));
    }
    Ok(())
}
