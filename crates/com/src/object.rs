//! The object: IWMLicenseBackup, IWMLicenseRestore and IWMBackupRestoreProps on one identity. Its methods may be called
//! from any thread; an operation outlives the object, as it outlived the original.

use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyferry::Restorer;
use windows_core::{HRESULT, implement};

use crate::entry::{Answer, BUFFER_TOO_SMALL, BUSY, E_INVALIDARG, E_POINTER, entry, of};
use crate::interfaces::{
    IWMBackupRestoreProps, IWMBackupRestoreProps_Impl, IWMLicenseBackup, IWMLicenseBackup_Impl,
    IWMLicenseRestore, IWMLicenseRestore_Impl, WM_BACKUP_OVERWRITE, WM_RESTORE_INDIVIDUALIZE,
    WMT_TYPE_STRING,
};
use crate::properties::{Name, Properties};
use crate::sink::Sink;
use crate::text;

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
        entry!({
            // SAFETY: the caller passes null or a place for the count.
            let count = unsafe { Out::at(count) }?;
            let readable = self.state().properties.readable().count();
            count.put(u16::try_from(readable).unwrap_or(u16::MAX));
            Ok(())
        })
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
            // SAFETY: the caller passes null or places for the three.
            let (name_length, data_type, length) = unsafe {
                (
                    Out::in_out(name_length)?,
                    Out::at(data_type)?,
                    Out::in_out(length)?,
                )
            };
            let state = self.state();
            let found = state.properties.readable().nth(usize::from(index));
            let (found, text) = found.ok_or(E_INVALIDARG)?;
            data_type.put(WMT_TYPE_STRING);
            // SAFETY: `name` is null or has room for as many units as `name_length` said, `value` for as many bytes.
            let fits = unsafe {
                [
                    copy(&text::wide(found.spelled()), name.cast(), &name_length, 2),
                    copy(&text::wide(text), value, &length, 1),
                ]
            };
            if fits == [true, true] {
                Ok(())
            } else {
                Err(BUFFER_TOO_SMALL)
            }
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
            // SAFETY: the caller passes null or places for the two.
            let (data_type, length) = unsafe { (Out::at(data_type)?, Out::in_out(length)?) };
            // SAFETY: the caller passes null or a text with its terminator.
            let name = Name::of(&unsafe { text::name(name) }?)?;
            let state = self.state();
            let text = state.properties.read(name)?;
            data_type.put(WMT_TYPE_STRING);
            // SAFETY: `value` is null or has room for as many bytes as `length` said.
            let fits = unsafe { copy(&text::wide(text), value, &length, 1) };
            if fits { Ok(()) } else { Err(BUFFER_TOO_SMALL) }
        })
    }

    unsafe fn SetProp(&self, name: *const u16, data_type: u32, value: *const u8, length: u16) -> HRESULT {
        entry!({
            // SAFETY: the caller passes null or a text with its terminator.
            let name = Name::of(&unsafe { text::name(name) }?)?;
            if value.is_null() {
                return Err(E_POINTER);
            }
            if data_type != WMT_TYPE_STRING {
                return Err(E_INVALIDARG);
            }
            // SAFETY: the caller passes `length` bytes.
            let value = unsafe { text::value(value, length) }?;
            self.state().properties.set(name, value)
        })
    }

    unsafe fn RemoveProp(&self, name: *const u16) -> HRESULT {
        entry!({
            // SAFETY: the caller passes null or a text with its terminator.
            let name = Name::of(&unsafe { text::name(name) }?)?;
            self.state().properties.remove(name);
            Ok(())
        })
    }

    unsafe fn RemoveAllProps(&self) -> HRESULT {
        entry!({
            self.state().properties.remove_all();
            Ok(())
        })
    }
}

/// A place of the caller's for a result. It is zero until something is put there, so that it is zero after a failure.
struct Out<T> {
    place: *mut T,
    /// What stood there.
    before: T,
}

impl<T: Copy + Default> Out<T> {
    /// E_POINTER where there is no place.
    ///
    /// # Safety
    ///
    /// `place` is null or may be written as long as this value lives.
    unsafe fn at(place: *mut T) -> Answer<Self> {
        if place.is_null() {
            return Err(E_POINTER);
        }
        // SAFETY: it is not null, and may be written.
        unsafe { place.write_unaligned(T::default()) };
        Ok(Self {
            place,
            before: T::default(),
        })
    }

    /// The same for a place that holds something already.
    ///
    /// # Safety
    ///
    /// `place` is null or may be read, and be written as long as this value lives.
    unsafe fn in_out(place: *mut T) -> Answer<Self> {
        if place.is_null() {
            return Err(E_POINTER);
        }
        // SAFETY: it is not null, and may be read.
        let before = unsafe { place.read_unaligned() };
        // SAFETY: it may be written, too.
        let out = unsafe { Self::at(place) }?;
        Ok(Self { before, ..out })
    }

    fn put(&self, value: T) {
        // SAFETY: whoever made this value promised it.
        unsafe { self.place.write_unaligned(value) };
    }
}

/// Copies text with its terminator to `buffer`, which has room for `length` items of which a unit takes `per_unit`, and
/// says the needed length; false where it doesn't fit. Without a buffer it says the length alone.
///
/// # Safety
///
/// `buffer` is null or has the room.
unsafe fn copy(units: &[u16], buffer: *mut u8, length: &Out<u16>, unit: usize) -> bool {
    let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_ne_bytes()).collect();
    // The length of a name counts units, that of a value bytes.
    let needed = bytes.len() / unit;
    length.put(u16::try_from(needed).unwrap_or(u16::MAX));
    if buffer.is_null() {
        return true;
    }
    if usize::from(length.before) < needed {
        return false;
    }
    // SAFETY: the room was promised and suffices; the two don't overlap, since one is ours.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len()) };
    true
}
