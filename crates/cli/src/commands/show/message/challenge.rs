//! Revocation without a service: what a challenge, its answer and an acknowledgement say. Each proves itself.

use keyferry_license::Thumbprint;
use keyferry_protocol::{Challenge, ChallengeAnswer, Error, ListAcknowledgement};

use super::{Signature, Viewed, Viewer};
use crate::event::Event;
use crate::output::Line;
use crate::words;

impl Viewer<'_> {
    pub fn challenge(&mut self, bytes: &[u8]) -> Viewed {
        let card = Challenge::verify(bytes, |root| Ok::<Option<_>, Error>(self.card(root)))?;
        let (issuer, id) = (card.thumbprint(), words::hex(&Challenge::id(bytes)));
        self.cards.push(card);
        self.output.text("challenge");
        self.parties(&issuer, None);
        self.output.text(format_args!("  ID          {id}"));
        Signature::Good.text(self.output);
        let line = step("challenge", &issuer, None).with("challenge", id);
        let line = line.with("nonce", ()).with("number", ()).with("digest", ());
        self.output.event(&signed(line));
        Ok(())
    }

    pub fn challenge_answer(&self, bytes: &[u8]) -> Viewed {
        let answer = ChallengeAnswer::verify(bytes)?;
        let (computer, nonce) = (answer.computer()?, words::hex(&answer.nonce));
        let id = words::hex(&answer.challenge);
        self.output.text("answer to a challenge");
        self.parties(&answer.issuer, Some(&computer));
        self.output.text(format_args!("  challenge   {id}"));
        self.output.text(format_args!("  nonce       {nonce}"));
        self.output.text(format_args!("  last list   {}", answer.since));
        Signature::Good.text(self.output);
        let line = step("answer", &answer.issuer, Some(&computer)).with("challenge", id);
        let line = line.with("nonce", nonce).with("number", answer.since);
        self.output.event(&signed(line.with("digest", ())));
        Ok(())
    }

    pub fn acknowledgement(&self, bytes: &[u8]) -> Viewed {
        let word = ListAcknowledgement::verify(bytes)?;
        let (computer, nonce) = (word.computer()?, words::hex(&word.nonce));
        let output = self.output;
        output.text(format_args!("acknowledgement of revocation list {}", word.number));
        self.parties(&word.issuer, Some(&computer));
        output.text(format_args!("  nonce       {nonce}"));
        output.text(format_args!("  digest      {}", word.list));
        Signature::Good.text(output);
        let line = step("acknowledgement", &word.issuer, Some(&computer)).with("challenge", ());
        let line = line.with("nonce", nonce).with("number", word.number);
        output.event(&signed(line.with("digest", word.list.to_string())));
        Ok(())
    }

    fn parties(&self, issuer: &Thumbprint, computer: Option<&Thumbprint>) {
        self.named("issuer", issuer);
        if let Some(computer) = computer {
            self.named("computer", computer);
        }
    }
}

fn step(kind: &str, issuer: &Thumbprint, computer: Option<&Thumbprint>) -> Line {
    Line::new(Event::Challenge)
        .with("kind", kind)
        .with("issuer", issuer.to_string())
        .with("computer", computer.map(Thumbprint::to_string))
}

fn signed(line: Line) -> Line {
    line.with("signature", Signature::Good.word())
}
