//! The one table from what went wrong to each outside code: HRESULT, process exit code and the word in JSON lines.

use std::fmt;

/// An HRESULT of the Windows Media Format SDK (or of COM).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HResult(pub u32);

impl HResult {
    /// Success.
    pub const OK: Self = Self(0);

    /// Does it say that something failed?
    pub fn failed(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }
}

impl fmt::Display for HResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

impl fmt::Debug for HResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HResult({self})")
    }
}

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident = $hresult:literal, $exit:literal, $word:literal;)*) => {
        /// What kind of failure it is, for programs: each has its HRESULT, exit code and word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Failure {
            $($(#[$doc])* $name,)*
        }

        impl Failure {
            /// All of them, for tests and documentation.
            pub const ALL: &'static [Failure] = &[$(Failure::$name,)*];

            /// The HRESULT that the object reports.
            pub fn hresult(self) -> HResult {
                HResult(match self { $(Failure::$name => $hresult,)* })
            }

            /// The exit code of the command line.
            pub fn exit_code(self) -> u8 {
                match self { $(Failure::$name => $exit,)* }
            }

            /// The word that JSON lines use.
            pub fn word(self) -> &'static str {
                match self { $(Failure::$name => $word,)* }
            }
        }
    };
}

failures! {
    /// The store can't be read or written (NS_E_DRM_LICENSE_STORE_ERROR).
    StoreError = 0xC00D2712, 1, "store-error";
    /// Licenses or a store of another computer (NS_E_DRM_INVALID_MACHINE).
    OtherComputer = 0xC00D2719, 1, "other-computer";
    /// Nobody agreed to individualize this computer (NS_E_DRM_NEEDS_INDIVIDUALIZATION).
    NeedsIndividualization = 0xC00D2728, 8, "needs-individualization";
    /// Individualization failed (NS_E_DRM_INDIVIDUALIZE_ERROR).
    IndividualizationFailed = 0xC00D2736, 7, "individualization-failed";
    /// A failure with no better name (NS_E_BACKUP_RESTORE_FAILURE).
    Other = 0xC00D272D, 1, "failure";
    /// The call makes no sense (E_INVALIDARG).
    InvalidArgument = 0x80070057, 2, "invalid-argument";
    /// Out of memory, or no thread could be started (E_OUTOFMEMORY).
    OutOfMemory = 0x8007000E, 1, "out-of-memory";
    /// The medium or the backup isn't there (NS_E_BACKUP_RESTORE_FAILURE).
    NoMedium = 0xC00D272D, 10, "no-medium";
    /// The issuer is not accepted on this computer (NS_E_BACKUP_RESTORE_FAILURE).
    IssuerNotAccepted = 0xC00D272D, 8, "issuer-not-accepted";
    /// An answer belongs to another request (NS_E_BACKUP_RESTORE_BAD_REQUEST_ID).
    BadRequestId = 0xC00D272E, 1, "bad-request-id";
    /// A backup is there and overwriting was not asked for (NS_E_DRM_BACKUP_EXISTS).
    BackupExists = 0xC00D2742, 4, "backup-exists";
    /// Nothing is as the patterns want it (NS_E_BACKUP_RESTORE_FAILURE).
    NoMatch = 0xC00D272D, 1, "no-match";
    /// The backup is damaged (NS_E_DRM_BACKUP_CORRUPT).
    BackupCorrupt = 0xC00D2743, 5, "backup-corrupt";
    /// The backup is encrypted and can't be opened with what was given (NS_E_BACKUP_RESTORE_FAILURE).
    WrongPassphrase = 0xC00D272D, 12, "wrong-passphrase";
    /// An operation already runs (NS_E_DRM_BACKUPRESTORE_BUSY).
    Busy = 0xC00D2744, 11, "busy";
    /// The service found the request malformed, or its answer was not usable (NS_E_BACKUP_RESTORE_BAD_DATA).
    BadData = 0xC00D2745, 1, "bad-data";
    /// BackupPath or RestorePath is not set (NS_E_DRM_INVALID_PROPERTY).
    NoPath = 0xC00D2749, 2, "no-path";
    /// The limit of computers is reached (NS_E_DRM_RESTORE_FRAUD).
    Limit = 0xC00D2753, 7, "limit";
    /// Some licenses were restored, some not (NS_E_DRM_STORE_NOTALLSTORED).
    NotAllStored = 0xC00D275F, 3, "partly-done";
    /// The backup is older than somebody wants it to be (NS_E_BACKUP_RESTORE_FAILURE).
    TooOld = 0xC00D272D, 3, "too-old";
    /// Canceled (NS_E_DRM_OPERATION_CANCELED).
    Canceled = 0xC00D2768, 130, "canceled";
    /// The store was rolled back (NS_E_DRM_CHECKPOINT_FAILED).
    CheckpointFailed = 0xC00D277F, 1, "checkpoint-failed";
    /// The store is damaged (NS_E_DRM_DATASTORE_CORRUPT).
    StoreCorrupt = 0xC00D2783, 1, "store-corrupt";
    /// Expired (NS_E_DRM_LICENSE_EXPIRED).
    Expired = 0xC00D27D8, 7, "expired";
    /// Revoked (NS_E_DRM_LICENSE_CONTENT_REVOKED).
    Revoked = 0xC00D27E1, 7, "revoked";
    /// Given back by this computer (NS_E_BACKUP_RESTORE_FAILURE).
    Released = 0xC00D272D, 7, "released";
    /// The service refused for another reason (NS_E_BACKUP_RESTORE_FAILURE).
    Refused = 0xC00D272D, 7, "refused";
    /// The backup is not the one that was planned with (NS_E_BACKUP_RESTORE_FAILURE).
    BackupChanged = 0xC00D272D, 7, "backup-changed";
    /// The license store is not as it was when it was planned (NS_E_BACKUP_RESTORE_FAILURE).
    StoreChanged = 0xC00D272D, 7, "store-changed";
    /// The service asks to come back later (NS_E_DRM_BUSY).
    ServiceBusy = 0xC00D2841, 6, "service-busy";
    /// The service can't be reached while individualizing (NS_E_DRM_INDIV_SERVICE_UNAVAILABLE).
    IndividualizationServiceUnavailable = 0xC00D2845, 6, "individualization-service-unavailable";
    /// The service can't be reached (NS_E_DRM_RESTORE_SERVICE_UNAVAILABLE).
    ServiceUnavailable = 0xC00D2846, 6, "service-unavailable";
    /// The certificate of the service's address proves nothing (NS_E_DRM_RESTORE_SERVICE_UNAVAILABLE).
    ServiceNotTrusted = 0xC00D2846, 6, "service-not-trusted";
    /// The service at this address is not the one that the grants name (NS_E_BACKUP_RESTORE_FAILURE).
    OtherService = 0xC00D272D, 7, "other-service";
    /// Too many individualizations in a day (NS_E_DRM_INDIV_FRAUD).
    TooManyIndividualizations = 0xC00D2843, 7, "too-many-individualizations";
    /// This computer's certificate was revoked (NS_E_DRM_CERTIFICATE_REVOKED).
    CertificateRevoked = 0xC00D28A1, 7, "certificate-revoked";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_every_code_says_that_something_failed() {
        let mut words: Vec<_> = Failure::ALL.iter().map(|f| f.word()).collect();
        words.sort_unstable();
        let count = words.len();
        words.dedup();
        assert_eq!(words.len(), count);
        assert!(
            Failure::ALL
                .iter()
                .all(|f| f.hresult().failed() && f.exit_code() != 0)
        );
    }

    #[test]
    fn codes_are_those_of_the_sdk() {
        assert_eq!(Failure::Limit.hresult().to_string(), "C00D2753");
        assert_eq!(
            (
                Failure::BackupExists.hresult().0,
                Failure::BackupExists.exit_code()
            ),
            (0xC00D2742, 4)
        );
        assert_eq!(Failure::Canceled.exit_code(), 130);
    }
}
