//! An application's callback: each status is a line. When the object has given its reference back, the lines end.

use std::ffi::c_void;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, ThreadId};
use std::time::Duration;

use windows::Win32::Media::WindowsMediaFormat::{
    IWMStatusCallback, IWMStatusCallback_Impl, WMT_ATTR_DATATYPE, WMT_BACKUPRESTORE_BEGIN,
    WMT_BACKUPRESTORE_CONNECTING, WMT_BACKUPRESTORE_DISCONNECTING, WMT_BACKUPRESTORE_END, WMT_ERROR,
    WMT_ERROR_WITHURL, WMT_INDIVIDUALIZE, WMT_NEEDS_INDIVIDUALIZATION, WMT_RESTRICTED_LICENSE, WMT_STATUS,
    WMT_TYPE_BINARY, WMT_TYPE_STRING,
};
use windows::core::{ComObject, HRESULT, PCWSTR, Result, implement};

/// How long an operation may be silent before the program gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the program does at a status.
pub type At = Box<dyn Fn(WMT_STATUS)>;

#[implement(IWMStatusCallback)]
struct Callback {
    lines: Sender<String>,
    at: At,
    made_by: ThreadId,
}

/// What was told.
pub struct Told(Receiver<String>);

/// A callback, and what it will be told.
pub fn new(at: At) -> (IWMStatusCallback, Told) {
    let (lines, told) = mpsc::channel();
    let callback = Callback {
        lines,
        at,
        made_by: thread::current().id(),
    };
    (ComObject::new(callback).into_interface(), Told(told))
}

impl Told {
    /// All lines, until nobody holds the callback any more; the last one is the only END.
    pub fn until_the_end(self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the callback is still held after {lines:?}"),
            }
        }
        let is_end = |line: &String| line.starts_with("BACKUPRESTORE_END ");
        assert!(lines.last().is_some_and(is_end), "{lines:?}");
        assert_eq!(lines.iter().filter(|line| is_end(line)).count(), 1, "{lines:?}");
        lines
    }

    /// Nothing was told, and nobody holds the callback.
    pub fn nothing(self) {
        assert_eq!(self.0.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    }
}

impl IWMStatusCallback_Impl for Callback_Impl {
    fn OnStatus(
        &self,
        status: WMT_STATUS,
        hr: HRESULT,
        data_type: WMT_ATTR_DATATYPE,
        value: *const u8,
        context: *const c_void,
    ) -> Result<()> {
        assert!(context.is_null());
        assert_ne!(
            thread::current().id(),
            self.made_by,
            "the callback runs on another thread"
        );
        let mut line = format!("{} {} {:08X}", name(status), status.0, hr.0);
        match status {
            WMT_INDIVIDUALIZE => {
                assert_eq!(data_type, WMT_TYPE_BINARY);
                // SAFETY: with this status comes this structure, valid during the call (SDK: WMT_INDIVIDUALIZE).
                let value = unsafe { value.cast::<IndividualizeStatus>().read_unaligned() };
                assert_eq!(value.hr, hr);
                line += match value.step {
                    1 => " begin",
                    2 => " succeed",
                    _ => " fail",
                };
            }
            WMT_ERROR_WITHURL | WMT_RESTRICTED_LICENSE => {
                assert_eq!(data_type, WMT_TYPE_STRING);
                // SAFETY: with these comes text with a terminator, valid during the call.
                let text = unsafe { PCWSTR(value.cast()).to_string() };
                line = format!("{line} {}", text.expect("UTF-16"));
            }
            _ => assert!(value.is_null()),
        }
        self.lines.send(line).expect("somebody listens");
        (self.at)(status);
        Ok(())
    }
}

/// WM_INDIVIDUALIZE_STATUS, which the bindings lack.
#[repr(C)]
struct IndividualizeStatus {
    hr: HRESULT,
    step: i32,
    page: *const u8,
    request: u32,
    http: i32,
    read: u32,
    total: u32,
}

fn name(status: WMT_STATUS) -> &'static str {
    match status {
        WMT_ERROR => "ERROR",
        WMT_BACKUPRESTORE_BEGIN => "BACKUPRESTORE_BEGIN",
        WMT_INDIVIDUALIZE => "INDIVIDUALIZE",
        WMT_NEEDS_INDIVIDUALIZATION => "NEEDS_INDIVIDUALIZATION",
        WMT_BACKUPRESTORE_END => "BACKUPRESTORE_END",
        WMT_BACKUPRESTORE_CONNECTING => "BACKUPRESTORE_CONNECTING",
        WMT_BACKUPRESTORE_DISCONNECTING => "BACKUPRESTORE_DISCONNECTING",
        WMT_ERROR_WITHURL => "ERROR_WITHURL",
        WMT_RESTRICTED_LICENSE => "RESTRICTED_LICENSE",
        _ => panic!("no status of a backup or restore: {}", status.0),
    }
}
