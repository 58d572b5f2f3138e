//! Benchmarks that also check the results they time.

mod compare;
mod kernels;
mod launch;
mod stages;
mod synthetic;

pub use compare::median;
pub use kernels::{KERNELS, Timing, time_kernel};
pub use launch::{LaunchCost, launch_cost};
pub use stages::{Asked, STAGES, StageTiming, time_stage};
pub use synthetic::SHAPES;
