//! Asks a model many questions; used by `eval` and `ablate`.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use indicatif::{ProgressBar, ProgressStyle};

use super::model::Place;
use crate::evaluate::run::{Answered, Divergence, LeftOut, TestItem, TestedModel};
use inf_llava::dataset::Records;
use inf_llava::error::{Error, Result};
use inf_llava::gpu::cpu::is_host;
use inf_llava::gpu::device::ChosenDevice;
use inf_llava::model::Model;
use inf_llava::progress::{StopFlag, Watch};
use inf_llava::spec::Detail;
use inf_llava::text::prompt::PromptChoice;

/// The questions that a model is scored on.
pub(super) enum TestSet {
    /// Scenes of the test split.
    Scenes {
        seed: u64,
        /// Questions about each scene.
        questions: usize,
        /// Total number of questions.
        count: usize,
    },
    /// Descriptions of scenes of the test split.
    Descriptions {
        seed: u64,
        /// Number of descriptions, one per scene.
        count: usize,
    },
    /// The entries of a file.
    Records(Records),
}

impl TestSet {
    fn items(&self) -> usize {
        match self {
            TestSet::Scenes {
                questions, count, ..
            } => count.div_ceil(*questions),
            TestSet::Descriptions { count, .. } => *count,
            TestSet::Records(records) => records.records.len(),
        }
    }

    /// Item `index`, or the reason why its picture cannot be shown.
    fn item(&self, index: usize) -> Result<TestItem, Box<LeftOut>> {
        match self {
            TestSet::Scenes {
                seed,
                questions,
                count,
            } => {
                let count = (*questions).min(count - index * questions);
                Ok(TestItem::of_scene(*seed, index as u64, count))
            }
            TestSet::Descriptions { seed, .. } => {
                Ok(TestItem::describing_scene(*seed, index as u64))
            }
            TestSet::Records(records) => {
                let record = &records.records[index];
                let left_out = |error| LeftOut {
                    id: record.id.clone(),
                    questions: record.turns.len(),
                    error,
                };
                TestItem::of_record(record).map_err(|error| Box::new(left_out(error)))
            }
        }
    }
}

/// The model that is asked.
pub(super) struct ModelUnderTest<'a> {
    pub(super) place: &'a Place,
    pub(super) device: &'a ChosenDevice,
    pub(super) context: Option<usize>,
    pub(super) prompt: &'a PromptChoice,
    /// How closely the pictures are looked at; none where they are not shown.
    pub(super) detail: Option<Detail>,
}

impl ModelUnderTest<'_> {
    fn load(&self, stop: &StopFlag) -> Result<Rc<Model>> {
        let mut watch = Watch::new(stop.clone(), |_| {});
        let model = self
            .place
            .load(self.device, self.context, self.prompt, &mut watch);
        pollster::block_on(model).map(Rc::new)
    }
}

/// All questions with their answers, in order, and those that could not be asked. `workers` copies
/// of the model answer in parallel, since the models that are scored often are small.
pub(super) fn ask_all(
    model: &ModelUnderTest<'_>,
    set: &TestSet,
    workers: usize,
    stop: &StopFlag,
) -> Result<Answered> {
    let bar = ProgressBar::new(set.items() as u64);
    if let Ok(style) =
        ProgressStyle::with_template("Asking {wide_bar} {pos}/{len} pictures, {eta} left")
    {
        bar.set_style(style);
    }
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    let work = |send: mpsc::Sender<(usize, Answered)>| -> Result<()> {
        let mut tested = TestedModel::new(model.load(stop)?, model.detail);
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= set.items() {
                return Ok(());
            }
            let mut watch = Watch::new(stop.clone(), |_| {});
            let answered = match set.item(index) {
                Ok(item) => pollster::block_on(tested.answer(item, &mut watch))?,
                Err(left_out) => Answered {
                    left_out: vec![*left_out],
                    ..Answered::default()
                },
            };
            bar.inc(1);
            // The receiver outlives every sender.
            let _ = send.send((index, answered));
        }
    };
    let outcome: Result<()> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers.max(1))
            .map(|_| {
                let send = send.clone();
                scope.spawn(|| work(send))
            })
            .collect();
        handles
            .into_iter()
            .try_for_each(|handle| match handle.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    });
    drop(send);
    bar.finish_and_clear();
    outcome?;
    let mut items: Vec<(usize, Answered)> = receive.into_iter().collect();
    items.sort_by_key(|(index, _)| *index);
    let mut all = Answered::default();
    for (_, answered) in items {
        all.append(answered);
    }
    Ok(all)
}

/// The divergence of `model`'s next-token distributions from those of `reference`, along the
/// correct answers.
pub(super) fn diverge(
    model: &ModelUnderTest<'_>,
    reference: &ModelUnderTest<'_>,
    set: &TestSet,
    stop: &StopFlag,
) -> Result<Divergence> {
    let load = |who: &ModelUnderTest<'_>| Ok(TestedModel::new(who.load(stop)?, who.detail));
    let (mut tested, mut reference): (TestedModel, TestedModel) = (load(model)?, load(reference)?);
    let vocabulary = tested.vocabulary();
    if reference.vocabulary() != vocabulary {
        return Err(Error::Option {
            option: "--reference".into(),
            reason: format!(
                "its vocabulary has {} tokens, the model's {vocabulary}",
                reference.vocabulary()
            ),
        });
    }
    let mut divergence = Divergence::default();
    let mut watch = Watch::new(stop.clone(), |_| {});
    for index in 0..set.items() {
        // Questions that cannot be asked were already reported when they were to be answered.
        let Ok(item) = set.item(index) else {
            continue;
        };
        let expected = pollster::block_on(reference.logits(&item, &mut watch))?;
        let found = pollster::block_on(tested.logits(&item, &mut watch))?;
        for (expected, found) in expected.iter().zip(&found) {
            if let (Some(expected), Some(found)) = (expected, found) {
                divergence.add(expected, found, vocabulary);
            }
        }
    }
    Ok(divergence)
}

/// Number of models that run in parallel on a device.
pub(super) fn workers(device: &ChosenDevice) -> usize {
    match is_host(&device.device) {
        true => std::thread::available_parallelism().map_or(1, usize::from),
        false => 1,
    }
}
