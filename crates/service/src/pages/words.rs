//! What refusal pages say, and how they write names, dates and numbers.

use keyferry_protocol::Reason;

/// What is said about one reason.
pub(super) struct Words {
    pub(super) heading: &'static str,
    pub(super) why: &'static str,
    pub(super) advice: &'static [&'static str],
    /// Do the computers that hold the licenses matter?
    pub(super) shows_holders: bool,
}

pub(super) fn words(reason: Reason) -> Words {
    let (heading, why, advice, shows_holders): (_, _, &[&str], _) = match reason {
        Reason::Limit => (
            "The limit of computers is reached",
            "A license may be held by a limited number of computers, and all places are taken.",
            &[
                "A place becomes free when one of the computers above gives the licenses back: on that computer, run \
                 keyferry computer release.",
                "Restoring again to a computer that is in the list always works and takes no place.",
            ],
            true,
        ),
        Reason::Revoked => (
            "The publisher withdrew these licenses",
            "A license that was withdrawn is not restored to any computer, and no backup brings it back.",
            &["The publisher alone can say why, and issue a new license."],
            false,
        ),
        Reason::Released => (
            "This computer gave these licenses back",
            "The backup is older than that. Restoring them takes a place again.",
            &["Start the restore once more: the computer knows by now, and a free place is then taken."],
            true,
        ),
        Reason::NoBackupRight => (
            "These licenses may not move",
            "Their publisher did not allow them to be backed up and moved to another computer.",
            &[],
            false,
        ),
        Reason::UnknownIssuer => (
            "The publisher is not known here",
            "This service has no agreement with the publisher of these licenses.",
            &["If you operate this service: register the publisher's card with it."],
            false,
        ),
        Reason::OtherService => (
            "Another service decides about these licenses",
            "Each license names the service that may authorize its restore, and it is not this one.",
            &["Restore again with the program's newest version: it asks the service that a license names."],
            false,
        ),
        Reason::BadSignature => (
            "These licenses were altered",
            "Their publisher's signature does not hold, so they are not what was issued.",
            &["Use another copy of the backup, if you have one."],
            false,
        ),
        Reason::BadEscrow => (
            "The keys in the backup don't open",
            "The backup is damaged, or the keys in it belong to other licenses.",
            &["Use another copy of the backup, if you have one."],
            false,
        ),
        Reason::Malformed => (
            "These licenses can't be read",
            "The backup is damaged, or was made by a version that is newer than this service.",
            &["Use another copy of the backup, if you have one."],
            false,
        ),
        Reason::Twice => (
            "These licenses stood twice in the request",
            "Each was judged once; the second was left aside.",
            &["Nothing has to be done."],
            false,
        ),
        Reason::Recovery => (
            "The service is coming back from a backup",
            "It can't know yet which places are free: computers that hold these licenses still have to tell.",
            &[
                "Restore again in a few days. Nothing was taken, and nothing is lost.",
                "A computer that holds a license already gets it back now.",
                "If you operate this service: keyferry service recovery says how far it has come.",
            ],
            false,
        ),
    };
    Words {
        heading,
        why,
        advice,
        shows_holders,
    }
}

/// The first and the last character; not even the length is told.
pub(super) fn mask(name: &str) -> String {
    let mut letters = name.trim().chars();
    match (letters.next(), letters.next_back()) {
        (Some(first), Some(last)) if letters.next().is_some() => format!("{first}•••••{last}"),
        _ => "•••••".into(),
    }
}

/// `5 March 2026`, in UTC.
pub(super) fn date(unix_seconds: u64) -> String {
    let moment = i64::try_from(unix_seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    moment.map_or("an unknown date".into(), |moment| {
        moment
            .to_zoned(jiff::tz::TimeZone::UTC)
            .strftime("%-d %B %Y")
            .to_string()
    })
}

/// `14,900`.
pub(super) fn with_separators(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_masked() {
        for (name, masked) in [
            ("old-laptop", "o•••••p"),
            ("  bob ", "b•••••b"),
            ("ab", "•••••"),
            ("", "•••••"),
            ("стол", "с•••••л"),
        ] {
            assert_eq!(mask(name), masked);
        }
    }

    #[test]
    fn dates_and_numbers_read_as_people_write_them() {
        assert_eq!(date(0), "1 January 1970");
        assert_eq!(date(1_790_000_000), "21 September 2026");
        assert_eq!(date(u64::MAX), "an unknown date");
        assert_eq!(
            [0, 999, 1_000, 14_900, 1_234_567].map(with_separators),
            ["0", "999", "1,000", "14,900", "1,234,567"]
        );
    }
}
