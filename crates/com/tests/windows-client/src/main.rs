//! A program for Windows in Rust that uses the library through the bindings of the `windows` crate, which Microsoft
//! generates from its own metadata: what stands there of interfaces, their order and their arguments has to fit without a
//! word of Keyferry's. It takes the words of a scenario as the client in C++ does (`tests/client`), prints what its
//! callback was told, then `done`; a check that fails is a panic.

#[cfg(windows)]
mod callback;
#[cfg(windows)]
mod contract;
#[cfg(windows)]
mod object;

#[cfg(windows)]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["backup", rest @ ..] => object::operate(true, rest),
        ["restore", rest @ ..] => object::operate(false, rest),
        ["contract", store, folder] => contract::contract(store, folder),
        _ => panic!("no such scenario: {words:?}"),
    }
    println!("done");
}

#[cfg(not(windows))]
fn main() {
    panic!("this program is for Windows");
}
