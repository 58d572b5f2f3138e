//! Which questions are asked of a scene: a varied mix of the six families.

use rand_chacha::ChaCha8Rng;

use super::dice;
use super::families::{self, Draft};
use super::layout::Scene;
use super::question::{Family, Question};

/// Questions have random numbers of their own: asking differently leaves the pictures as they are.
const PURPOSE: u64 = 3;
/// Draws without a new question after which a family is taken to have no more.
const PATIENCE: usize = 12;

/// Random numbers for the questions of the scene with this index under this seed, independent of
/// those that drew it.
pub fn question_rng(seed: u64, index: u64) -> ChaCha8Rng {
    dice::stream(seed, index, PURPOSE)
}

/// Up to `count` questions, no two about the same. The family of each is drawn with equal chances
/// among those that the scene still has questions of; a scene without chart has five.
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
