//! Cards on their way out: in armor to stdout or into a file, and in words.

use std::path::Path;

use keyferry_license::{Card, KeyUse, Verified, armor};

use crate::event::Event;
use crate::failed::Result;
use crate::files::{self, Readers};
use crate::output::{Line, Output};
use crate::words;

/// Prints a card in armor, or writes it to a file.
pub fn write(output: &Output, card: &Verified<Card>, file: Option<&Path>, overwrite: bool) -> Result<()> {
    let text = armor::write(armor::CARD, card.as_bytes())?;
    output.summarize("name", card.name.shown());
    output.summarize("thumbprint", card.thumbprint().to_string());
    match files::named(file) {
        Some(file) => files::write_new(file, overwrite, Readers::Everybody, text.as_bytes()),
        None => {
            output.document(armor::CARD, &text);
            Ok(())
        }
    }
}

/// Everything that a card says.
pub fn show(output: &Output, card: &Verified<Card>, now: u64) {
    output.text(format_args!(
        "the card of {}: {}",
        words::whose(card.kind),
        card.name.shown()
    ));
    output.text(format_args!(
        "  thumbprint  {}",
        words::grouped(&card.thumbprint())
    ));
    output.text(format_args!("  serial      {}", card.serial));
    for url in &card.urls {
        output.text(format_args!("  address     {}", url.shown()));
    }
    for key in &card.keys {
        let usage = match key.usage {
            KeyUse::Sign => "to sign",
            KeyUse::Seal => "to seal for",
        };
        output.text(format_args!(
            "  key         {usage}, {}",
            validity(key.not_before, key.not_after, now)
        ));
    }
    let keys = card.keys.iter().map(|key| {
        serde_json::json!({
            "use": match key.usage { KeyUse::Sign => "sign", KeyUse::Seal => "seal" },
            "not_before": key.not_before,
            "not_after": key.not_after,
        })
    });
    output.event(
        &Line::new(Event::Card)
            .with("kind", words::kind_word(card.kind))
            .with("name", card.name.shown())
            .with("thumbprint", card.thumbprint().to_string())
            .with("serial", card.serial)
            .with(
                "urls",
                card.urls.iter().map(|url| url.shown()).collect::<Vec<_>>(),
            )
            .with("keys", keys.collect::<Vec<_>>()),
    );
}

fn validity(from: u64, until: Option<u64>, now: u64) -> String {
    let since = if from == 0 {
        String::new()
    } else {
        format!(" since {}", words::time(from))
    };
    match until {
        None => format!("valid{since}"),
        Some(end) if end <= now => format!(
            "retired on {}: it verifies and opens what was made before",
            words::time(end)
        ),
        Some(end) => format!("valid{since} until {}", words::time(end)),
    }
}
