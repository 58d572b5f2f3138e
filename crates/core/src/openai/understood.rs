//! A request as it was understood, for whoever asks the engine elsewhere: a page, by its worker.

use serde::Serialize;

use super::ask::Ask;
use super::completion::{CompletionChunk, Head};
use super::data_url::PictureFile;
use crate::request::Request;

/// What a request comes to, beside its pictures' files.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Understood {
    /// What the engine is asked; its pictures have their files' keys.
    pub asked: Request,
    /// Whether the request states a temperature; else the model's default is taken.
    pub states_temperature: bool,
    /// Whether the answer is wanted piece by piece.
    pub stream: bool,
    /// What all parts of the answer have in common.
    pub head: Head,
    /// The first chunk of a stream.
    pub begin: CompletionChunk,
}

impl Ask {
    /// What is asked, and the pictures' files. `number` is no other request's of this program; `model` is what the model is
    /// called, where that is known.
    pub fn understood(self, number: u64, model: Option<String>) -> (Understood, Vec<PictureFile>) {
        let model = model.or(self.model).unwrap_or_default();
        let head = Head::new(number, model, self.include_usage);
        let understood = Understood {
            asked: self.request,
            states_temperature: self.states_temperature,
            stream: self.stream,
            begin: head.begin(),
            head,
        };
        (understood, self.pictures)
    }
}
