//! Chooses where the model runs: a real GPU, else the CPU, natively; in the browser whatever adapter there is, else the
//! CPU. Says which.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Device;
#[cfg(not(target_arch = "wasm32"))]
use burn::tensor::DeviceKind;
#[cfg(not(target_arch = "wasm32"))]
use burn::tensor::wgpu::{WgpuBackend, WgpuOptions};
use burn::tensor::wgpu::{WgpuInitError, WgpuSetup, wgpu};

use super::adapter::{self, Failure, FailureKind, Variants};
use super::ops::kernels_hash;
use super::remembered::{recall, remember};
use super::self_test::{CASES, self_test, wrong_kernels};
use super::tuning::measure;
use crate::error::{Error, Result};
use crate::gpu::submissions::set_speeds;

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The quickest there is. Natively a software adapter (llvmpipe, SwiftShader, WARP) is none: the processor that it
    /// runs on is several times as quick without it.
    Auto,
    /// A GPU, or a software adapter that acts as one.
    Wgpu,
    /// As `Wgpu`, on an adapter that has nothing but what WebGPU promises everywhere: to see whether a model runs there.
    Portable,
    /// burn-flex.
    Cpu,
    /// burn's CUDA backend.
    #[cfg(feature = "cuda")]
    Cuda,
}

impl DeviceChoice {
    /// The names that `--device` and `?device=` take.
    pub const NAMES: &[&str] = &[
        "auto",
        "wgpu",
        "portable",
        "cpu",
        #[cfg(feature = "cuda")]
        "cuda",
    ];

    /// The choice called `name`.
    ///
    /// # Errors
    /// [`Error::Option`] listing the names.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "auto" => Ok(DeviceChoice::Auto),
            "wgpu" => Ok(DeviceChoice::Wgpu),
            "portable" => Ok(DeviceChoice::Portable),
            "cpu" => Ok(DeviceChoice::Cpu),
            #[cfg(feature = "cuda")]
            "cuda" => Ok(DeviceChoice::Cuda),
            _ => Err(Error::Option {
                option: "device".into(),
                reason: format!(
                    "it is {name:?} and must be one of {}",
                    Self::NAMES.join(", ")
                ),
            }),
        }
    }
}

/// A device, ready for tensors.
#[derive(Debug, Clone)]
pub struct ChosenDevice {
    /// burn's handle.
    pub device: Device,
    /// What to show: kind, adapter, driver.
    pub name: String,
    /// Why it is not the one that was looked for first, or which kernels it does without.
    pub notice: Option<String>,
    /// Bytes that one tensor may have there.
    pub max_tensor_bytes: u64,
    /// Bytes that are free for the model, where that can be known.
    pub free_bytes: Option<u64>,
}

impl ChosenDevice {
    /// Lets tiles of products and attention hold f16 where that was measured to be quicker. What is compared with
    /// PyTorch stays in f32.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn allow_half(&self) -> Result<()> {
        let adapter = adapter::of(&self.device);
        let half = Variants {
            half: adapter.half_is_quicker,
            ..adapter.variants
        };
        if_right(&self.device, half).await
    }
}

/// The wgpu device (natively with whether it is a software adapter) and the portable one, once made: burn registers them
/// for the life of the program.
#[cfg(not(target_arch = "wasm32"))]
static WGPU: Mutex<Option<(ChosenDevice, bool)>> = Mutex::new(None);
#[cfg(target_arch = "wasm32")]
static WGPU: Mutex<Option<ChosenDevice>> = Mutex::new(None);
static PORTABLE: Mutex<Option<ChosenDevice>> = Mutex::new(None);

/// Makes the device that `choice` names.
///
/// # Errors
/// [`Error::Device`] if there is none, with what to do.
pub async fn choose(choice: DeviceChoice) -> Result<ChosenDevice> {
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Wgpu => wgpu_device().await.map_err(unavailable),
        DeviceChoice::Portable => portable_device().await,
        DeviceChoice::Auto => Ok(quick_device().await.unwrap_or_else(|why| ChosenDevice {
            notice: why,
            ..cpu()
        })),
        #[cfg(feature = "cuda")]
        DeviceChoice::Cuda => Ok(ChosenDevice {
            device: Device::cuda(0),
            name: "CUDA device 0".into(),
            notice: None,
            max_tensor_bytes: u64::MAX,
            free_bytes: None,
        }),
    }
}

