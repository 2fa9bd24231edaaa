//! Files that a person names: regular ones only. A pipe or a device would be waited for, perhaps for ever.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a regular file to read.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file, but a pipe or a device",
        ));
    }
    File::open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn devices_and_folders_are_not_waited_for() {
        assert!(
            open_regular(Path::new("/dev/null"))
                .unwrap_err()
                .to_string()
                .contains("device")
        );
        assert!(
            open_regular(Path::new("/"))
                .unwrap_err()
                .to_string()
                .contains("folder")
        );
        assert!(open_regular(Path::new(env!("CARGO_MANIFEST_PATH"))).is_ok());
    }
}
