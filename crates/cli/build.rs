//! Gives the program for Windows its manifest: long paths, where the system allows them, and UTF-8 for whoever asks for
//! text in the system's own encoding.

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_WINDOWS").is_some() {
        embed_manifest::embed_manifest(embed_manifest::new_manifest("Keyferry"))?;
    }
    Ok(())
}
