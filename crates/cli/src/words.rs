//! How values are written for people: thumbprints in groups, times, limits, sizes.

use keyferry_license::{CardKind, KeyId, Limits, Right, Rights, Thumbprint};

/// Whose card.
pub fn whose(kind: CardKind) -> &'static str {
    match kind {
        CardKind::Issuer => "an issuer",
        CardKind::Service => "a service",
        CardKind::Computer => "a computer",
    }
}

/// The word of JSON lines for a kind of card.
pub fn kind_word(kind: CardKind) -> &'static str {
    match kind {
        CardKind::Issuer => "issuer",
        CardKind::Service => "service",
        CardKind::Computer => "computer",
    }
}

/// A thumbprint in groups of eight digits, to be compared by eye.
pub fn grouped(thumbprint: &Thumbprint) -> String {
    let digits = thumbprint.to_string();
    let groups: Vec<&str> = (0..digits.len())
        .step_by(8)
        .filter_map(|at| digits.get(at..at + 8))
        .collect();
    groups.join(" ")
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A time as RFC 3339, UTC.
pub fn time(unix: u64) -> String {
    let time = i64::try_from(unix)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("{unix} s after 1970"), |time| time.to_string())
}

/// A number of things: `1 license`, `2 licenses`.
pub fn count(n: u64, one: &str) -> String {
    format!("{} {one}{}", number(n), if n == 1 { "" } else { "s" })
}

/// A number in groups of three digits.
pub fn number(n: u64) -> String {
    let mut digits = n.to_string();
    let mut at = digits.len();
    while at > 3 {
        at -= 3;
        digits.insert(at, ',');
    }
    digits
}

/// Licenses, and license documents where there are any: `2 licenses and 1 license document`.
pub fn holding(licenses: u64, documents: u64) -> String {
    match (licenses, documents) {
        (licenses, 0) => count(licenses, "license"),
        (0, documents) => count(documents, "license document"),
        _ => format!(
            "{} and {}",
            count(licenses, "license"),
            count(documents, "license document")
        ),
    }
}

/// A path on a terminal: what can't be shown as it is stands in its place, and nothing steers the terminal.
pub fn path(path: &std::path::Path) -> String {
    keyferry_license::printable(&path.display().to_string())
}

/// A length of a file.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let unit = (bytes.ilog2() / 10).min(4);
    let tenths = bytes.saturating_mul(10) >> (10 * unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit as usize - 1])
}

/// A span of time in its largest unit that leaves nothing over: `30d`, `90m`.
pub fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = UNITS
        .iter()
        .find(|(length, _)| seconds > 0 && seconds.is_multiple_of(*length));
    unit.map_or_else(
        || format!("{seconds}s"),
        |(length, name)| format!("{}{name}", seconds / length),
    )
}

/// How long ago a time was, in its largest unit.
pub fn age(now: u64, then: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (365 * 86_400, "year"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
    ];
    let seconds = now.saturating_sub(then);
    let unit = UNITS.iter().find(|(length, _)| seconds >= *length);
    unit.map_or_else(
        || "just now".into(),
        |(length, name)| format!("{} ago", count(seconds / length, name)),
    )
}

/// A right as `--right` takes it.
pub fn right(right: &Right) -> String {
    let limits = limits(&right.limits);
    if limits.is_empty() {
        right.action.shown()
    } else {
        format!("{}:{limits}", right.action.shown())
    }
}

/// All rights of a grant.
pub fn rights(rights: &Rights) -> String {
    if rights.iter().next().is_none() {
        return "no rights".into();
    }
    rights.iter().map(right).collect::<Vec<_>>().join(" ")
}

fn limits(limits: &Limits) -> String {
    let parts = [
        limits.count.map(|n| format!("count={n}")),
        limits.portion.map(|n| format!("portion={n}")),
        limits.from.map(|at| format!("from={}", time(at))),
        limits.until.map(|at| format!("until={}", time(at))),
        limits
            .after_first_use
            .map(|seconds| format!("first-use={}", span(seconds))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(",")
}

/// A key ID in both notations.
pub fn key_id(id: &KeyId) -> String {
    format!("{id} ({})", id.to_uuid())
}

/// Text from outside as one argument of this system's shell, for commands to be copied.
pub fn quoted(text: &str) -> String {
    quoted_for(cfg!(windows), text)
}

/// Windows: as cmd and PowerShell both take it.
fn quoted_for(windows: bool, text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@+,".contains(c);
    let plain = |c: char| plain(c) || c == if windows { '\\' } else { '%' };
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let shown = keyferry_license::printable(text);
    if windows {
        format!("\"{}\"", shown.replace('"', "\\\""))
    } else {
        format!("'{}'", shown.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(count(1, "license"), "1 license");
        assert_eq!(count(1_234_567, "license"), "1,234,567 licenses");
        assert_eq!(size(512), "512 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
        assert_eq!(age(100, 41), "just now");
        assert_eq!(age(4_000_000, 4_000_000 - 7_200), "2 hours ago");
        assert_eq!(age(4_000_000, 4_000_000 - 86_400), "1 day ago");
        assert_eq!(age(1, 2), "just now");
        assert_eq!(span(30 * 86_400), "30d");
        assert_eq!(span(61), "61s");
    }

    #[test]
    fn thumbprints_in_groups_parse_again() {
        let thumbprint = Thumbprint([0xab; 32]);
        let shown = grouped(&thumbprint);
        assert_eq!(shown.split(' ').count(), 8);
        assert_eq!(shown.parse::<Thumbprint>(), Ok(thumbprint));
    }

    #[test]
    fn a_copied_command_is_one_argument() {
        let (unix, windows) = (|text| quoted_for(false, text), |text| quoted_for(true, text));
        assert_eq!(unix("/media/stick"), "/media/stick");
        assert_eq!(unix("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(unix(""), "''");
        assert_eq!(unix(r"E:\stick"), r"'E:\stick'");
        assert_eq!(windows(r"E:\stick"), r"E:\stick");
        assert_eq!(windows(r"E:\my stick"), "\"E:\\my stick\"");
        assert_eq!(windows("%TEMP%"), "\"%TEMP%\"");
    }
}
