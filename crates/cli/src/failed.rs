//! How a command fails, and the one place where the errors of the crates become an exit code, an HRESULT and a word.

use std::io;
use std::path::Path;

use keyferry::{Failure, HResult};

/// Why a command did not do what it was asked: all that `main` needs to say so and to end the process.
#[derive(Debug)]
pub struct Failed {
    /// Exit code of the process.
    pub exit: u8,
    /// HRESULT in JSON lines.
    pub hr: HResult,
    /// A word for programs.
    pub reason: String,
    /// A sentence for people: lower case, no period.
    pub message: String,
    /// What to do next, a line each.
    pub hints: Vec<String>,
}

/// Result of a command.
pub type Result<T, E = Failed> = std::result::Result<T, E>;

impl Failed {
    /// A failure of a kind that the restorer knows.
    pub fn new(failure: Failure, message: impl Into<String>) -> Self {
        Self {
            exit: failure.exit_code(),
            hr: failure.hresult(),
            reason: failure.word().to_owned(),
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// A failure with no better name.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(Failure::Other, message)
    }

    /// What was typed makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            reason: "usage".into(),
            ..Self::new(Failure::InvalidArgument, message)
        }
    }

    /// A file that could not be read, written, made, …
    pub fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let message = format!("can't {doing} {}: {}", path.display(), plain(error));
        Self {
            reason: "file".into(),
            ..Self::other(message)
        }
    }

    /// A document that is not what it should be.
    pub fn document(path: &Path, error: &keyferry_license::Error) -> Self {
        let failed = Self::from(error.clone());
        Self {
            message: format!("{}: {}", path.display(), failed.message),
            ..failed
        }
    }

    /// With what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// With another word for programs.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// What clap found wrong, in this program's voice.
    pub fn of_arguments(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ");
        let mut paragraphs = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
        let first = paragraphs.next().unwrap_or("the arguments make no sense");
        let lines: Vec<&str> = first.lines().map(str::trim).collect();
        let mut failed = Self::usage(lines.join(" "));
        for part in paragraphs {
            let tip = part.trim_start_matches("tip: ").trim();
            let usage = tip.strip_prefix("Usage: ").map(|usage| format!("usage: {usage}"));
            if !tip.starts_with("For more information") {
                failed = failed.hint(usage.unwrap_or_else(|| tip.to_owned()));
            }
        }
        failed
    }
}

/// What the operating system said, in lower case and without its number.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

impl From<keyferry::Error> for Failed {
    fn from(error: keyferry::Error) -> Self {
        let failed = Self::new(error.failure(), error.to_string());
        match &error {
            keyferry::Error::Archive(keyferry_archive::Error::NeedsPassphrase) => {
                return failed.hint("give it with --passphrase-file FILE or --passphrase-command COMMAND");
            }
            keyferry::Error::Archive(keyferry_archive::Error::NeedsIdentity) => {
                return failed.hint("give an identity with -i FILE");
            }
            _ => {}
        }
        match error.hint() {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    }
}

impl From<keyferry_store::Error> for Failed {
    fn from(error: keyferry_store::Error) -> Self {
        keyferry::Error::from(error).into()
    }
}

impl From<keyferry_archive::Error> for Failed {
    fn from(error: keyferry_archive::Error) -> Self {
        keyferry::Error::from(error).into()
    }
}

impl From<keyferry_service::Error> for Failed {
    fn from(error: keyferry_service::Error) -> Self {
        match error {
            keyferry_service::Error::Config { .. } => Self::usage(error.to_string()),
            keyferry_service::Error::Running { .. } => Self::new(Failure::Busy, error.to_string())
                .hint("end that one first, or give this one a folder of its own with --dir"),
            keyferry_service::Error::File { action, path, source } => {
                Self::file(action, &path, &source).because("service")
            }
            keyferry_service::Error::KeysGone { .. } => {
                Self::other(error.to_string()).because("service").hint(KEYS_GONE)
            }
            _ => Self::other(error.to_string()).because("service"),
        }
    }
}

/// What helps where a service's keys are gone.
const KEYS_GONE: &str = "new keys would make another service, which opens no backup of this one: bring service.key back, or restore \
    the service's backup with keyferry service restore; a new service takes another folder";

impl From<keyferry_license::Error> for Failed {
    fn from(error: keyferry_license::Error) -> Self {
        let failed = Self::other(error.to_string());
        match error {
            keyferry_license::Error::NoRandomness(_) => failed,
            _ => failed.because("bad-document"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_speaks_as_we_do() {
        let error = crate::args::command().try_get_matches_from(["keyferry", "backup", "--overwritten"]);
        let failed = Failed::of_arguments(&error.unwrap_err());
        assert_eq!(failed.exit, 2);
        assert_eq!(failed.message, "unexpected argument '--overwritten' found");
        assert!(
            failed.hints.iter().any(|hint| hint.contains("'--overwrite'")),
            "{failed:?}"
        );
        assert!(
            failed
                .hints
                .iter()
                .any(|hint| hint.starts_with("usage: keyferry backup")),
            "{failed:?}"
        );
    }

    #[test]
    fn system_errors_in_lower_case() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(plain(&error), "no such file or directory");
    }
}
