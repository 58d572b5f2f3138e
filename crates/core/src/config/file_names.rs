//! File names in a model folder.

/// File name of the model's configuration.
pub const CONFIG_FILE: &str = "config.json";
/// File name of the picture processor's configuration.
pub const PREPROCESSOR_FILE: &str = "preprocessor_config.json";
/// File name of the generation settings.
pub const GENERATION_FILE: &str = "generation_config.json";
/// File name of the tokenizer's settings, used for the end-of-text token if no other file gives it.
pub const TOKENIZER_CONFIG_FILE: &str = "tokenizer_config.json";

/// File name of the tokenizer.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// File name of the processor's settings, as newer checkpoints have it; it may hold the chat template.
pub const PROCESSOR_FILE: &str = "processor_config.json";
/// File name of the chat template, within JSON.
pub const CHAT_TEMPLATE_JSON_FILE: &str = "chat_template.json";
/// File name of the chat template itself.
pub const CHAT_TEMPLATE_FILE: &str = "chat_template.jinja";

/// All that a model is made of beside its weights, as far as a checkpoint has it.
pub const MODEL_FILES: [&str; 8] = [
    CONFIG_FILE,
    GENERATION_FILE,
    PREPROCESSOR_FILE,
    PROCESSOR_FILE,
    TOKENIZER_FILE,
    TOKENIZER_CONFIG_FILE,
    CHAT_TEMPLATE_JSON_FILE,
    CHAT_TEMPLATE_FILE,
];
