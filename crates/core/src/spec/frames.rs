//! The frames of a video: which are looked at, and how many tokens they become. Computed from counts and times, before
//! any frame is read.

/// Which frames SmolVLM looks at: `video_sampling` of its processor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Frames a second.
    pub fps: f64,
    /// The most frames.
    pub max_frames: usize,
}

/// Left out at either end of a long video.
const SKIPPED_SECONDS: f64 = 1.0;

impl Sampling {
    /// The frames that are looked at, ascending, of a video of `frames` at `native_fps` a second that takes `seconds`. At
    /// least one, unless there are none. As transformers' `SmolVLMVideoProcessor` (`sample_frames`): the number is
    /// rounded, the first and the last second of a video that is too long for all are left out, frames are spaced as
    /// numpy's `linspace` does and truncated. Times that are no numbers count as 0.
    pub fn frames(&self, frames: usize, native_fps: f64, seconds: f64) -> Vec<usize> {
        let Some(last) = frames.checked_sub(1) else {
            return Vec::new();
        };
        // Casts truncate, and saturate. There cannot be more than all frames, once equal ones are left out.
        let wanted = (self.fps * seconds).round_ties_even() as usize;
        let wanted = wanted.min(self.max_frames).max(1);
        let is_long = seconds - 2.0 * SKIPPED_SECONDS > self.max_frames as f64 * self.fps;
        let skipped = SKIPPED_SECONDS * native_fps;
        let (mut begin, mut end) = match is_long {
            true => (
                skipped as usize,
                ((frames as f64 - skipped) as usize).min(last),
            ),
            false => (0, last),
        };
        if begin >= end {
            (begin, end) = (0, last);
        }
        spaced(begin, end, wanted)
    }
}

/// At most `wanted` of `frames`, evenly spaced from the first to the last one, as LLaVA-OneVision is shown videos: frame
/// `round(i (frames - 1) / (wanted - 1))`, halves to even. All if there are no more.
pub fn evenly(frames: usize, wanted: usize) -> Vec<usize> {
    if wanted >= frames {
        return (0..frames).collect();
    }
    let (last, gaps) = (frames as u128 - 1, (wanted as u128).saturating_sub(1));
    let frame = |index: usize| {
        let (whole, rest) = match index as u128 * last {
            place if gaps > 0 => (place / gaps, place % gaps),
            place => (place, 0),
        };
        let is_up = 2 * rest > gaps || 2 * rest == gaps && gaps > 0 && whole % 2 == 1;
        (whole + u128::from(is_up)) as usize
    };
    (0..wanted).map(frame).collect()
}

/// Tokens along a side of a frame, `ceil(h / 2)`, of LLaVA-OneVision: the map `h x h` of a view is reduced to so many,
/// bilinearly, half-pixel centres, no antialias.
pub fn pooled_side(tokens_per_side: usize) -> usize {
    tokens_per_side.div_ceil(2)
}

/// Visual tokens of a video of so many frames (LLaVA-OneVision): all frames' tokens, and one newline token at the very
/// end.
pub fn video_tokens(frames: usize, tokens_per_side: usize) -> usize {
    let side = pooled_side(tokens_per_side);
    let tokens = frames.saturating_mul(side.saturating_mul(side));
    tokens.saturating_add(1)
}

/// `count` whole numbers from `begin` to `end`, each once: `np.unique(np.linspace(begin, end, count, dtype=int))`.
fn spaced(begin: usize, end: usize, count: usize) -> Vec<usize> {
    if count < 2 {
        return vec![begin];
    }
    let gaps = count - 1;
    // More than one a frame are all of them: the gap is less than 1, and ends are among them.
    if gaps >= end - begin {
        return (begin..=end).collect();
    }
    let step = (end - begin) as f64 / gaps as f64;
    let inner = (0..gaps).map(|index| (index as f64 * step + begin as f64) as usize);
    let mut spaced: Vec<usize> = inner.chain([end]).collect();
    spaced.dedup();
    spaced
}
