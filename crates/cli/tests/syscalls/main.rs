//! Every system call of a backup, a repair, an import and a restore as the last one (`kills`), every write, sync and
//! rename as one that fails (`faults`), and the power gone at every moment in which the store is written (`power`). Ordinary runs take a part of the calls that change files; `cargo xtask soak syscalls`
//! takes every call there is.

#![cfg(target_os = "linux")]

mod faults;
mod kills;
#[allow(dead_code, reason = "written for another target, which uses all of it")]
#[path = "../cli/place.rs"]
mod place;
mod power;
mod recorded;
mod scene;
mod served;
mod traced;
