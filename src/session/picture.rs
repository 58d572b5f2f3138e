//! Adds pictures to a conversation.

use std::rc::Rc;

use super::pictures::{Cost, Held, Origin};
use super::turn::{Look, is_only};
use super::{PictureInfo, Session};
use crate::config::Treatment;
use crate::error::{Error, Result};
use crate::image::{Limits, Picture, decode_watched_on};
use crate::platform::Timer;
use crate::progress::Watch;
use crate::recorder::Recorder;
use crate::spec::Detail;
use crate::spec::plan::Coverage;
use crate::text::prompt::MediaKind;

impl Session {
    /// Decodes and encodes a picture, and starts a new conversation about it. If this fails or is stopped, the
    /// earlier picture and conversation are unchanged.
    ///
    /// # Errors
    /// As [`crate::image::decode`]; [`crate::Error::Stopped`]; [`crate::Error::Device`];
    /// [`crate::Error::ModelChanged`]; [`crate::Error::Config`] for a model that sees no pictures.
    pub async fn set_image(
        &mut self,
        file: &str,
        bytes: &[u8],
        watch: &mut Watch<'_>,
    ) -> Result<PictureInfo> {
        let treatment = self.treatment(true, self.detail);
        let (held, info) = self.encode(file, bytes, treatment, watch).await?;
        self.begin_about(Some(held));
        Ok(info)
    }

