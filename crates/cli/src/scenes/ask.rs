//! Chooses the questions about a scene: a varied mix of the six families.

use rand_chacha::ChaCha8Rng;

use super::dice;
use super::families::{self, Draft};
use super::layout::Scene;
use super::question::{Family, Question};

/// Questions have their own random stream, so that changing them leaves the pictures unchanged.
const PURPOSE: u64 = 3;
/// After this many draws without a new question, a family counts as exhausted.
const PATIENCE: usize = 12;

/// The random stream for the questions of scene `index` under `seed`, independent of the stream
/// that drew the scene.
pub fn question_rng(seed: u64, index: u64) -> ChaCha8Rng {
    dice::stream(seed, index, PURPOSE)
}

/// Up to `count` questions, no two about the same thing. Each one's family is drawn uniformly from
/// those that the scene still has questions of; a scene without a chart has five.
pub fn questions(scene: &Scene, rng: &mut ChaCha8Rng, count: usize) -> Vec<Question> {
    let mut families = Family::ALL.to_vec();
    let mut asked: Vec<Draft> = Vec::with_capacity(count);
    while asked.len() < count {
        let at = dice::below(rng, families.len());
        let Some(&family) = families.get(at) else {
            break;
        };
        let yes = dice::chance(rng, 0.5);
        let draft = (0..PATIENCE)
            .filter_map(|_| families::draft(family, scene, rng, yes))
            .find(|draft| asked.iter().all(|other| other.subject != draft.subject));
        match draft {
            Some(draft) => asked.push(draft),
            None => {
                families.swap_remove(at);
            }
        }
    }
    asked.into_iter().map(|draft| draft.question).collect()
}
