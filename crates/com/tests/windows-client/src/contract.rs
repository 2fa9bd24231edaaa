//! What holds without a service: identity, properties, and what each call refuses.

use std::ffi::c_void;
use std::ptr;

use windows::Win32::Media::WindowsMediaFormat::{
    IWMBackupRestoreProps, IWMLicenseBackup, IWMLicenseRestore, IWMStatusCallback, WMT_ATTR_DATATYPE,
    WMT_TYPE_BINARY, WMT_TYPE_STRING,
};
use windows::core::{GUID, HRESULT, HSTRING, IUnknown, Interface, PWSTR, Result};

use crate::callback;
use crate::object::Restorer;

const INTERFACES: [GUID; 4] = [
    IUnknown::IID,
    IWMLicenseBackup::IID,
    IWMLicenseRestore::IID,
    IWMBackupRestoreProps::IID,
];

const E_NOINTERFACE: u32 = 0x8000_4002;
const E_INVALIDARG: u32 = 0x8007_0057;
const NOT_SET: u32 = 0xC00D_2749;
const TOO_SMALL: u32 = 0xC00D_275C;
const EXISTS: u32 = 0xC00D_2742;

/// contract STORE FOLDER: the store is an empty folder, FOLDER takes backups.
pub fn contract(store: &str, folder: &str) {
    identity();
    properties();
    refusals(store, folder);
}

/// From each interface to each other and back; IUnknown is one and the same from everywhere.
fn identity() {
    let object = Restorer::new();
    let unknown: IUnknown = object.backup.cast().expect("IUnknown");
    for from in &INTERFACES {
        let first = query(&unknown, from);
        assert_eq!(query(&first, from).as_raw(), first.as_raw(), "reflexive");
        for to in &INTERFACES {
            let second = query(&first, to);
            assert_eq!(query(&second, from).as_raw(), first.as_raw(), "symmetric");
            assert_eq!(query(&second, &IUnknown::IID).as_raw(), unknown.as_raw());
            for further in &INTERFACES {
                let (third, direct) = (query(&second, further), query(&first, further));
                assert_eq!(third.as_raw(), direct.as_raw(), "transitive");
            }
        }
    }
    let mut found: *mut c_void = ptr::dangling_mut();
    // SAFETY: the place is ours.
    let hr = unsafe { unknown.query(&IWMStatusCallback::IID, &raw mut found) };
    assert_eq!(
        (hr, found),
        (HRESULT(E_NOINTERFACE.cast_signed()), ptr::null_mut())
    );
}

fn query(from: &IUnknown, iid: &GUID) -> IUnknown {
    let mut found = ptr::null_mut();
    // SAFETY: the place is ours; what it receives is a reference that this program owns, and every interface begins as
    // IUnknown does.
    unsafe {
        from.query(iid, &raw mut found).ok().expect("an interface");
        IUnknown::from_raw(found)
    }
}

/// What is set is read back, by name and by index.
fn properties() {
    let object = Restorer::new();
    let long = format!("E:{}", r"\длинный path 長い道 🎵 Müller".repeat(20));
    let longer = format!(r"{long}\Жанна");
    assert!(long.encode_utf16().count() > 400);
    let each = [
        ("BackupPath", r"E:\Müller 日本 🎵"),
        ("RestorePath", long.as_str()),
        ("Keyferry.Store", longer.as_str()),
        ("Keyferry.From", ""),
    ];
    for (name, value) in each {
        refused(read(&object.properties, name), NOT_SET);
        object.set(name, value).expect(name);
    }
    // SAFETY: it takes nothing from this program.
    let count = unsafe { object.properties.GetPropCount() };
    assert_eq!(count, Ok(4));
    for (index, (name, value)) in (0..).zip(each) {
        assert_eq!(read(&object.properties, name).as_deref(), Ok(value));
        let expected = (name.to_owned(), value.to_owned());
        assert_eq!(read_at(&object.properties, index), Ok(expected));
    }
    refused(read_at(&object.properties, 4), E_INVALIDARG);
    refused(object.set("Color", "red"), E_INVALIDARG);
    // SAFETY: the name has its terminator, and the value goes with its length.
    let other_type = unsafe {
        object
            .properties
            .SetProp(&HSTRING::from("BackupPath"), WMT_TYPE_BINARY, &[65, 0, 0, 0])
    };
    refused(other_type, E_INVALIDARG);
    // SAFETY: the name has its terminator.
    unsafe { object.properties.RemoveProp(&HSTRING::from("BackupPath")) }.expect("removed");
    refused(read(&object.properties, "BackupPath"), NOT_SET);
    // SAFETY: it takes nothing.
    unsafe { object.properties.RemoveAllProps() }.expect("all removed");
    // SAFETY: as above.
    assert_eq!(unsafe { object.properties.GetPropCount() }, Ok(0));
}

