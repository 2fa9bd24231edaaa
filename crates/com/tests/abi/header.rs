//! The header says what the code says: interface IDs, numbers and sizes, in C and in C++.

use keyferry::Failure;
use keyferry_com::interfaces as code;
use windows_core::{GUID, Interface};

use crate::client::{compile, crate_folder};

fn header() -> String {
    std::fs::read_to_string(crate_folder().join("include/keyferry.h")).expect("the header is there")
}

/// The number that follows `#define NAME`.
fn defined(header: &str, name: &str) -> Option<u32> {
    let line = header
        .lines()
        .find(|line| line.starts_with(&format!("#define {name} ")))?;
    let digits = line.split("0x").nth(1)?.trim_end_matches(')');
    u32::from_str_radix(digits, 16).ok()
}

/// An interface ID as the header writes it.
fn written(name: &str, id: GUID) -> String {
    let rest: Vec<String> = id.data4.iter().map(|byte| format!("0x{byte:02x}")).collect();
    format!(
        "KEYFERRY_IID_{name} = {{0x{:08x}, 0x{:04x}, 0x{:04x}, {{{}}}}};",
        id.data1,
        id.data2,
        id.data3,
        rest.join(", ")
    )
}

#[test]
fn interface_ids_are_those_of_the_code() {
    let header = header();
    let ids = [
        ("IUnknown", windows_core::IUnknown::IID),
        ("IWMStatusCallback", code::IWMStatusCallback::IID),
        ("IWMLicenseBackup", code::IWMLicenseBackup::IID),
        ("IWMLicenseRestore", code::IWMLicenseRestore::IID),
        ("IWMBackupRestoreProps", code::IWMBackupRestoreProps::IID),
        ("IWMLicenseRevocationAgent", code::IWMLicenseRevocationAgent::IID),
        ("IKeyferryProgress", code::IKeyferryProgress::IID),
    ];
    for (name, id) in ids {
        assert!(header.contains(&written(name, id)), "{name}");
    }
    assert_eq!(header.matches("KEYFERRY_IID_").count(), ids.len(), "and no other");
}

#[test]
fn every_code_that_an_operation_ends_with_has_its_name() {
    let header = header();
    let values: Vec<u32> = header
        .lines()
        .filter(|line| line.starts_with("#define NS_E_") || line.starts_with("#define E_"))
        .filter_map(|line| u32::from_str_radix(line.split("0x").nth(1)?.trim_end_matches(')'), 16).ok())
        .collect();
    for failure in Failure::ALL {
        let hr = failure.hresult();
        assert!(values.contains(&hr.0), "{failure:?} {hr}");
    }
    assert_eq!(defined(&header, "NS_E_DRM_BUFFER_TOO_SMALL"), Some(0xC00D_275C));
    assert_eq!(
        defined(&header, "NS_E_DRM_BACKUPRESTORE_BUSY"),
        Some(Failure::Busy.hresult().0)
    );
}

#[test]
fn structures_have_the_same_size_in_c_and_in_cxx() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("sizes.c");
    let text = format!(
        "#include \"keyferry.h\"\n\
         int main(void) {{\n\
           IWMLicenseBackup *backup = 0;\n\
           if (sizeof(KeyferryLicense) != {} || sizeof(KeyferryIndividualizeStatus) != {}) return 1;\n\
           if (WM_BACKUP_OVERWRITE != {} || WM_RESTORE_INDIVIDUALIZE != {} || WMT_TYPE_STRING != {}) return 2;\n\
           IWMLicenseRevocationAgent *agent = 0;\n\
           if (WMCreateLicenseRevocationAgent(0, &agent) != S_OK || agent == 0) return 4;\n\
           return WMCreateBackupRestorer(0, &backup) == S_OK && backup != 0 ? 0 : 3;\n\
         }}\n",
        size_of::<code::KeyferryLicense>(),
        size_of::<code::WM_INDIVIDUALIZE_STATUS>(),
        code::WM_BACKUP_OVERWRITE,
        code::WM_RESTORE_INDIVIDUALIZE,
        code::WMT_TYPE_STRING,
    );
    std::fs::write(&source, text).expect("written");
    // A program that doesn't use the IDs is not warned of them.
    let flags: [(&str, &[&str]); 2] = [
        ("cc", &["-std=c11", "-Wno-unused-const-variable"]),
        ("c++", &["-std=c++11", "-x", "c++"]),
    ];
    for (compiler, flags) in flags {
        let program = folder.path().join(compiler);
        compile(compiler, flags, std::slice::from_ref(&source), &program);
        let ended = std::process::Command::new(&program).status().expect("it runs");
        assert_eq!(ended.code(), Some(0), "{compiler}");
    }
}