    /// As [`Session::set_image`], from pixels.
    ///
    /// # Errors
    /// As [`Session::set_image`].
    pub async fn set_picture(
        &mut self,
        picture: &Picture,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<PictureInfo> {
        let origin = self.kept(|| Origin::Pixels(Rc::new(picture.clone())));
        let treatment = self.treatment(true, self.detail);
        let seen = self.encode_picture(picture, origin, treatment, 0.0, watch, recorder);
        let (held, info) = seen.await?;
        self.begin_about(Some(held));
        Ok(info)
    }

    /// Decodes and encodes another picture, which the next question shows.
    ///
    /// # Errors
    /// As [`Session::set_image`]; [`Error::Option`] for a model that looks at one picture in a conversation.
    pub async fn add_image(
        &mut self,
        file: &str,
        bytes: &[u8],
        watch: &mut Watch<'_>,
    ) -> Result<PictureInfo> {
        self.check_count(self.looks().count() + 1)?;
        let is_only = self.looks().all(|look| look.kind == MediaKind::Video);
        let treatment = self.treatment(is_only, self.detail);
        let (held, info) = self.encode(file, bytes, treatment, watch).await?;
        self.show(&held);
        self.pictures.hold(held, self.model.context_tokens);
        Ok(info)
    }

    /// Shows a picture or a video, which will be kept, with the next question.
    pub(super) fn show(&mut self, held: &Held) {
        self.shown.push(Look {
            detail: self.detail,
            ..Look::first(held.picture, held.encoded.kind)
        });
    }

    /// # Errors
    /// [`Error::Option`] if the model looks at fewer pictures in a conversation.
    pub(super) fn check_count(&self, pictures: usize) -> Result<()> {
        let vision = self.model.config.vision.as_ref();
        match vision.and_then(|vision| vision.most_pictures()) {
            Some(most) if pictures > most => Err(Error::Option {
                option: "picture".into(),
                reason: format!(
                    "this model looks at {most} picture in a conversation, and this one has {pictures}; begin a new one"
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Refuses a picture of `size_px` (height, width) that alone would take more tokens than the context has: before the tower
    /// sees it.
    ///
    /// # Errors
    /// [`Error::ContextExceeded`], which names a detail that fits if there is one; as [`crate::config::Vision::layout`].
    fn check_size(&self, size_px: [usize; 2], treatment: Treatment) -> Result<()> {
        let vision = self.model.config.require_vision("a picture")?;
        let tokens = |detail| {
            let treatment = Treatment {
                detail,
                ..treatment
            };
            Ok::<_, Error>(vision.layout(size_px, treatment)?.tokens)
        };
        let (needed, context_tokens) = (tokens(treatment.detail)?, self.model.context_tokens);
        if needed < context_tokens {
            return Ok(());
        }
        let least = tokens(Detail::Low)?;
        let instead = match least < context_tokens {
            true => format!("at low detail it takes {least} (--detail low)"),
            false => "take a longer context".into(),
        };
        Err(Error::ContextExceeded {
            needed_tokens: needed + 1,
            context_tokens,
            hint: format!(". Its picture alone takes {needed}; {instead}"),
        })
    }

    /// An error about a full context, with what the conversation's pictures take of it.
    pub(super) fn told_of_pictures(&self, error: Error) -> Error {
        let looks: Vec<Look> = self.looks().copied().collect();
        self.told_of(error, &looks)
    }

    /// As [`Session::told_of_pictures`], of a conversation with the pictures `looks`.
    pub(super) fn told_of(&self, error: Error, looks: &[Look]) -> Error {
        let (
            Error::ContextExceeded {
                needed_tokens,
                context_tokens,
                ..
            },
            Some(vision),
        ) = (&error, &self.model.config.vision)
        else {
            return error;
        };
        let is_only = is_only(looks);
        let tokens = |detail: Option<Detail>| {
            let of = |look: &Look| {
                let held = self.pictures.get(look.picture)?;
                // A video's tokens do not depend on the detail.
                let (Some(detail), MediaKind::Image) = (detail, look.kind) else {
                    return Some(held.encoded.tokens());
                };
                let info = held.info.as_ref()?;
                let treatment = self.treatment(is_only, detail);
                let layout = vision.layout([info.height, info.width], treatment).ok()?;
                Some(layout.tokens)
            };
            looks.iter().map(of).sum::<Option<usize>>()
        };
        let (Some(taken), Some(least)) = (tokens(None), tokens(Some(Detail::Low))) else {
            return error;
        };
        let pictures = match looks.len() {
            0 => return error,
            1 => "its picture takes".to_string(),
            count => format!("its {count} pictures take"),
        };
        let fits = needed_tokens.saturating_sub(taken) + least <= *context_tokens;
        let hint = match (least < taken, fits) {
            (true, true) => format!(
                ". Of these {pictures} {taken}; at low detail {least}, and then it fits (--detail low)"
            ),
            (true, false) => format!(
                ". Of these {pictures} {taken}, and {least} at low detail: show fewer, or take a longer context"
            ),
            (false, _) => {
                format!(". Of these {pictures} {taken}: show fewer, or take a longer context")
            }
        };
        Error::ContextExceeded {
            needed_tokens: *needed_tokens,
            context_tokens: *context_tokens,
            hint,
        }
    }

    /// Decodes and encodes a picture; the conversation is unchanged.
    pub(super) async fn encode(
        &self,
        file: &str,
        bytes: &[u8],
        treatment: Treatment,
        watch: &mut Watch<'_>,
    ) -> Result<(Held, PictureInfo)> {
        self.model.vision()?;
        let timer = Timer::start();
        let (limits, ground) = (Limits::default(), self.model.ground());
        let picture = decode_watched_on(file, bytes, &limits, ground, &watch.stop)?;
        let decoding_ms = timer.elapsed_ms();
        let off = &mut Recorder::off();
        let origin = self.kept(|| Origin::File(file.into(), bytes.into()));
        self.encode_picture(&picture, origin, treatment, decoding_ms, watch, off)
            .await
    }

    /// Encodes every picture as one of a conversation with these, unless it is kept so.
    ///
    /// # Errors
    /// As [`Session::set_image`]; [`Error::PictureNotHeld`].
    pub(super) async fn encode_among(
        &mut self,
        looks: &[Look],
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        self.check_count(looks.len())?;
        for look in looks {
            let picture = look.picture;
            let not_held = || Error::PictureNotHeld {
                key: format!("{picture:?}"),
            };
            let treatment = self.treatment_of(look.kind, is_only(looks), look.detail);
            let held = self.pictures.get(picture).ok_or_else(not_held)?;
            if self.pictures.get_as(picture, treatment).is_some() {
                continue;
            }
            let origin = held.origin.clone().ok_or_else(not_held)?;
            let off = &mut Recorder::off();
            let (anew, _) = match &origin {
                Origin::File(file, bytes) => self.encode(file, bytes, treatment, watch).await?,
                Origin::Pixels(pixels) => {
                    let origin = Some(origin.clone());
                    let seen = self.encode_picture(pixels, origin, treatment, 0.0, watch, off);
                    seen.await?
                }
            };
            let anew = anew.named(picture);
            self.pictures.hold(anew, self.model.context_tokens);
        }
        Ok(())
    }

    /// How a picture is looked at; what makes no difference to the model is left out.
    pub(super) fn treatment(&self, is_only: bool, detail: Detail) -> Treatment {
        let vision = self.model.config.vision.as_ref();
        let whole = Treatment::only(self.coverage);
        let Some(vision) = vision else { return whole };
        Treatment {
            is_only: is_only || !vision.depends_on_others(),
            detail: match vision.has_detail() {
                true => detail,
                false => whole.detail,
            },
            ..whole
        }
    }

    /// As [`Session::treatment`] of a picture; a video is looked at in one way only.
    pub(super) fn treatment_of(&self, kind: MediaKind, is_only: bool, detail: Detail) -> Treatment {
        match kind {
            MediaKind::Image => self.treatment(is_only, detail),
            MediaKind::Video => Treatment::only(Coverage::Live),
        }
    }

    /// What a picture is encoded from, if it may have to be encoded anew.
    fn kept(&self, origin: impl FnOnce() -> Origin) -> Option<Origin> {
        let vision = self.model.config.vision.as_ref()?;
        (vision.depends_on_others() || vision.has_detail()).then(origin)
    }

    async fn encode_picture(
        &self,
        picture: &Picture,
        origin: Option<Origin>,
        treatment: Treatment,
        decoding_ms: f64,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<(Held, PictureInfo)> {
        self.model.unchanged()?;
        let encoder = self.model.vision()?;
        self.check_size([picture.height, picture.width], treatment)?;
        let timer = Timer::start();
        let views = encoder.views(picture, treatment, &watch.stop)?;
        let image_ms = decoding_ms + timer.elapsed_ms();
        let timer = Timer::start();
        let encoded = encoder.encode(&views, watch, recorder).await?;
        let vision_ms = timer.elapsed_ms();
        let passes = encoded.vision_passes;
        let config = &self.model.config;
        let info = PictureInfo {
            width: picture.width,
            height: picture.height,
            notices: picture.notices.clone(),
            outside_scope: config.scope.is_some_and(|scope| !scope.covers(picture)),
            image_px: views.layout.size_px()[0],
            crops_per_side: config
                .dual()
                .map_or(1, |dual| dual.at(treatment.detail).crops_per_side),
            vision_passes: passes,
            vision_ms,
        };
        let held = Held {
            picture: encoded.id,
            treatment,
            encoded,
            info: Some(info.clone()),
            untold: Some(Cost {
                passes,
                image_ms,
                vision_ms,
            }),
            origin,
        };
        Ok((held, info))
    }
}
