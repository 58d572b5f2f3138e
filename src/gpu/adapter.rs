//! Per-adapter state: the optional shader features it supports, the kernels that failed the self-test there, and the
//! fastest kernel variants.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use burn::tensor::Device;
use burn::tensor::wgpu::wgpu;
use serde::{Deserialize, Serialize};

use super::pace::Pace;

/// The state of an adapter that operations on its device consult.
#[derive(Debug, Clone, Default)]
pub struct Adapter {
    /// Smallest subgroup size in threads; 0 where shaders cannot use subgroups.
    pub subgroup: usize,
    /// Whether shaders support f16.
    pub has_half: bool,
    /// Whether kernels with f16 tiles measured faster.
    pub half_is_quicker: bool,
    /// The kernel variants that are launched.
    pub variants: Variants,
    /// The failure that was recorded on it, if any.
    pub failure: Option<Failure>,
    /// wgpu's own handle, if the device runs on wgpu.
    pub handle: Option<wgpu::Device>,
    /// Names of kernels that are not launched: their operations use the reference implementation.
    pub disabled_kernels: Vec<&'static str>,
    /// How much of its work goes into one submission.
    pub pace: Pace,
}

/// A failure that the device reported asynchronously: results computed after it are unreliable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The device's own message.
    pub reason: String,
}

/// How a device can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The device was lost, with everything in its memory.
    Lost,
    /// It ran out of memory.
    OutOfMemory,
    /// Another error, for example a validation error.
    Other,
}

/// Choices among kernel variants that compute the same result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variants {
    /// The most threads that share a row of a quantised matrix: few have the least overhead, many fill a large GPU.
    pub lanes: usize,
    /// Threads that share a row sum their results with subgroup operations.
    pub subgroups: bool,
    /// Tiles of matrix products and attention hold f16; sums stay f32.
    pub half: bool,
}

impl Variants {
    /// Smaller subgroups are not used.
    pub const LEAST_SUBGROUP: usize = 8;

    /// The variants that run on every adapter.
    pub const PORTABLE: Self = Variants {
        lanes: 8,
        subgroups: false,
        half: false,
    };
}

impl fmt::Display for Variants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tiles = if self.half { "f16" } else { "f32" };
        let sums = if self.subgroups { ", subgroups" } else { "" };
        write!(f, "{tiles} tiles, {} lanes a row{sums}", self.lanes)
    }
}

impl Default for Variants {
    fn default() -> Self {
        Self::PORTABLE
    }
}

/// How long to wait for the outstanding work of a device that failed.
#[cfg(not(target_arch = "wasm32"))]
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(1);
/// The longest wait for one submission while submissions are timed, even on the slowest device.
#[cfg(not(target_arch = "wasm32"))]
const LONGEST_SUBMISSION: std::time::Duration = std::time::Duration::from_secs(120);

/// One entry for each device whose state differs from [`Adapter::default`].
static ADAPTERS: RwLock<Vec<(Device, Adapter)>> = RwLock::new(Vec::new());

/// The state of the adapter of `device`.
pub fn of(device: &Device) -> Adapter {
    look(device, Clone::clone)
}

/// The variants that are launched on `device`.
pub fn variants(device: &Device) -> Variants {
    look(device, |adapter| adapter.variants)
}

/// Whether the kernel called `name` may be launched on `device`.
pub fn kernel_is_enabled(device: &Device, name: &str) -> bool {
    look(device, |adapter| !adapter.disabled_kernels.contains(&name))
}

/// Stops every variant of the kernel called `name` from being launched on `device`.
pub fn disable_kernel(device: &Device, name: &'static str) {
    change(device, |adapter| {
        if !adapter.disabled_kernels.contains(&name) {
            adapter.disabled_kernels.push(name);
        }
    });
}

/// Launches `variants` on `device` from now on.
pub fn set_variants(device: &Device, variants: Variants) {
    change(device, |adapter| adapter.variants = variants);
}

/// Polls `device`, so that pending error callbacks run.
pub async fn look_after(device: &Device) {
    #[cfg(target_arch = "wasm32")]
    {
        let _ = device;
        crate::platform::next_task().await;
    }
    #[cfg(not(target_arch = "wasm32"))]
    if let Some(handle) = look(device, |adapter| adapter.handle.clone()) {
        // Errors arrive through the same callbacks.
        let _ = handle.poll(wgpu::PollType::Wait {
            submission_index: None,
            timeout: Some(LONGEST_WAIT),
        });
    }
}

/// Waits until `device` has finished the submitted work. Does nothing in the browser, where blocking is impossible.
pub(super) fn wait_for(device: &Device) {
    #[cfg(target_arch = "wasm32")]
    let _ = device;
    #[cfg(not(target_arch = "wasm32"))]
    if let Some(handle) = look(device, |adapter| adapter.handle.clone()) {
        // A failing device reports the failure at the next read.
        let _ = handle.poll(wgpu::PollType::Wait {
            submission_index: None,
            timeout: Some(LONGEST_SUBMISSION),
        });
    }
}

/// Records the first failure of `device`; a lost device replaces any earlier failure.
pub fn fail(device: &Device, failure: Failure) {
    change(device, |adapter| {
        if adapter.failure.is_none() || failure.kind == FailureKind::Lost {
            adapter.failure = Some(failure);
        }
    });
}

/// The recorded failure of `device`.
pub fn failure(device: &Device) -> Option<Failure> {
    look(device, |adapter| adapter.failure.clone())
}

/// Removes and returns the recorded failure of `device`.
pub fn take_failure(device: &Device) -> Option<Failure> {
    let mut failure = None;
    change(device, |adapter| failure = adapter.failure.take());
    failure
}

/// Makes a device that failed ready for another model: frees unused memory and clears the failure. A lost device
/// stays lost.
pub fn recover(device: &Device) {
    if failure(device).is_some_and(|failure| failure.kind != FailureKind::Lost) {
        device.memory_cleanup();
        take_failure(device);
    }
}

fn look<T>(device: &Device, of: impl FnOnce(&Adapter) -> T) -> T {
    let adapters = ADAPTERS.read().unwrap_or_else(PoisonError::into_inner);
    match adapters.iter().find(|(known, _)| known == device) {
        Some((_, adapter)) => of(adapter),
        None => of(&Adapter::default()),
    }
}

/// Changes the state of the adapter of `device`.
pub fn change(device: &Device, to: impl FnOnce(&mut Adapter)) {
    let mut adapters = ADAPTERS.write().unwrap_or_else(PoisonError::into_inner);
    let known = adapters.iter().position(|(known, _)| known == device);
    let index = known.unwrap_or_else(|| {
        adapters.push((device.clone(), Adapter::default()));
        adapters.len() - 1
    });
    to(&mut adapters[index].1);
}
