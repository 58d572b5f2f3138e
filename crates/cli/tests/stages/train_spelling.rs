//! Signs in channels: what is spelled can be read, and by whom.

use burn::tensor::{Tensor, TensorData};
use inf_llava_cli::scenes::{SceneOptions, scene};
use inf_llava_cli::train::labels::{CHARACTERS, SLOTS, View, labels};
use inf_llava_cli::train::spelling::{Text, spelled, spelling};

const CHANNELS: usize = 128;
const SIZE: f32 = 0.9;

fn tokens(values: Vec<f32>) -> Tensor<2> {
    let rows = values.len() / CHANNELS;
    let device = crate::device("cpu").device;
    Tensor::<2>::from_data(TensorData::new(values, [rows, CHANNELS]), &device).autodiff()
}

/// Every character in every place, with fewer texts the longer they are, and a token off every sign.
fn texts() -> Vec<Text> {
    let classes = 1..=CHARACTERS.len();
    let mut texts = vec![None];
    for length in 1..=SLOTS {
        texts.extend(classes.clone().step_by(length).map(|class| {
            let at = |slot: usize| 1 + (class + 7 * slot) % CHARACTERS.len();
            Some(std::array::from_fn(|slot| {
                if slot < length { at(slot) } else { 0 }
            }))
        }));
    }
    texts
}

#[test]
fn what_is_spelled_is_read() {
    let texts = texts();
    let in_place = |slot: usize| texts.iter().flatten().filter(|text| text[slot] > 0).count();
    let there: [(f64, f64); SLOTS] = std::array::from_fn(|slot| {
        let count = in_place(slot) as f64;
        (count, count)
    });
    let found = spelling(&tokens(spelled(&texts, CHANNELS, SIZE)), &texts, SIZE).unwrap();
    assert_eq!(found.read, there);
    assert!(there[3].0 > 0.0 && there[3].0 < there[0].0);
    assert!(found.missing.0 < 1e-6 && found.missing.1 > 0.0);
    assert!(spelling(&tokens(vec![0.5; 2 * CHANNELS]), &[None; 2], SIZE).is_none());
}

#[test]
fn another_text_is_not_read() {
    let texts = texts();
    let others: Vec<Text> = texts
        .iter()
        .map(|text| {
            text.map(|slots| slots.map(|c| if c > 0 { 1 + c % CHARACTERS.len() } else { 0 }))
        })
        .collect();
    let found = spelling(&tokens(spelled(&others, CHANNELS, SIZE)), &texts, SIZE).unwrap();
    assert!(
        found
            .read
            .iter()
            .all(|(read, there)| *read == 0.0 && *there > 0.0)
    );
    // Codes differ in half of the channels or in all, by twice their size: two or four times the squares.
    let ratio = found.missing.0 / found.missing.1;
    assert!((1.9..2.5).contains(&ratio), "{ratio}");
}

/// Where one text of ten has a fourth character, it is heard as loudly as the ten first ones.
#[test]
fn a_rare_place_counts_as_much_as_a_common_one() {
    let mut texts: Vec<Text> = vec![Some([1, 2, 3, 0]); 9];
    texts.push(Some([1, 2, 3, 4]));
    let share = CHANNELS / SLOTS;
    let entropy = |lost: usize| -> f32 {
        let mut values = spelled(&texts, CHANNELS, SIZE);
        for row in values.chunks_mut(CHANNELS) {
            row[lost * share..(lost + 1) * share].fill(0.0);
        }
        let found = spelling(&tokens(values), &texts, SIZE).unwrap();
        found.entropy.inner().into_scalar()
    };
    let [first, fourth] = [entropy(0), entropy(3)];
    assert!(
        (first - fourth).abs() < 1e-3 && first > 3.0,
        "{first} {fourth}"
    );
}

#[test]
fn a_token_knows_the_signs_of_its_crop_alone() {
    const SIDE: usize = 8;
    const PATCH_PX: usize = 14;
    let view = |crops| View {
        origin_px: [0.0, 0.0],
        stride: 3.0,
        legible: true,
        crops,
    };
    let (mut known, mut beyond) = (0, 0);
    for index in 0..200 {
        let scene = scene(11, index, &SceneOptions::default());
        let [put_together, at_once] = [3, 1].map(|c| labels(&scene, view(c), SIDE, PATCH_PX));
        for token in 0..SIDE * SIDE {
            let at = [token % SIDE, token / SIDE].map(|i| (i as f32 + 0.5) * 42.0);
            let crop = |at: [f32; 2]| at.map(|at| (at / 112.0) as usize);
            let is_in = |colour: usize| {
                let mut signs = scene
                    .signs
                    .iter()
                    .filter(|s| 1 + s.colour.index() == colour);
                signs.any(|sign| crop(sign.centre) == crop(at))
            };
            match put_together.sign[token] {
                0 => beyond += usize::from(at_once.sign[token] > 0),
                colour => {
                    known += 1;
                    assert!(is_in(colour), "{index} {token}");
                }
            }
        }
    }
    assert!(known > 500 && beyond > 20, "{known} {beyond}");
}