fn cpu() -> ChosenDevice {
    let name = match cfg!(target_arch = "wasm32") {
        true => "CPU (WebAssembly)".to_string(),
        false => format!(
            "CPU ({} threads)",
            std::thread::available_parallelism().map_or(1, usize::from)
        ),
    };
    ChosenDevice {
        device: Device::flex(),
        name,
        notice: None,
        max_tensor_bytes: u64::MAX,
        free_bytes: free_memory(),
    }
}

/// A GPU, or what stands against the one that there is; no software adapter is looked for.
#[cfg(not(target_arch = "wasm32"))]
async fn quick_device() -> Result<ChosenDevice, Option<String>> {
    match adapter_of(GPU_KINDS).await {
        // One that was made because it was asked for by name.
        Ok((_, true)) => Err(None),
        Ok((device, false)) => Ok(device),
        Err(reasons) => Err(Some(reasons).filter(|reasons| !reasons.is_empty())),
    }
}

/// A browser does not tell software adapters apart.
#[cfg(target_arch = "wasm32")]
async fn quick_device() -> Result<ChosenDevice, Option<String>> {
    wgpu_device().await.map_err(Some)
}

/// A GPU, else a software adapter.
#[cfg(not(target_arch = "wasm32"))]
async fn wgpu_device() -> Result<ChosenDevice, String> {
    let kinds = [GPU_KINDS, &[DeviceKind::Cpu]].concat();
    match adapter_of(&kinds).await {
        Ok((device, _)) => Ok(device),
        Err(reasons) if reasons.is_empty() => Err(NO_ADAPTER.into()),
        Err(reasons) => Err(reasons),
    }
}

/// The device of the first of `kinds` that there is, and whether it is a software adapter; else what stood against it,
/// or nothing where there is none. Made once: the lock is held while it is made, since burn refuses a second
/// registration.
#[cfg(not(target_arch = "wasm32"))]
#[expect(
    clippy::await_holding_lock,
    reason = "nothing else runs on this thread"
)]
async fn adapter_of(kinds: &[DeviceKind]) -> Result<(ChosenDevice, bool), String> {
    let mut made = WGPU.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = made.as_ref() {
        return Ok(made.clone());
    }
    let mut reasons = Vec::new();
    for kind in kinds {
        match options(kind).init_with_setup() {
            Ok((device, setup)) => {
                let is_software = setup.adapter.get_info().device_type == wgpu::DeviceType::Cpu;
                let chosen = tested(describe(device, &setup), &setup).await;
                let chosen = chosen.map_err(|error| error.to_string())?;
                return Ok(made.insert((chosen, is_software)).clone());
            }
            Err(WgpuInitError::AdapterUnavailable { .. }) => {}
            Err(other) => reasons.push(other.to_string()),
        }
    }
    Err(reasons.join("; "))
}

/// A browser offers one adapter, and a worker has one thread.
#[cfg(target_arch = "wasm32")]
async fn wgpu_device() -> Result<ChosenDevice, String> {
    let made = WGPU.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(device) = made {
        return Ok(device);
    }
    match Device::wgpu_options().init_with_setup_async().await {
        Ok((device, setup)) => {
            let name = format!("WebGPU: {}", crate::platform::adapter_name().await);
            let chosen = tested(with_limits(device, &setup, name), &setup).await;
            let chosen = chosen.map_err(|error| error.to_string())?;
            *WGPU.lock().unwrap_or_else(PoisonError::into_inner) = Some(chosen.clone());
            Ok(chosen)
        }
        Err(WgpuInitError::AdapterUnavailable { .. }) => Err(NO_ADAPTER.into()),
        Err(other) => Err(other.to_string()),
    }
}

