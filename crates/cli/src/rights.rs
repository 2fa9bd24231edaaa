//! Rights as people type them and as JSON Lines carry them.

use std::collections::BTreeMap;

use keyferry_license::{Limits, Right, Text};
use serde::Deserialize;

/// Limits as a JSON object has them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsJson {
    count: Option<u32>,
    portion: Option<u32>,
    from: Option<String>,
    until: Option<String>,
    #[serde(rename = "first-use", alias = "first_use")]
    first_use: Option<String>,
}

/// From the object of a JSON line: limits by action.
pub fn from_json(rights: BTreeMap<String, LimitsJson>) -> Result<Vec<Right>, String> {
    let right = |(action, limits): (String, LimitsJson)| {
        let limits = Limits {
            count: limits.count,
            portion: limits.portion,
            from: limits.from.as_deref().map(time).transpose()?,
            until: limits.until.as_deref().map(time).transpose()?,
            after_first_use: limits.first_use.as_deref().map(span).transpose()?,
        };
        Ok(Right {
            action: action_name(action)?,
            limits,
        })
    };
    rights.into_iter().map(right).collect()
}

/// From `Play`, `Play:count=3,portion=3`, `com.example.Run:first-use=30d`.
pub fn parse_spec(spec: &str) -> Result<Right, String> {
    let (action, rest) = spec.split_once(':').unwrap_or((spec, ""));
    let mut limits = Limits::default();
    for part in rest.split(',').filter(|_| spec.contains(':')) {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| format!("{part:?} is not a limit such as count=3"))?;
        let twice = match name {
            "count" => limits.count.replace(number(value)?).is_some(),
            "portion" => limits.portion.replace(number(value)?).is_some(),
            "from" => limits.from.replace(time(value)?).is_some(),
            "until" => limits.until.replace(time(value)?).is_some(),
            "first-use" => limits.after_first_use.replace(span(value)?).is_some(),
            _ => {
                return Err(format!(
                    "{name:?} is none of the limits count, portion, from, until, first-use"
                ));
            }
        };
        if twice {
            return Err(format!("{name} is given twice"));
        }
    }
    Ok(Right {
        action: action_name(action.to_owned())?,
        limits,
    })
}

fn action_name(name: String) -> Result<Text<128>, String> {
    Text::new("action", name).map_err(|e| e.to_string())
}

fn number(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a number up to {}", u32::MAX))
}

/// A date (its first second, UTC) or a time with its offset.
pub fn time(text: &str) -> Result<u64, String> {
    let moment = match text.parse::<jiff::civil::Date>() {
        Ok(date) if !text.contains(['T', 't', ' ']) => date
            .to_zoned(jiff::tz::TimeZone::UTC)
            .map(|zoned| zoned.timestamp())
            .ok(),
        _ => text.parse::<jiff::Timestamp>().ok(),
    };
    let seconds = moment.and_then(|moment| u64::try_from(moment.as_second()).ok());
    seconds.ok_or_else(|| {
        format!("{text:?} is neither a date such as 2026-01-31 nor a time such as 2026-01-31T18:00:00Z")
    })
}

/// `90s`, `15m`, `12h`, `30d`, `2w`.
pub fn span(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is not a span such as 90s, 15m, 12h, 30d or 2w");
    let mut digits = text.chars();
    let unit = match digits.next_back() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        _ => return Err(bad()),
    };
    let number: u32 = digits.as_str().parse().map_err(|_| bad())?;
    Ok(u64::from(number) * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_words_write_can_be_typed_again() {
        for spec in ["Play", "Play:count=3,portion=3", "com.example.Run:first-use=30d"] {
            assert_eq!(crate::words::right(&parse_spec(spec).unwrap()), spec);
        }
        let dated = parse_spec("Play:from=2026-01-01,until=2027-01-01T00:00:00Z").unwrap();
        assert_eq!(dated.limits.from, Some(1_767_225_600));
        assert_eq!(parse_spec(&crate::words::right(&dated)), Ok(dated));
    }

    #[test]
    fn nonsense_is_named() {
        let bad = [
            "Play:",
            "Play:count",
            "Play:count=x",
            "Play:count=1,count=2",
            "Play:first-use=30",
            "Play:until=soon",
            "Play:color=red",
            "Play:first-use=-1d",
            "Play:first-use=é",
        ];
        for spec in bad {
            assert!(parse_spec(spec).is_err(), "{spec}");
        }
    }

    #[test]
    fn json_says_the_same() {
        let json = r#"{"Backup":{},"Play":{"count":3,"portion":3,"first-use":"2w","from":"2026-01-01"}}"#;
        let rights = from_json(serde_json::from_str(json).unwrap()).unwrap();
        assert_eq!(rights.len(), 2);
        assert_eq!(
            rights[1],
            parse_spec("Play:count=3,portion=3,first-use=2w,from=2026-01-01").unwrap()
        );
        assert!(serde_json::from_str::<LimitsJson>(r#"{"counts":3}"#).is_err());
    }
}
