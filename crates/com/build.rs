//! Gives the shared library the name under which programs look for it once it is installed (docs/abi.md).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    match system.as_str() {
        "linux" => {
            link(&format!("-Wl,-soname,libkeyferry.so.{major}"));
            // Threads of operations outlive a program's dlclose.
            link("-Wl,-z,nodelete");
        }
        "macos" => link(&format!("-Wl,-install_name,@rpath/libkeyferry.{major}.dylib")),
        _ => {}
    }
}

/// Hands a word to the linker of the shared library.
fn link(word: &str) {
    println!("cargo:rustc-cdylib-link-arg={word}");
}
