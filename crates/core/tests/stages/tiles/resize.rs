//! Whole pictures resized, against Pillow.

use inf_llava_core::Error;
use inf_llava_core::image::{Filter, Picture, resize};
use inf_llava_core::progress::StopFlag;
use proptest::prelude::*;

use crate::image::{pattern, sha256};

const FILTERS: [Filter; 3] = [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos];

/// `[height, width]` before and after, and the sha256 of [`pattern`] resized by Pillow 12.2.0: BILINEAR, BICUBIC, LANCZOS. The
/// last four are near the rule for tall pictures: the height is 100 times the width and no more, more and shrinks, more
/// and grows; Pillow's other order of the passes has other bytes for each.
const GOLDEN: [([usize; 2], [usize; 2], [&str; 3]); 11] = [
    (
        [4, 5],
        [100, 168],
        [
            "bab8c1868cdcb241aec3a220f1fbd6ee9a2edc4c5342008a5267064d9332dfef",
            "eb19d94262836fc8a4aba1bde4d11dcd287390f0c16932cb4f34d5ff83243805",
            "2178990729f5868db670174343b50d732aed3496fbd78587a234343d8fdc76ee",
        ],
    ),
    (
        [480, 640],
        [77, 100],
        [
            "dfba48e9cfce216685e609a5d9cbdd0f518aa4bcc8f269c62b71e76122b3435c",
            "49950069fbf7bd3464622f93b2acc9ec2b8e7ae1df05c34f537c1a48517b7bbe",
            "e3f709b4b607a5b915685417ce67b6fb97eb0ea3688b0bb373676516a5c7fd3a",
        ],
    ),
    (
        [20, 300],
        [200, 50],
        [
            "b8c4453575935349b7d49a4deedd527f1efe0afe9febfb3e721bd3d5b9d7ae91",
            "299f033ee47157ebab087c885cc2a642d2daf75f2b080da22a9930eb9cad831d",
            "59500415450914e31d6d2a1bb6af527bc0a92030f13915647fa723894e3d762b",
        ],
    ),
    (
        [56, 57],
        [20, 57],
        [
            "a2f65ea14af825261aacf053f1925ecd4cff8b3867349c487d248856cbb0ba52",
            "d2b4e547b1c705d0913862cd60988881c2bb10d2925a1d318a8da80034ff8529",
            "dbcaa3832d5beb133e58bf4febce4e7125bbf05b919c0c8739b17af317900304",
        ],
    ),
    (
        [56, 57],
        [56, 20],
        [
            "794cd9dd15c3f9b4d9f245e2b1399bcd905ec2ef188e41f1993e48049e72f077",
            "acb13fe82d2fbaa3c6b48b68ea670e0c196cf36c11fc5483e750560a3f2c896c",
            "e1f504c392dcfd2c9a4ba33a4e16a131ecd8e77b4409588059201b365be16ea2",
        ],
    ),
    (
        [1, 1],
        [3, 7],
        [
            "e36fc1a81144b42b1d70a2a389a1988929c6fcf31bcf639c4853d36882ed67a8",
            "e36fc1a81144b42b1d70a2a389a1988929c6fcf31bcf639c4853d36882ed67a8",
            "e36fc1a81144b42b1d70a2a389a1988929c6fcf31bcf639c4853d36882ed67a8",
        ],
    ),
    (
        [800, 1201],
        [1364, 2048],
        [
            "cd69f5ed6ce8f65498cfd4ef65560ebe840c505c62dcbfa0a780e8c52bf4253c",
            "f9947cb80dbff36635cef78ce406e7ccfcf72d06b9641319a390c76392ba3f10",
            "d709905b3c06b75c9102bd910fa89e9470b0be379dd5af59d98cabd2856f95a7",
        ],
    ),
    (
        [2000, 20],
        [1999, 30],
        [
            "eaa2ddf0ab9efbdf2e96299d37aa8d2d73fb83df8713e7e570e12cd423fccd27",
            "9efb1fb6a38d7467cdca354d3c94c33bebe9c86719e52820184d0c2d066e59b9",
            "7adf11cea9f518927277aa7f90954c8f31ec8f52957bbe7d269c43a93fa52da2",
        ],
    ),
    (
        [2001, 20],
        [1900, 30],
        [
            "424a6d006e36b45021f338d6574c20126516fc32b265bd561e469f2e4c0b454d",
            "58cce8f0ce1ca849f206a21593dc56391b91da3c527db8fc2de202df29993b54",
            "0e170efe7be072098f47b43910595111c5fb7cf965120e630858c8c19a6b4f74",
        ],
    ),
    (
        [800, 7],
        [64, 40],
        [
            "61cbdb98f15d9bc2276af690cebdc8291b7e69f9085c7677924d514fd6b33b33",
            "14129e339f92695645bb2d54553f2ab3453fdc308a7fa15f726331c795500257",
            "2694ef4b2053bd80d1c0d89a6509a4adade8588c95934cec3ea2e9e53a2d9d99",
        ],
    ),
    (
        [300, 2],
        [400, 7],
        [
            "b9c8276f9f2facc26004141106174cd3e24a6e07c7674645f313c336dc0ad956",
            "7fa047d01984d77f7cd51b9fb25a9abb2b9d5b8f7e75c023e844955f669f0f62",
            "37f92089aa34a27b00001446d9cd8d4647c884c101fb0f8fe44f00e6f67378b4",
        ],
    ),
];

