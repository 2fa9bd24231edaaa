//! The object's properties: those of the contract, and Keyferry's own, whose names begin with `Keyferry.` (docs/abi.md).

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use keyferry::{
    BackupOptions, Encrypted, Encryption, Identity, Only, Parity, Passphrase, Recipient, RestoreOptions,
    Unlock, Unlocker,
};
use keyferry_license::Thumbprint;
use zeroize::Zeroizing;

use crate::entry::{Answer, E_ACCESSDENIED, E_INVALIDARG, NOT_SET};

/// A property's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    BackupPath,
    RestorePath,
    Store,
    Passphrase,
    Identities,
    Recipients,
    Parity,
    Keep,
    From,
    Trust,
    Only,
}

/// All of them, as applications spell them.
const NAMES: [(Name, &str); 11] = [
    (Name::BackupPath, "BackupPath"),
    (Name::RestorePath, "RestorePath"),
    (Name::Store, "Keyferry.Store"),
    (Name::Passphrase, "Keyferry.Passphrase"),
    (Name::Identities, "Keyferry.Identities"),
    (Name::Recipients, "Keyferry.Recipients"),
    (Name::Parity, "Keyferry.Parity"),
    (Name::Keep, "Keyferry.Keep"),
    (Name::From, "Keyferry.From"),
    (Name::Trust, "Keyferry.Trust"),
    (Name::Only, "Keyferry.Only"),
];

impl Name {
    /// E_INVALIDARG where no property has this name.
    pub(crate) fn of(name: &str) -> Answer<Self> {
        let found = NAMES.iter().find(|(_, spelled)| *spelled == name);
        found.map(|(name, _)| *name).ok_or(E_INVALIDARG)
    }

    /// As applications spell it.
    pub(crate) fn spelled(self) -> &'static str {
        let found = NAMES.iter().find(|(name, _)| *name == self);
        found.map_or("", |(_, spelled)| spelled)
    }

    /// Can it be set, but not be read?
    fn is_secret(self) -> bool {
        matches!(self, Name::Passphrase | Name::Identities)
    }

    /// Is this a value for it? What is wrong is said when it is set, not when it is needed.
    fn takes(self, value: &str) -> bool {
        match self {
            Name::BackupPath | Name::RestorePath | Name::Store | Name::From => true,
            Name::Passphrase => !value.is_empty(),
            Name::Identities => Identity::parse_file(value).is_ok(),
            Name::Recipients => Recipient::parse_file(value).is_ok(),
            Name::Trust => thumbprints(value).is_ok(),
            Name::Only => Only::new(value.lines()).is_ok(),
            Name::Parity => value.parse::<Parity>().is_ok(),
            Name::Keep => value.parse::<NonZeroU32>().is_ok(),
        }
    }
}

/// The properties that are set, in the order in which they were set first. Values are wiped when they go.
#[derive(Default)]
pub(crate) struct Properties(Vec<(Name, Zeroizing<String>)>, Kind);

/// Whose properties they are.
#[derive(Default)]
enum Kind {
    #[default]
    Restorer,
    Agent,
}

impl Properties {
    /// Those of the license revocation agent: which computer is all that it has to be told.
    pub(crate) fn of_agent() -> Self {
        Self(Vec::new(), Kind::Agent)
    }

    /// E_INVALIDARG where the object has no property of this name.
    pub(crate) fn name(&self, name: &str) -> Answer<Name> {
        match (&self.1, Name::of(name)?) {
            (Kind::Agent, name) if name != Name::Store => Err(E_INVALIDARG),
            (_, name) => Ok(name),
        }
    }

    /// Sets one; E_INVALIDARG where this is no value for it.
    pub(crate) fn set(&mut self, name: Name, value: Zeroizing<String>) -> Answer {
        if !name.takes(&value) {
            return Err(E_INVALIDARG);
        }
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
        Ok(())
    }

    /// Those that can be read.
    pub(crate) fn readable(&self) -> impl Iterator<Item = (Name, &str)> {
        let readable = self.0.iter().filter(|(name, _)| !name.is_secret());
        readable.map(|(name, value)| (*name, value.as_str()))
    }

