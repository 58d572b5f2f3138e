//! What is known of an adapter: what its shaders can use beyond what every one has, which kernels are wrong there, and
//! which of their variants are quickest.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use burn::tensor::Device;
use burn::tensor::wgpu::wgpu;
use serde::{Deserialize, Serialize};

use super::pace::Pace;

/// An adapter, as its device's operations see it.
#[derive(Debug, Clone, Default)]
pub struct Adapter {
    /// Fewest threads of a subgroup; 0 where shaders cannot use them.
    pub subgroup: usize,
    /// Whether shaders can hold numbers in 16 bits.
    pub has_half: bool,
    /// Whether tiles that hold f16 were measured to be quicker.
    pub half_is_quicker: bool,
    /// Which variants are launched.
    pub variants: Variants,
    /// What went wrong on it.
    pub failure: Option<Failure>,
    /// wgpu's own handle, where there is one.
    pub handle: Option<wgpu::Device>,
    /// Names of kernels that are not launched: their operations take the reference body.
    pub distrusted: Vec<&'static str>,
    /// How much of its work goes into a submission.
    pub pace: Pace,
}

/// What a device said of something that was asked of it earlier: results since then are not to be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Of what kind it is.
    pub kind: FailureKind,
    /// In its own words.
    pub reason: String,
}

/// How a device can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It is gone, with all that was on it.
    Lost,
    /// It had no room.
    OutOfMemory,
    /// It refused what was asked of it.
    Other,
}

/// Choices among bodies that compute the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variants {
    /// At most so many threads share a row of a quantised matrix: few cost least, many fill a large GPU.
    pub lanes: usize,
    /// Threads that share a row add up through their subgroup.
    pub subgroups: bool,
    /// Tiles of products and attention hold f16; what is added up stays f32.
    pub half: bool,
}

impl Variants {
    /// Subgroups with fewer threads are not used.
    pub const LEAST_SUBGROUP: usize = 8;

    /// What runs everywhere.
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

/// A device that failed and does not end what it is at within this time is not waited for.
#[cfg(not(target_arch = "wasm32"))]
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(1);
/// As long as one submission may take on the slowest device, when submissions are timed.
#[cfg(not(target_arch = "wasm32"))]
const LONGEST_SUBMISSION: std::time::Duration = std::time::Duration::from_secs(120);

/// One for each device that is not as [`Adapter::default`].
static ADAPTERS: RwLock<Vec<(Device, Adapter)>> = RwLock::new(Vec::new());

/// What is known of the adapter of `device`.
pub fn of(device: &Device) -> Adapter {
    look(device, Clone::clone)
}

/// The variants that are launched on `device`.
pub fn variants(device: &Device) -> Variants {
    look(device, |adapter| adapter.variants)
}

/// Whether the kernel called `name` may be launched on `device`.
pub fn trusts(device: &Device, name: &str) -> bool {
    look(device, |adapter| !adapter.distrusted.contains(&name))
}

/// Lets no variant of the kernel called `name` be launched on `device` any more.
pub fn distrust(device: &Device, name: &'static str) {
    change(device, |adapter| {
        if !adapter.distrusted.contains(&name) {
            adapter.distrusted.push(name);
        }
    });
}

/// Launches `variants` on `device` from now on.
pub fn set_variants(device: &Device, variants: Variants) {
    change(device, |adapter| adapter.variants = variants);
}

/// Lets what has happened to `device` be told.
pub async fn look_after(device: &Device) {
    #[cfg(target_arch = "wasm32")]
    {
        let _ = device;
        crate::platform::next_task().await;
    }
    #[cfg(not(target_arch = "wasm32"))]
    if let Some(handle) = look(device, |adapter| adapter.handle.clone()) {
        // What it finds goes the same way as everything else.
        let _ = handle.poll(wgpu::PollType::Wait {
            submission_index: None,
            timeout: Some(LONGEST_WAIT),
        });
    }
}

/// Waits until `device` has done what was submitted to it. In the browser, where nothing can be waited for so, it does not.
pub(super) fn wait_for(device: &Device) {
    #[cfg(target_arch = "wasm32")]
    let _ = device;
    #[cfg(not(target_arch = "wasm32"))]
    if let Some(handle) = look(device, |adapter| adapter.handle.clone()) {
        // A device that fails says so at the next read.
        let _ = handle.poll(wgpu::PollType::Wait {
            submission_index: None,
            timeout: Some(LONGEST_SUBMISSION),
        });
    }
}

/// Remembers the first failure of `device`, but that it is lost before everything.
pub fn fail(device: &Device, failure: Failure) {
    change(device, |adapter| {
        if adapter.failure.is_none() || failure.kind == FailureKind::Lost {
            adapter.failure = Some(failure);
        }
    });
}

/// What failed on `device`.
pub fn failure(device: &Device) -> Option<Failure> {
    look(device, |adapter| adapter.failure.clone())
}

/// Forgets what failed on `device`, and tells it.
pub fn take_failure(device: &Device) -> Option<Failure> {
    let mut failure = None;
    change(device, |adapter| failure = adapter.failure.take());
    failure
}

/// Makes a device that failed before ready for another model: frees what nothing uses any more. A lost one stays lost.
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

/// Changes what is known of the adapter of `device`.
pub fn change(device: &Device, to: impl FnOnce(&mut Adapter)) {
    let mut adapters = ADAPTERS.write().unwrap_or_else(PoisonError::into_inner);
    let known = adapters.iter().position(|(known, _)| known == device);
    let index = known.unwrap_or_else(|| {
        adapters.push((device.clone(), Adapter::default()));
        adapters.len() - 1
    });
    to(&mut adapters[index].1);
}