/// Made once, with the limits that every WebGPU adapter has.
async fn portable_device() -> Result<ChosenDevice> {
    let made = PORTABLE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    if let Some(device) = made {
        return Ok(device);
    }
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: match cfg!(target_os = "linux") {
            true => wgpu::Backends::VULKAN,
            false => wgpu::Backends::all(),
        },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapter = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..wgpu::RequestAdapterOptions::default()
    };
    let adapter = instance.request_adapter(&adapter).await;
    let adapter = adapter.map_err(|e| unavailable(e.to_string()))?;
    // burn's own kernels take it for given where the adapter has it; no browser's has.
    let features = adapter.features() & wgpu::Features::SHADER_INT64;
    let asked = wgpu::DeviceDescriptor {
        required_features: features,
        required_limits: wgpu::Limits::default(),
        ..wgpu::DeviceDescriptor::default()
    };
    let (device, queue) = adapter
        .request_device(&asked)
        .await
        .map_err(|e| unavailable(e.to_string()))?;
    let setup = WgpuSetup {
        backend: adapter.get_info().backend,
        instance,
        adapter,
        device,
        queue,
    };
    let name = format!("portable WebGPU on {}", setup.adapter.get_info().name);
    let chosen = with_handles(&setup, name).await?;
    *PORTABLE.lock().unwrap_or_else(PoisonError::into_inner) = Some(chosen.clone());
    Ok(chosen)
}

/// A device called `name` of wgpu's handles, which others may share.
///
/// # Errors
/// [`Error::Device`] if burn does not take it.
pub async fn with_handles(setup: &WgpuSetup, name: String) -> Result<ChosenDevice> {
    let device = Device::wgpu_options().setup(setup.clone()).init();
    let device = device.map_err(|e| unavailable(e.to_string()))?;
    tested(with_limits(device, setup, name), setup).await
}

/// In the order of preference.
#[cfg(not(target_arch = "wasm32"))]
const GPU_KINDS: &[DeviceKind] = &[
    DeviceKind::DiscreteGpu(0),
    DeviceKind::IntegratedGpu(0),
    DeviceKind::VirtualGpu(0),
];

/// On Linux adapters are looked for through Vulkan alone: looking through OpenGL too makes the
/// system's libraries print to stderr, and OpenGL's compute lacks what the kernels need.
#[cfg(not(target_arch = "wasm32"))]
fn options(kind: &DeviceKind) -> WgpuOptions {
    let options = Device::wgpu_options().device_kind(kind.clone());
    match cfg!(target_os = "linux") {
        true => options.graphics_api(WgpuBackend::Vulkan),
        false => options,
    }
}

/// Why there is no GPU, and what to do, natively and in the browser.
const NO_ADAPTER: &str = match cfg!(target_arch = "wasm32") {
    true => "this browser has no WebGPU adapter",
    false => "no GPU and no software adapter was found",
};
const ADVICE: &str = match cfg!(target_arch = "wasm32") {
    true => "the page can run on the CPU instead (?device=cpu)",
    false => "install a Vulkan driver (Debian: mesa-vulkan-drivers) or use --device cpu",
};

