//! What can go wrong, typed. Every failure of the library is an [`Error`]; its [`Error::code`] is
//! stable and is what JavaScript and `--json` see. A message names the file, the tensor and the
//! numbers, and ends with what to do where there is something to do.

use std::fmt;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure: what was looked at, what was found, what was wanted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that the model folder must have is not there.
    #[error(
        "{file} is missing; a model folder holds config.json, tokenizer.json and *.safetensors"
    )]
    FileMissing {
        /// Path or URL.
        file: String,
    },
    /// A file is there and cannot be read or written.
    #[error("{file}: {reason}")]
    FileAccess {
        /// Path or URL.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// A model's file is not what it was when the model was opened: half of two models must not answer.
    #[error(
        "{file} has changed since the model was opened: it was {was}, it is {is}; load the model again"
    )]
    ModelChanged {
        /// Path.
        file: String,
        /// Length, time and number then, or that it was not there.
        was: String,
        /// The same now.
        is: String,
    },
    /// A server did not give what was asked of it.
    #[error("{url}: {reason}")]
    Network {
        /// The address asked.
        url: String,
        /// Status or failure, and what it usually means.
        reason: String,
    },
    /// A hub answered what is not to be trusted, or cannot be used.
    #[error("{hub} answers with {field} {value}: {reason}")]
    Hub {
        /// Its address.
        hub: String,
        /// Which header or entry.
        field: String,
        /// What it says, in quotation marks, printable and cut short.
        value: String,
        /// What it must say.
        reason: String,
    },
    /// `config.json`, `preprocessor_config.json`, `generation_config.json` or a chat template cannot be used.
    #[error("{file}: {reason}")]
    Config {
        /// Which file.
        file: String,
        /// Which entry, what it says, what it must say.
        reason: String,
    },
    /// `tokenizer.json` cannot be used.
    #[error("{file}: {reason}")]
    Tokenizer {
        /// Which file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A safetensors file or its index is broken.
    #[error("{file}: {reason}")]
    Checkpoint {
        /// Which file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A tensor that the model needs is in no file.
    #[error("tensor {name} is missing from {file}{hint}")]
    TensorMissing {
        /// Its checkpoint name.
        name: String,
        /// Where it was looked for.
        file: String,
        /// A name that is near, or nothing.
        hint: String,
    },
    /// A tensor does not have the shape that config.json implies.
    #[error("{file}: tensor {name} has shape {found:?}, config.json implies {expected:?}")]
    TensorShape {
        /// Its checkpoint name.
        name: String,
        /// The file it is in.
        file: String,
        /// The shape found.
        found: Vec<usize>,
        /// The shape needed.
        expected: Vec<usize>,
    },
    /// A tensor is stored in a type that weights do not come in.
    #[error(
        "{file}: tensor {name} is stored as {found}; F32, F16 and BF16 can be read. Save it in one of them; of quantised weights take the checkpoint that they were made from"
    )]
    TensorDtype {
        /// Its checkpoint name.
        name: String,
        /// The file it is in.
        file: String,
        /// The type found.
        found: String,
    },
    /// A weight is not a finite number.
    #[error(
        "{file}: tensor {name} holds {value} at element {index}; the file is damaged or was saved from a diverged run"
    )]
    TensorValue {
        /// Its checkpoint name.
        name: String,
        /// The file it is in.
        file: String,
        /// Flat index of the first such element.
        index: usize,
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// The manifest of a converted model is broken, or of another version.
    #[error("{file}: {reason}")]
    Manifest {
        /// Path or URL.
        file: String,
        /// What is wrong, with which shard or tensor.
        reason: String,
    },
    /// A matrix that cannot be quantised, or bytes that are no such matrix.
    #[error("{reason}")]
    Quantised {
        /// What does not fit, with the numbers.
        reason: String,
    },
    /// The bytes are no picture that can be read.
    #[error("{file}: {reason}")]
    ImageFormat {
        /// File name, or `image`.
        file: String,
        /// What it seems to be, and which formats can be read.
        reason: String,
    },
    /// The picture starts well and breaks off or is damaged.
    #[error("{file}: {reason}")]
    ImageDamaged {
        /// File name, or `image`.
        file: String,
        /// What the decoder said.
        reason: String,
    },
    /// The picture is larger than this program decodes; read from the header, before decoding.
    #[error(
        "{file} is {width} x {height} pixels; at most {max_megapixels} megapixels and {max_side} pixels a side can be read here. Scale it down first"
    )]
    ImageTooLarge {
        /// File name, or `image`.
        file: String,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Millions of pixels.
        max_megapixels: u32,
        /// Pixels.
        max_side: u32,
    },
    /// A data set's file cannot be used at all.
    #[error("{file}: {reason}")]
    Dataset {
        /// Which file.
        file: String,
        /// Why.
        reason: String,
    },
    /// One entry of a data set cannot be used, and the caller asked not to go on without it.
    #[error("{file}: record {id}: {reason}")]
    BadRecord {
        /// Which file.
        file: String,
        /// The entry's id, or its place in the file.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A conversation that the template has no form for.
    #[error("nothing can be learnt from this conversation: {reason}")]
    Example {
        /// What the template needs.
        reason: String,
    },
    /// A score was asked for before anything was scored.
    #[error("no question was scored")]
    NothingScored,
    /// A result cannot be written.
    #[error("{file} cannot be written: {reason}")]
    Output {
        /// Path.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// Another program writes the folder that was to be written.
    #[error(
        "{folder} is being written by another run; wait for it to end, or choose another folder"
    )]
    FolderInUse {
        /// Path.
        folder: String,
    },
    /// Nothing was asked.
    #[error("the question is empty")]
    EmptyQuestion,
    /// The conversation and the question do not fit.
    #[error(
        "the conversation needs {needed_tokens} tokens and the context holds {context_tokens}; start a new chat or ask something shorter"
    )]
    ContextExceeded {
        /// Tokens of the conversation, the question, and one for the answer.
        needed_tokens: usize,
        /// Tokens that fit.
        context_tokens: usize,
    },
    /// A picture was asked about that the engine does not hold.
    #[error("the picture {key} has not been read, or has been let go for others; read it again")]
    PictureNotHeld {
        /// What it is called.
        key: String,
    },
    /// An option has a value that makes no sense.
    #[error("{option}: {reason}")]
    Option {
        /// Its name as typed.
        option: String,
        /// What it must be.
        reason: String,
    },
    /// The model does not fit.
    #[error(
        "{what} needs about {needed_mib} MiB and {available_mib} MiB are available on {device}{hint}"
    )]
    Memory {
        /// What was to be held.
        what: String,
        /// MiB.
        needed_mib: u64,
        /// MiB.
        available_mib: u64,
        /// Where.
        device: String,
        /// What to do instead, or nothing.
        hint: String,
    },
    /// The device asked for is not there, or failed.
    #[error("{device}: {reason}")]
    Device {
        /// As named by the user or the adapter.
        device: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The device has gone away, and with it all that was on it.
    #[error("the graphics device was lost ({reason}): the model must be loaded again")]
    DeviceLost {
        /// What the driver said.
        reason: String,
    },
    /// The device has no room for what was asked of it; what is on it is not to be relied on.
    #[error(
        "the graphics device is out of memory ({reason}): load the model again with a smaller context, or a smaller model"
    )]
    OutOfMemory {
        /// What the driver said.
        reason: String,
    },
    /// The model's arithmetic gave something that is no number.
    #[error(
        "{stage} gave a value that is not a number: the weights or the device are at fault; try --device cpu"
    )]
    NotFinite {
        /// Which stage.
        stage: String,
    },
    /// A training run's loss or gradient is no number any more.
    #[error(
        "the loss of step {step} is {loss}: the run has diverged and was stopped; the last checkpoint is from before. A lower learning_rate usually helps"
    )]
    Diverged {
        /// The step, from 1.
        step: u64,
        /// What it gave.
        loss: f64,
    },
    /// A training checkpoint is from another run than the one that is to go on.
    #[error(
        "{file}: {field} is {found} there and {expected} here; train anew, or resume with the files it was begun with"
    )]
    Resume {
        /// The checkpoint's file.
        file: String,
        /// The entry that differs.
        field: String,
        /// In the checkpoint.
        found: String,
        /// In this run's files.
        expected: String,
    },
    /// The user stopped it.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// The stable name of the kind of failure, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Error::FileMissing { .. } => "file-missing",
            Error::FileAccess { .. } => "file-access",
            Error::ModelChanged { .. } => "model-changed",
            Error::Network { .. } => "network",
            Error::Hub { .. } => "hub",
            Error::Config { .. } => "config",
            Error::Tokenizer { .. } => "tokenizer",
            Error::Checkpoint { .. } => "checkpoint",
            Error::TensorMissing { .. } => "tensor-missing",
            Error::TensorShape { .. } => "tensor-shape",
            Error::TensorDtype { .. } => "tensor-dtype",
            Error::TensorValue { .. } => "tensor-value",
            Error::Manifest { .. } => "manifest",
            Error::Quantised { .. } => "quantised",
            Error::ImageFormat { .. } => "image-format",
            Error::ImageDamaged { .. } => "image-damaged",
            Error::ImageTooLarge { .. } => "image-too-large",
            Error::Dataset { .. } => "dataset",
            Error::BadRecord { .. } => "bad-record",
            Error::Example { .. } => "example",
            Error::NothingScored => "nothing-scored",
            Error::Output { .. } => "output",
            Error::FolderInUse { .. } => "folder-in-use",
            Error::EmptyQuestion => "empty-question",
            Error::ContextExceeded { .. } => "context-exceeded",
            Error::PictureNotHeld { .. } => "picture-not-held",
            Error::Option { .. } => "option",
            Error::Memory { .. } => "memory",
            Error::Device { .. } => "device",
            Error::DeviceLost { .. } => "device-lost",
            Error::OutOfMemory { .. } => "out-of-memory",
            Error::NotFinite { .. } => "not-finite",
            Error::Diverged { .. } => "diverged",
            Error::Resume { .. } => "resume",
            Error::Stopped => "stopped",
        }
    }

    /// A file that was read and cannot be used, as [`Error::Config`].
    pub fn config(file: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Error::Config {
            file: file.to_string(),
            reason: reason.to_string(),
        }
    }

    /// A broken safetensors file or index, as [`Error::Checkpoint`].
    pub fn checkpoint(file: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Error::Checkpoint {
            file: file.to_string(),
            reason: reason.to_string(),
        }
    }
}
