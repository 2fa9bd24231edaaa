//! The methods of IWMBackupRestoreProps, for every object that has it.

use crate::entry::{Answer, BUFFER_TOO_SMALL, E_INVALIDARG, E_POINTER};
use crate::interfaces::WMT_TYPE_STRING;
use crate::out::{Out, copy_text};
use crate::properties::Properties;
use crate::text;

/// Where a name goes, and its length in UTF-16 units.
pub(crate) struct Named(pub *mut u16, pub *mut u16);

/// Where the type of a value goes, the value, and its length in bytes.
pub(crate) struct Valued(pub *mut u32, pub *mut u8, pub *mut u16);

/// GetPropCount.
///
/// # Safety
///
/// `count` is null or a place.
pub(crate) unsafe fn count(properties: &Properties, count: *mut u16) -> Answer {
    // SAFETY: the caller passes null or a place for the count.
    let count = unsafe { Out::at(count) }?;
    let readable = properties.readable().count();
    count.put(u16::try_from(readable).unwrap_or(u16::MAX));
    Ok(())
}

/// GetPropByIndex.
///
/// # Safety
///
/// Each place is null or may be written; a buffer has the room that its length says.
pub(crate) unsafe fn by_index(properties: &Properties, index: u16, name: Named, value: Valued) -> Answer {
    // SAFETY: the caller passes null or places for the three.
    let (name_length, data_type, length) =
        unsafe { (Out::in_out(name.1)?, Out::at(value.0)?, Out::in_out(value.2)?) };
    let found = properties.readable().nth(usize::from(index));
    let (found, text) = found.ok_or(E_INVALIDARG)?;
    data_type.put(WMT_TYPE_STRING);
    // SAFETY: `name` is null or has room for as many units as its length said, `value` for as many bytes.
    let fits = unsafe {
        [
            copy_text(&text::wide(found.spelled()), name.0.cast(), &name_length, 2),
            copy_text(&text::wide(text), value.1, &length, 1),
        ]
    };
    if fits == [true, true] {
        Ok(())
    } else {
        Err(BUFFER_TOO_SMALL)
    }
}

/// GetPropByName.
///
/// # Safety
///
/// As of [`by_index`]; `name` is null or a text with its terminator.
pub(crate) unsafe fn by_name(properties: &Properties, name: *const u16, value: Valued) -> Answer {
    // SAFETY: the caller passes null or places for the two.
    let (data_type, length) = unsafe { (Out::at(value.0)?, Out::in_out(value.2)?) };
    // SAFETY: the caller passes null or a text with its terminator.
    let name = properties.name(&unsafe { text::name(name) }?)?;
    let text = properties.read(name)?;
    data_type.put(WMT_TYPE_STRING);
    // SAFETY: `value` is null or has room for as many bytes as `length` said.
    let fits = unsafe { copy_text(&text::wide(text), value.1, &length, 1) };
    if fits { Ok(()) } else { Err(BUFFER_TOO_SMALL) }
}

/// SetProp.
///
/// # Safety
///
/// `name` is null or a text with its terminator; `value` is null or has `length` bytes.
pub(crate) unsafe fn set(
    properties: &mut Properties,
    name: *const u16,
    data_type: u32,
    value: *const u8,
    length: u16,
) -> Answer {
    // SAFETY: the caller passes null or a text with its terminator.
    let name = properties.name(&unsafe { text::name(name) }?)?;
    if value.is_null() {
        return Err(E_POINTER);
    }
    if data_type != WMT_TYPE_STRING {
        return Err(E_INVALIDARG);
    }
    // SAFETY: the caller passes `length` bytes.
    let value = unsafe { text::value(value, length) }?;
    properties.set(name, value)
}

/// RemoveProp.
///
/// # Safety
///
/// `name` is null or a text with its terminator.
pub(crate) unsafe fn remove(properties: &mut Properties, name: *const u16) -> Answer {
    // SAFETY: as promised to this function.
    let name = properties.name(&unsafe { text::name(name) }?)?;
    properties.remove(name);
    Ok(())
}
