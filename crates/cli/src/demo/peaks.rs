//! The highest memory of the processes of the demo, by their names.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Highest memory by name of process.
#[derive(Debug, Default)]
pub struct Peaks(RefCell<BTreeMap<String, u64>>);

impl Peaks {
    /// Takes a figure if it is the highest of its name.
    pub fn note(&self, name: &str, bytes: Option<u64>) {
        if let Some(bytes) = bytes {
            let mut peaks = self.0.borrow_mut();
            let peak = peaks.entry(name.to_owned()).or_default();
            *peak = bytes.max(*peak);
        }
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_highest_of_a_name() {
        let peaks = Peaks::default();
        peaks.note("restore", Some(5));
        peaks.note("restore", Some(3));
        peaks.note("restore", None);
        assert_eq!(
            peaks.all().into_iter().collect::<Vec<_>>(),
            [("restore".to_owned(), 5)]
        );
    }
}
