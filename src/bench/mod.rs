//! Measurements that check what they time.

mod kernels;
mod launch;

pub use kernels::{KERNELS, Timing, time_kernel};
pub use launch::{LaunchCost, launch_cost};