    /// The value of one: E_ACCESSDENIED where it may not be read, whether it is set or not; C00D2749 where it isn't set.
    pub(crate) fn read(&self, name: Name) -> Answer<&str> {
        if name.is_secret() {
            return Err(E_ACCESSDENIED);
        }
        self.get(name).ok_or(NOT_SET)
    }

    /// Forgets one; none is an error.
    pub(crate) fn remove(&mut self, name: Name) {
        self.0.retain(|(known, _)| *known != name);
    }

    /// Forgets all.
    pub(crate) fn remove_all(&mut self) {
        self.0.clear();
    }

    /// The computer's folder; None: the default.
    pub(crate) fn store(&self) -> Option<&Path> {
        self.get(Name::Store)
            .filter(|path| !path.is_empty())
            .map(Path::new)
    }

    /// What a backup is asked to do. Without passphrase and recipients it is not encrypted, as the original's was not;
    /// with both: E_INVALIDARG, since age files open by the one or by the others.
    pub(crate) fn backup(&self, overwrite: bool) -> Answer<BackupOptions> {
        let encryption = match (self.get(Name::Passphrase), self.get(Name::Recipients)) {
            (None, None) => Encryption::None,
            (Some(passphrase), None) => Encryption::Passphrase(self::passphrase(passphrase)?),
            (None, Some(recipients)) => {
                Encryption::Recipients(Recipient::parse_file(recipients).map_err(|_| E_INVALIDARG)?)
            }
            (Some(_), Some(_)) => return Err(E_INVALIDARG),
        };
        Ok(BackupOptions {
            folder: self.path(Name::BackupPath)?,
            overwrite,
            encryption,
            parity: match self.get(Name::Parity) {
                Some(parity) => parity.parse().map_err(|_| E_INVALIDARG)?,
                None => Parity::default(),
            },
            keep: self
                .get(Name::Keep)
                .map(|keep| keep.parse().map_err(|_| E_INVALIDARG))
                .transpose()?,
            only: self.only()?,
            ..BackupOptions::default()
        })
    }

    /// What a restore is asked to do.
    pub(crate) fn restore(&self, individualize: bool) -> Answer<RestoreOptions> {
        let trust = self.get(Name::Trust).map(thumbprints).transpose()?;
        Ok(RestoreOptions {
            path: self.path(Name::RestorePath)?,
            individualize,
            trust: trust.unwrap_or_default(),
            from: self
                .get(Name::From)
                .filter(|from| !from.is_empty())
                .map(str::to_owned),
            unlocker: self.unlocker()?,
            only: self.only()?,
            ..RestoreOptions::default()
        })
    }

    fn get(&self, name: Name) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Patterns, one a line.
    fn only(&self) -> Answer<Only> {
        let patterns = self.get(Name::Only).unwrap_or_default().lines();
        Only::new(patterns).map_err(|_| E_INVALIDARG)
    }

    /// A path that must be set; C00D2749 where it isn't.
    fn path(&self, name: Name) -> Answer<Option<PathBuf>> {
        let path = self.get(name).filter(|path| !path.is_empty()).ok_or(NOT_SET)?;
        Ok(Some(PathBuf::from(path)))
    }

    fn unlocker(&self) -> Answer<Unlocker> {
        let passphrase = self.get(Name::Passphrase).map(passphrase).transpose()?;
        let identities = self.get(Name::Identities).map(Identity::parse_file);
        let identities = identities.transpose().map_err(|_| E_INVALIDARG)?;
        Ok(Unlocker::new(move |encrypted| {
            match (encrypted, &passphrase, &identities) {
                (Encrypted::Passphrase { .. }, Some(passphrase), _) => Unlock::Passphrase(passphrase.clone()),
                (Encrypted::Recipients { .. }, _, Some(identities)) => Unlock::Identities(identities.clone()),
                _ => Unlock::None,
            }
        }))
    }
}

fn passphrase(text: &str) -> Answer<Passphrase> {
    Passphrase::new(text.to_owned()).map_err(|_| E_INVALIDARG)
}

