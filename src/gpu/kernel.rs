//! The only bridge to cubecl: launches a WGSL source on the buffers of burn tensors.
//!
//! Bindings are in argument order, outputs last, then one uniform with the sizes. Every storage
//! binding is `read_write`, since cubecl may put several tensors into one buffer.

use std::cell::{Cell, RefCell};

use burn::backend::Wgpu;
use burn::backend::wgpu::{
    CubeTensor, KernelSource, SourceKernel, SourceTemplate, into_contiguous,
};
use burn::cubecl::prelude::KernelId;
use burn::cubecl::server::{KernelArguments, MetadataBindingInfo};
use burn::cubecl::{self, CubeCount, CubeDim, MemoryScope};
use burn::tensor::{DType, Device, Float, Int, Shape, Tensor};

use super::pace::{Part, Work};
use super::submissions;
use super::{adapter, memory, writes};

/// The largest number of workgroups along one dimension that WebGPU guarantees.
const MAX_GROUPS: u32 = 65_535;

/// Workgroups along x of a launch that continues along y.
const GROUPS_X: usize = 32_768;

thread_local! {
    static LAUNCHES: Cell<u64> = const { Cell::new(0) };
}

/// The number of this crate's kernels that this thread has launched.
pub fn launches() -> u64 {
    LAUNCHES.get()
}

/// The kernel in `shaders/$name.wgsl`, with entry point `main` and its WORKGROUP_SIZE, followed by the files
/// `shaders/shared/$part.wgsl`. Together they must be valid WGSL without further substitution.
macro_rules! kernel {
    ($name:literal $(, $part:literal)*) => {
        $crate::gpu::kernel::Kernel::new(
            $name,
            concat!(
                include_str!(concat!("../../../shaders/", $name, ".wgsl")),
                $("\n", include_str!(concat!("../../../shaders/shared/", $part, ".wgsl")),)*
            ),
        )
    };
}
pub(crate) use kernel;

/// A WGSL source and a selected variant of it.
#[derive(Clone, Copy)]
pub struct Kernel {
    /// File name without extension.
    pub name: &'static str,
    source: &'static str,
    /// Threads per workgroup, as in the file.
    pub workgroup_size: u32,
    /// Constants that replace those of the file; unused entries have an empty name.
    variant: [(&'static str, u32); MAX_CONSTANTS],
}

/// The most constants that a variant may change.
const MAX_CONSTANTS: usize = 6;
/// As a constant: lines that begin with `//SUBGROUPS ` are uncommented.
pub const SUBGROUPS: &str = "SUBGROUPS";
/// As a constant: lines that begin with `//HALF ` are uncommented, and the type `Held` is f16.
pub const HALF: &str = "HALF";

impl Kernel {
    /// A kernel from its file name and source, which must be valid WGSL as written.
    pub const fn new(name: &'static str, source: &'static str) -> Self {
        Kernel {
            name,
            source,
            workgroup_size: wgsl_const(source, "WORKGROUP_SIZE"),
            variant: [("", 0); MAX_CONSTANTS],
        }
    }

    /// The source as in the files.
    pub fn file_text(&self) -> &'static str {
        self.source
    }

    /// Whether it may be launched on `device`; otherwise its operation uses the reference implementation.
    pub fn is_trusted(&self, device: &Device) -> bool {
        adapter::kernel_is_enabled(device, self.name)
    }

    /// A constant of the source.
    pub const fn constant(&self, name: &str) -> usize {
        wgsl_const(self.source, name) as usize
    }

    /// The kernel with another value for the constant `name`.
    pub const fn with(mut self, name: &'static str, value: u32) -> Self {
        let mut at = 0;
        while !self.variant[at].0.is_empty() {
            at += 1;
        }
        self.variant[at] = (name, value);
        self
    }

    /// Whether this variant has [`SUBGROUPS`] or [`HALF`].
    pub fn needs(&self, what: &str) -> bool {
        self.variant.contains(&(what, 1))
    }

    /// The WGSL source of this variant.
    pub fn text(&self) -> String {
        let constant = |name, value| format!("const {name}: u32 = {value}u;");
        let mut text = self.source.to_string();
        for &(name, value) in self.variant.iter().filter(|(name, _)| !name.is_empty()) {
            if name == SUBGROUPS || name == HALF {
                continue;
            }
            let stated = constant(name, wgsl_const(self.source, name));
            text = text.replace(&stated, &constant(name, value));
        }
        if self.needs(SUBGROUPS) {
            text = text.replace("//SUBGROUPS ", "");
            // Browsers require this directive; naga does not accept it.
            if cfg!(target_arch = "wasm32") {
                text.insert_str(0, "enable subgroups;\n");
            }
        }
        if self.needs(HALF) {
            text = text.replace("//HALF ", "");
            text = text.replace("alias Held = f32;", "alias Held = f16;");
        }
        text
    }
}

impl KernelSource for Kernel {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.text())
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info((self.name, self.variant))
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// A tensor whose buffer can be bound to a kernel.
#[derive(Clone)]
pub struct GpuTensor(CubeTensor);

impl GpuTensor {
    /// The buffer of `tensor`, if it is on wgpu (CUDA does not run WGSL).
    pub fn from_float<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        Self::on_wgpu(tensor.clone().try_into_primitive::<Wgpu>().ok()?)
    }

