//! What an operation tells while it runs: statuses as the SDK's IWMStatusCallback has them, progress, and the outcome
//! of each license. Everything comes from the operation's own thread.

use keyferry_license::document::DocumentId;
use keyferry_license::{KeyId, LicenseId, Thumbprint};

use crate::code::{Failure, HResult};

/// Receives what an operation tells. All methods do nothing unless implemented.
pub trait Events: Send + Sync {
    /// One status of the SDK's contract.
    fn status(&self, _status: &Status) {}
    /// How far it is.
    fn progress(&self, _progress: &Progress) {}
    /// What became of one license.
    fn outcome(&self, _outcome: &LicenseOutcome) {}
    /// What became of a license that the operation is not about: while it was in contact with a service, its issuer's
    /// revocation was obeyed, or a slot that was given back earlier became free.
    fn beside(&self, _outcome: &LicenseOutcome) {}
    /// In a rehearsal: what would become of one license, on this computer or (`as_new`) on one that holds none.
    fn rehearsed(&self, _as_new: bool, _outcome: &LicenseOutcome) {}
    /// A service asks to come back later, and the operation does so by itself. Not a status of the contract.
    fn waiting(&self, _waiting: &Waiting) {}
    /// What became of one license document.
    fn document(&self, _document: &DocumentOutcome) {}
}

/// A service that asks to come back later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// It is asked again after so many seconds.
    pub seconds: u64,
    /// Why, in its words, safe to show; empty if it has none.
    pub why: String,
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Events for Silent {}

/// A status (WMT_STATUS) with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Work has started.
    Begin,
    /// Credentials are being validated.
    Connecting,
    /// Credentials were validated.
    Disconnecting,
    /// The computer is being individualized.
    Individualize(IndividualizeStep),
    /// A service needs the person's consent first; it carries the service's name.
    NeedsIndividualization {
        /// What the service calls itself.
        service: String,
        /// Where it is.
        url: String,
    },
    /// Licenses were refused; the application opens the page.
    ErrorWithUrl {
        /// Why.
        hr: HResult,
        /// The page of the refusals.
        url: String,
    },
    /// This license may not leave the computer.
    RestrictedLicense {
        /// Names its content key.
        key_id: KeyId,
        /// The license.
        license: LicenseId,
        /// What a person knows it by.
        title: String,
    },
    /// A failure that ends the operation.
    Error(HResult),
    /// Finished; nothing comes after it.
    End(HResult),
}

impl Status {
    /// The value of WMT_STATUS.
    pub fn value(&self) -> u32 {
        match self {
            Status::Error(_) => 0,
            Status::Begin => 21,
            Status::Individualize(_) => 24,
            Status::NeedsIndividualization { .. } => 25,
            Status::End(_) => 27,
            Status::Connecting => 28,
            Status::Disconnecting => 29,
            Status::ErrorWithUrl { .. } => 30,
            Status::RestrictedLicense { .. } => 31,
        }
    }

    /// The name without its prefix.
    pub fn name(&self) -> &'static str {
        match self {
            Status::Error(_) => "ERROR",
            Status::Begin => "BACKUPRESTORE_BEGIN",
            Status::Individualize(_) => "INDIVIDUALIZE",
            Status::NeedsIndividualization { .. } => "NEEDS_INDIVIDUALIZATION",
            Status::End(_) => "BACKUPRESTORE_END",
            Status::Connecting => "BACKUPRESTORE_CONNECTING",
            Status::Disconnecting => "BACKUPRESTORE_DISCONNECTING",
            Status::ErrorWithUrl { .. } => "ERROR_WITHURL",
            Status::RestrictedLicense { .. } => "RESTRICTED_LICENSE",
        }
    }

    /// The HRESULT that goes with it.
    pub fn hresult(&self) -> HResult {
        match self {
            Status::Error(hr) | Status::End(hr) | Status::ErrorWithUrl { hr, .. } => *hr,
            Status::NeedsIndividualization { .. } => Failure::NeedsIndividualization.hresult(),
            Status::Individualize(step) => step.hresult(),
            _ => HResult::OK,
        }
    }
}

/// How far the individualization is (DRM_INDIVIDUALIZATION_STATUS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndividualizeStep {
    /// Keys are shown to the service.
    Begin,
    /// The certificate is here and stored.
    Succeed,
    /// It failed.
    Fail(HResult),
}

impl IndividualizeStep {
    /// The value of DRM_INDIVIDUALIZATION_STATUS.
    pub fn value(self) -> u32 {
        match self {
            IndividualizeStep::Begin => 1,
            IndividualizeStep::Succeed => 2,
            IndividualizeStep::Fail(_) => 4,
        }
    }

    fn hresult(self) -> HResult {
        match self {
            IndividualizeStep::Fail(hr) => hr,
            _ => HResult::OK,
        }
    }
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Licenses looked at so far.
    pub done: u64,
    /// Licenses in all.
    pub total: u64,
}

/// What became of a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Saved in the backup.
    BackedUp,
    /// It is here now; with the slot that it took, if a service gave it.
    Restored {
        /// Slot k of n.
        slot: Option<(u32, u32)>,
    },
    /// The service gave it again to a computer that held it; nothing was taken.
    Reissued {
        /// Slot k of n.
        slot: (u32, u32),
    },
    /// It was here before.
    AlreadyHere,
    /// A service will be asked for it (in a plan).
    AsksService,
    /// It may not leave the computer.
    Restricted,
    /// It left this computer, and the service knows; with the slot that became free, if there was one to free.
    Released {
        /// Slot k.
        slot: Option<u32>,
    },
    /// It left this computer; its slot will be given back at the next contact with the service.
    SlotWaits,
    /// It was not dealt with, or not let in, because of this.
    Failed(Failure),
}

impl Outcome {
    /// The word that JSON lines use.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::BackedUp => "backed-up",
            Outcome::Restored { .. } => "restored",
            Outcome::Reissued { .. } => "reissued",
            Outcome::AlreadyHere => "already-here",
            Outcome::AsksService => "asks-service",
            Outcome::Restricted => "restricted",
            Outcome::Released { .. } => "given-back",
            Outcome::SlotWaits => "slot-waits",
            Outcome::Failed(failure) => failure.word(),
        }
    }

    /// Is the license on this computer now?
    pub fn is_here(self) -> bool {
        matches!(
            self,
            Outcome::Restored { .. } | Outcome::Reissued { .. } | Outcome::AlreadyHere
        )
    }
}

/// What became of one license, for progress displays and JSON lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseOutcome {
    /// Who issued it.
    pub issuer: Thumbprint,
    /// The license.
    pub license: LicenseId,
    /// Names its content key.
    pub key_id: KeyId,
    /// What a person knows it by, safe to show.
    pub title: String,
    /// What became of it.
    pub outcome: Outcome,
    /// More about a failure, for a person.
    pub why: Option<String>,
}

/// What became of one license document of another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentOutcome {
    /// SHA-256 of its bytes.
    pub id: DocumentId,
    /// The name under which it is kept. From outside: strip control characters before showing it.
    pub name: String,
    /// Name of its kind; from outside too.
    pub kind: String,
    /// Its length, where that is known.
    pub size: Option<u64>,
    /// What became of it.
    pub outcome: Outcome,
    /// More about a failure or about its name, for a person.
    pub why: Option<String>,
}
