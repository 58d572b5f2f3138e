//! Keeps every submission to a GPU short. Windows resets a device whose submission runs for two seconds, and while
//! one runs, the screen is not redrawn. Launches are therefore split into parts, and submitted early, according to
//! the measured speed of the device: measured at startup (`tuning`) and updated at every read.

use serde::{Deserialize, Serialize};

use crate::platform::Timer;

/// The longest estimated time of a submission, in milliseconds. It must stay under 250 ms in practice: the margin is
/// for burn's own operations, and for a device that has become slower.
pub const LIMIT_MS: f64 = 100.0;
/// Expected times below this many milliseconds are ignored: they say nothing about the device.
const LEAST_OBSERVED_MS: f64 = 2.0;
/// The weight of earlier observations in the running average.
const MEMORY: f64 = 0.7;
/// The largest increase of the estimate, as a factor, from one observation: a pipeline may have been compiled in
/// between.
const MOST_STEP: f64 = 4.0;

/// Kinds of kernels that are split: each has its own speed in multiply-adds per millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// `matmul.wgsl`
    Matmul,
    /// `quantized_matmul.wgsl`
    QuantizedMatmul,
    /// `matvec.wgsl`
    Matvec,
    /// `quantized_matvec.wgsl`
    QuantizedMatvec,
    /// `attention.wgsl`
    Attention,
}

/// Multiply-adds per millisecond, for each kind of [`Work`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speeds {
    pub matmul: f64,
    pub quantized_matmul: f64,
    pub matvec: f64,
    pub quantized_matvec: f64,
    pub attention: f64,
}

impl Speeds {
    /// For a device that was not measured: slower than a software adapter on one core.
    pub const UNKNOWN: Self = Speeds {
        matmul: 1e6,
        quantized_matmul: 1e6,
        matvec: 2.5e5,
        quantized_matvec: 2.5e5,
        attention: 5e5,
    };

    fn of(&self, work: Work) -> f64 {
        match work {
            Work::Matmul => self.matmul,
            Work::QuantizedMatmul => self.quantized_matmul,
            Work::Matvec => self.matvec,
            Work::QuantizedMatvec => self.quantized_matvec,
            Work::Attention => self.attention,
        }
    }

    /// Whether the values are plausible: they may come from a damaged cache file.
    pub fn are_possible(&self) -> bool {
        let all = [
            self.matmul,
            self.quantized_matmul,
            self.matvec,
            self.quantized_matvec,
            self.attention,
        ];
        all.iter().all(|speed| speed.is_normal() && *speed > 0.0)
    }
}

/// A part of a launch: a range of workgroups along the two axes that are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The first workgroup.
    pub first: [u32; 2],
    /// The number of workgroups.
    pub count: [u32; 2],
    /// Whether earlier launches are submitted before it.
    pub submit_before: bool,
}

/// The speed of a device, and the work queued for it.
#[derive(Debug, Clone)]
pub struct Pace {
    speeds: Speeds,
    /// Recent elapsed time relative to the time expected from `speeds`.
    slowness: f64,
    /// Estimated milliseconds of launches not yet submitted.
    waiting_ms: f64,
    /// Milliseconds, estimated from `speeds` alone, of launches since the last read, and a timer started at the first
    /// of them.
    unread_ms: f64,
    pub(super) unread: Option<Timer>,
}

impl Default for Pace {
    fn default() -> Self {
        Pace::of(Speeds::UNKNOWN)
    }
}

impl Pace {
    /// For a device with these speeds.
    pub fn of(speeds: Speeds) -> Self {
        Pace {
            speeds,
            slowness: 1.0,
            waiting_ms: 0.0,
            unread_ms: 0.0,
            unread: None,
        }
    }

    /// Splits a launch of `groups` workgroups. Each part, together with the work submitted with it, is estimated to
    /// take at most [`LIMIT_MS`], unless it is a single workgroup. The second axis is split only where splitting the
    /// first is not enough.
    pub fn parts(&mut self, work: Work, multiply_adds: f64, groups: [u32; 2]) -> Vec<Part> {
        let groups = groups.map(|count| count.max(1));
        let measured_ms = multiply_adds / self.speeds.of(work);
        self.unread_ms += measured_ms;
        self.unread.get_or_insert_with(Timer::start);
        let ms = measured_ms * self.slowness;
        // The number of parts of about equal size into which `most` workgroups, which take `ms` in all, are split so
        // that each stays under the limit.
        let count_of = |ms: f64, most: u32| {
            let fit = (f64::from(most) * LIMIT_MS / ms).clamp(1.0, f64::from(most)) as u32;
            most.div_ceil(most.div_ceil(fit))
        };
        let [columns, rows] = groups.map(f64::from);
        let row_count = count_of(ms / columns, groups[1]);
        let column_count = count_of(ms * f64::from(row_count) / rows, groups[0]);
        let mut parts = Vec::new();
        for first_row in (0..groups[1]).step_by(row_count as usize) {
            for first in (0..groups[0]).step_by(column_count as usize) {
                let count = [
                    column_count.min(groups[0] - first),
                    row_count.min(groups[1] - first_row),
                ];
                let part_ms = ms * f64::from(count[0]) / columns * f64::from(count[1]) / rows;
                let submit_before = self.waiting_ms > 0.0 && self.waiting_ms + part_ms > LIMIT_MS;
                self.waiting_ms = part_ms + if submit_before { 0.0 } else { self.waiting_ms };
                parts.push(Part {
                    first: [first, first_row],
                    count,
                    submit_before,
                });
            }
        }
        parts
    }

