//! Small measurements that check what they time.

use burn::tensor::{Device, Tensor};

use crate::error::{Error, Result};
use crate::stages::read;
use crate::timer::Timer;

/// Milliseconds that one burn operation costs on `device`: the mean of `count` additions to a row
/// of 4096, read back at the end.
///
/// # Errors
/// [`Error::NotFinite`] if the sum is wrong, which means that something did not run.
pub async fn launch_ms(device: &Device, count: u32) -> Result<f64> {
    let row = Tensor::<1>::zeros([4096], device);
    read(row.clone().add_scalar(1.0)).await?;
    let timer = Timer::start();
    let mut sum = row;
    for _ in 0..count {
        sum = sum.add_scalar(1.0);
    }
    let values = read(sum).await?;
    let elapsed_ms = timer.elapsed_ms();
    match values.iter().all(|&value| value == count as f32) {
        true => Ok(elapsed_ms / f64::from(count)),
        false => Err(Error::NotFinite {
            stage: "the launch benchmark".into(),
        }),
    }
}
