//! Verifies what lies outside the encryption: trailer, check, header of the age file.

use std::io::{Read, Seek, SeekFrom};

use super::{Inspector, Report};
use crate::damage::{Damage, Place};
use crate::encryption::Head;
use crate::error::{Error, Result};
use crate::outside::Outside;
use crate::protection::Check;

/// What was seen from outside.
pub(super) struct Look {
    pub report: Report,
    /// Damaged such that nothing inside can be reached.
    pub is_closed: bool,
    /// If it is encrypted.
    pub head: Option<Head>,
    /// What opening it will find as well.
    pub finding: Option<Damage>,
    /// The bytes are not those of the check. What is opened says where.
    pub altered: Option<Damage>,
}

/// Looks at the outside.
pub(super) fn look(source: &mut (impl Read + Seek), inspector: &mut dyn Inspector) -> Result<Look> {
    let mut outside = match Outside::read(source) {
        Ok(outside) => outside,
        Err(Error::Damaged(damage)) => {
            let size = source.seek(SeekFrom::End(0)).unwrap_or(damage.range.end);
            let mut report = Report::new(size, None, None);
            report.add(damage, inspector);
            return Ok(Look {
                report,
                is_closed: true,
                head: None,
                finding: None,
                altered: None,
            });
        }
        Err(error) => return Err(error),
    };
    let (_, finding) = outside.ends()?;
    let inner_len = outside.trailer.map(|trailer| trailer.inner_len);
    let encryption = outside.head.as_ref().map(|head| head.encrypted);
    let mut report = Report::new(outside.size, inner_len, encryption);
    let altered = match outside.check.zip(inner_len) {
        None => None,
        Some((stated, inner_len)) => {
            let altered = altered(source, inner_len, &stated);
            report.check_fits = altered.is_none();
            altered
        }
    };
    Ok(Look {
        report,
        is_closed: false,
        head: outside.head,
        finding,
        altered,
    })
}

fn altered(source: &mut (impl Read + Seek), inner_len: u64, stated: &[u8]) -> Option<Damage> {
    let (from, why) = match Check::of(source, inner_len) {
        Ok(check) if check.to_bytes() == stated => return None,
        Ok(_) => (0, "its bytes are not those that were written".into()),
        Err((at, error)) => (at, format!("it can't be read: {error}")),
    };
    Some(Damage {
        place: Place::Protection,
        range: from..inner_len,
        lost: None,
        why,
    })
}
