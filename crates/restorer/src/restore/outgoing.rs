//! Requests on their way by file: the same requests, written instead of sent, for a computer without a network.

use std::io::Write;
use std::path::{Path, PathBuf};

use keyferry_license::{Card, Text, Verified};
use keyferry_protocol::{OperationId, RequestParcel};
use keyferry_store::{OutboxEntry, Store};
use tempfile::NamedTempFile;

use crate::contact::waiting;
use crate::error::{Error, Result};

/// The file that is being written; it gets its name when all is in it.
pub(crate) struct Outgoing {
    path: PathBuf,
    file: NamedTempFile,
    /// Requests in it.
    pub(crate) requests: u64,
}

impl Outgoing {
    /// Begins the file. One that is there is not replaced: its requests may be on their way.
    pub(crate) fn begin(path: &Path) -> Result<Self> {
        let failed = |why: String| Error::Unwritable {
            path: path.to_owned(),
            why,
        };
        if path.exists() {
            return Err(failed("it is there already".into()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".keyferry-")
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(|e| failed(e.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            requests: 0,
        })
    }

    /// Keeps a request in the outbox, durably, and writes it.
    pub(crate) fn put(
        &mut self,
        store: &Store,
        card: &Verified<Card>,
        operation: OperationId,
        kind: &str,
        request: keyferry_protocol::Prepared,
    ) -> Result<()> {
        let service = card.thumbprint();
        let url = card.urls.first().cloned().unwrap_or_default();
        let parcel = RequestParcel {
            service,
            url: Text::new("URL", url.to_string())?,
            request: request.bytes.clone(),
        };
        store.outbox_put(&OutboxEntry {
            request_id: request.id,
            operation,
            service,
            kind: kind.into(),
            bytes: request.bytes,
            one_time: request.one_time,
        })?;
        let armor = parcel.to_armor()?;
        self.file
            .write_all(armor.as_bytes())
            .map_err(|e| self.failed(&e))?;
        self.requests += 1;
        Ok(())
    }

    /// Writes what waits for this service already, of one kind: it is to be answered before what comes after it.
    pub(crate) fn put_waiting(&mut self, store: &Store, card: &Verified<Card>, kind: &str) -> Result<()> {
        for id in waiting(store, kind, &card.thumbprint())? {
            if let Some(entry) = store.outbox_entry(&id)? {
                let request = keyferry_protocol::Prepared {
                    id: entry.request_id,
                    bytes: entry.bytes,
                    one_time: entry.one_time,
                };
                self.put(store, card, entry.operation, kind, request)?;
            }
        }
        Ok(())
    }

    /// All requests are in it.
    pub(crate) fn finish(self) -> Result<()> {
        self.file.as_file().sync_all().map_err(|e| self.failed(&e))?;
        let path = self.path.clone();
        let kept = self.file.persist_noclobber(&self.path);
        kept.map(drop).map_err(|e| Error::Unwritable {
            path,
            why: e.error.to_string(),
        })
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::Unwritable {
            path: self.path.clone(),
            why: error.to_string(),
        }
    }
}
