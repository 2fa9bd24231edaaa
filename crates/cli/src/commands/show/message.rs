//! Messages between computers and services, and signed documents that stand alone. What a signature proves is said only
//! where the signer's card is at hand; a signature that does not hold is an error.

mod challenge;
mod entries;
mod views;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use keyferry_license::{Card, CardKind, PublicKey, Sign1, Thumbprint, Typ, Verified, armor, printable};
use keyferry_protocol::{
    ANSWER_LABEL, Answer, AnswerParcel, MESSAGE_LIMIT, Posted, REQUEST_LABEL, RequestParcel,
};
use keyferry_store::Store;

use crate::cards;
use crate::context::{Context, now};
use crate::document::{self, Form, TAGGED};
use crate::failed::{Failed, Result};
use crate::output::Output;
use crate::words;

/// Shows what stands in a file of messages.
pub fn show(context: &Context, path: &Path, form: Form) -> Result<()> {
    let file = keyferry::open_regular(path).map_err(|e| Failed::file("read", path, &e))?;
    let mut viewer = Viewer {
        output: &context.output,
        path,
        store: context.existing_store(),
        cards: Vec::new(),
    };
    match form {
        Form::Bare => viewer.bare(file),
        Form::Requests => each(viewer.output, path, REQUEST_LABEL, file, |block| {
            let (parcel, _) = RequestParcel::decode(block)?;
            viewer.request(&parcel.request, Some(&parcel.url.shown()))
        }),
        Form::Answers => each(viewer.output, path, ANSWER_LABEL, file, |block| {
            let parcel = AnswerParcel::decode(block)?;
            viewer.answer(Answer::decode(&parcel.answer)?, Some(words::hex(&parcel.request)))
        }),
    }
}

fn each(
    output: &Output,
    path: &Path,
    label: &'static str,
    file: File,
    mut view: impl FnMut(&[u8]) -> Viewed,
) -> Result<()> {
    for block in armor::Blocks::new(label, BufReader::new(file)) {
        let viewed = block.map_err(Refused::from).and_then(|block| view(&block));
        viewed.map_err(|refused| refused.of(path))?;
        if output.is_closed() {
            break;
        }
    }
    Ok(())
}

/// Why a document is not shown.
enum Refused {
    License(keyferry_license::Error),
    Protocol(keyferry_protocol::Error),
    /// It is not what it began like.
    Unknown,
    Other(Failed),
}

type Viewed<T = ()> = std::result::Result<T, Refused>;

impl Refused {
    fn of(self, path: &Path) -> Failed {
        let why = match self {
            Refused::Unknown => return document::not_known(path),
            Refused::Other(failed) => failed.message,
            Refused::License(error) => error.to_string(),
            Refused::Protocol(error) => error.to_string(),
        };
        Failed::other(format!("{}: {}", path.display(), printable(&why))).because("bad-document")
    }
}

impl From<keyferry_license::Error> for Refused {
    fn from(error: keyferry_license::Error) -> Self {
        Self::License(error)
    }
}

impl From<keyferry_protocol::Error> for Refused {
    fn from(error: keyferry_protocol::Error) -> Self {
        Self::Protocol(error)
    }
}

/// Does a signature hold?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    Good,
    /// The signer's card is not at hand.
    Unchecked,
}

impl Signature {
    fn word(self) -> &'static str {
        match self {
            Signature::Good => "good",
            Signature::Unchecked => "unchecked",
        }
    }

    fn text(self, output: &Output) {
        output.text(match self {
            Signature::Good => "  signature   holds",
            Signature::Unchecked => "  signature   not checked: the card of who signed it is not here",
        });
    }
}

struct Viewer<'a> {
    output: &'a Output,
    path: &'a Path,
    store: Option<Store>,
    /// Those that came along.
    cards: Vec<Verified<Card>>,
}

