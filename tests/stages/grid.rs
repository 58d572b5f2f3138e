//! Tile and weave, and their inverses.

use burn::tensor::{Device, Tensor, TensorData};
use inf_llava::vision::grid::{map_from_tiles, map_from_weave, tiles_from_map, weave_from_map};
use proptest::prelude::*;

fn crops(n: usize, h: usize, channels: usize) -> Tensor<3> {
    let values: Vec<f32> = (0..n * n * h * h * channels).map(|i| i as f32).collect();
    Tensor::from_data(
        TensorData::new(values, [n * n, h * h, channels]),
        &Device::flex(),
    )
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

proptest! {
    #[test]
    fn tile_and_weave_invert(n in 1usize..6, h in 1usize..6, channels in 1usize..4) {
        let crops = crops(n, h, channels);
        prop_assert_eq!(values(tiles_from_map(map_from_tiles(crops.clone(), n), n)), values(crops.clone()));
        prop_assert_eq!(values(weave_from_map(map_from_weave(crops.clone(), n), n)), values(crops));
    }

    /// Map position (y, x) is token (y mod h, x mod h) of tile (y / h, x / h), and token
    /// (y / N, x / N) of the global crop (y mod N, x mod N).
    #[test]
    fn positions_are_where_the_paper_puts_them(n in 1usize..5, h in 1usize..5) {
        let crops = crops(n, h, 1);
        let crop_values = values(crops.clone());
        let (tiled, woven) = (values(map_from_tiles(crops.clone(), n)), values(map_from_weave(crops, n)));
        let at = |crop_y: usize, crop_x: usize, i: usize, j: usize| crop_values[((crop_y * n + crop_x) * h + i) * h + j];
        for y in 0..n * h {
            for x in 0..n * h {
                prop_assert_eq!(tiled[y * n * h + x], at(y / h, x / h, y % h, x % h));
                prop_assert_eq!(woven[y * n * h + x], at(y % n, x % n, y / n, x / n));
            }
        }
    }
}
