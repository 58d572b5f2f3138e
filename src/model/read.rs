//! What a model folder says about text: its tokenizer, and how a conversation becomes a sequence.

use crate::config::{CHAT_TEMPLATE_FILE, Config, OwnPrompt, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE};
use crate::error::Result;
use crate::text::prompt::{
    NamedTokens, Placeholders, Prompt, PromptChoice, Template, begin_ids, conversation,
};
use crate::text::{Tokenizer, stops};
use crate::weights::settings::{chat_template, located};
use crate::weights::source::{Source, read_file, require_file};

/// Some of these files list thousands of added tokens.
const TOKENIZER_CONFIG_CAP: u64 = 16 << 20;

/// The tokenizer, and its file.
pub(super) async fn read_tokenizer(
    source: &impl Source,
    config: &Config,
) -> Result<(Tokenizer, Vec<u8>)> {
    let json = require_file(source, TOKENIZER_FILE, Tokenizer::MAX_BYTES as u64).await?;
    let tokenizer = Tokenizer::from_bytes(&source.describe(TOKENIZER_FILE), &json)?;
    Ok((tokenizer.with_rows(config.decoder.vocab_size), json))
}

/// What `read` finds in tokenizer_config.json, if there is such a file.
async fn read_named<T>(
    source: &impl Source,
    read: impl FnOnce(&[u8]) -> Result<T>,
) -> Result<Option<T>> {
    let json = read_file(source, TOKENIZER_CONFIG_FILE, TOKENIZER_CONFIG_CAP).await?;
    let named = json.map(|json| read(&json)).transpose();
    named.map_err(|error| located(source, error))
}

/// How a conversation becomes a sequence; `config` is completed by what ends an answer then. `json` is the tokenizer's file.
pub(super) async fn read_prompting(
    source: &impl Source,
    choice: &PromptChoice,
    config: &mut Config,
    (tokenizer, json): (&Tokenizer, &[u8]),
) -> Result<Prompt> {
    let of_checkpoint = async || match chat_template(source).await? {
        Some(found) => Ok(found),
        None => Err(source.missing(CHAT_TEMPLATE_FILE)),
    };
    let found = match (choice, config.prompt) {
        (PromptChoice::Own, OwnPrompt::ConvLlama3) | (PromptChoice::ConvLlama3, _) => None,
        (PromptChoice::Own, OwnPrompt::Conversation(kind)) => Some(conversation(kind, tokenizer)),
        (PromptChoice::Own, OwnPrompt::Checkpoint) | (PromptChoice::Checkpoint, _) => {
            Some(of_checkpoint().await?)
        }
        (PromptChoice::Given(found), _) => Some(found.clone()),
    };
    let Some(found) = found else {
        let named = match config.eos_token_ids.is_empty() {
            true => read_named(source, stops::named_end).await?.flatten(),
            false => None,
        };
        stops::complete(config, tokenizer, named.as_deref())?;
        return Ok(Prompt::ConvLlama3 {
            bos: config.bos_token_id,
        });
    };
    let tokens: NamedTokens = read_named(source, stops::named_tokens)
        .await?
        .unwrap_or_default();
    let end = tokens.iter().find(|(name, _)| name == "eos_token");
    let end = end.map(|(_, token)| token.as_str());
    stops::complete_by_name(config, tokenizer, end).map_err(|error| located(source, error))?;
    let begin = begin_ids(&source.describe(TOKENIZER_FILE), json, tokenizer)?;
    let template = Template::new(found, tokens, begin, Placeholders::default())?;
    Ok(Prompt::Template(template.into()))
}
