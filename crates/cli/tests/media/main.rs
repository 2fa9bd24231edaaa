//! Backups on media as people have them: FAT32, exFAT, and a file system of fixed size, each mounted for one test in
//! namespaces of its own, so that nothing is left mounted however the test ends. Where one can't be mounted the test is
//! noted as left out, with the reason.

#![cfg(target_os = "linux")]

mod full;
mod gone;
mod journey;
mod mounted;
#[allow(dead_code, reason = "written for another target, which uses all of it")]
#[path = "../cli/place.rs"]
mod place;
mod stick;
mod stopped;
mod together;
