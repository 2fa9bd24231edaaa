//! The interfaces of the contract, in their vtable order, with the types and numbers of the SDK's headers (wmsdkidl.h,
//! wmdrmsdk). Interface pointers that come in are raw: each may be null, and an entry checks that first.

use std::ffi::{c_char, c_void};

use windows_core::{HRESULT, IUnknown, IUnknown_Vtbl, interface};

/// Replace an existing backup (WM_BACKUP_OVERWRITE).
pub const WM_BACKUP_OVERWRITE: u32 = 0x1;
/// The person has agreed to individualize this computer (WM_RESTORE_INDIVIDUALIZE).
pub const WM_RESTORE_INDIVIDUALIZE: u32 = 0x2;

/// WMT_ATTR_DATATYPE of a value that isn't there.
pub const WMT_TYPE_DWORD: u32 = 0;
/// WMT_ATTR_DATATYPE: UTF-16 with its terminator.
pub const WMT_TYPE_STRING: u32 = 1;
/// WMT_ATTR_DATATYPE: bytes.
pub const WMT_TYPE_BINARY: u32 = 2;

/// What an application implements to be told how an operation goes (SDK: IWMStatusCallback).
#[interface("6d7cdc70-9888-11d3-8edc-00c04f6109cf")]
pub unsafe trait IWMStatusCallback: IUnknown {
    /// `status`: WMT_STATUS; `value` of type `data_type`, valid during the call; `context`: null.
    pub unsafe fn OnStatus(
        &self,
        status: u32,
        hr: HRESULT,
        data_type: u32,
        value: *const u8,
        context: *mut c_void,
    ) -> HRESULT;
}

/// Backs up the licenses of this computer (SDK: IWMLicenseBackup).
#[interface("05e5ac9f-3fb6-4508-bb43-a4067ba1ebe8")]
pub unsafe trait IWMLicenseBackup: IUnknown {
    /// Starts a backup. `flags`: 0 or [`WM_BACKUP_OVERWRITE`]; `callback`: an [`IWMStatusCallback`].
    pub unsafe fn BackupLicenses(&self, flags: u32, callback: *mut c_void) -> HRESULT;
    /// Asks the running backup to stop.
    pub unsafe fn CancelLicenseBackup(&self) -> HRESULT;
}

/// Restores licenses to this computer (SDK: IWMLicenseRestore).
#[interface("c70b6334-a22e-4efb-a245-15e65a004a13")]
pub unsafe trait IWMLicenseRestore: IUnknown {
    /// Starts a restore. `flags`: 0 or [`WM_RESTORE_INDIVIDUALIZE`]; `callback`: an [`IWMStatusCallback`].
    pub unsafe fn RestoreLicenses(&self, flags: u32, callback: *mut c_void) -> HRESULT;
    /// Asks the running restore to stop.
    pub unsafe fn CancelLicenseRestore(&self) -> HRESULT;
}

/// The object's properties (SDK: IWMBackupRestoreProps).
#[interface("3c8e0da6-996f-4ff3-a1af-4838f9377e2e")]
pub unsafe trait IWMBackupRestoreProps: IUnknown {
    /// How many properties are set and can be read.
    pub unsafe fn GetPropCount(&self, count: *mut u16) -> HRESULT;
    /// One of them. Lengths: of the name in UTF-16 units, of the value in bytes, both with the terminator.
    pub unsafe fn GetPropByIndex(
        &self,
        index: u16,
        name: *mut u16,
        name_length: *mut u16,
        data_type: *mut u32,
        value: *mut u8,
        length: *mut u16,
    ) -> HRESULT;
    /// The one of this name.
    pub unsafe fn GetPropByName(
        &self,
        name: *const u16,
        data_type: *mut u32,
        value: *mut u8,
        length: *mut u16,
    ) -> HRESULT;
    /// Sets one. `length`: bytes of the value, terminator included.
    pub unsafe fn SetProp(&self, name: *const u16, data_type: u32, value: *const u8, length: u16) -> HRESULT;
    /// Forgets one.
    pub unsafe fn RemoveProp(&self, name: *const u16) -> HRESULT;
    /// Forgets all.
    pub unsafe fn RemoveAllProps(&self) -> HRESULT;
}

