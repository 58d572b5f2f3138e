//! Typed errors. Every failure of the library is an [`Error`]; its [`Error::code`] is stable and is
//! what JavaScript and `--json` see. A message names the file, the tensor and the numbers, and ends
//! with what the user can do, if anything.

use std::fmt;

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure: where it occurred, what was found, what was expected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A required file of the model folder does not exist.
    #[error(
        "{file} is missing; a model folder holds config.json, tokenizer.json and *.safetensors"
    )]
    FileMissing {
        /// Path or URL.
        file: String,
    },
    /// A file exists but cannot be read or written.
    #[error("{file}: {reason}")]
    FileAccess {
        /// Path or URL.
        file: String,
        /// The system's message.
        reason: String,
    },
    /// A model's file was changed after the model was opened; parts of two models must not be
    /// mixed.
    #[error(
        "{file} has changed since the model was opened: it was {was}, it is {is}; load the model again"
    )]
    ModelChanged {
        /// Path.
        file: String,
        /// Length, time and number at that time, or that it did not exist.
        was: String,
        /// The same at present.
        is: String,
    },
    /// A request to a server failed.
    #[error("{url}: {reason}")]
    Network {
        /// The requested address.
        url: String,
        /// The HTTP status or failure, and its usual cause.
        reason: String,
    },
    /// A hub's answer is not trustworthy or not usable.
    #[error("{hub} answers with {field} {value}: {reason}")]
    Hub {
        /// Its address.
        hub: String,
        /// The header or entry.
        field: String,
        /// Its value, in quotation marks, printable and truncated.
        value: String,
        /// What the value must be.
        reason: String,
    },
    /// `config.json`, `preprocessor_config.json`, `generation_config.json` or a chat template cannot be used.
    #[error("{file}: {reason}")]
    Config {
        /// The file.
        file: String,
        /// The key, its value, and what it must be.
        reason: String,
    },
    /// `tokenizer.json` cannot be used.
    #[error("{file}: {reason}")]
    Tokenizer {
        /// The file.
        file: String,
        /// The cause.
        reason: String,
    },
    /// A safetensors file or its index is damaged.
    #[error("{file}: {reason}")]
    Checkpoint {
        /// The file.
        file: String,
        /// The cause.
        reason: String,
    },
    /// A tensor that the model needs is in none of the files.
    #[error("tensor {name} is missing from {file}{hint}")]
    TensorMissing {
        /// Its checkpoint name.
        name: String,
        /// Where it was searched for.
        file: String,
        /// A similar name, or empty.
        hint: String,
    },
    /// A tensor does not have the shape that config.json implies.
    #[error("{file}: tensor {name} has shape {found:?}, config.json implies {expected:?}")]
    TensorShape {
        /// Its checkpoint name.
        name: String,
        /// The file that contains it.
        file: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The required shape.
        expected: Vec<usize>,
    },
    /// A tensor is stored in a type that is not supported for weights.
    #[error(
        "{file}: tensor {name} is stored as {found}; F32, F16 and BF16 can be read. Save it in one of them; of quantised weights take the checkpoint that they were made from"
    )]
    TensorDtype {
        /// Its checkpoint name.
        name: String,
        /// The file that contains it.
        file: String,
        /// The type in the file.
        found: String,
    },
    /// A weight is not a finite number.
    #[error(
        "{file}: tensor {name} holds {value} at element {index}; the file is damaged or was saved from a diverged run"
    )]
    TensorValue {
        /// Its checkpoint name.
        name: String,
        /// The file that contains it.
        file: String,
        /// Flat index of the first such element.
        index: usize,
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// The manifest of a converted model is invalid, or has another version.
    #[error("{file}: {reason}")]
    Manifest {
        /// Path or URL.
        file: String,
        /// What is wrong, and in which shard or tensor.
        reason: String,
    },
    /// A matrix cannot be quantised, or bytes are not a quantised matrix.
    #[error("{reason}")]
    Quantised {
        /// What is wrong, with the numbers.
        reason: String,
    },
    /// The bytes are not a picture in a supported format.
    #[error("{file}: {reason}")]
    ImageFormat {
        /// File name, or `image`.
        file: String,
        /// The apparent format, and the supported ones.
        reason: String,
    },
    /// The picture is truncated or damaged.
    #[error("{file}: {reason}")]
    ImageDamaged {
        /// File name, or `image`.
        file: String,
        /// The decoder's message.
        reason: String,
    },
    /// The picture is larger than this program decodes; detected in the header, before decoding.
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
    /// The picture has a shape of which the model sees nothing.
    #[error("the picture is {width} x {height} pixels: {reason}")]
    ImageShape {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Why nothing is seen, and what to do.
        reason: String,
    },
    /// A data set's file cannot be used at all.
    #[error("{file}: {reason}")]
    Dataset {
        /// The file.
        file: String,
        /// The cause.
        reason: String,
    },
    /// An entry of a data set cannot be used, and the caller asked to stop at such entries.
    #[error("{file}: record {id}: {reason}")]
    BadRecord {
        /// The file.
        file: String,
        /// The entry's id, or its index in the file.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A conversation that the template cannot express.
    #[error("nothing can be learnt from this conversation: {reason}")]
    Example {
        /// What the template requires.
        reason: String,
    },
    /// A score was requested before anything was scored.
    #[error("no question was scored")]
    NothingScored,
    /// A result cannot be written.
    #[error("{file} cannot be written: {reason}")]
    Output {
        /// Path.
        file: String,
        /// The system's message.
        reason: String,
    },
    /// Another program is writing to the output folder.
    #[error(
        "{folder} is being written by another run; wait for it to end, or choose another folder"
    )]
    FolderInUse {
        /// Path.
        folder: String,
    },
    /// The question is empty.
    #[error("the question is empty")]
    EmptyQuestion,
    /// The conversation and the question exceed the context.
    #[error(
        "the conversation needs {needed_tokens} tokens and the context holds {context_tokens}; start a new chat or ask something shorter{hint}"
    )]
    ContextExceeded {
        /// Tokens of the conversation, of the question, and one for the answer.
        needed_tokens: usize,
        /// Tokens that fit.
        context_tokens: usize,
        /// What its pictures take, and with how little they would do; or empty.
        hint: String,
    },
    /// A question refers to a picture that the engine does not have.
    #[error("the picture {key} has not been read, or has been let go for others; read it again")]
    PictureNotHeld {
        /// The picture's key.
        key: String,
    },
    /// An option has an invalid value.
    #[error("{option}: {reason}")]
    Option {
        /// Its name as the user typed it.
        option: String,
        /// What it must be.
        reason: String,
    },
    /// The model does not fit into memory.
    #[error(
        "{what} needs about {needed_mib} MiB and {available_mib} MiB are available on {device}{hint}"
    )]
    Memory {
        /// What the memory is for.
        what: String,
        /// Needed memory in MiB.
        needed_mib: u64,
        /// Available memory in MiB.
        available_mib: u64,
        /// The device.
        device: String,
        /// What to do instead, or empty.
        hint: String,
    },
    /// The requested device does not exist, or failed.
    #[error("{device}: {reason}")]
    Device {
        /// Its name as given by the user or the adapter.
        device: String,
        /// The cause, and what to do.
        reason: String,
    },
    /// The device was lost, and with it all data on it.
    #[error("the graphics device was lost ({reason}): the model must be loaded again")]
    DeviceLost {
        /// The driver's message.
        reason: String,
    },
    /// The device is out of memory; its data must not be used any further.
    #[error(
        "the graphics device is out of memory ({reason}): load the model again with a smaller context, or a smaller model"
    )]
    OutOfMemory {
        /// The driver's message.
        reason: String,
    },
    /// The model computed a value that is not a finite number.
    #[error(
        "{stage} gave a value that is not a number: the weights or the device are at fault; try --device cpu"
    )]
    NotFinite {
        /// The stage of the computation.
        stage: String,
    },
    /// A training run's loss or gradient is no longer finite.
    #[error(
        "the loss of step {step} is {loss}: the run has diverged and was stopped; the last checkpoint is from before. A lower learning_rate usually helps"
    )]
    Diverged {
        /// The step, from 1.
        step: u64,
        /// The loss.
        loss: f64,
    },
    /// A training checkpoint does not belong to the run that should be resumed.
    #[error(
        "{file}: {field} is {found} there and {expected} here; train anew, or resume with the files it was begun with"
    )]
    Resume {
        /// The checkpoint's file.
        file: String,
        /// The setting that differs.
        field: String,
        /// Its value in the checkpoint.
        found: String,
        /// Its value in this run's files.
        expected: String,
    },
    /// The user stopped the operation.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// Whether a loaded model can still be used: what a question or a picture is to blame for leaves it as it was; what is
    /// on a device that failed, or was read from files that are others by now, is not to be relied on.
    pub fn leaves_the_model_whole(&self) -> bool {
        matches!(
            self,
            Error::Stopped
                | Error::Option { .. }
                | Error::EmptyQuestion
                | Error::ContextExceeded { .. }
                | Error::PictureNotHeld { .. }
                | Error::ImageFormat { .. }
                | Error::ImageDamaged { .. }
                | Error::ImageTooLarge { .. }
                | Error::ImageShape { .. }
        )
    }

    /// The exit code of a program that it ends; `inf-llava --help` has the table.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::EmptyQuestion | Error::Option { .. } => 2,
            Error::FileMissing { .. }
            | Error::FileAccess { .. }
            | Error::ModelChanged { .. }
            | Error::Network { .. }
            | Error::Hub { .. }
            | Error::Config { .. }
            | Error::Tokenizer { .. }
            | Error::Checkpoint { .. }
            | Error::TensorMissing { .. }
            | Error::TensorShape { .. }
            | Error::TensorDtype { .. }
            | Error::TensorValue { .. }
            | Error::Manifest { .. }
            | Error::Quantised { .. }
            | Error::Dataset { .. }
            | Error::BadRecord { .. }
            | Error::Example { .. }
            | Error::NothingScored
            | Error::Diverged { .. }
            | Error::Resume { .. } => 3,
            Error::ImageFormat { .. }
            | Error::ImageDamaged { .. }
            | Error::ImageTooLarge { .. }
            | Error::ImageShape { .. }
            | Error::PictureNotHeld { .. } => 4,
            Error::Memory { .. } | Error::ContextExceeded { .. } | Error::OutOfMemory { .. } => 5,
            Error::Device { .. } | Error::DeviceLost { .. } | Error::NotFinite { .. } => 6,
            Error::Output { .. } | Error::FolderInUse { .. } => 7,
            Error::Stopped => 130,
        }
    }

    /// The stable name of this kind of error, for programs.
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
            Error::ImageShape { .. } => "image-shape",
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

    /// An [`Error::Config`] for a file that was read but cannot be used.
    pub fn config(file: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Error::Config {
            file: file.to_string(),
            reason: reason.to_string(),
        }
    }

    /// An [`Error::Checkpoint`] for a damaged safetensors file or index.
    pub fn checkpoint(file: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Error::Checkpoint {
            file: file.to_string(),
            reason: reason.to_string(),
        }
    }
}
