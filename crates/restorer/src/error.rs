//! Why an operation ended without doing its work: who is at fault, and what to do next.

use std::path::PathBuf;

use keyferry_protocol::{ListProblemCode, ProblemCode};

use crate::code::Failure;
use crate::transport::TransportError;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure that ends an operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The license store, or computer.key.
    #[error(transparent)]
    Store(#[from] keyferry_store::Error),
    /// The backup, or its medium.
    #[error(transparent)]
    Archive(#[from] keyferry_archive::Error),
    /// A document or a key.
    #[error(transparent)]
    License(#[from] keyferry_license::Error),
    /// A message of a service.
    #[error(transparent)]
    Protocol(#[from] keyferry_protocol::Error),
    /// A service could not be reached.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The property that says where is not set.
    #[error("{property} is not set: nobody said where")]
    NoPath {
        /// `BackupPath` or `RestorePath`.
        property: &'static str,
    },
    /// This object runs an operation.
    #[error("this object runs another operation: wait for its end, or cancel it")]
    Busy,
    /// The person or the program canceled it.
    #[error("canceled")]
    Canceled,
    /// No backup in the folder.
    #[error("there is no backup in {}", folder.display())]
    NoBackup {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The folder holds backups of several computers.
    #[error("{} holds backups of several computers: {}", folder.display(), computers.join(", "))]
    SeveralComputers {
        /// The folder.
        folder: PathBuf,
        /// Name and short ID of each.
        computers: Vec<String>,
    },
    /// The backup that would be replaced may hold what the new one lacks.
    #[error("{} is not replaced: {why}", path.display())]
    WouldLose {
        /// The backup that is there.
        path: PathBuf,
        /// What the new one lacks.
        why: &'static str,
        /// The new one would hold a selection.
        partial: bool,
    },
    /// A pattern that can't be read.
    #[error("the pattern \"{pattern}\" can't be read: {why}")]
    BadPattern {
        /// Which, safe to show.
        pattern: String,
        /// What is wrong.
        why: String,
    },
    /// None of the patterns meets anything.
    #[error("nothing {there} fits {}", patterns.join(" or "))]
    NothingFits {
        /// The patterns, safe to show.
        patterns: Vec<String>,
        /// `on this computer` or `in the backup`.
        there: &'static str,
    },
    /// A file that is no plan, or one that was altered.
    #[error("{} can't be carried out: {why}", path.display())]
    BadPlan {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A plan of something else than what is asked for.
    #[error("the plan is another one: {what}")]
    OtherPlan {
        /// In what it differs, safe to show.
        what: String,
    },
    /// The backup that is restored or replaced is not the one that was planned with.
    #[error("the backup has changed since the plan was made, so nothing was done")]
    BackupChanged,
    /// The license store, or what it accepts, is not as it was when the plan was made.
    #[error("the license store has changed since the plan was made, so nothing was done")]
    StoreChanged,
    /// Reading a file that the caller named.
    #[error("can't read {}: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// Writing a file that the caller named.
    #[error("can't write {}: {why}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// An answer by file that was made for another computer.
    #[error("this answer was made for computer {computer}, this is {own}")]
    OtherComputersAnswer {
        /// Whom the receipt names.
        computer: keyferry_license::ComputerId,
        /// This one.
        own: keyferry_license::ComputerId,
    },
    /// The caller named another computer than this one.
    #[error("computer {named} is named, this is {own}")]
    OtherComputerNamed {
        /// Who was named.
        named: keyferry_license::ComputerId,
        /// This one.
        own: keyferry_license::ComputerId,
    },
    /// A challenge, or a list, of an issuer that nobody accepted here.
    #[error("issuer {issuer} is not accepted on this computer")]
    IssuerNotAccepted {
        /// Whose.
        issuer: keyferry_license::Thumbprint,
    },
    /// Licenses name more services than a backup can hold.
    #[error("the licenses here name {found} services, a backup holds those of at most {limit}")]
    TooManyServices {
        /// How many.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// The card of a service that a license names is missing.
    #[error("the card of service {service} is missing here: import a license of it again")]
    NoServiceCard {
        /// Thumbprint of its root.
        service: keyferry_license::Thumbprint,
    },
    /// A service could not be reached while it individualized this computer.
    #[error("{0}")]
    Individualization(#[source] TransportError),
    /// Another service answers at the address that the grants' service gave.
    #[error("{url} is service {found}, not {expected} which the licenses name")]
    OtherService {
        /// The address.
        url: String,
        /// Named by the grants.
        expected: keyferry_license::Thumbprint,
        /// What answered.
        found: keyferry_license::Thumbprint,
    },
    /// The service gave no judgment. One that was busy may have written what it could not say any more: it says so to the
    /// next request, and nothing is spent twice.
    #[error("the service answered: {message}")]
    Problem {
        /// Which.
        code: ProblemCode,
        /// Its words, safe to show.
        message: String,
        /// Seconds after which to come back.
        retry_after: Option<u32>,
    },
    /// The service did not say that it took a revocation list. One that was busy may have taken it all the same: the same
    /// list, posted again, gets its receipt.
    #[error("the service did not take the list: {message}")]
    ListNotTaken {
        /// Why.
        code: ListProblemCode,
        /// Its words, safe to show.
        message: String,
        /// The number that the issuer's next list has to have, where that is why.
        next: Option<u64>,
        /// Seconds after which to come back.
        retry_after: Option<u32>,
    },
    /// What the caller named is not on this computer.
    #[error("there is no {what} on this computer")]
    NotHere {
        /// What was named.
        what: String,
    },
    /// What failed with this service before fails this batch too.
    #[error("{why}")]
    Link {
        /// What it was.
        failure: Failure,
        /// In words.
        why: String,
    },
    /// Nobody named this computer's folder, and there is no user's home.
    #[error("there is no home folder; name a folder for this computer")]
    NoHome,
    /// This computer's folder can't be made.
    #[error("can't make the home {}: {why}", home.display())]
    HomeNotMade {
        /// Which folder.
        home: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The person named an issuer of which the backup holds no card.
    #[error("the backup holds no card of issuer {thumbprint}")]
    UnknownIssuer {
        /// What was named.
        thumbprint: keyferry_license::Thumbprint,
    },
    /// The system doesn't say what is mounted.
    #[error("the volumes of this computer can't be listed: {why}")]
    NoVolumes {
        /// What it says instead.
        why: String,
    },
    /// No thread could be started.
    #[error("no thread could be started: {0}")]
    NoThread(std::io::Error),
    /// A mistake of this program; nothing half-done was kept.
    #[error("this program made a mistake: {0}; please report it")]
    Internal(String),
}

impl Error {
    /// What kind of failure it is.
    pub fn failure(&self) -> Failure {
        match self {
            Error::Store(error) => of_store(error),
            Error::Archive(error) => of_archive(error),
            Error::License(_) => Failure::Other,
            Error::Protocol(error) => of_protocol(error),
            Error::Transport(TransportError::Untrusted { .. }) => Failure::ServiceNotTrusted,
            Error::Transport(TransportError::Busy { .. }) => Failure::ServiceBusy,
            Error::Transport(_) => Failure::ServiceUnavailable,
            Error::Individualization(_) => Failure::IndividualizationServiceUnavailable,
            Error::OtherService { .. } => Failure::OtherService,
            Error::Problem { code, .. } => of_problem(*code),
            Error::ListNotTaken { code, .. } => of_list_problem(*code),
            Error::NotHere { .. } | Error::NoVolumes { .. } => Failure::Other,
            Error::Link { failure, .. } => *failure,
            Error::UnknownIssuer { .. } | Error::NoHome | Error::BadPattern { .. } => {
                Failure::InvalidArgument
            }
            Error::BadPlan { .. } | Error::OtherPlan { .. } => Failure::InvalidArgument,
            Error::BackupChanged => Failure::BackupChanged,
            Error::StoreChanged => Failure::StoreChanged,
            Error::NothingFits { .. } => Failure::NoMatch,
            Error::HomeNotMade { .. } => Failure::StoreError,
            Error::NoPath { .. } => Failure::NoPath,
            Error::Busy => Failure::Busy,
            Error::Canceled => Failure::Canceled,
            Error::WouldLose { .. } => Failure::BackupExists,
            Error::OtherComputersAnswer { .. } | Error::OtherComputerNamed { .. } => Failure::OtherComputer,
            Error::IssuerNotAccepted { .. } => Failure::IssuerNotAccepted,
            Error::Unwritable { .. } | Error::NoBackup { .. } | Error::Unreadable { .. } => Failure::NoMedium,
            Error::SeveralComputers { .. } => Failure::InvalidArgument,
            Error::NoThread(_) => Failure::OutOfMemory,
            Error::TooManyServices { .. } | Error::NoServiceCard { .. } | Error::Internal(_) => {
                Failure::Other
            }
        }
    }

    /// What to do next, where there is more to say than the message does.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Archive(error) => error.hint().map(str::to_owned),
            Error::WouldLose { partial: true, .. } => {
                Some("back up everything, or the selection to another folder".into())
            }
            Error::WouldLose { .. } => Some("restore it first, or back up to another folder".into()),
            Error::SeveralComputers { .. } => Some("say whose with --from and the name or the ID".into()),
            Error::OtherPlan { .. } => {
                Some("give the same options that the plan was made with, on the same computer".into())
            }
            Error::BackupChanged | Error::StoreChanged | Error::BadPlan { .. } => {
                Some("make a new plan, and look at it".into())
            }
            Error::NothingFits { .. } => Some(
                "a pattern fits the whole of a title, a name or an ID: *word* is one that has the word in it"
                    .into(),
            ),
            Error::NoPath { .. } => Some("name the folder, for example the one of the stick".into()),
            Error::Transport(TransportError::Untrusted { .. }) => Some("nothing was sent to it".into()),
            Error::Transport(TransportError::Busy { retry_after, .. })
            | Error::Problem {
                code: ProblemCode::Busy,
                retry_after,
                ..
            }
            | Error::ListNotTaken {
                code: ListProblemCode::Busy,
                retry_after,
                ..
            } => {
                let when = retry_after.map_or("later".into(), |seconds| format!("in {seconds} seconds"));
                Some(format!(
                    "try again {when}; what the service did all the same is not done twice"
                ))
            }
            Error::Transport(_) => Some(
                "try again when the service can be reached; what it did all the same is not done twice"
                    .into(),
            ),
            _ => None,
        }
    }
}

pub(crate) fn of_store(error: &keyferry_store::Error) -> Failure {
    use keyferry_store::Error as E;
    match error {
        E::OtherMachine { .. } | E::ForeignStore { .. } => Failure::OtherComputer,
        E::CheckpointFailed { .. } => Failure::CheckpointFailed,
        E::Damaged { .. } | E::DamagedLicense { .. } | E::DamagedDocument { .. } => Failure::StoreCorrupt,
        E::Busy { .. } => Failure::Busy,
        E::NotPending => Failure::BadRequestId,
        _ => Failure::StoreError,
    }
}

fn of_archive(error: &keyferry_archive::Error) -> Failure {
    use keyferry_archive::Error as E;
    match error {
        E::Exists { .. } | E::InTheWay { .. } => Failure::BackupExists,
        E::Busy { .. } => Failure::Busy,
        E::NeedsPassphrase | E::NeedsIdentity | E::WrongPassphrase | E::NoMatchingIdentity => {
            Failure::WrongPassphrase
        }
        E::NotABackup { .. }
        | E::Damaged { .. }
        | E::NotRepairable { .. }
        | E::Header { .. }
        | E::Length { .. } => Failure::BackupCorrupt,
        E::NoMedium { .. }
        | E::Full { .. }
        | E::TooLittleRoom { .. }
        | E::Swapped { .. }
        | E::ReadOnly { .. }
        | E::Denied { .. }
        | E::FileTooLong { .. } => Failure::NoMedium,
        E::Medium { .. } | E::ReadBack { .. } | E::Stream { .. } => Failure::NoMedium,
        _ => Failure::Other,
    }
}

pub(crate) fn of_protocol(error: &keyferry_protocol::Error) -> Failure {
    match error {
        keyferry_protocol::Error::OtherRequest => Failure::BadRequestId,
        _ => Failure::BadData,
    }
}

fn of_list_problem(code: ListProblemCode) -> Failure {
    match code {
        ListProblemCode::Malformed => Failure::BadData,
        ListProblemCode::UnknownIssuer
        | ListProblemCode::BadSignature
        | ListProblemCode::Gap
        | ListProblemCode::Conflict => Failure::Refused,
        ListProblemCode::Busy => Failure::ServiceBusy,
        ListProblemCode::Internal => Failure::ServiceUnavailable,
    }
}

fn of_problem(code: ProblemCode) -> Failure {
    match code {
        ProblemCode::BadRequest | ProblemCode::UnknownKind => Failure::BadData,
        ProblemCode::OtherService => Failure::OtherService,
        ProblemCode::NotIndividualized => Failure::NeedsIndividualization,
        ProblemCode::CertificateRevoked => Failure::CertificateRevoked,
        ProblemCode::Busy => Failure::ServiceBusy,
        ProblemCode::TooManyIndividualizations => Failure::TooManyIndividualizations,
        ProblemCode::Internal => Failure::ServiceUnavailable,
    }
}