/// Asks for the size, then for the value.
fn read(properties: &IWMBackupRestoreProps, name: &str) -> Result<String> {
    let name = HSTRING::from(name);
    let (mut data_type, mut length) = (WMT_ATTR_DATATYPE::default(), 0);
    // SAFETY: the name has its terminator; without a buffer the size alone is told.
    unsafe { properties.GetPropByName(&name, &raw mut data_type, ptr::null_mut(), &raw mut length)? };
    assert_eq!(data_type, WMT_TYPE_STRING);
    let mut bytes = vec![0; usize::from(length)];
    let mut too_short = length - 1;
    // SAFETY: the buffer has the room that is told, and a byte more.
    let hr = unsafe {
        properties.GetPropByName(&name, &raw mut data_type, bytes.as_mut_ptr(), &raw mut too_short)
    };
    refused(hr, TOO_SMALL);
    assert_eq!(too_short, length);
    // SAFETY: the buffer has the room that is told.
    unsafe { properties.GetPropByName(&name, &raw mut data_type, bytes.as_mut_ptr(), &raw mut length)? };
    Ok(text(&bytes))
}

fn read_at(properties: &IWMBackupRestoreProps, index: u16) -> Result<(String, String)> {
    let (mut data_type, mut name_length, mut length) = (WMT_ATTR_DATATYPE::default(), 0, 0);
    let mut get = |name: PWSTR, value: *mut u8| {
        // SAFETY: each buffer is null or has the room that the call before told.
        let got = unsafe {
            properties.GetPropByIndex(
                index,
                name,
                &raw mut name_length,
                &raw mut data_type,
                value,
                &raw mut length,
            )
        };
        got.map(|()| (usize::from(name_length), usize::from(length)))
    };
    let (units, bytes) = get(PWSTR::null(), ptr::null_mut())?;
    let (mut name, mut value) = (vec![0; units], vec![0; bytes]);
    get(PWSTR(name.as_mut_ptr()), value.as_mut_ptr())?;
    assert_eq!(name.pop(), Some(0), "the name's length counts its terminator");
    Ok((String::from_utf16(&name).expect("UTF-16"), text(&value)))
}

/// A value with its terminator.
fn text(bytes: &[u8]) -> String {
    let mut units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .collect();
    assert_eq!(units.pop(), Some(0), "the value's length counts its terminator");
    String::from_utf16(&units).expect("UTF-16")
}

/// What can't begin is refused at once; what has begun ends once.
fn refusals(store: &str, folder: &str) {
    let object = Restorer::new();
    object.set("Keyferry.Store", store).expect("a store");
    let start = |backs_up, flags| {
        let (callback, told) = callback::new(Box::new(|_| {}));
        (object.start(backs_up, flags, callback), told)
    };
    let never_begins = |backs_up, flags, hr| {
        let (started, told) = start(backs_up, flags);
        refused(started, hr);
        told.nothing();
    };
    for backs_up in [true, false] {
        never_begins(backs_up, 0, NOT_SET);
        // Each has a flag that the other refuses.
        never_begins(backs_up, if backs_up { 2 } else { 1 }, E_INVALIDARG);
        object
            .cancel(backs_up)
            .expect("nothing runs, and that is no error");
    }
    object.set("BackupPath", folder).expect("a folder");
    let ends = |flags| {
        let (started, told) = start(true, flags);
        started.expect("it begins");
        told.until_the_end().pop().expect("an end")
    };
    assert_eq!(ends(1), "BACKUPRESTORE_END 27 00000000");
    assert_eq!(ends(0), format!("BACKUPRESTORE_END 27 {EXISTS:08X}"));
}

fn refused<T: std::fmt::Debug>(answer: Result<T>, hr: u32) {
    let error = answer.expect_err("it is refused");
    assert_eq!(error.code(), HRESULT(hr.cast_signed()), "{error}");
}