fn thumbprints(text: &str) -> Answer<Vec<Thumbprint>> {
    let each = text
        .split_whitespace()
        .map(|one| Thumbprint::from_str(one).map_err(|_| E_INVALIDARG));
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &[(Name, &str)]) -> Properties {
        let mut properties = Properties::default();
        for (name, value) in set {
            let set = properties.set(*name, Zeroizing::new((*value).to_owned()));
            assert_eq!(set, Ok(()), "{name:?}");
        }
        properties
    }

    #[test]
    fn every_name_is_found_by_its_spelling_and_nothing_else_is() {
        for (name, spelled) in NAMES {
            assert_eq!((Name::of(spelled), name.spelled()), (Ok(name), spelled));
        }
        for stranger in ["", "backuppath", "BackupPath ", "Keyferry.Color"] {
            assert_eq!(Name::of(stranger), Err(E_INVALIDARG));
        }
    }

    #[test]
    fn secrets_are_neither_listed_nor_read() {
        let properties = with(&[
            (Name::BackupPath, "/a"),
            (Name::Passphrase, "secret"),
            (Name::From, "x"),
        ]);
        let listed: Vec<_> = properties.readable().collect();
        assert_eq!(listed, [(Name::BackupPath, "/a"), (Name::From, "x")]);
        assert_eq!(properties.read(Name::Passphrase), Err(E_ACCESSDENIED));
        assert_eq!(
            properties.read(Name::Identities),
            Err(E_ACCESSDENIED),
            "unset, and still no answer"
        );
        assert_eq!(properties.read(Name::RestorePath), Err(NOT_SET));
    }

    #[test]
    fn what_is_no_value_is_refused_when_it_is_set_and_leaves_the_old_one() {
        let mut properties = with(&[(Name::Parity, "none"), (Name::Keep, "1")]);
        let wrong = [
            (Name::Parity, "13"),
            (Name::Keep, "0"),
            (Name::Keep, "-1"),
            (Name::Trust, "abc"),
            (Name::Only, "title:a\n\ntitle:b"),
            (Name::Recipients, "someone"),
            (Name::Identities, "age1"),
            (Name::Passphrase, ""),
        ];
        for (name, value) in wrong {
            let set = properties.set(name, Zeroizing::new(value.to_owned()));
            assert_eq!(set, Err(E_INVALIDARG), "{name:?}");
        }
        assert_eq!(properties.read(Name::Parity), Ok("none"));
    }

    #[test]
    fn options_say_what_the_properties_say() {
        let kept = with(&[(Name::BackupPath, "/stick"), (Name::Keep, "3")]).backup(false);
        assert_eq!(kept.expect("options").keep, NonZeroU32::new(3));
        assert_eq!(with(&[]).backup(true).err(), Some(NOT_SET));
        assert_eq!(
            with(&[(Name::RestorePath, "")]).restore(true).err(),
            Some(NOT_SET)
        );
        let plain = with(&[(Name::BackupPath, "/stick")])
            .backup(true)
            .expect("options");
        assert!(plain.overwrite && matches!(plain.encryption, Encryption::None));
        assert_eq!((plain.parity, plain.keep), (Parity::Twelve, None));
        let path = (Name::BackupPath, "/stick");
        let secret = with(&[path, (Name::Passphrase, "secret"), (Name::Parity, "25")])
            .backup(false)
            .expect("options");
        assert_eq!(secret.parity, Parity::TwentyFive);
        assert!(!secret.overwrite && matches!(secret.encryption, Encryption::Passphrase(_)));
        let reader = Identity::generate().recipient().to_string();
        let open = with(&[path, (Name::Recipients, &reader)])
            .backup(false)
            .expect("options");
        assert!(matches!(open.encryption, Encryption::Recipients(readers) if readers.len() == 1));
        let some = with(&[path, (Name::Only, "title:a\nissuer:b*")]).backup(false);
        let some = some.expect("options").only;
        assert!(plain.only.is_all() && some.patterns().eq(["title:a", "issuer:b*"]));
        let both = with(&[path, (Name::Passphrase, "secret"), (Name::Recipients, &reader)]);
        assert_eq!(both.backup(false).err(), Some(E_INVALIDARG));
    }
}
