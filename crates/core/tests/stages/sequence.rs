//! Sequences of chunks: what two have in common, and what is cut off.

use inf_llava_core::sequence::{Chunk, Media, MediaId, Sequence};
use proptest::prelude::*;

const ONE: Media = Media::only(5);

fn other(tokens: usize) -> Media {
    Media {
        id: MediaId::of(&[b"another picture"]),
        first: 0,
        tokens,
    }
}

fn of(numbers: &[i32], media: Media) -> Sequence {
    Sequence::from_numbers(numbers, media).expect("a sequence")
}

#[test]
fn lengths_are_in_tokens_and_a_picture_is_whole() {
    let sequence = of(&[1, 2, -200, 3, 4], ONE);
    assert_eq!(sequence.len(), 9);
    assert_eq!(sequence.chunks()[1], Chunk::Media(ONE));
    assert_eq!(sequence.media().collect::<Vec<_>>(), [(ONE, 2..7)]);
    assert_eq!(sequence.to_numbers(), [1, 2, -200, 3, 4]);
    assert_eq!(sequence.part(1..8), of(&[2, -200, 3], ONE));
    // Of a picture there are no parts.
    for cut in [0..3, 0..6] {
        assert_eq!(sequence.part(cut), of(&[1, 2], ONE));
    }
    assert_eq!(sequence.part(3..8), of(&[3], ONE));
    assert_eq!(Sequence::from_numbers(&[1, -100], ONE), None);
    assert_eq!(
        (sequence.last_id(), of(&[1, -200], ONE).last_id()),
        (Some(4), None)
    );
}

#[test]
fn another_picture_has_nothing_in_common() {
    let sequence = of(&[1, 2, -200, 3, 4], ONE);
    for (same, common) in [
        (of(&[1, 2, -200, 3, 4], ONE), 9),
        (of(&[1, 2, -200, 3, 5], ONE), 8),
        (of(&[1, 2, -200], ONE), 7),
        (of(&[1, 2, 3], ONE), 2),
        (of(&[1, 2, -200, 3, 4], other(5)), 2),
        (of(&[1, 2, -200, 3, 4], other(6)), 2),
        (of(&[1], ONE), 1),
        (Sequence::default(), 0),
    ] {
        assert_eq!(sequence.in_common(&same), common, "{same:?}");
        assert_eq!(same.in_common(&sequence), common, "{same:?}");
    }
}

/// Nothing of one part can move into the next.
#[test]
fn a_picture_s_id_is_of_all_its_parts() {
    let ids = [
        MediaId::of(&[b"ab", b"c"]),
        MediaId::of(&[b"a", b"bc"]),
        MediaId::of(&[b"abc"]),
        MediaId::of(&[b"ab", b"c", b""]),
    ];
    for (index, id) in ids.iter().enumerate() {
        assert!(ids[..index].iter().all(|other| other != id));
    }
    assert_eq!(MediaId::of(&[b"ab", b"c"]), ids[0]);
}

fn numbers() -> impl Strategy<Value = Vec<i32>> {
    prop::collection::vec(prop_oneof![3 => 0..4_i32, 1 => Just(-200)], 0..20)
}

proptest! {
    #[test]
    fn what_is_common_is_the_beginning_of_both(a in numbers(), b in numbers()) {
        let (a, b) = (of(&a, ONE), of(&b, ONE));
        let common = a.in_common(&b);
        prop_assert_eq!(a.part(0..common), b.part(0..common));
        prop_assert_eq!(a.part(0..common).len(), common);
        // And no longer one is.
        let longer = (common + 1..=a.len().min(b.len())).find(|&len| {
            let part = a.part(0..len);
            part.len() == len && part == b.part(0..len)
        });
        prop_assert_eq!(longer, None);
    }

    #[test]
    fn parts_put_together_are_the_whole(all in numbers(), at in 0..60_usize) {
        let whole = of(&all, ONE);
        let mut start = whole.clone();
        start.truncate(at);
        let rest = whole.part(start.len()..whole.len());
        start.append(rest);
        prop_assert_eq!(&start, &whole);
        prop_assert_eq!(start.to_numbers(), all);
    }
}
