//! The backup restorer object behind the ABI that programs for the Windows Media Format SDK were written against:
//! `WMCreateBackupRestorer` and the interfaces of what it creates; and the license revocation agent beside it.
//!
//! This crate is the boundary and nothing else: what comes through it is checked and turned into calls of
//! [`keyferry::Restorer`], and what that tells becomes calls of the application's IWMStatusCallback. It is the only crate
//! with unsafe code. Its contract is docs/abi.md (ownership, threads, strings, errors) and docs/sdk.md (each page of the
//! original beside what Keyferry does); the declarations for C and C++ are `include/keyferry.h`.

#![allow(non_snake_case)]

mod agent;
mod entry;
mod exports;
mod individualize;
#[allow(
    missing_docs,
    reason = "the macro that makes interfaces drops what is written above their methods"
)]
pub mod interfaces;
mod object;
mod out;
mod properties;
mod props;
mod sink;
mod text;
#[cfg(windows)]
mod windows;

pub use exports::{WMCreateBackupRestorer, WMCreateLicenseRevocationAgent};
