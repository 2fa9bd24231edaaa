//! Carries requests by file to their services, on any computer with a network: it needs no home and keeps nothing.

use std::io::{BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use keyferry_license::armor::Blocks;
use keyferry_protocol::{AnswerParcel, REQUEST_LABEL, RequestParcel};
use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::events::Events;
use crate::patience::{self, Patience};
use crate::regular::open_regular;
use crate::transport::Transport;

/// What was carried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// Requests that got an answer.
    pub answered: u64,
    /// Addresses that were asked, in their order.
    pub services: Vec<String>,
}

/// Sends each request of a file to its service and writes the answers to a new file. All or nothing: a service that
/// can't be reached leaves no answer file, and the same requests may be carried again. `events` hears when a service makes
/// it wait.
pub fn authorize(
    transport: &Arc<dyn Transport>,
    patience: Patience,
    events: &dyn Events,
    requests: &Path,
    answers: &Path,
) -> Result<Carried> {
    let unreadable = |why: String| Error::Unreadable {
        path: requests.to_owned(),
        why,
    };
    let unwritable = |why: String| Error::Unwritable {
        path: answers.to_owned(),
        why,
    };
    if answers.exists() {
        return Err(unwritable("it is there already".into()));
    }
    let file = open_regular(requests).map_err(|e| unreadable(e.to_string()))?;
    let folder = answers.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut out =
        NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(|e| unwritable(e.to_string()))?;
    let mut carried = Carried::default();
    for block in Blocks::new(REQUEST_LABEL, BufReader::new(file)) {
        let (parcel, request) = RequestParcel::decode(&block?)?;
        let (url, bytes) = (parcel.url.to_string(), Arc::<[u8]>::from(parcel.request));
        if !carried.services.contains(&url) {
            carried.services.push(url.clone());
        }
        let send = move |transport: &dyn Transport| transport.send(&url, &bytes);
        let answer = patience::call(transport, patience, events, patience::busy_answer, send)?;
        let armor = AnswerParcel { request, answer }.to_armor()?;
        out.write_all(armor.as_bytes())
            .map_err(|e| unwritable(e.to_string()))?;
        carried.answered += 1;
    }
    if carried.answered == 0 {
        return Err(unreadable("it holds no request".into()));
    }
    out.as_file().sync_all().map_err(|e| unwritable(e.to_string()))?;
    out.persist_noclobber(answers)
        .map_err(|e| unwritable(e.error.to_string()))?;
    Ok(carried)
}
