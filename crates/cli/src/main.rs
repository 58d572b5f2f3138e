//! The command line. Everything is in the library.

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    inf_llava_cli::commands::main()
}

/// There is no such program; trunk builds it with the page.
#[cfg(target_arch = "wasm32")]
fn main() {}
