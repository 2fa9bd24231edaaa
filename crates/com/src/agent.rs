//! The license revocation agent: IWMLicenseRevocationAgent and IWMBackupRestoreProps on one identity. It keeps nothing but
//! its properties: what has to last between two calls lies in the computer's folder, so that another object, or another
//! program, may make the second.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyferry::{CHALLENGE_LIMIT, Restorer};
use keyferry_license::{ComputerId, REVOCATION_LIST_LIMIT, Thumbprint};
use windows_core::{HRESULT, implement};

use crate::entry::{Answer, BUFFER_TOO_SMALL, E_INVALIDARG, E_POINTER, entry, of};
use crate::interfaces::{
    IWMBackupRestoreProps, IWMBackupRestoreProps_Impl, IWMLicenseRevocationAgent,
    IWMLicenseRevocationAgent_Impl,
};
use crate::out::{Out, copy, given};
use crate::properties::Properties;
use crate::props::{self, Named, Valued};

/// Bytes of a computer's ID.
const ID: usize = 32;

/// The license revocation agent.
#[implement(IWMLicenseRevocationAgent, IWMBackupRestoreProps)]
pub(crate) struct LicenseRevocationAgent(Mutex<Properties>);

impl Default for LicenseRevocationAgent {
    fn default() -> Self {
        Self(Mutex::new(Properties::of_agent()))
    }
}

impl LicenseRevocationAgent {
    /// A panic elsewhere leaves the properties whole: each change of them is one step.
    fn properties(&self) -> MutexGuard<'_, Properties> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of the computer that the properties name.
    fn computer(&self) -> Answer<Restorer> {
        let home = self.properties().store().map(Path::to_owned);
        Restorer::of_this_computer(home.as_deref()).map_err(|error| of(&error))
    }
}

/// The computer that is meant; None for this one.
///
/// # Safety
///
/// `id` is null or may be read for `length` bytes.
unsafe fn machine(id: *const u8, length: u32) -> Answer<Option<ComputerId>> {
    match (id.is_null(), length as usize) {
        (_, 0) => Ok(None),
        (true, _) => Err(E_POINTER),
        // SAFETY: the caller promises so many bytes; bytes need no alignment.
        (false, ID) => Ok(Some(Thumbprint(unsafe { id.cast::<[u8; ID]>().read() }))),
        (false, _) => Err(E_INVALIDARG),
    }
}

impl IWMLicenseRevocationAgent_Impl for LicenseRevocationAgent_Impl {
    unsafe fn GetLRBChallenge(
        &self,
        machine_id: *const u8,
        machine_id_length: u32,
        challenge: *const u8,
        challenge_length: u32,
        out: *mut u8,
        out_length: *mut u32,
    ) -> HRESULT {
        entry!({
            // SAFETY: the caller passes null or a place for the length.
            let length = unsafe { Out::in_out(out_length) }?;
            // SAFETY: the caller passes null or as many bytes as the length says (SDK: GetLRBChallenge).
            let machine = unsafe { machine(machine_id, machine_id_length) }?;
            // SAFETY: as above.
            let challenge = unsafe { given(challenge, challenge_length, CHALLENGE_LIMIT) }?;
            let answer = self.computer()?.answer_challenge(&challenge, machine.as_ref());
            let answer = answer.map_err(|error| of(&error))?;
            // SAFETY: `out` is null or has the room that the length said.
            let fits = unsafe { copy(&answer, out, &length) };
            if fits { Ok(()) } else { Err(BUFFER_TOO_SMALL) }
        })
    }

    unsafe fn ProcessLRB(
        &self,
        list: *const u8,
        list_length: u32,
        acknowledgement: *mut u8,
        acknowledgement_length: *mut u32,
    ) -> HRESULT {
        entry!({
            // SAFETY: the caller passes null or a place for the length.
            let length = unsafe { Out::in_out(acknowledgement_length) }?;
            // SAFETY: the caller passes null or as many bytes as the length says (SDK: ProcessLRB).
            let list = unsafe { given(list, list_length, REVOCATION_LIST_LIMIT) }?;
            let obeyed = self.computer()?.obey_list(&list).map_err(|error| of(&error))?;
            // SAFETY: the buffer is null or has the room that the length said.
            let fits = unsafe { copy(&obeyed.acknowledgement, acknowledgement, &length) };
            if fits { Ok(()) } else { Err(BUFFER_TOO_SMALL) }
        })
    }
}

impl IWMBackupRestoreProps_Impl for LicenseRevocationAgent_Impl {
    unsafe fn GetPropCount(&self, count: *mut u16) -> HRESULT {
        // SAFETY: the caller passes what the SDK's page says.
        entry!({ unsafe { props::count(&self.properties(), count) } })
    }

    unsafe fn GetPropByIndex(
        &self,
        index: u16,
        name: *mut u16,
        name_length: *mut u16,
        data_type: *mut u32,
        value: *mut u8,
        length: *mut u16,
    ) -> HRESULT {
        entry!({
            let (name, value) = (Named(name, name_length), Valued(data_type, value, length));
            // SAFETY: as above.
            unsafe { props::by_index(&self.properties(), index, name, value) }
        })
    }

    unsafe fn GetPropByName(
        &self,
        name: *const u16,
        data_type: *mut u32,
        value: *mut u8,
        length: *mut u16,
    ) -> HRESULT {
        entry!({
            let value = Valued(data_type, value, length);
            // SAFETY: as above.
            unsafe { props::by_name(&self.properties(), name, value) }
        })
    }

    unsafe fn SetProp(&self, name: *const u16, data_type: u32, value: *const u8, length: u16) -> HRESULT {
        // SAFETY: as above.
        entry!({ unsafe { props::set(&mut self.properties(), name, data_type, value, length) } })
    }

    unsafe fn RemoveProp(&self, name: *const u16) -> HRESULT {
        // SAFETY: as above.
        entry!({ unsafe { props::remove(&mut self.properties(), name) } })
    }

    unsafe fn RemoveAllProps(&self) -> HRESULT {
        entry!({
            self.properties().remove_all();
            Ok(())
        })
    }
}
