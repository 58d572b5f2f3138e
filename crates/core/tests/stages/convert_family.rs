//! Conversions of the LLaVA family's checkpoints, whatever their layout and their widths.

use std::path::Path;

use inf_llava_core::progress::Watch;
use inf_llava_core::spec::{Kind, Weight};
use inf_llava_core::weights::arrange::Precision;
use inf_llava_core::weights::convert::Conversion;
use inf_llava_core::weights::converted::{Converted, read_manifest};
use inf_llava_core::weights::folder::Folder;
use inf_llava_core::weights::manifest::Dtype;
use inf_llava_core::weights::pytorch;
use inf_llava_core::weights::tensors::Tensors;
use inf_llava_core::weights::verify::verify;

use crate::block_on;
use crate::convert::{SHARD_BYTES, about};
use crate::weights::family;

/// What a precision makes of a tensor: blocks where rows divide into them, floats where they do not.
fn expected(precision: &str, Weight { shape, kind, .. }: &Weight) -> Dtype {
    let is_vector = shape.len() == 1;
    let in_blocks = shape.len() == 2 && shape[1].is_multiple_of(32);
    match (precision, kind) {
        ("f32", _) => Dtype::F32,
        _ if is_vector => Dtype::F32,
        ("f16", _) => Dtype::F16,
        _ if !in_blocks => Dtype::F16,
        ("q4", Kind::LayerMatrix) => Dtype::Q4,
        _ => Dtype::Q8,
    }
}

/// Root of the mean square of `off`, in units of that of `own`.
fn lost(off: impl Iterator<Item = f32>, own: &[f32]) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f32>| -> f64 {
        values.map(|value| f64::from(value).powi(2)).sum()
    };
    let own = squares(&mut own.iter().copied()).max(f64::MIN_POSITIVE);
    (squares(&mut off.into_iter()) / own).sqrt()
}

fn converts(name: &str, precision: &str, to: &Path) {
    let weights = family::model(name).weights();
    let checkpoint = pytorch::open(Folder::new(family::folder(name)));
    let checkpoint = block_on(checkpoint).unwrap();
    let chosen = Precision::from_name(precision).unwrap();
    let about = about("tiny");
    let conversion = Conversion::new(&checkpoint, &weights, chosen, SHARD_BYTES, about, to);
    let written = conversion.unwrap().run(&mut Watch::nobody()).unwrap();
    let (read, damaged) = block_on(verify(to, &mut Watch::nobody())).unwrap();
    assert_eq!((&read, damaged), (&written, Vec::new()), "{name}");
    let manifest = block_on(read_manifest(&Folder::new(to))).unwrap().unwrap();
    let converted = Converted::new(Folder::new(to), manifest).unwrap();
    assert_eq!(converted.check_all(&weights), Ok(()), "{name} {precision}");
    assert_eq!(
        written.tensors.len(),
        weights.len(),
        "nothing else is in it"
    );
    for weight in &weights {
        let Weight {
            name: tensor,
            shape,
            ..
        } = weight;
        let dtype = written.tensors[tensor].dtype;
        assert_eq!(
            dtype,
            expected(precision, weight),
            "{name} {precision} {tensor} {shape:?}"
        );
        let wanted = block_on(checkpoint.read_f32(tensor, shape)).unwrap();
        let found = block_on(converted.read_f32(tensor, shape)).unwrap();
        let limit = match dtype {
            Dtype::F32 => 0.0,
            Dtype::Q8 => 0.01,
            Dtype::Q4 => 0.1,
            _ => 0.0005,
        };
        let off = wanted.iter().zip(&found).map(|(a, b)| a - b);
        let lost = lost(off, &wanted);
        assert!(
            lost <= limit,
            "{name} {precision} {tensor} as {dtype:?}: {lost}"
        );
    }
}

#[test]
fn every_checkpoint_is_converted_in_every_precision() {
    let quantised = family::NAMES.map(|name| [(name, "q4"), (name, "q8")]);
    let exact = [
        ("smolvlm-tiny", "f32"),
        ("idefics3-tiny", "f16"),
        ("vlsa", "f16"),
    ];
    for (name, precision) in quantised.concat().into_iter().chain(exact) {
        let dir = tempfile::tempdir().unwrap();
        converts(name, precision, &dir.path().join("converted"));
    }
}

/// The widths of SmolVLM-256M and SmolVLM2-500M, of OneVision-0.5B, and of CLIP ViT-L and a 7B decoder: all in blocks but
/// one, the inner width of SigLIP so400m.
#[test]
fn the_widths_of_real_models_divide_into_blocks_but_for_one() {
    let real = [
        576, 768, 896, 960, 1024, 1152, 1536, 2560, 3072, 4096, 4864, 11_008, 12_288, 14_336,
    ];
    let dtype = |width| {
        Precision::Q4.dtype(&Weight {
            name: "w".into(),
            shape: vec![8, width],
            kind: Kind::LayerMatrix,
        })
    };
    assert_eq!(real.map(dtype), [Dtype::Q4; 14]);
    assert_eq!(dtype(4304), Dtype::F16);
}

/// The fixtures have what this is about: widths that divide into blocks and widths that do not, in the tower, in the
/// projector and in the decoder, and embeddings of both kinds.
#[test]
fn the_checkpoints_have_both_kinds_of_widths() {
    let all: Vec<Weight> = family::NAMES
        .map(|name| family::model(name).weights())
        .concat();
    for kind in [
        Kind::Matrix,
        Kind::LayerMatrix,
        Kind::Table,
        Kind::Embeddings,
    ] {
        let of_kind = all.iter().filter(|weight| weight.kind == kind);
        let widths: Vec<usize> = of_kind.map(|weight| weight.shape[1]).collect();
        let blocks = widths
            .iter()
            .filter(|width| width.is_multiple_of(32))
            .count();
        assert!(blocks > 0 && blocks < widths.len(), "{kind:?}: {widths:?}");
    }
    assert!(all.iter().any(|weight| weight.kind == Kind::TiedEmbeddings));
}