#[test]
fn whole_pictures_equal_pillow() {
    for ([height, width], to, hashes) in GOLDEN {
        for (filter, hash) in FILTERS.into_iter().zip(hashes) {
            let resized = resize(&pattern(width, height), to, filter, &StopFlag::default());
            let resized = resized.expect("resized");
            assert_eq!([resized.height, resized.width], to);
            let found = sha256(&resized.rgb);
            assert_eq!(found, hash, "{height} x {width} to {to:?}, {filter:?}");
        }
    }
}

#[test]
fn what_cannot_be_resized_is_refused() {
    let to = |picture: &Picture, size| {
        let error = resize(picture, size, Filter::Lanczos, &StopFlag::default());
        error.expect_err("refused").code()
    };
    let picture = pattern(4, 3);
    assert_eq!(to(&picture, [0, 4]), "image-damaged");
    assert_eq!(to(&picture, [4, 0]), "image-damaged");
    assert_eq!(to(&picture, [usize::MAX, 4]), "image-too-large");
    assert_eq!(to(&picture, [1 << 14, 1 << 14]), "image-too-large");
    // Neither before nor after, but between the passes.
    assert_eq!(to(&pattern(200, 16_384), [1, 16_384]), "image-too-large");

    let damaged = |width, height, bytes| Picture {
        width,
        height,
        rgb: vec![0; bytes],
        notices: Vec::new(),
    };
    for (width, height, bytes) in [(0, 0, 0), (4, 3, 35), (4, 3, 37), (usize::MAX, 3, 9)] {
        assert_eq!(to(&damaged(width, height, bytes), [4, 4]), "image-damaged");
    }
    let stop = StopFlag::default();
    stop.stop();
    for size in [[3, 9], [9, 4]] {
        let stopped = resize(&picture, size, Filter::Lanczos, &stop);
        assert_eq!(stopped, Err(Error::Stopped));
    }
}

#[test]
fn a_picture_that_keeps_its_size_keeps_its_bytes() {
    let mut picture = pattern(5, 4);
    picture.notices.push("it was animated".into());
    let same = resize(&picture, [4, 5], Filter::Bicubic, &StopFlag::default()).expect("resized");
    assert_eq!(same.rgb, picture.rgb);
    assert!(same.notices.is_empty());
}

proptest! {
    /// Black and white next to one another make the largest sums, positive and negative.
    #[test]
    fn no_small_picture_upsets_a_resize(
        width in 1_usize..40, height in 1_usize..300, to in [1_usize..60, 1_usize..60],
        bits in proptest::collection::vec(any::<bool>(), 40), colour in any::<[u8; 3]>(),
    ) {
        let black_or_white = |(index, byte): (usize, &mut u8)| {
            *byte = 255 * u8::from(bits[index % 37] ^ bits[index / 37 % 40]);
        };
        let mut picture = pattern(width, height);
        picture.rgb.iter_mut().enumerate().for_each(black_or_white);
        for filter in FILTERS {
            let resized = resize(&picture, to, filter, &StopFlag::default()).expect("resized");
            prop_assert_eq!(resized.rgb.len(), to[0] * to[1] * 3);
            // One colour remains itself.
            let plain = Picture { rgb: colour.repeat(width * height), ..picture.clone() };
            let resized = resize(&plain, to, filter, &StopFlag::default()).expect("resized");
            prop_assert_eq!(resized.rgb, colour.repeat(to[0] * to[1]));
        }
    }
}
