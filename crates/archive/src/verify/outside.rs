//! Verifies what lies outside the encryption: trailer, check, every cell that has parity, header of the age file.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::{Inspector, Report};
use crate::damage::{Damage, Lost, Place};
use crate::error::{Error, Result};
use crate::outside::Outside;
use crate::protection::{Check, Mended};

/// What was seen from outside.
pub(super) enum Look<R> {
    /// Damaged such that nothing inside can be reached.
    Closed(Box<Report>),
    /// It can be opened, if anything opens it.
    Openable(Box<Openable<R>>),
}

pub(super) struct Openable<R> {
    pub report: Report,
    pub source: Mended<R>,
    pub outside: Outside,
    /// Where layers 1 and 2 may end, and what is wrong with what should say it.
    pub ends: Vec<u64>,
    pub findings: Vec<Damage>,
    /// The bytes are not those of the check. What is opened says where.
    pub altered: Option<Damage>,
}

/// Looks at the outside.
pub(super) fn look<R: Read + Seek>(source: R, inspector: &mut dyn Inspector) -> Result<Look<R>> {
    let mut source = Mended::new(source);
    let mut outside = match Outside::read(&mut source) {
        Ok(outside) => outside,
        Err(Error::Damaged(damage)) => {
            let size = source.seek(SeekFrom::End(0)).unwrap_or(damage.range.end);
            let mut report = Report::new(size, None, None);
            report.add(damage, inspector);
            return Ok(Look::Closed(Box::new(report)));
        }
        Err(error) => return Err(error),
    };
    let (ends, findings) = outside.ends()?;
    let inner_len = outside.trailer.map(|trailer| trailer.inner_len);
    let encryption = outside.head.as_ref().map(|head| head.encrypted);
    let mut report = Report::new(outside.size, inner_len, encryption);
    let altered = match outside.check.zip(inner_len) {
        None => None,
        Some((stated, inner_len)) => {
            let altered = altered(&mut source, inner_len, &stated);
            report.check_fits = altered.is_none();
            altered
        }
    };
    examine(&mut source, &mut report, inspector)?;
    Ok(Look::Openable(Box::new(Openable {
        report,
        source,
        outside,
        ends,
        findings,
        altered,
    })))
}

/// Looks at all cells, if there is parity.
fn examine(
    source: &mut Mended<impl Read + Seek>,
    report: &mut Report,
    inspector: &mut dyn Inspector,
) -> Result<()> {
    let examined = source.examine().map_err(|source| Error::Stream {
        doing: "repair",
        at: 0,
        source,
    })?;
    let Some((protection, table, survey)) = examined else {
        return Ok(());
    };
    report.protection = Some(protection);
    report.check_fits = protection.damaged == 0;
    for range in &table.broken_pages {
        report.add_repairable(
            repairable(range.clone(), "check values are damaged, and stand elsewhere too"),
            inspector,
        );
    }
    if protection.is_foreign {
        return Ok(());
    }
    let layout = &table.layout;
    for cells in survey.bad_cells() {
        // Data and parity do not lie side by side, and what can't be repaired is told apart.
        let kind = |cell: u64| (cell < layout.data_cells(), survey.is_repaired(cell));
        let mut cells = cells.peekable();
        while let Some(first) = cells.next() {
            let (is_data, is_repaired) = kind(first);
            let mut last = first;
            while let Some(next) = cells.next_if(|cell| kind(*cell) == (is_data, is_repaired)) {
                last = next;
            }
            let range = layout.range(first).start..layout.range(last).end;
            match (is_repaired, is_data) {
                (true, true) => report.add_repairable(
                    repairable(range, "damaged, and repaired from the parity"),
                    inspector,
                ),
                (_, false) => report.add_repairable(repairable(range, "parity is damaged"), inspector),
                (false, true) => {
                    let why = "damaged, and too little is left to repair it";
                    report.add(
                        Damage {
                            lost: None,
                            ..repairable(range, why)
                        },
                        inspector,
                    );
                }
            }
        }
    }
    Ok(())
}

fn repairable(range: Range<u64>, why: &str) -> Damage {
    Damage {
        place: Place::Protection,
        range,
        lost: Some(Lost::default()),
        why: why.into(),
    }
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