    /// Records that all launches so far have finished, `elapsed_ms` after the first.
    pub fn observe(&mut self, elapsed_ms: f64) {
        let expected_ms = std::mem::take(&mut self.unread_ms);
        self.unread = None;
        self.waiting_ms = 0.0;
        if expected_ms * self.slowness < LEAST_OBSERVED_MS {
            return;
        }
        let observed = elapsed_ms / expected_ms;
        // A slowdown counts at once, a speed-up gradually: the wait may have been for the host.
        self.slowness = match observed > self.slowness {
            true => observed.min(self.slowness * MOST_STEP),
            false => MEMORY * self.slowness + (1.0 - MEMORY) * observed,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEEDS: Speeds = Speeds {
        matmul: 1e6,
        ..Speeds::UNKNOWN
    };

    /// The time of each submission in milliseconds, and the parts of each launch.
    fn submissions(launches: &[(f64, [u32; 2])]) -> (Vec<f64>, Vec<Vec<Part>>) {
        let mut pace = Pace::of(SPEEDS);
        let (mut all, mut parts_of) = (vec![0.0], Vec::new());
        for &(ms, groups) in launches {
            let parts = pace.parts(Work::Matmul, ms * 1e6, groups);
            for part in &parts {
                if part.submit_before {
                    all.push(0.0);
                }
                let last = all.len() - 1;
                let share = |axis: usize| f64::from(part.count[axis]) / f64::from(groups[axis]);
                all[last] += ms * share(0) * share(1);
            }
            parts_of.push(parts);
        }
        (all, parts_of)
    }

    #[test]
    fn no_submission_is_longer_than_the_limit() {
        for launches in [
            vec![(30.0, [7, 1]); 20],
            vec![(99.0, [1, 1]), (2.0, [5, 3]), (99.0, [64, 9])],
            vec![(1234.5, [64, 9]), (1.0, [1, 1]), (777.0, [448, 4])],
            vec![(9000.0, [16, 10]), (4321.0, [3, 64])],
            vec![(0.01, [3, 3]); 50],
        ] {
            let (all, parts) = submissions(&launches);
            let longest = all.iter().copied().fold(0.0, f64::max);
            assert!(longest <= LIMIT_MS * 1.001, "{launches:?}: {all:?}");
            let total: f64 = launches.iter().map(|(ms, _)| ms).sum();
            assert!((all.iter().sum::<f64>() - total).abs() < 1e-6 * total);
            for (parts, (_, groups)) in parts.iter().zip(&launches) {
                let mut seen = vec![false; (groups[0] * groups[1]) as usize];
                for Part { first, count, .. } in parts {
                    for row in first[1]..first[1] + count[1] {
                        for column in first[0]..first[0] + count[0] {
                            let at = (row * groups[0] + column) as usize;
                            assert!(!std::mem::replace(&mut seen[at], true));
                        }
                    }
                }
                assert!(seen.iter().all(|&seen| seen), "{groups:?}");
            }
        }
    }

    /// A workgroup that cannot be split is submitted alone.
    #[test]
    fn a_single_workgroup_is_the_least() {
        let (all, parts) = submissions(&[(1.0, [1, 1]), (1800.0, [3, 2])]);
        assert_eq!(parts[1].len(), 6);
        assert_eq!(all, [1.0, 300.0, 300.0, 300.0, 300.0, 300.0, 300.0]);
    }

    #[test]
    fn a_device_that_is_slower_than_measured_is_given_less() {
        let mut pace = Pace::of(SPEEDS);
        assert_eq!(pace.parts(Work::Matmul, 90e6, [64, 1]).len(), 1);
        pace.observe(270.0);
        assert_eq!(pace.parts(Work::Matmul, 90e6, [64, 1]).len(), 3);
        // A pause of a minute does not count in full.
        pace.observe(60_000.0);
        assert!(pace.slowness <= 12.0, "{}", pace.slowness);
        for _ in 0..30 {
            pace.parts(Work::Matmul, 90e6, [64, 1]);
            pace.observe(90.0);
        }
        assert!((pace.slowness - 1.0).abs() < 0.01, "{}", pace.slowness);
    }

    #[test]
    fn a_remembered_speed_must_be_one() {
        assert!(SPEEDS.are_possible());
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(
                !Speeds {
                    attention: wrong,
                    ..SPEEDS
                }
                .are_possible()
            );
        }
    }
}
