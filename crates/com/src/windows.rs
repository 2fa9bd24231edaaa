//! What only Windows needs: the library stays loaded while it works, and a program that loads it as `wmvcore.dll` finds the
//! other public exports of the system's own library of that name.

use std::ffi::{c_char, c_void};
use std::sync::OnceLock;

use windows_core::HRESULT;

use crate::entry::{Answer, of_value};

windows_core::link!("kernel32.dll" "system" fn GetModuleHandleExW(flags: u32, name: *const u16, module: *mut *mut c_void) -> i32);
windows_core::link!("kernel32.dll" "system" fn GetProcAddress(module: *mut c_void, name: *const c_char) -> *const c_void);
windows_core::link!("kernel32.dll" "system" fn GetSystemDirectoryW(buffer: *mut u16, size: u32) -> u32);
windows_core::link!("kernel32.dll" "system" fn LoadLibraryW(path: *const u16) -> *mut c_void);

const PIN: u32 = 0x1;
const FROM_ADDRESS: u32 = 0x4;

/// HRESULT_FROM_WIN32(ERROR_MOD_NOT_FOUND)
const NO_LIBRARY: u32 = 0x8007_007E;
/// HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND)
const NO_FUNCTION: u32 = 0x8007_007F;

/// Keeps this library loaded until the process ends: an operation outlives the object, and its thread runs our code.
pub(crate) fn stay_loaded() {
    static PINNED: OnceLock<()> = OnceLock::new();
    PINNED.get_or_init(|| {
        let mut module = std::ptr::null_mut();
        let ours = stay_loaded as fn() as *const u16;
        // SAFETY: with FROM_ADDRESS the name is any address in this library. Should it fail, the library stays loaded for
        // as long as the program keeps it so.
        let _ = unsafe { GetModuleHandleExW(PIN | FROM_ADDRESS, ours, &raw mut module) };
    });
}

/// The system's own wmvcore.dll, by its full path: by its name the system would find ours again.
fn system_library() -> Option<*mut c_void> {
    struct Module(*mut c_void);
    // SAFETY: a module's handle may be used from any thread.
    unsafe impl Send for Module {}
    // SAFETY: as above.
    unsafe impl Sync for Module {}
    static SYSTEM: OnceLock<Module> = OnceLock::new();
    let module = SYSTEM.get_or_init(|| {
        let mut path = [0_u16; 512];
        // SAFETY: the buffer has the size that is told.
        let length = unsafe { GetSystemDirectoryW(path.as_mut_ptr(), path.len() as u32) } as usize;
        let end = "\\wmvcore.dll\0".encode_utf16();
        let Some(room) = path
            .get_mut(length..)
            .filter(|room| length > 0 && room.len() >= 13)
        else {
            return Module(std::ptr::null_mut());
        };
        room.iter_mut().zip(end).for_each(|(unit, letter)| *unit = letter);
        // SAFETY: the path ends in a zero.
        Module(unsafe { LoadLibraryW(path.as_ptr()) })
    });
    Some(module.0).filter(|module| !module.is_null())
}

/// A function of the system's library. `name` ends in a zero.
fn system_function(name: &'static str) -> Answer<*const c_void> {
    let module = system_library().ok_or(of_value(NO_LIBRARY))?;
    // SAFETY: the name ends in a zero, and the module stays loaded.
    let function = unsafe { GetProcAddress(module, name.as_ptr().cast()) };
    if function.is_null() {
        return Err(of_value(NO_FUNCTION));
    }
    Ok(function)
}

macro_rules! forwards {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        /// Passed on to the system's own library.
        ///
        /// # Safety
        ///
        /// As the SDK's page of the same name says.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name($($argument: $type),*) -> HRESULT {
            type Function = unsafe extern "system" fn($($type),*) -> HRESULT;
            match system_function(concat!(stringify!($name), "\0")) {
                // SAFETY: the system's function of this name has these parameters (wmsdkidl.h).
                Ok(function) => unsafe { std::mem::transmute::<*const c_void, Function>(function)($($argument),*) },
                Err(hr) => hr,
            }
        }
    )*};
}

forwards! {
    WMCheckURLExtension(url: *const u16);
    WMCheckURLScheme(scheme: *const u16);
    WMCreateEditor(editor: *mut *mut c_void);
    WMCreateIndexer(indexer: *mut *mut c_void);
    WMCreateProfileManager(manager: *mut *mut c_void);
    WMCreateReader(certificate: *mut c_void, rights: u32, reader: *mut *mut c_void);
    WMCreateSyncReader(certificate: *mut c_void, rights: u32, reader: *mut *mut c_void);
    WMCreateWriter(certificate: *mut c_void, writer: *mut *mut c_void);
    WMCreateWriterFileSink(sink: *mut *mut c_void);
    WMCreateWriterNetworkSink(sink: *mut *mut c_void);
    WMCreateWriterPushSink(sink: *mut *mut c_void);
    WMIsAvailableOffline(file: *const u16, language: *const u16, answer: *mut i32);
    WMIsContentProtected(file: *const u16, answer: *mut i32);
    WMValidateData(data: *mut u8, size: *mut u32);
}
