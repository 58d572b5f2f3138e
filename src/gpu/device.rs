//! Chooses and describes the device: natively a real GPU, else the CPU; in the browser any WebGPU adapter, else the
//! CPU.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Device;
#[cfg(not(target_arch = "wasm32"))]
use burn::tensor::DeviceKind;
#[cfg(not(target_arch = "wasm32"))]
use burn::tensor::wgpu::{WgpuBackend, WgpuOptions};
use burn::tensor::wgpu::{WgpuInitError, WgpuSetup, wgpu};

use super::adapter::{self, Failure, FailureKind, Variants};
use super::ops::cases;
use super::ops::kernels_hash;
use super::remembered::{recall, remember};
use super::self_test::{self_test, wrong_kernels};
use super::tuning::measure;
use crate::error::{Error, Result};
use crate::gpu::submissions::set_speeds;

/// The device that the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The fastest available. Natively, software adapters (llvmpipe, SwiftShader, WARP) are excluded: the CPU backend
    /// is several times as fast on the same processor.
    Auto,
    /// A GPU, or a software adapter that acts as one.
    Wgpu,
    /// As `Wgpu`, restricted to the limits that WebGPU guarantees everywhere: tests whether a model runs on any
    /// adapter.
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
    /// Name to display: kind, adapter, driver.
    pub name: String,
    /// Why the preferred device was not used, or which kernels are disabled.
    pub notice: Option<String>,
    /// The largest size of one tensor, in bytes.
    pub max_tensor_bytes: u64,
    /// Free memory for the model in bytes, if known.
    pub free_bytes: Option<u64>,
}

impl ChosenDevice {
    /// Allows f16 tiles in matrix products and attention where they measured faster. Comparisons with PyTorch do not
    /// call this and stay in f32.
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

/// The wgpu device (natively with whether it is a software adapter) and the portable one, cached: burn registers
/// devices for the life of the program.
#[cfg(not(target_arch = "wasm32"))]
static WGPU: Mutex<Option<(ChosenDevice, bool)>> = Mutex::new(None);
#[cfg(target_arch = "wasm32")]
static WGPU: Mutex<Option<ChosenDevice>> = Mutex::new(None);
static PORTABLE: Mutex<Option<ChosenDevice>> = Mutex::new(None);

/// Creates the device that `choice` names.
///
/// # Errors
/// [`Error::Device`] if it is unavailable, with what to do.
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

/// A GPU; otherwise the reason it failed, if one was found. Software adapters are not considered.
#[cfg(not(target_arch = "wasm32"))]
async fn quick_device() -> Result<ChosenDevice, Option<String>> {
    match adapter_of(GPU_KINDS).await {
        // A software adapter that was created earlier on explicit request.
        Ok((_, true)) => Err(None),
        Ok((device, false)) => Ok(device),
        Err(reasons) => Err(Some(reasons).filter(|reasons| !reasons.is_empty())),
    }
}

/// Browsers do not distinguish software adapters from GPUs.
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

/// The device of the first of `kinds` that is available, and whether it is a software adapter. If none is, the errors
/// of those that failed, or an empty string if no adapter was found. The lock is held during creation, since burn
/// refuses a second registration.
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

/// Created once, with WebGPU's default limits.
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
    // burn's own kernels assume 64-bit integers if the adapter supports them; browsers never do.
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

/// Creates a device called `name` from wgpu handles, which other code may share.
///
/// # Errors
/// [`Error::Device`] if burn refuses it.
pub async fn with_handles(setup: &WgpuSetup, name: String) -> Result<ChosenDevice> {
    let device = Device::wgpu_options().setup(setup.clone()).init();
    let device = device.map_err(|e| unavailable(e.to_string()))?;
    tested(with_limits(device, setup, name), setup).await
}

/// In order of preference.
#[cfg(not(target_arch = "wasm32"))]
const GPU_KINDS: &[DeviceKind] = &[
    DeviceKind::DiscreteGpu(0),
    DeviceKind::IntegratedGpu(0),
    DeviceKind::VirtualGpu(0),
];

/// On Linux only Vulkan is searched for adapters: searching OpenGL makes system libraries print to stderr, and
/// OpenGL's compute shaders lack features that the kernels need.
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

/// Runs the self-test, disables wrong kernels and reports them in the notice, and selects the fastest variants.
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
    let wrong = self_test(device, &cases()).await?;
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

/// The cache key of an adapter's measurements: the adapter, its driver, the browser or program version, and the
/// kernels.
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

/// Replaces burn's error handlers, one of which panics and the other reports late, so that the next read returns the
/// error.
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

/// Launches `variants` from now on, unless one of their kernels fails the self-test.
async fn if_right(device: &Device, variants: Variants) -> Result<()> {
    let before = adapter::variants(device);
    adapter::set_variants(device, variants);
    let is_new = variants.subgroups != before.subgroups || variants.half != before.half;
    if is_new && !wrong_kernels(device, &cases()).await?.is_empty() {
        adapter::set_variants(device, before);
    }
    Ok(())
}

/// A device called `name`, with its buffer limits; its free memory is unknown.
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

/// Roughly what a 32-bit WebAssembly module can allocate.
#[cfg(target_arch = "wasm32")]
fn free_memory() -> Option<u64> {
    Some(2 << 30)
}

/// Available memory of the machine, at most the container's total limit. What is free within the container is
/// unknown, since its file cache counts as used.
#[cfg(not(target_arch = "wasm32"))]
fn free_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let available = system.available_memory();
    let of_container = system.cgroup_limits().map(|limits| limits.total_memory);
    // Systems that do not report a value return 0.
    let known = [Some(available), of_container].into_iter().flatten();
    known.filter(|&bytes| bytes > 0).min()
}
