//! The object with its interfaces, and its two operations.

use windows::Win32::Media::WindowsMediaFormat::{
    IWMBackupRestoreProps, IWMLicenseBackup, IWMLicenseRestore, IWMStatusCallback, WMCreateBackupRestorer,
    WMT_STATUS, WMT_TYPE_STRING,
};
use windows::core::{HSTRING, IUnknown, Interface, Result};

use crate::callback;

/// The object by each of its interfaces.
#[derive(Clone)]
pub struct Restorer {
    pub backup: IWMLicenseBackup,
    pub restore: IWMLicenseRestore,
    pub properties: IWMBackupRestoreProps,
}

impl Restorer {
    pub fn new() -> Self {
        // SAFETY: a callback is optional.
        let backup = unsafe { WMCreateBackupRestorer(None::<&IUnknown>) }.expect("an object");
        Self {
            restore: backup.cast().expect("IWMLicenseRestore"),
            properties: backup.cast().expect("IWMBackupRestoreProps"),
            backup,
        }
    }

    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        let units = value.encode_utf16().chain([0]);
        let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
        // SAFETY: the name has its terminator, and the value goes with its length in bytes.
        unsafe {
            self.properties
                .SetProp(&HSTRING::from(name), WMT_TYPE_STRING, &bytes)
        }
    }

    /// Starts a backup or a restore. The callback is the object's alone from now on.
    pub fn start(&self, backs_up: bool, flags: u32, callback: IWMStatusCallback) -> Result<()> {
        // SAFETY: the callback may be called from any thread: what it holds is a channel, and this object, which may.
        unsafe {
            match backs_up {
                true => self.backup.BackupLicenses(flags, &callback),
                false => self.restore.RestoreLicenses(flags, &callback),
            }
        }
    }

    pub fn cancel(&self, backs_up: bool) -> Result<()> {
        // SAFETY: it takes nothing, and may be called at any time.
        unsafe {
            match backs_up {
                true => self.backup.CancelLicenseBackup(),
                false => self.restore.CancelLicenseRestore(),
            }
        }
    }
}

/// FLAGS CANCEL-AT|- - NAME=VALUE...
pub fn operate(backs_up: bool, words: &[&str]) {
    let [flags, cancel_at, "-", properties @ ..] = words else {
        panic!("FLAGS CANCEL-AT|- - NAME=VALUE...: {words:?}");
    };
    let object = Restorer::new();
    for property in properties {
        let (name, value) = property.split_once('=').expect("NAME=VALUE");
        object.set(name, value).expect("a property");
    }
    let cancel_at = cancel_at.parse().ok().map(WMT_STATUS);
    let canceled = object.clone();
    let (callback, told) = callback::new(Box::new(move |status| {
        if Some(status) == cancel_at {
            canceled.cancel(backs_up).expect("it can be canceled");
        }
    }));
    match object.start(backs_up, flags.parse().expect("flags"), callback) {
        Ok(()) => {
            for line in told.until_the_end() {
                println!("{line}");
            }
        }
        Err(error) => {
            told.nothing();
            println!("returned {:08X}", error.code().0);
        }
    }
}