impl Viewer<'_> {
    fn bare(&mut self, file: File) -> Result<()> {
        let mut bytes = Vec::new();
        let read = file.take(MESSAGE_LIMIT as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|e| Failed::file("read", self.path, &e))?;
        let viewed = match bytes.first() {
            Some(&TAGGED) => self.signed(&bytes),
            _ => self.unsigned(&bytes),
        };
        viewed.map_err(|refused| refused.of(self.path))
    }

    fn signed(&mut self, bytes: &[u8]) -> Viewed {
        let mut wrong = Refused::Unknown;
        for typ in Typ::ALL {
            match Sign1::decode(typ, bytes, MESSAGE_LIMIT) {
                Ok(_) => return self.of_type(typ, bytes),
                Err(error) => wrong = error.into(),
            }
        }
        Err(wrong)
    }

    fn of_type(&mut self, typ: Typ, bytes: &[u8]) -> Viewed {
        match typ {
            Typ::Card => {
                cards::show(self.output, &Card::verify(bytes)?, now());
                Ok(())
            }
            Typ::Grant => self.grant(bytes),
            Typ::Request => self.request(bytes, None),
            Typ::Receipt => self.receipt(bytes),
            Typ::RevocationList => self.list(bytes),
            Typ::ListReceipt => self.list_receipt(bytes),
            Typ::Challenge => self.challenge(bytes),
            Typ::ChallengeAnswer => self.challenge_answer(bytes),
            Typ::ListAcknowledgement => self.acknowledgement(bytes),
            Typ::Backup => Err(Refused::Other(Failed::other(
                "the footer of a backup, which says something only where it ends one",
            ))),
            _ => Err(Refused::Unknown),
        }
    }

    /// Answers carry no type of their own; what is in them has one.
    fn unsigned(&mut self, bytes: &[u8]) -> Viewed {
        if let Ok(posted) = Posted::decode(bytes) {
            match (&posted.receipt, posted.problem) {
                (Some(receipt), _) if Sign1::decode(Typ::ListReceipt, receipt, MESSAGE_LIMIT).is_ok() => {
                    return self.list_receipt(receipt);
                }
                (_, Some(problem)) => {
                    let (word, message) = (problem.code.word(), problem.message.shown());
                    self.problem(word, &message, problem.retry_after, problem.next);
                    return Ok(());
                }
                _ => {}
            }
        }
        match Answer::decode(bytes) {
            Ok(answer) => self.answer(answer, None),
            Err(_) => Err(Refused::Unknown),
        }
    }

    /// The card of this root, from the file or from this computer.
    fn card(&self, root: &Thumbprint) -> Option<Verified<Card>> {
        if let Some(card) = self.cards.iter().find(|card| card.thumbprint() == *root) {
            return Some(card.clone());
        }
        let store = self.store.as_ref()?;
        if store.id() == *root {
            return store.card().ok();
        }
        let service = store.service_card(root).ok().flatten();
        service.or_else(|| store.issuer_card(root).ok().flatten())
    }

    /// Name of whom this root is, and where nobody knows it the root alone.
    fn named(&self, label: &str, root: &Thumbprint) {
        let name = self.card(root).map(|card| format!("{}  ", card.name.shown()));
        let name = name.unwrap_or_default();
        self.output
            .text(format_args!("  {label:<10}  {name}{}", words::grouped(root)));
    }

    /// Signed by one of the keys of this root's card?
    fn check(&self, sign1: &Sign1<'_>, root: &Thumbprint, what: &'static str) -> Viewed<Signature> {
        let Some(card) = self.card(root) else {
            return Ok(Signature::Unchecked);
        };
        let holds = match (&card.root, card.kind) {
            (PublicKey::Ed25519(key), CardKind::Computer) => sign1.verify(key).is_ok(),
            _ => card.signing_keys().any(|key| sign1.verify(&key).is_ok()),
        };
        match holds {
            true => Ok(Signature::Good),
            false => Err(keyferry_license::Error::BadSignature { what }.into()),
        }
    }
}
