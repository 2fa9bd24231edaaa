//! Names of backup files (docs/backup.md section 9).

use std::fmt;

use keyferry_license::ComputerId;

const START: &str = "licenses-";
const END: &str = ".keyferry";
pub(super) const TEMPORARY: &str = ".new";
pub(super) const PREVIOUS: &str = ".old";

/// What a file of a backup's name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The computer's current backup.
    Current,
    /// `.new`: being made, or left behind by a process that was stopped.
    Temporary,
    /// `.old`: set aside while the current one was replaced.
    Previous,
}

/// `licenses-<8 hex of the computer's ID>.keyferry`, with `.new` or `.old` after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupName {
    computer: String,
    stage: Stage,
}

impl BackupName {
    /// Of a computer's current backup.
    pub fn current(computer: &ComputerId) -> Self {
        Self {
            computer: computer.short(),
            stage: Stage::Current,
        }
    }

    /// Takes a file name apart; `None` if it isn't one of a backup.
    pub fn parse(name: &str) -> Option<Self> {
        let (computer, end) = name.strip_prefix(START)?.split_at_checked(8)?;
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let stage = match end.strip_prefix(END)? {
            "" => Stage::Current,
            TEMPORARY => Stage::Temporary,
            PREVIOUS => Stage::Previous,
            _ => return None,
        };
        let computer = computer.bytes().all(hex).then(|| computer.to_owned())?;
        Some(Self { computer, stage })
    }

    /// Eight hexadecimal digits of the computer's ID.
    pub fn computer(&self) -> &str {
        &self.computer
    }

    /// Current, temporary or previous.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The name of the same computer's file at another stage.
    pub fn at(&self, stage: Stage) -> Self {
        Self {
            computer: self.computer.clone(),
            stage,
        }
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.stage {
            Stage::Current => "",
            Stage::Temporary => TEMPORARY,
            Stage::Previous => PREVIOUS,
        };
        write!(f, "{START}{}{END}{suffix}", self.computer)
    }
}
