//! Names of backup files (docs/backup.md section 9).

use std::cmp::Reverse;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use keyferry_license::ComputerId;

const START: &str = "licenses-";
const END: &str = ".keyferry";
pub(super) const TEMPORARY: &str = ".new";
pub(super) const PREVIOUS: &str = ".old";
/// Of the time of an earlier generation, UTC.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// What a file of a backup's name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// A backup: the computer's current one, or an earlier generation.
    Current,
    /// `.new`: being made, or left behind by a process that was stopped.
    Temporary,
    /// `.old`: set aside while another took its name.
    Previous,
}

/// `licenses-<8 hex of the computer's ID>.keyferry`, with `-` and a UTC time before the extension if it is an earlier
/// generation, with `.new` or `.old` after it while it is being replaced. In order: by computer, the current one before
/// the generations, of these the newest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupName {
    computer: String,
    made: Option<Reverse<u64>>,
    stage: Stage,
}

impl BackupName {
    /// Of a computer's current backup.
    pub fn current(computer: &ComputerId) -> Self {
        Self {
            computer: computer.short(),
            made: None,
            stage: Stage::Current,
        }
    }

    /// Takes a file name apart; `None` if it isn't one of a backup.
    pub fn parse(name: &str) -> Option<Self> {
        let (computer, end) = name.strip_prefix(START)?.split_at_checked(8)?;
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let (time, suffix) = end.split_once(END)?;
        let made = match time {
            "" => None,
            time => Some(Reverse(from_text(time.strip_prefix('-')?)?)),
        };
        let stage = match suffix {
            "" => Stage::Current,
            TEMPORARY => Stage::Temporary,
            PREVIOUS => Stage::Previous,
            _ => return None,
        };
        let computer = computer.bytes().all(hex).then(|| computer.to_owned())?;
        Some(Self {
            computer,
            made,
            stage,
        })
    }

    /// Eight hexadecimal digits of the computer's ID.
    pub fn computer(&self) -> &str {
        &self.computer
    }

    /// A backup, temporary or previous.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The time in the name of an earlier generation, in Unix seconds; `None`: it is the current one.
    pub fn generation(&self) -> Option<u64> {
        self.made.map(|Reverse(made)| made)
    }

    /// The name of the same file at another stage.
    pub fn at(&self, stage: Stage) -> Self {
        Self {
            stage,
            ..self.clone()
        }
    }

    /// The name of the same computer's earlier generation of this time (Unix seconds). `None` for a time after the year
    /// 9999.
    pub fn earlier(&self, made: u64) -> Option<Self> {
        to_text(made)?;
        Some(Self {
            computer: self.computer.clone(),
            made: Some(Reverse(made)),
            stage: Stage::Current,
        })
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.stage {
            Stage::Current => "",
            Stage::Temporary => TEMPORARY,
            Stage::Previous => PREVIOUS,
        };
        let time = self.generation().and_then(to_text);
        let time = time.map(|time| format!("-{time}")).unwrap_or_default();
        write!(f, "{START}{}{time}{END}{suffix}", self.computer)
    }
}

fn to_text(made: u64) -> Option<String> {
    let time = Timestamp::from_second(i64::try_from(made).ok()?).ok()?;
    Some(time.strftime(TIME).to_string())
}

/// Only as [`to_text`] writes it: one time, one name.
fn from_text(text: &str) -> Option<u64> {
    let time = TimeZone::UTC
        .to_timestamp(DateTime::strptime(TIME, text).ok()?)
        .ok()?;
    let made = u64::try_from(time.as_second()).ok()?;
    (to_text(made)? == text).then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_show_the_same() {
        let name = "licenses-00c0ffee-20261123T011327Z.keyferry";
        let parsed = BackupName::parse(name).unwrap();
        assert_eq!(parsed.generation(), Some(1_795_396_407));
        assert_eq!(
            (parsed.computer(), parsed.to_string().as_str()),
            ("00c0ffee", name)
        );
        let current = BackupName::parse("licenses-00c0ffee.keyferry").unwrap();
        assert_eq!(current.generation(), None);
        assert_eq!(current.earlier(1_795_396_407), Some(parsed.clone()));
        let left = BackupName::parse(&format!("{name}.new")).unwrap();
        assert_eq!(
            (left.stage(), left.at(Stage::Current)),
            (Stage::Temporary, parsed)
        );
        assert_eq!(current.earlier(u64::MAX), None);
    }

    #[test]
    fn other_names_are_none_of_a_backup() {
        for name in [
            "licenses-00c0ffee-20261123T011327Z.keyferry.bak",
            "licenses-00c0ffee-20261123T011327.keyferry",
            "licenses-00c0ffee-20261323T011327Z.keyferry",
            "licenses-00c0ffee-20261123T011360Z.keyferry",
            "licenses-00c0ffee-20261123t011327z.keyferry",
            "licenses-00c0ffee-19691231T235959Z.keyferry",
            "licenses-00c0ffee-.keyferry",
            "licenses-00c0ffee20261123T011327Z.keyferry",
            "licenses-00c0ffee- 20261123T011327Z.keyferry",
            "licenses-00C0FFEE.keyferry",
            "licenses-é0c0ffee.keyferry",
        ] {
            assert_eq!(BackupName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_newest_comes_first() {
        let current = BackupName::parse("licenses-00c0ffee.keyferry").unwrap();
        let mut names = [
            current.earlier(5).unwrap(),
            current.at(Stage::Previous),
            current.earlier(9).unwrap(),
            current.clone(),
        ];
        names.sort();
        assert_eq!(
            names.map(|name| (name.generation(), name.stage())),
            [
                (None, Stage::Current),
                (None, Stage::Previous),
                (Some(9), Stage::Current),
                (Some(5), Stage::Current)
            ]
        );
    }
}