/// Revokes licenses of this computer for an issuer that the application speaks with (SDK: IWMLicenseRevocationAgent).
#[interface("6967f2c9-4e26-4b57-8894-799880f7ac7b")]
pub unsafe trait IWMLicenseRevocationAgent: IUnknown {
    /// Answers an issuer's challenge. `machine_id`: the computer's ID, or null. Lengths in bytes; `*out_length` is the room
    /// at `out`, then the answer's length.
    pub unsafe fn GetLRBChallenge(
        &self,
        machine_id: *const u8,
        machine_id_length: u32,
        challenge: *const u8,
        challenge_length: u32,
        out: *mut u8,
        out_length: *mut u32,
    ) -> HRESULT;
    /// Obeys the list that came of the answer, and gives the acknowledgement.
    pub unsafe fn ProcessLRB(
        &self,
        list: *const u8,
        list_length: u32,
        acknowledgement: *mut u8,
        acknowledgement_length: *mut u32,
    ) -> HRESULT;
}

/// What an application implements beside [`IWMStatusCallback`], on the same object, to be told more than the SDK tells:
/// how far an operation is, and what became of each license. Keyferry's own.
#[interface("a5b01f0c-6d8e-4a55-9a5e-5d0c3a1f7e42")]
pub unsafe trait IKeyferryProgress: IUnknown {
    /// So many licenses of so many were looked at.
    pub unsafe fn OnProgress(&self, done: u64, total: u64) -> HRESULT;
    /// What became of one license; valid during the call.
    pub unsafe fn OnLicense(&self, license: *const KeyferryLicense) -> HRESULT;
}

/// What became of one license. Text is UTF-16 with a terminator and never null.
#[repr(C)]
pub struct KeyferryLicense {
    /// Bytes of this structure; a later version may have more fields behind those known here.
    pub size: u32,
    /// 0, or why it isn't here or in the backup.
    pub hr: HRESULT,
    /// Which of the computers that hold it this one is, from 1; 0 where no service was asked.
    pub slot: u32,
    /// How many computers may hold it; 0 where no service was asked.
    pub slots: u32,
    /// The outcome in one word, as in `keyferry --json`: `restored`, `already-here`, `restricted`, `limit`, …
    pub outcome: *const u16,
    /// What a person knows it by.
    pub title: *const u16,
    /// More about a failure, for a person; may be empty.
    pub why: *const u16,
    /// The license's ID, the 16 bytes of a UUID.
    pub license: [u8; 16],
    /// The key ID.
    pub key_id: [u8; 16],
    /// The thumbprint of the issuer's root.
    pub issuer: [u8; 32],
}

/// How far the individualization is (SDK: WM_INDIVIDUALIZE_STATUS).
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WM_INDIVIDUALIZE_STATUS {
    /// 0, or why it failed.
    pub hr: HRESULT,
    /// DRM_INDIVIDUALIZATION_STATUS: begin 1, succeed 2, fail 4.
    pub enIndiStatus: i32,
    /// A page about the failure; null.
    pub pszIndiRespUrl: *const c_char,
    /// Number of the HTTP request, from 1; 0 when none was sent.
    pub dwHTTPRequest: u32,
    /// DRM_HTTP_STATUS: not initiated 0, connecting 1, requesting 2, receiving 3, completed 4.
    pub enHTTPStatus: i32,
    /// Bytes read of the answer; 0, they are not counted.
    pub dwHTTPReadProgress: u32,
    /// Bytes of the answer; 0, they are not counted.
    pub dwHTTPReadTotal: u32,
}
