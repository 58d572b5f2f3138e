//! Drawn pictures with questions and answers, for training and scoring the demo model.
//!
//! In: a seed and an index. Out: a [`Scene`] (figures, signs, a bar chart), its [`Picture`], its
//! [`questions`] and its [`caption`]. The same numbers give the same bytes on every system: random
//! numbers come from ChaCha8, the arithmetic is portable, and no scene depends on another. This
//! module must not know of tensors, devices or the model.
//!
//! Why these pictures: a sign's letters are 8.5 to 10.5 px high. A local crop shows them clearly;
//! the global view at stride 3 keeps about three by three samples of each. Relations and counts
//! span the crops and need the global view. A model that answers both kinds of questions has used
//! both views.
//!
//! Held out: the pairs of colour and shape in [`HELD_OUT_PAIRS`], and [`HELD_OUT_WORDS`], never
//! occur in the pictures and questions of [`Split::Train`], so that [`Split::Test`] distinguishes
//! recognition from memorization.

mod ask;
mod background;
mod caption;
mod chart;
mod description;
mod dice;
mod draw;
mod families;
mod layout;
mod letters;
mod palette;
mod question;
mod samples;
mod sign;
mod split;
mod turned;
mod wording;
mod words;
mod write;

pub use ask::{question_rng, questions};
pub use background::{Background, Pattern};
pub use caption::caption;
pub use chart::{Bar, Chart};
pub use description::{Description, Found, Verdict, judge};
pub use layout::{Object, SIDE_PX, Scene, SceneOptions, scene};
pub use letters::FONTS;
pub use palette::{Colour, HELD_OUT_PAIRS, Shape, is_held_out};
pub use question::{Family, Question};
pub use samples::{Sample, samples, write_samples};
pub use sign::Sign;
pub use split::Split;
pub use wording::REQUESTS;
pub use words::{ALPHABET, HELD_OUT_WORDS, WORDS};
pub use write::{Written, write_folder};

#[doc(no_inline)]
pub use inf_llava::image::Picture;
