//! Text at the boundary: UTF-16 in the machine's byte order, two bytes a unit on every platform. windows-core's own
//! string pointers count units of `wchar_t`, which has four bytes on Linux and macOS, so they are not used.

use zeroize::Zeroizing;

use crate::entry::{Answer, E_INVALIDARG, E_POINTER};

/// Units of the longest name that is looked at, without its terminator.
pub(crate) const LONGEST_NAME: usize = 256;

/// Reads a name. Null is E_POINTER; one that is longer than [`LONGEST_NAME`] or is not UTF-16 is E_INVALIDARG.
///
/// # Safety
///
/// `name` is null or points to units up to and including a zero, or to at least [`LONGEST_NAME`] + 1 units.
pub(crate) unsafe fn name(name: *const u16) -> Answer<String> {
    if name.is_null() {
        return Err(E_POINTER);
    }
    let mut units = Vec::new();
    for at in 0..=LONGEST_NAME {
        // SAFETY: all units before this one were not zero, so this one belongs to the text; it may be unaligned.
        match unsafe { name.add(at).read_unaligned() } {
            0 => return String::from_utf16(&units).map_err(|_| E_INVALIDARG),
            unit => units.push(unit),
        }
    }
    Err(E_INVALIDARG)
}

/// Reads a value of `length` bytes, its terminator included. An odd length, no terminator, a zero before it or an
/// unpaired surrogate is E_INVALIDARG.
///
/// # Safety
///
/// `value` is null or points to `length` readable bytes.
pub(crate) unsafe fn value(value: *const u8, length: u16) -> Answer<Zeroizing<String>> {
    if value.is_null() {
        return Err(E_POINTER);
    }
    let length = usize::from(length);
    if length < 2 || length % 2 != 0 {
        return Err(E_INVALIDARG);
    }
    // SAFETY: the caller promises so many bytes; bytes need no alignment.
    let bytes = unsafe { std::slice::from_raw_parts(value, length) };
    let units: Zeroizing<Vec<u16>> = Zeroizing::new(
        bytes
            .as_chunks()
            .0
            .iter()
            .map(|unit: &[u8; 2]| u16::from_ne_bytes(*unit))
            .collect(),
    );
    match units.split_last() {
        Some((0, text)) if !text.contains(&0) => String::from_utf16(text)
            .map(Zeroizing::new)
            .map_err(|_| E_INVALIDARG),
        _ => Err(E_INVALIDARG),
    }
}

/// Text as units with a terminator. A zero inside would end it early, so none is passed on.
pub(crate) fn wide(text: &str) -> Vec<u16> {
    let units = text.encode_utf16().filter(|unit| *unit != 0);
    units.chain([0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value as an application passes it.
    fn read(units: &[u16]) -> Answer<String> {
        let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_ne_bytes()).collect();
        // SAFETY: the length is that of the bytes.
        unsafe { value(bytes.as_ptr(), bytes.len() as u16) }.map(|text| text.to_string())
    }

    #[test]
    fn a_value_is_text_with_one_terminator_at_its_end() {
        assert_eq!(
            read(&wide("/stick/Müller 日本 🎵")),
            Ok("/stick/Müller 日本 🎵".into())
        );
        assert_eq!(read(&[0]), Ok(String::new()));
        assert_eq!(read(&[]), Err(E_INVALIDARG), "no terminator");
        assert_eq!(read(&[65]), Err(E_INVALIDARG), "no terminator");
        assert_eq!(read(&[65, 0, 66, 0]), Err(E_INVALIDARG), "it ends twice");
        assert_eq!(read(&[0xD83C, 0]), Err(E_INVALIDARG), "half a pair");
        assert_eq!(read(&[0xDFB5, 65, 0]), Err(E_INVALIDARG), "the other half");
        let longest = vec![97; 32_766];
        let with_end: Vec<u16> = longest.iter().copied().chain([0]).collect();
        assert_eq!(read(&with_end).map(|text| text.len()), Ok(32_766));
    }

    #[test]
    fn an_odd_length_and_a_null_are_refused_and_alignment_does_not_matter() {
        let bytes = [9_u8, 65, 0, 0, 0];
        // SAFETY: every length is within the five bytes.
        unsafe {
            assert_eq!(value(bytes.as_ptr(), 3), Err(E_INVALIDARG));
            assert_eq!(value(std::ptr::null(), 2), Err(E_POINTER));
            if cfg!(target_endian = "little") {
                assert_eq!(
                    value(bytes.as_ptr().add(1), 4).map(|text| text.to_string()),
                    Ok("A".into())
                );
            }
        }
    }

    #[test]
    fn a_name_ends_at_its_terminator_and_has_a_longest_length() {
        let longest = "n".repeat(LONGEST_NAME);
        // SAFETY: all are terminated.
        unsafe {
            assert_eq!(name(wide("BackupPath").as_ptr()), Ok("BackupPath".into()));
            assert_eq!(name(wide(&longest).as_ptr()), Ok(longest.clone()));
            assert_eq!(name(wide(&(longest + "n")).as_ptr()), Err(E_INVALIDARG));
            assert_eq!(name([0xD800, 0].as_ptr()), Err(E_INVALIDARG));
            assert_eq!(name(std::ptr::null()), Err(E_POINTER));
        }
    }

    #[test]
    fn text_goes_out_with_one_terminator() {
        assert_eq!(wide("a\0b"), [97, 98, 0]);
        assert_eq!(wide("🎵"), [0xD83C, 0xDFB5, 0]);
    }
}
