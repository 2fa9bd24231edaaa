//! What each message and each signed document says.

use keyferry_license::{Card, Grant, RevocationList, Sign1, Typ, decode_exact};
use keyferry_protocol::{Answer, ListReceipt, MESSAGE_LIMIT, Receipt, SignedRequest, kind};

use super::{Signature, Viewed, Viewer, entries};
use crate::cards;
use crate::commands::show::holding;
use crate::context::now;
use crate::event::Event;
use crate::output::Line;
use crate::words;

impl Viewer<'_> {
    pub fn grant(&self, bytes: &[u8]) -> Viewed {
        let claim = Grant::parse(bytes)?;
        let grant = claim.claim().clone();
        let card = self.card(&grant.issuer);
        let (name, signature) = match card {
            Some(card) => {
                claim.verify_with(&card)?;
                (Some(card.name.shown()), Signature::Good)
            }
            None => (None, Signature::Unchecked),
        };
        holding::grant_text(self.output, &grant, name.as_deref());
        signature.text(self.output);
        let line = holding::grant_line(&grant).with("signature", signature.word());
        self.output.event(&line);
        Ok(())
    }

    pub fn request(&mut self, bytes: &[u8], url: Option<&str>) -> Viewed {
        let signed = SignedRequest::decode(bytes)?;
        let (id, request) = (words::hex(&signed.id()), signed.claim().clone());
        let mut consent = None;
        if *request.kind == *kind::INDIVIDUALIZE {
            let (body, card) = request.individualize_body()?;
            consent = Some(body.consent);
            self.cards.push(card);
        }
        let sign1 = Sign1::decode(Typ::Request, bytes, MESSAGE_LIMIT)?;
        let signature = self.check(&sign1, &request.computer, "request")?;
        let entries = entries::of_request(&request)?;
        let shown = match &*request.kind {
            kind::RECEIPTS => Some(request.receipts_body()?),
            _ => None,
        };
        let output = self.output;
        output.text(format_args!("request {}", request.kind.shown()));
        output.text(format_args!("  ID          {id}"));
        self.named("service", &request.service);
        if let Some(url) = url {
            output.text(format_args!("  address     {url}"));
        }
        self.named("computer", &request.computer);
        if let Some(time) = consent {
            output.text(format_args!("  consent     {}", words::time(time)));
        }
        if let Some(last) = request.last_receipt {
            let time = words::time(last.time);
            output.text(format_args!("  last heard  {time}"));
        }
        if let Some(shown) = &shown {
            let receipts = words::count(shown.receipts.len() as u64, "receipt");
            let more = if shown.more {
                ", more in another request"
            } else {
                ""
            };
            output.text(format_args!("  shows       {receipts}{more}"));
        }
        signature.text(output);
        let last = request.last_receipt;
        let said = shown.as_ref().map_or(entries.len(), |shown| shown.receipts.len());
        let line = Line::new(Event::Request);
        let line = match &shown {
            Some(shown) => line.with("more", shown.more),
            None => line,
        };
        output.event(
            &line
                .with("request", id)
                .with("kind", request.kind.shown())
                .with("operation", words::hex(&request.operation))
                .with("service", request.service.to_string())
                .with("url", url)
                .with("computer", request.computer.to_string())
                .with("consent", consent)
                .with("last_receipt", last.map(|last| words::hex(&last.request)))
                .with("last_time", last.map(|last| last.time))
                .with("entries", said)
                .with("signature", signature.word()),
        );
        if let Some(card) = self.cards.last().filter(|_| consent.is_some()) {
            cards::show(output, card, now());
        }
        entries::tell(output, entries);
        let receipts = shown.into_iter().flat_map(|shown| shown.receipts);
        receipts
            .into_iter()
            .try_for_each(|receipt| self.receipt(&receipt))
    }

    pub fn answer(&mut self, answer: Answer, request: Option<String>) -> Viewed {
        let card = answer.card.as_deref().map(Card::verify).transpose()?;
        self.cards.extend(card.clone());
        let keys = answer
            .delivery
            .as_ref()
            .map_or(0, |delivery| delivery.keys.iter().flatten().count());
        let lists = answer
            .lists
            .map(|lists| (lists.lists, lists.cards))
            .unwrap_or_default();
        let output = self.output;
        output.text("answer");
        if let Some(request) = &request {
            output.text(format_args!("  to request  {request}"));
        }
        if keys > 0 {
            output.text(format_args!(
                "  delivers    {}, sealed",
                words::count(keys as u64, "key")
            ));
        }
        output.event(
            &Line::new(Event::Answer)
                .with("request", request)
                .with(
                    "holds",
                    if answer.receipt.is_some() {
                        "receipt"
                    } else {
                        "problem"
                    },
                )
                .with("keys", keys)
                .with("lists", lists.0.len()),
        );
        if let Some(problem) = answer.problem {
            let (word, message) = (problem.code.word(), problem.message.shown());
            self.problem(word, &message, problem.retry_after, None);
        }
        if let Some(receipt) = answer.receipt {
            self.receipt(&receipt)?;
        }
        card.iter().for_each(|card| cards::show(output, card, now()));
        for card in lists.1 {
            let card = Card::verify(&card)?;
            cards::show(output, &card, now());
            self.cards.push(card);
        }
        lists.0.iter().try_for_each(|list| self.list(list))
    }

    pub fn problem(&self, word: &str, message: &str, retry_after: Option<u32>, next: Option<u64>) {
        self.output.text(format_args!("problem {word}: {message}"));
        self.output.event(
            &Line::new(Event::Problem)
                .with("problem", word)
                .with("message", message)
                .with("retry_after", retry_after)
                .with("next", next),
        );
    }

    pub fn receipt(&self, bytes: &[u8]) -> Viewed {
        let sign1 = Sign1::decode(Typ::Receipt, bytes, MESSAGE_LIMIT)?;
        let receipt: Receipt = decode_exact("receipt", sign1.payload, MESSAGE_LIMIT)?;
        let signature = self.check(&sign1, &receipt.service, "receipt")?;
        let mut counts = std::collections::BTreeMap::<&str, u64>::new();
        for entry in &receipt.entries {
            *counts.entry(entry.verdict.word()).or_default() += 1;
        }
        let output = self.output;
        output.text(match &receipt.card {
            Some(_) => format!("receipt of {}: a certificate", receipt.kind.shown()),
            None => format!("receipt of {}", receipt.kind.shown()),
        });
        output.text(format_args!("  to request  {}", words::hex(&receipt.request)));
        self.named("service", &receipt.service);
        self.named("computer", &receipt.computer);
        output.text(format_args!("  time        {}", words::time(receipt.time)));
        if let Some(card) = &receipt.card {
            output.text(format_args!("  certifies   the card with digest {card}"));
        }
        if let Some(recovery) = &receipt.recovery {
            let ended = recovery
                .ended
                .map_or("it lasts: no new slot is given".into(), |ended| {
                    format!("ended {}", words::time(ended))
                });
            output.text(format_args!(
                "  recovery    since {} rows may be missing; begun {}, {ended}",
                words::time(recovery.since),
                words::time(recovery.started)
            ));
        }
        signature.text(output);
        output.event(
            &Line::new(Event::Receipt)
                .with("request", words::hex(&receipt.request))
                .with("operation", words::hex(&receipt.operation))
                .with("service", receipt.service.to_string())
                .with("computer", receipt.computer.to_string())
                .with("kind", receipt.kind.shown())
                .with("time", receipt.time)
                .with("licenses", receipt.entries.len())
                .with("counts", serde_json::json!(counts))
                .with("certified_card", receipt.card.map(|card| card.to_string()))
                .with(
                    "recovery",
                    receipt.recovery.map(|recovery| {
                        serde_json::json!({
                            "started": recovery.started,
                            "since": recovery.since,
                            "ended": recovery.ended,
                        })
                    }),
                )
                .with("signature", signature.word()),
        );
        entries::tell(output, entries::of_receipt(&receipt));
        for page in &receipt.pages {
            let (reason, url) = (page.reason.word(), page.url.shown());
            output.text(format_args!("  why {reason}: {url}"));
            output.item(&Line::new(Event::Page).with("reason", reason).with("url", url));
        }
        Ok(())
    }

    pub fn list(&self, bytes: &[u8]) -> Viewed {
        let parsed = RevocationList::parse(bytes)?;
        let (list, digest) = (parsed.claim().clone(), parsed.digest());
        let signature = match self.card(&list.issuer) {
            Some(card) => parsed.verify_with(&card).map(|_| Signature::Good)?,
            None => Signature::Unchecked,
        };
        let output = self.output;
        output.text(format_args!("revocation list {}", list.number));
        self.named("issuer", &list.issuer);
        output.text(format_args!("  digest      {digest}"));
        signature.text(output);
        output.event(
            &Line::new(Event::RevocationList)
                .with("issuer", list.issuer.to_string())
                .with("number", list.number)
                .with("digest", digest.to_string())
                .with("nonce", list.nonce.map(|nonce| words::hex(&nonce)))
                .with("entries", list.entries.len())
                .with("signature", signature.word()),
        );
        entries::tell(output, entries::of_list(&list));
        Ok(())
    }

    pub fn list_receipt(&self, bytes: &[u8]) -> Viewed {
        let sign1 = Sign1::decode(Typ::ListReceipt, bytes, MESSAGE_LIMIT)?;
        let what = Typ::ListReceipt.name();
        let receipt: ListReceipt = decode_exact(what, sign1.payload, MESSAGE_LIMIT)?;
        let signature = self.check(&sign1, &receipt.service, what)?;
        let output = self.output;
        output.text(format_args!("receipt of revocation list {}", receipt.number));
        self.named("issuer", &receipt.issuer);
        self.named("service", &receipt.service);
        output.text(format_args!("  time        {}", words::time(receipt.time)));
        output.text(format_args!("  digest      {}", receipt.list));
        signature.text(output);
        output.event(
            &Line::new(Event::ListReceipt)
                .with("service", receipt.service.to_string())
                .with("issuer", receipt.issuer.to_string())
                .with("number", receipt.number)
                .with("digest", receipt.list.to_string())
                .with("time", receipt.time)
                .with("signature", signature.word()),
        );
        Ok(())
    }
}
