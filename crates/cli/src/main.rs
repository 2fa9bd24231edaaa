//! The command line of Keyferry.
fn main() {}
