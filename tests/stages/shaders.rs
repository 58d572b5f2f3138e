//! Every shader is valid WGSL as it stands and keeps to what portable WebGPU promises.

use inf_llava::gpu::kernel::{HALF, Kernel, SUBGROUPS, wgsl_const};
use inf_llava::gpu::ops::{beyond_portable, kernels};
use naga::proc::Layouter;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module};

/// Bytes of workgroup memory.
const WORKGROUP_BYTES: u32 = 16 * 1024;
/// Invocations of a workgroup.
const INVOCATIONS: u32 = 256;
/// Storage buffers of a stage.
const STORAGE_BUFFERS: usize = 8;

fn parse(name: &str, source: &str) -> Module {
    match naga::front::wgsl::parse_str(source) {
        Ok(module) => module,
        Err(error) => panic!("{name}: {}", error.emit_to_string(source)),
    }
}

#[test]
fn valid_and_portable() {
    for kernel in kernels() {
        let (name, source) = (kernel.name, &kernel.text());
        let module = parse(name, source);
        // No capability: no f16, no subgroups, nothing optional.
        Validator::new(ValidationFlags::all(), Capabilities::empty())
            .validate(&module)
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));

        let entries: Vec<&str> = module
            .entry_points
            .iter()
            .map(|e| e.name.as_str())
            .collect();
        assert_eq!(entries, ["main"], "{name}");
        let size = module.entry_points[0].workgroup_size;
        let invocations: u32 = size.iter().product();
        assert!(invocations <= INVOCATIONS, "{name}: {invocations}");
        assert_eq!(size, [wgsl_const(source, "WORKGROUP_SIZE"), 1, 1], "{name}");

        let mut layouter = Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let of = |space: AddressSpace| {
            module
                .global_variables
                .iter()
                .filter(move |(_, v)| v.space == space)
        };
        let bytes: u32 = of(AddressSpace::WorkGroup)
            .map(|(_, v)| layouter[v.ty].size)
            .sum();
        assert!(
            bytes <= WORKGROUP_BYTES,
            "{name}: {bytes} bytes of workgroup memory"
        );
        let mut storage = 0;
        for (_, variable) in module.global_variables.iter() {
            let AddressSpace::Storage { access } = variable.space else {
                continue;
            };
            assert!(
                access.contains(naga::StorageAccess::STORE),
                "{name}: {:?} must be read_write",
                variable.name
            );
            storage += 1;
        }
        assert!(storage <= STORAGE_BUFFERS, "{name}");
    }
}

#[test]
fn a_variant_differs_in_its_constant() {
    let text = |kernel: Kernel| kernel.text();
    let kernel = Kernel::new(
        "k",
        "const WORKGROUP_SIZE: u32 = 64u;\nconst BITS: u32 = 4u;",
    );
    assert_eq!(
        text(kernel),
        "const WORKGROUP_SIZE: u32 = 64u;\nconst BITS: u32 = 4u;"
    );
    let eight = "const WORKGROUP_SIZE: u32 = 64u;\nconst BITS: u32 = 8u;";
    assert_eq!(text(kernel.with("BITS", 8)), eight);
    assert_eq!(text(kernel.with(HALF, 0).with(SUBGROUPS, 0)), text(kernel));
}

/// A variant needs what it says that it needs, and is valid where that is to be had.
#[test]
fn variants_beyond_portable() {
    for kernel in beyond_portable() {
        let (name, source) = (kernel.name, &kernel.text());
        let needed = match (kernel.needs(HALF), kernel.needs(SUBGROUPS)) {
            (true, false) => Capabilities::SHADER_FLOAT16,
            (false, true) => Capabilities::SUBGROUP,
            _ => panic!("{name}: one of the two"),
        };
        let module = parse(name, source);
        let validate = |capabilities| {
            let mut validator = Validator::new(ValidationFlags::all(), capabilities);
            let stages = naga::valid::ShaderStages::COMPUTE;
            let all = naga::valid::SubgroupOperationSet::all();
            validator
                .subgroup_stages(stages)
                .subgroup_operations(all)
                .validate(&module)
                .is_ok()
        };
        assert!(validate(needed), "{name}");
        assert!(!validate(Capabilities::empty()), "{name}");
    }
}

#[test]
fn constants_are_read_from_the_file() {
    assert_eq!(
        wgsl_const("const AA: u32 = 1u;\nconst A: u32 = 64u;", "A"),
        64
    );
}

/// The texts in shaders/, by path from the root.
fn shaders() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["shaders", "shaders/shared"] {
        for entry in std::fs::read_dir(crate::root().join(folder)).expect(folder) {
            let path = entry.expect("an entry").path();
            if path
                .extension()
                .is_some_and(|extension| extension == "wgsl")
            {
                let name = path.file_name().expect("a name").to_string_lossy();
                let text = std::fs::read_to_string(&path).expect("a text");
                found.push((format!("{folder}/{name}"), text));
            }
        }
    }
    assert!(found.len() > 2);
    found
}

/// The checks over all kernels (naga, timings) go over this list.
#[test]
fn every_shader_is_listed() {
    let kernels = kernels();
    let listed: Vec<(&str, String)> = kernels.map(|k| (k.name, k.text())).collect();
    let files = shaders();
    let (shared, own): (Vec<_>, Vec<_>) = files
        .iter()
        .partition(|(path, _)| path.starts_with("shaders/shared/"));
    for (path, text) in &own {
        let name = path
            .trim_start_matches("shaders/")
            .trim_end_matches(".wgsl");
        // What it shares with others follows its own text.
        let is_listed = |(of, whole): &(&str, String)| *of == name && whole.starts_with(text);
        assert!(
            listed.iter().any(is_listed),
            "{path} is in no operation's KernelSet"
        );
    }
    for (path, text) in &shared {
        assert!(
            listed.iter().any(|(_, whole)| whole.contains(text)),
            "{path} is part of no kernel"
        );
    }
    let names: std::collections::BTreeSet<&str> = listed.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), own.len());
}
