//! From the events of an operation to the application's callback. All calls come from the operation's own thread, one
//! after the other.

use std::ffi::c_void;
use std::ptr;

use keyferry::{Events, LicenseOutcome, Outcome, Progress, Status};
use windows_core::{HRESULT, Interface};

use crate::entry::{S_OK, of_failure, of_value};
use crate::individualize;
use crate::interfaces::{
    IKeyferryProgress, IWMStatusCallback, KeyferryLicense, WM_INDIVIDUALIZE_STATUS, WMT_TYPE_BINARY,
    WMT_TYPE_DWORD, WMT_TYPE_STRING,
};
use crate::text::wide;

/// The application's callback, by a reference of our own; it is given back when the operation's thread is done with it.
pub(crate) struct Sink {
    callback: IWMStatusCallback,
    progress: Option<IKeyferryProgress>,
}

// SAFETY: the contract has the callback called from another thread than the one that handed it over (SDK:
// IWMStatusCallback::OnStatus), so the application's object must bear that; its counting must, as that of any COM object
// that crosses threads.
unsafe impl Send for Sink {}
// SAFETY: as above; and an operation calls it from one thread alone.
unsafe impl Sync for Sink {}

impl Sink {
    /// Takes references of its own; None for null.
    ///
    /// # Safety
    ///
    /// `callback` is null or an IWMStatusCallback.
    pub(crate) unsafe fn of(callback: *mut c_void) -> Option<Self> {
        // SAFETY: as promised to this function.
        let callback = unsafe { IWMStatusCallback::from_raw_borrowed(&callback) }?;
        Some(Self {
            callback: callback.clone(),
            progress: callback.cast().ok(),
        })
    }

    fn tell(&self, status: &Status, data_type: u32, value: *const u8) {
        let hr = of_value(status.hresult().0);
        // SAFETY: the reference keeps the object alive; `value` is null or is alive until the call returns. What the
        // application answers means nothing (SDK: "always returns S_OK").
        let _ = unsafe {
            self.callback
                .OnStatus(status.value(), hr, data_type, value, ptr::null_mut())
        };
    }

    fn tell_text(&self, status: &Status, text: &str) {
        let text = wide(text);
        self.tell(status, WMT_TYPE_STRING, text.as_ptr().cast());
    }
}

impl Events for Sink {
    fn status(&self, status: &Status) {
        match status {
            Status::ErrorWithUrl { url, .. } => self.tell_text(status, url),
            Status::RestrictedLicense { key_id, .. } => self.tell_text(status, &key_id.to_base64()),
            Status::Individualize(step) => {
                let value = individualize::status(*step);
                let value: *const WM_INDIVIDUALIZE_STATUS = &raw const value;
                self.tell(status, WMT_TYPE_BINARY, value.cast());
            }
            _ => self.tell(status, WMT_TYPE_DWORD, ptr::null()),
        }
    }

    fn progress(&self, progress: &Progress) {
        if let Some(sink) = &self.progress {
            // SAFETY: the reference keeps the object alive.
            let _ = unsafe { sink.OnProgress(progress.done, progress.total) };
        }
    }

    fn outcome(&self, outcome: &LicenseOutcome) {
        let Some(sink) = &self.progress else { return };
        let word = wide(outcome.outcome.word());
        let title = wide(&outcome.title);
        let why = wide(outcome.why.as_deref().unwrap_or_default());
        let (slot, slots) = slot(outcome.outcome);
        let license = KeyferryLicense {
            size: size_of::<KeyferryLicense>() as u32,
            hr: hresult(outcome.outcome),
            slot,
            slots,
            outcome: word.as_ptr(),
            title: title.as_ptr(),
            why: why.as_ptr(),
            license: *outcome.license.as_bytes(),
            key_id: *outcome.key_id.as_bytes(),
            issuer: *outcome.issuer.as_bytes(),
        };
        // SAFETY: the reference keeps the object alive, and the texts live until the call returns.
        let _ = unsafe { sink.OnLicense(&raw const license) };
    }
}

fn slot(outcome: Outcome) -> (u32, u32) {
    match outcome {
        Outcome::Restored { slot: Some(slot) } | Outcome::Reissued { slot } => slot,
        _ => (0, 0),
    }
}

fn hresult(outcome: Outcome) -> HRESULT {
    match outcome {
        Outcome::Failed(failure) => of_failure(failure),
        _ => S_OK,
    }
}
