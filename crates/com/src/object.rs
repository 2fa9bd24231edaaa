//! The object: IWMLicenseBackup, IWMLicenseRestore and IWMBackupRestoreProps on one identity. Its methods may be called
//! from any thread; an operation outlives the object, as it outlived the original.

use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyferry::Restorer;
use windows_core::{HRESULT, implement};

use crate::entry::{Answer, BUSY, E_INVALIDARG, entry, of};
use crate::interfaces::{
    IWMBackupRestoreProps, IWMBackupRestoreProps_Impl, IWMLicenseBackup, IWMLicenseBackup_Impl,
    IWMLicenseRestore, IWMLicenseRestore_Impl, WM_BACKUP_OVERWRITE, WM_RESTORE_INDIVIDUALIZE,
};
use crate::properties::Properties;
use crate::props::{self, Named, Valued};
use crate::sink::Sink;

/// The backup restorer object.
#[implement(IWMLicenseBackup, IWMLicenseRestore, IWMBackupRestoreProps)]
#[derive(Default)]
pub(crate) struct BackupRestorer(Mutex<State>);

#[derive(Default)]
struct State {
    properties: Properties,
    /// Of the computer of this folder; None: the default.
    restorer: Option<(Option<PathBuf>, Restorer)>,
}

impl State {
    /// The restorer of the computer that the properties name. While one runs, another computer's is busy too.
    fn restorer(&mut self) -> Answer<Restorer> {
        let home = self.properties.store().map(std::path::Path::to_owned);
        if let Some((of, restorer)) = &self.restorer {
            if *of == home {
                return Ok(restorer.clone());
            }
            if restorer.is_running() {
                return Err(BUSY);
            }
        }
        let restorer = Restorer::of_this_computer(home.as_deref()).map_err(|error| of(&error))?;
        self.restorer = Some((home, restorer.clone()));
        Ok(restorer)
    }

    fn last(&self) -> Option<Restorer> {
        self.restorer.as_ref().map(|(_, restorer)| restorer.clone())
    }
}

impl BackupRestorer {
    /// A panic elsewhere leaves the state whole: each change of it is one step.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IWMLicenseBackup_Impl for BackupRestorer_Impl {
    unsafe fn BackupLicenses(&self, flags: u32, callback: *mut c_void) -> HRESULT {
        entry!({
            // SAFETY: the caller passes null or an IWMStatusCallback (SDK: BackupLicenses).
            let sink = unsafe { Sink::of(callback) }.ok_or(E_INVALIDARG)?;
            if flags & !WM_BACKUP_OVERWRITE != 0 {
                return Err(E_INVALIDARG);
            }
            let mut state = self.state();
            let options = state.properties.backup(flags & WM_BACKUP_OVERWRITE != 0)?;
            let restorer = state.restorer()?;
            let started = restorer.backup(options, Arc::new(sink));
            // It runs on its own; its End says how it went.
            started.map(drop).map_err(|error| of(&error))
        })
    }

    unsafe fn CancelLicenseBackup(&self) -> HRESULT {
        entry!({
            let last = self.state().last();
            last.iter().for_each(Restorer::cancel_backup);
            Ok(())
        })
    }
}

impl IWMLicenseRestore_Impl for BackupRestorer_Impl {
    unsafe fn RestoreLicenses(&self, flags: u32, callback: *mut c_void) -> HRESULT {
        entry!({
            // SAFETY: the caller passes null or an IWMStatusCallback (SDK: RestoreLicenses).
            let sink = unsafe { Sink::of(callback) }.ok_or(E_INVALIDARG)?;
            if flags & !WM_RESTORE_INDIVIDUALIZE != 0 {
                return Err(E_INVALIDARG);
            }
            let mut state = self.state();
            let options = state.properties.restore(flags & WM_RESTORE_INDIVIDUALIZE != 0)?;
            let restorer = state.restorer()?;
            let started = restorer.restore(options, Arc::new(sink));
            started.map(drop).map_err(|error| of(&error))
        })
    }

    unsafe fn CancelLicenseRestore(&self) -> HRESULT {
        entry!({
            let last = self.state().last();
            last.iter().for_each(Restorer::cancel_restore);
            Ok(())
        })
    }
}

impl IWMBackupRestoreProps_Impl for BackupRestorer_Impl {
    unsafe fn GetPropCount(&self, count: *mut u16) -> HRESULT {
        // SAFETY: the caller passes what the SDK's page says.
        entry!({ unsafe { props::count(&self.state().properties, count) } })
    }

    unsafe fn GetPropByIndex(
        &self,
        index: u16,
        name: *mut u16,
        name_length: *mut u16,
        data_type: *mut u32,
        value: *mut u8,
        length: *mut u16,
    ) -> HRESULT {
        entry!({
            let (name, value) = (Named(name, name_length), Valued(data_type, value, length));
            // SAFETY: as above.
            unsafe { props::by_index(&self.state().properties, index, name, value) }
        })
    }

    unsafe fn GetPropByName(
        &self,
        name: *const u16,
        data_type: *mut u32,
        value: *mut u8,
        length: *mut u16,
    ) -> HRESULT {
        entry!({
            let value = Valued(data_type, value, length);
            // SAFETY: as above.
            unsafe { props::by_name(&self.state().properties, name, value) }
        })
    }

    unsafe fn SetProp(&self, name: *const u16, data_type: u32, value: *const u8, length: u16) -> HRESULT {
        // SAFETY: as above.
        entry!({ unsafe { props::set(&mut self.state().properties, name, data_type, value, length) } })
    }

    unsafe fn RemoveProp(&self, name: *const u16) -> HRESULT {
        // SAFETY: as above.
        entry!({ unsafe { props::remove(&mut self.state().properties, name) } })
    }

    unsafe fn RemoveAllProps(&self) -> HRESULT {
        entry!({
            self.state().properties.remove_all();
            Ok(())
        })
    }
}
