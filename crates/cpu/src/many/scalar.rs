//! Without vectors: what all the others must equal.

use super::PANEL;
use super::panel::Panel;
use super::rows::Rows;

pub fn multiply(panel: &Panel, x: &Rows, products: &mut [[f32; PANEL]]) {
    for (index, products) in products.iter_mut().enumerate() {
        let x = x.row(index);
        let mut sums = [0.0; PANEL];
        for (block, levels) in panel.levels.iter().enumerate() {
            let mut of_block = [0_i32; PANEL];
            for (levels, &pair) in levels.iter().zip(&x.pairs[block]) {
                let [one, other] = [pair as i16, (pair >> 16) as i16];
                for (sum, levels) in of_block.iter_mut().zip(levels) {
                    *sum += i32::from(levels[0]) * i32::from(one)
                        + i32::from(levels[1]) * i32::from(other);
                }
            }
            for row in 0..PANEL {
                sums[row] += of_block[row] as f32 * panel.scales[block][row] * x.scales[block];
            }
        }
        for row in 0..PANEL {
            products[row] = sums[row] * panel.row_scales[row];
        }
    }
}
