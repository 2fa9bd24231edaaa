//! What the library exports.

use std::ffi::c_void;

use windows_core::{ComObject, HRESULT};

use crate::agent::LicenseRevocationAgent;
use crate::entry::{E_POINTER, entry};
use crate::interfaces::{IWMLicenseBackup, IWMLicenseRevocationAgent};
use crate::object::BackupRestorer;

/// Creates the backup restorer object (SDK: WMCreateBackupRestorer). `callback` is the application's IWMStatusCallback or
/// null; nothing is told to it, since each operation is given its own. `*backup` receives an IWMLicenseBackup, from which
/// the other interfaces are queried; null on failure. Answers S_OK, E_POINTER where `backup` is null, E_OUTOFMEMORY.
///
/// # Safety
///
/// `callback` is null or an interface pointer; `backup` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn WMCreateBackupRestorer(
    _callback: *mut c_void,
    backup: *mut *mut c_void,
) -> HRESULT {
    entry!({
        if backup.is_null() {
            return Err(E_POINTER);
        }
        // SAFETY: it is not null, and the caller lets it be written.
        unsafe { backup.write_unaligned(std::ptr::null_mut()) };
        #[cfg(windows)]
        crate::windows::stay_loaded();
        let object: IWMLicenseBackup = ComObject::new(BackupRestorer::default()).into_interface();
        // SAFETY: as above; the reference goes over to the caller.
        unsafe { backup.write_unaligned(windows_core::Interface::into_raw(object)) };
        Ok(())
    })
}

/// Creates the license revocation agent (SDK: WMCreateLicenseRevocationAgent). `callback` is an interface of the
/// application's or null; nothing is told to it, since every call of the agent answers by itself. `*agent` receives an
/// IWMLicenseRevocationAgent; null on failure. Answers S_OK, E_POINTER where `agent` is null, E_OUTOFMEMORY.
///
/// # Safety
///
/// `callback` is null or an interface pointer; `agent` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn WMCreateLicenseRevocationAgent(
    _callback: *mut c_void,
    agent: *mut *mut c_void,
) -> HRESULT {
    entry!({
        if agent.is_null() {
            return Err(E_POINTER);
        }
        // SAFETY: it is not null, and the caller lets it be written.
        unsafe { agent.write_unaligned(std::ptr::null_mut()) };
        #[cfg(windows)]
        crate::windows::stay_loaded();
        let object = ComObject::new(LicenseRevocationAgent::default());
        let object: IWMLicenseRevocationAgent = object.into_interface();
        // SAFETY: as above; the reference goes over to the caller.
        unsafe { agent.write_unaligned(windows_core::Interface::into_raw(object)) };
        Ok(())
    })
}
