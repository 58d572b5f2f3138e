//! Keeps every submission to a GPU short. Windows takes a device away from a program whose submission runs for two
//! seconds, and while one runs, nothing else is drawn. So launches are cut into parts, and what has been launched is
//! submitted, by what the device was measured to do: at its start (`tuning`), and from then on by every read.

use serde::{Deserialize, Serialize};

use crate::platform::Timer;

/// What a submission may take by what was measured, in milliseconds. A quarter of a second is what it must not take: the
/// rest is for burn's own operations beside ours, and for a device that is slower than it was.
pub const LIMIT_MS: f64 = 100.0;
/// Of an estimate in milliseconds: less says nothing about the device.
const LEAST_OBSERVED_MS: f64 = 2.0;
/// So much of what was observed before still counts.
const MEMORY: f64 = 0.7;
/// At most so many times more is believed of one observation: a pipeline may have been compiled meanwhile.
const MOST_STEP: f64 = 4.0;

/// Operations that are cut: their kernels' multiply-adds take differently long.
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

/// Multiply-adds a millisecond, for each kind of [`Work`].
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
    /// Of a device that was not measured: slower than a software adapter on one core.
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

    /// Whether a device can have them: a remembered file may hold anything.
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

/// A part of a launch: workgroups along the two axes that are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Where it begins.
    pub first: [u32; 2],
    /// How many they are.
    pub count: [u32; 2],
    /// What was launched before is submitted first.
    pub submit_before: bool,
}

/// What a device does in which time, and what it has been given to do.
#[derive(Debug, Clone)]
pub struct Pace {
    speeds: Speeds,
    /// How many times longer than by `speeds` everything took lately.
    slowness: f64,
    /// What is launched and not submitted yet, in milliseconds.
    waiting_ms: f64,
    /// What was launched since the last read, in milliseconds by `speeds` alone, and when that began.
    unread_ms: f64,
    pub(super) unread: Option<Timer>,
}

impl Default for Pace {
    fn default() -> Self {
        Pace::of(Speeds::UNKNOWN)
    }
}

impl Pace {
    /// Of a device that is so quick.
    pub fn of(speeds: Speeds) -> Self {
        Pace {
            speeds,
            slowness: 1.0,
            waiting_ms: 0.0,
            unread_ms: 0.0,
            unread: None,
        }
    }

    /// How a launch of `groups` workgroups goes to the device: every part takes no more than [`LIMIT_MS`] together with
    /// what is submitted with it, or is a single workgroup along both axes. The second is cut where the first is not enough.
    pub fn parts(&mut self, work: Work, multiply_adds: f64, groups: [u32; 2]) -> Vec<Part> {
        let groups = groups.map(|count| count.max(1));
        let measured_ms = multiply_adds / self.speeds.of(work);
        self.unread_ms += measured_ms;
        self.unread.get_or_insert_with(Timer::start);
        let ms = measured_ms * self.slowness;
        // How many of `most`, which take `ms` together, take the limit at most; in parts of about the same size.
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

    /// Everything launched so far has been read, `elapsed_ms` after the first of it was launched.
    pub fn observe(&mut self, elapsed_ms: f64) {
        let expected_ms = std::mem::take(&mut self.unread_ms);
        self.unread = None;
        self.waiting_ms = 0.0;
        if expected_ms * self.slowness < LEAST_OBSERVED_MS {
            return;
        }
        let observed = elapsed_ms / expected_ms;
        // Slower counts at once, quicker by and by: the host may have been what was waited for.
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

    /// What each submission takes, in milliseconds, and the parts of each launch.
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

    /// What cannot be cut further goes alone.
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
        // A pause of a minute is not believed whole.
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