fn unavailable(why: String) -> Error {
    Error::Device {
        device: "wgpu".into(),
        reason: format!("{why}; {ADVICE}"),
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn describe(device: Device, setup: &WgpuSetup) -> ChosenDevice {
    let info = setup.adapter.get_info();
    let kind = match info.device_type {
        wgpu::DeviceType::Cpu => "software GPU",
        _ => "GPU",
    };
    ChosenDevice {
        free_bytes: match info.device_type {
            wgpu::DeviceType::Cpu | wgpu::DeviceType::IntegratedGpu => free_memory(),
            _ => None,
        },
        ..with_limits(
            device,
            setup,
            format!("{kind}, {:?}: {}", info.backend, info.name),
        )
    }
}

/// The device once its kernels are known to be right, and the quickest of their variants; those that are not are named and not used.
async fn tested(chosen: ChosenDevice, setup: &WgpuSetup) -> Result<ChosenDevice> {
    let device = &chosen.device;
    let (features, info) = (setup.device.features(), setup.adapter.get_info());
    let subgroup = match features.contains(wgpu::Features::SUBGROUP) {
        true => info.subgroup_min_size as usize,
        false => 0,
    };
    watch(device, &setup.device);
    adapter::change(device, |adapter| {
        adapter.handle = Some(setup.device.clone());
        adapter.subgroup = subgroup;
        adapter.has_half = features.contains(wgpu::Features::SHADER_F16);
    });
    let wrong = self_test(device, CASES).await?;
    let key = remembered_key(&chosen.name, &info);
    let measured = match recall(&key).await {
        Some(measured) if measured.is_possible(subgroup) => measured,
        _ => {
            let measured = measure(device).await?;
            remember(&key, &measured).await;
            measured
        }
    };
    adapter::change(device, |adapter| {
        adapter.half_is_quicker = measured.half_is_quicker;
    });
    set_speeds(device, measured.speeds);
    if_right(device, measured.variants).await?;
    let notice = (!wrong.is_empty()).then(|| {
        format!(
            "slower than it could be: its kernels {} compute something wrong here and are not used",
            wrong.join(", ")
        )
    });
    Ok(ChosenDevice { notice, ..chosen })
}

/// What the measurements of an adapter depend on: itself, its driver, the browser, and this program's kernels.
fn remembered_key(name: &str, info: &wgpu::AdapterInfo) -> String {
    #[cfg(target_arch = "wasm32")]
    let runtime = crate::platform::browser_version();
    #[cfg(not(target_arch = "wasm32"))]
    let runtime = env!("CARGO_PKG_VERSION");
    let (driver, driver_info) = (&info.driver, &info.driver_info);
    let (vendor, device) = (info.vendor, info.device);
    let kernels = kernels_hash();
    format!("{name} {vendor:x}:{device:x} {driver} {driver_info} {runtime} kernels {kernels:016x}")
}

/// Lets the next read tell what goes wrong, in place of burn's handlers: one panics, the other tells later.
fn watch(device: &Device, handle: &wgpu::Device) {
    let failing = device.clone();
    handle.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let text = error.to_string();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let kind = match error {
            wgpu::Error::OutOfMemory { .. } => FailureKind::OutOfMemory,
            _ => FailureKind::Other,
        };
        let reason = lines.collect::<Vec<_>>().join(" ");
        adapter::fail(&failing, Failure { kind, reason });
    }));
    let lost = device.clone();
    handle.set_device_lost_callback(move |kind, message| {
        let reason = match message.is_empty() {
            true => format!("{kind:?}").to_lowercase(),
            false => message,
        };
        let kind = FailureKind::Lost;
        adapter::fail(&lost, Failure { kind, reason });
    });
}

/// Launches `variants` from now on, unless a kernel is wrong in them.
async fn if_right(device: &Device, variants: Variants) -> Result<()> {
    let before = adapter::variants(device);
    adapter::set_variants(device, variants);
    let is_new = variants.subgroups != before.subgroups || variants.half != before.half;
    if is_new && !wrong_kernels(device, CASES).await?.is_empty() {
        adapter::set_variants(device, before);
    }
    Ok(())
}

/// The device by its name, with the limits of its buffers; how much is free is not known.
fn with_limits(device: Device, setup: &WgpuSetup, name: String) -> ChosenDevice {
    let limits = setup.device.limits();
    ChosenDevice {
        device,
        name,
        notice: None,
        max_tensor_bytes: limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size),
        free_bytes: None,
    }
}

/// What a 32-bit module can hope for.
#[cfg(target_arch = "wasm32")]
fn free_memory() -> Option<u64> {
    Some(2 << 30)
}

/// Memory of the machine that programs may still take, and no more than a container may have in all: what of that is free
/// is not known, since the files that it read count as its own.
#[cfg(not(target_arch = "wasm32"))]
fn free_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let available = system.available_memory();
    let of_container = system.cgroup_limits().map(|limits| limits.total_memory);
    // Systems that do not tell say 0.
    let known = [Some(available), of_container].into_iter().flatten();
    known.filter(|&bytes| bytes > 0).min()
}
