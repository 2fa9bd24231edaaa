//! Places and buffers of the caller's: what comes in by them, and the results that are put there.

use crate::entry::{Answer, BAD_DATA, E_INVALIDARG, E_POINTER};

/// A place of the caller's for a result. It is zero until something is put there, so that it is zero after a failure.
pub(crate) struct Out<T> {
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
    pub(crate) unsafe fn at(place: *mut T) -> Answer<Self> {
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
    pub(crate) unsafe fn in_out(place: *mut T) -> Answer<Self> {
        if place.is_null() {
            return Err(E_POINTER);
        }
        // SAFETY: it is not null, and may be read.
        let before = unsafe { place.read_unaligned() };
        // SAFETY: it may be written, too.
        let out = unsafe { Self::at(place) }?;
        Ok(Self { before, ..out })
    }

    pub(crate) fn put(&self, value: T) {
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
pub(crate) unsafe fn copy_text(units: &[u16], buffer: *mut u8, length: &Out<u16>, unit: usize) -> bool {
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

/// Copies bytes to `buffer`, which has room for `length` bytes, and says the needed length; false where they don't fit.
/// Without a buffer it says the length alone.
///
/// # Safety
///
/// `buffer` is null or has the room.
pub(crate) unsafe fn copy(bytes: &[u8], buffer: *mut u8, length: &Out<u32>) -> bool {
    length.put(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    if buffer.is_null() {
        return true;
    }
    if (length.before as usize) < bytes.len() {
        return false;
    }
    // SAFETY: the room was promised and suffices; the two don't overlap, since one is ours.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len()) };
    true
}

/// Reads `length` bytes of the caller's. Null is E_POINTER, none is E_INVALIDARG, more than `limit` are C00D2745 and are
/// not read.
///
/// # Safety
///
/// `bytes` is null or may be read for `length` bytes.
pub(crate) unsafe fn given(bytes: *const u8, length: u32, limit: usize) -> Answer<Vec<u8>> {
    if bytes.is_null() {
        return Err(E_POINTER);
    }
    match length as usize {
        0 => Err(E_INVALIDARG),
        length if length > limit => Err(BAD_DATA),
        // SAFETY: the caller promises so many bytes.
        length => Ok(unsafe { std::slice::from_raw_parts(bytes, length) }.to_vec()),
    }
}