    /// As [`GpuTensor::from_float`], for tensors of 32-bit integers.
    pub fn from_int<const D: usize>(tensor: &Tensor<D, Int>) -> Option<Self> {
        Self::on_wgpu(tensor.clone().try_into_primitive::<Wgpu>().ok()?)
    }

    fn on_wgpu(tensor: CubeTensor) -> Option<Self> {
        matches!(tensor.device, cubecl::Device::Wgpu(_)).then(|| GpuTensor(into_contiguous(tensor)))
    }

    /// As a burn tensor, after kernels have written it.
    pub fn into_float<const D: usize>(self) -> Tensor<D, Float> {
        Tensor::from_primitive::<Wgpu>(self.0)
    }

    /// As [`GpuTensor::into_float`], for a kernel that has written integers.
    pub fn into_int<const D: usize>(mut self) -> Tensor<D, Int> {
        self.0.dtype = DType::I32;
        Tensor::from_primitive::<Wgpu>(self.0)
    }

    /// The buffer of `tensor`, or the placeholder buffer number `place` if there is no tensor. Each absent input
    /// needs its own placeholder, since one buffer may not be bound twice in a launch.
    pub fn or_absent<const D: usize>(
        &self,
        tensor: Option<&Tensor<D>>,
        place: usize,
    ) -> Option<Self> {
        match tensor {
            Some(tensor) => Self::from_float(tensor),
            None => Some(self.absent(place)),
        }
    }

    fn absent(&self, place: usize) -> Self {
        ABSENT.with_borrow_mut(|absent| {
            if absent
                .first()
                .is_none_or(|made: &Self| made.0.device != self.0.device)
            {
                let absent_one = |_| writes::unwatched(|| output(self, [ABSENT_NUMBERS]));
                *absent = (0..MAX_ABSENT).map(absent_one).collect();
            }
            absent[place].clone()
        })
    }
}

/// The most absent inputs of a launch.
const MAX_ABSENT: usize = 3;
/// A binding holds at least one element of the shader's array; the largest element is a block of columns.
const ABSENT_NUMBERS: usize = 32;

thread_local! {
    static ABSENT: RefCell<Vec<GpuTensor>> = const { RefCell::new(Vec::new()) };
}

/// Splits `groups` workgroups into rows: the counts along x and y. The last row may extend beyond `groups`.
pub fn in_rows(groups: usize) -> [u32; 2] {
    let along_x = groups.clamp(1, GROUPS_X);
    [along_x, groups.div_ceil(along_x)].map(|count| count as u32)
}

/// Launches `kernel` with `groups` workgroups on `inputs`, a new f32 output of `shape`, and `params` (32-bit words in
/// the layout of the file's uniform struct).
pub fn launch<const D: usize>(
    kernel: Kernel,
    inputs: &[GpuTensor],
    shape: [usize; D],
    groups: [u32; 3],
    params: &[u32],
) -> Tensor<D, Float> {
    let output = output(&inputs[0], shape);
    launch_into(kernel, inputs, &output, groups, params);
    output.into_float()
}

