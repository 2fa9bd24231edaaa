//! The object's properties, as IWMBackupRestoreProps has them: text by name, kept in the order in which they were set.

/// Name of the property that says where a backup goes.
pub const BACKUP_PATH: &str = "BackupPath";
/// Name of the property that says where a restore comes from.
pub const RESTORE_PATH: &str = "RestorePath";

/// Properties of one object.
#[derive(Debug, Clone, Default)]
pub struct Properties(Vec<(&'static str, String)>);

/// No property has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no property {0:?}; known are {BACKUP_PATH} and {RESTORE_PATH}")]
pub struct UnknownProperty(pub String);

impl Properties {
    /// Sets a property.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> Result<(), UnknownProperty> {
        let name = [BACKUP_PATH, RESTORE_PATH]
            .into_iter()
            .find(|known| *known == name)
            .ok_or_else(|| unknown(name))?;
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
        Ok(())
    }

    /// The value of a property that is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// How many are set.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The property at this place, from 0.
    pub fn by_index(&self, index: usize) -> Option<(&'static str, &str)> {
        self.0.get(index).map(|(name, value)| (*name, value.as_str()))
    }

    /// Forgets one; says whether it was set.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(known, _)| *known != name);
        self.0.len() != before
    }

    /// Forgets all.
    pub fn remove_all(&mut self) {
        self.0.clear();
    }
}

fn unknown(name: &str) -> UnknownProperty {
    UnknownProperty(keyferry_license::printable(name).chars().take(64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_read_replace_remove() {
        let mut properties = Properties::default();
        properties.set(BACKUP_PATH, "/stick").unwrap();
        properties.set(RESTORE_PATH, "/old").unwrap();
        properties.set(BACKUP_PATH, "/other").unwrap();
        assert_eq!(properties.count(), 2);
        assert_eq!(properties.by_index(0), Some((BACKUP_PATH, "/other")));
        assert_eq!(properties.by_index(2), None);
        assert!(properties.remove(BACKUP_PATH));
        assert!(!properties.remove(BACKUP_PATH));
        assert_eq!(properties.get(RESTORE_PATH), Some("/old"));
        properties.remove_all();
        assert_eq!(properties.count(), 0);
        assert_eq!(
            properties.set("Color", "red"),
            Err(UnknownProperty("Color".into()))
        );
    }
}
