//! What every entry from outside goes through: no panic crosses the boundary, and every error is an HRESULT.

use std::panic::{AssertUnwindSafe, catch_unwind};

use keyferry::{Error, Failure};
use windows_core::HRESULT;

/// An argument that must not be null is (winerror.h).
pub(crate) const E_POINTER: HRESULT = HRESULT(0x8000_4003_u32 as i32);
/// An argument makes no sense (winerror.h).
pub(crate) const E_INVALIDARG: HRESULT = HRESULT(0x8007_0057_u32 as i32);
/// The property may not be read (winerror.h).
pub(crate) const E_ACCESSDENIED: HRESULT = HRESULT(0x8007_0005_u32 as i32);
/// A mistake of ours (winerror.h).
pub(crate) const E_UNEXPECTED: HRESULT = HRESULT(0x8000_FFFF_u32 as i32);
/// No property of this name is set (nserror.h: NS_E_DRM_INVALID_PROPERTY).
pub(crate) const NOT_SET: HRESULT = HRESULT(0xC00D_2749_u32 as i32);
/// The buffer is too small; the needed sizes are told (nserror.h: NS_E_DRM_BUFFER_TOO_SMALL).
pub(crate) const BUFFER_TOO_SMALL: HRESULT = HRESULT(0xC00D_275C_u32 as i32);
/// What was handed in is not usable (nserror.h: NS_E_BACKUP_RESTORE_BAD_DATA).
pub(crate) const BAD_DATA: HRESULT = HRESULT(0xC00D_2745_u32 as i32);
/// An operation already runs (nserror.h: NS_E_DRM_BACKUPRESTORE_BUSY).
pub(crate) const BUSY: HRESULT = HRESULT(0xC00D_2744_u32 as i32);
/// Success.
pub(crate) const S_OK: HRESULT = HRESULT(0);

/// What an entry works out: nothing, or the HRESULT of its failure.
pub(crate) type Answer<T = ()> = Result<T, HRESULT>;

/// Runs the body of an entry. Every method and every export is one call of this.
macro_rules! entry {
    ($body:block) => {
        $crate::entry::guarded(|| $body)
    };
}

pub(crate) use entry;

/// See [`entry`].
pub(crate) fn guarded(body: impl FnOnce() -> Answer) -> HRESULT {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => S_OK,
        Ok(Err(hr)) => hr,
        Err(_) => E_UNEXPECTED,
    }
}

/// The HRESULT of an error that ended a call.
pub(crate) fn of(error: &Error) -> HRESULT {
    of_failure(error.failure())
}

/// The HRESULT of a failure.
pub(crate) fn of_failure(failure: Failure) -> HRESULT {
    of_value(failure.hresult().0)
}

/// An HRESULT as the ABI has it: a signed number.
pub(crate) fn of_value(value: u32) -> HRESULT {
    HRESULT(value.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_inside_becomes_an_error_outside() {
        assert_eq!(guarded(|| Ok(())), S_OK);
        assert_eq!(guarded(|| Err(E_POINTER)), E_POINTER);
        assert_eq!(entry!({ panic!("inside") }), E_UNEXPECTED);
    }

    #[test]
    fn codes_are_those_of_the_headers() {
        assert_eq!(of_failure(Failure::Busy), BUSY);
        assert_eq!(of_failure(Failure::BadData), BAD_DATA);
        assert_eq!(of_failure(Failure::NoPath), NOT_SET);
        assert_eq!(of_failure(Failure::InvalidArgument), E_INVALIDARG);
        assert_eq!(BUFFER_TOO_SMALL.0, -1_072_879_780);
    }
}