/// A new uninitialised f32 tensor of `shape` on the device of `like`, for kernels to write.
pub fn output<const D: usize>(like: &GpuTensor, shape: [usize; D]) -> GpuTensor {
    let (client, device) = (like.0.client.clone(), like.0.device.clone());
    let shape = Shape::from(shape);
    let bytes = shape.num_elements() * size_of::<f32>();
    let handle = match writes::place(bytes) {
        None => client.empty(bytes),
        Some(place) => {
            let whole = client.create_from_slice(bytemuck::cast_slice(&place.sentinels));
            let words = CubeTensor::new_contiguous(
                client.clone(),
                device.clone(),
                Shape::from([place.sentinels.len()]),
                whole.clone(),
                DType::I32,
            );
            writes::watch(Tensor::from_primitive::<Wgpu>(words), bytes);
            let begun = whole.offset_start(place.before as u64);
            begun.offset_end(place.behind as u64)
        }
    };
    memory::note(|| {
        let report = client.memory_report(MemoryScope::Device);
        report.usage().bytes_in_use
    });
    GpuTensor(CubeTensor::new_contiguous(
        client,
        device,
        shape,
        handle,
        DType::F32,
    ))
}

/// As [`launch`], into an existing `output` that several launches may share.
pub fn launch_into(
    kernel: Kernel,
    inputs: &[GpuTensor],
    output: &GpuTensor,
    groups: [u32; 3],
    params: &[u32],
) {
    debug_assert!(
        groups.iter().all(|&count| count <= MAX_GROUPS),
        "{}: {groups:?}",
        kernel.name
    );
    let bindings = inputs
        .iter()
        .chain([output])
        .map(|tensor| tensor.0.handle.clone().binding())
        .collect();
    let words = params
        .chunks(2)
        .map(|pair| u64::from(pair[0]) | u64::from(*pair.get(1).unwrap_or(&0)) << 32)
        .collect();
    LAUNCHES.set(launches() + 1);
    output.0.client.launch(
        Box::new(SourceKernel::new(
            kernel,
            CubeDim::new_1d(kernel.workgroup_size),
        )),
        CubeCount::Static(groups[0], groups[1], groups[2]),
        KernelArguments::new()
            .with_buffers(bindings)
            .with_info(MetadataBindingInfo::custom(words)),
    );
}

/// The workgroups of a launch that may be split along two axes, and their total cost.
#[derive(Clone, Copy)]
pub struct Cut {
    /// Along the axis that is split first, and along the other.
    pub groups: [u32; 2],
    /// The kind of work.
    pub work: Work,
    /// Multiply-adds of all workgroups.
    pub multiply_adds: f64,
}

/// As [`launch_into`], split into parts where the whole would occupy the device too long: see [`super::pace`].
/// `of_part` returns the workgroups and the uniform words of one part.
pub fn launch_in_parts(
    kernel: Kernel,
    inputs: &[GpuTensor],
    output: &GpuTensor,
    cut: Cut,
    device: &Device,
    of_part: impl Fn(&Part) -> ([u32; 3], Vec<u32>),
) {
    for part in submissions::parts(device, cut.work, cut.multiply_adds, cut.groups) {
        if part.submit_before {
            // A failure here occurs again where the result is read.
            let _ = output.0.client.flush();
            submissions::end_submission(device);
        }
        submissions::note_launch(|| {
            let client = output.0.client.clone();
            Box::new(move || drop(client.flush()))
        });
        let (groups, params) = of_part(&part);
        launch_into(kernel, inputs, output, groups, &params);
    }
}

/// Reads the value of `const NAME: u32 = 64u;` from a WGSL source, so that Rust and the shader share one definition.
#[expect(
    clippy::panic,
    reason = "runs in the compiler: a shader without its constant must not build"
)]
pub const fn wgsl_const(source: &str, name: &str) -> u32 {
    let (source, name) = (source.as_bytes(), name.as_bytes());
    let prefix = b"const ";
    let mut at = 0;
    while at + prefix.len() + name.len() < source.len() {
        if starts_with(source, at, prefix)
            && starts_with(source, at + prefix.len(), name)
            && source[at + prefix.len() + name.len()] == b':'
        {
            let mut digit = at + prefix.len() + name.len();
            while source[digit] != b'=' {
                digit += 1;
            }
            digit += 1;
            let mut value = 0;
            while source[digit] != b'u' {
                if source[digit] != b' ' {
                    value = value * 10 + (source[digit] - b'0') as u32;
                }
                digit += 1;
            }
            return value;
        }
        at += 1;
    }
    panic!("the shader has no such constant")
}

const fn starts_with(text: &[u8], at: usize, prefix: &[u8]) -> bool {
    let mut i = 0;
    while i < prefix.len() {
        if text[at + i] != prefix[i] {
            return false;
        }
        i += 1;
    }
    true
}
