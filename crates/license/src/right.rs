//! Rights: what a grant allows, and the limits of it. A right that is not named is not given.

use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::cbor;
use crate::error::{Error, Result};
use crate::text::Text;

/// The action that opens content.
pub const PLAY: &str = "Play";
/// The right without which a license stays where it is.
pub const BACKUP: &str = "Backup";

/// The SDK's actions; every other name is a reverse-DNS name.
const ACTIONS: [&str; 6] = [
    "Backup",
    "CollaborativePlay",
    "Copy",
    "CreateThumbnailImage",
    "Play",
    "PlaylistBurn",
];
/// Rights in one grant.
const MAX_RIGHTS: usize = 32;

/// Limits of a right. All that are present must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Limits {
    /// How many times, 1 or more.
    #[n(1)]
    pub count: Option<u32>,
    /// Not before this time (Unix seconds, UTC).
    #[n(2)]
    pub from: Option<u64>,
    /// Not at or after this time (Unix seconds, UTC).
    #[n(3)]
    pub until: Option<u64>,
    /// For this many seconds from the first use on.
    #[n(4)]
    pub after_first_use: Option<u64>,
    /// How much of `count` one computer holds at a time: all of it moves, less is shared. A counted right without
    /// a portion keeps its license on its computer.
    #[n(5)]
    pub portion: Option<u32>,
}

impl Limits {
    /// Must a computer remember something to obey it?
    pub fn keeps_state(&self) -> bool {
        self.count.is_some() || self.after_first_use.is_some()
    }

    fn check(&self) -> Result<()> {
        let bad = |why: &str| {
            Err(Error::OutOfRange {
                field: "limits of a right",
                why: why.into(),
            })
        };
        if self.count == Some(0) || self.after_first_use == Some(0) {
            return bad("a count or a time after first use of 0 gives nothing");
        }
        if matches!((self.from, self.until), (Some(from), Some(until)) if from >= until) {
            return bad("ends before it starts");
        }
        match (self.portion, self.count) {
            (Some(portion), Some(count)) if portion >= 1 && portion <= count => Ok(()),
            (None, _) => Ok(()),
            _ => bad("a portion goes from 1 to the count"),
        }
    }
}

/// One right: an action and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// `Play`, `Copy`, … or a reverse-DNS name such as `com.example.Run`.
    pub action: Text<128>,
    /// What limits it.
    pub limits: Limits,
}

/// The rights of a grant, in the order of deterministic CBOR.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights(Vec<Right>);

impl Rights {
    /// Takes rights with different, well-formed names.
    pub fn new(mut rights: Vec<Right>) -> Result<Self> {
        rights.sort_by(|a, b| (a.action.len(), &*a.action).cmp(&(b.action.len(), &*b.action)));
        if let Some(twice) = rights.windows(2).find(|w| w[0].action == w[1].action) {
            return Err(out_of_range(format!("{:?} is given twice", &*twice[0].action)));
        }
        let rights = Self(rights);
        rights.check()?;
        Ok(rights)
    }

    /// The limits of an action, if it is given.
    pub fn get(&self, action: &str) -> Option<&Limits> {
        self.0
            .iter()
            .find(|right| &*right.action == action)
            .map(|right| &right.limits)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Right> {
        self.0.iter()
    }

    /// May the license go into a backup? It needs the right Backup, and every counted right must say its portion.
    pub fn may_be_backed_up(&self) -> bool {
        self.get(BACKUP).is_some()
            && self
                .iter()
                .all(|right| right.limits.count.is_none() || right.limits.portion.is_some())
    }

    /// Does any right have a count or a time after first use?
    pub fn keep_state(&self) -> bool {
        self.iter().any(|right| right.limits.keeps_state())
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.0.len() > MAX_RIGHTS {
            return Err(Error::TooLarge {
                what: "rights",
                limit: MAX_RIGHTS,
                actual: self.0.len(),
            });
        }
        for right in &self.0 {
            if !is_action(&right.action) {
                return Err(out_of_range(format!(
                    "{:?} is neither one of {} nor a reverse-DNS name such as com.example.Run",
                    &*right.action,
                    ACTIONS.join(", ")
                )));
            }
            right.limits.check()?;
        }
        Ok(())
    }
}

fn out_of_range(why: String) -> Error {
    Error::OutOfRange { field: "rights", why }
}

fn is_action(name: &str) -> bool {
    let part = |p: &str| {
        !p.is_empty()
            && p.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    ACTIONS.contains(&name) || (name.split('.').count() >= 2 && name.split('.').all(part))
}

impl<C> Encode<C> for Rights {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.map(self.0.len() as u64)?;
        for right in &self.0 {
            e.str(&right.action)?;
            right.limits.encode(e, ctx)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Rights {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let claimed = d.map()?.unwrap_or(0);
        let entries = cbor::bounded("rights", MAX_RIGHTS, claimed)?;
        let mut rights = Vec::with_capacity(entries);
        for _ in 0..entries {
            rights.push(Right {
                action: Text::decode(d, ctx)?,
                limits: Limits::decode(d, ctx)?,
            });
        }
        Ok(Self(rights))
    }
}
