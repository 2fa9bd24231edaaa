//! `keyferry trust`: which issuers this computer accepts. A person decides that, having compared a thumbprint; no flag
//! that answers questions does.

use std::path::Path;

use keyferry::Failure;
use keyferry_license::{Card, CardKind, Thumbprint, Verified};

use crate::args::TrustCommand;
use crate::context::{Context, now};
use crate::document::{self, Document};
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::output::Line;
use crate::words;

/// Runs one of its commands.
pub fn run(context: &Context, command: &TrustCommand) -> Result<()> {
    match command {
        TrustCommand::Add { file, thumbprint } => add(context, file, thumbprint.as_ref()),
        TrustCommand::List => list(context),
        TrustCommand::Remove { thumbprint } => remove(context, thumbprint),
    }
}

/// An issuer that a file shows, and where its licenses are moved.
struct Shown {
    card: Verified<Card>,
    host: Option<String>,
}

fn add(context: &Context, file: &Path, thumbprint: Option<&Thumbprint>) -> Result<()> {
    let mut issuers = issuers_of(file)?;
    if issuers.is_empty() {
        return Err(Failed::other(format!("{} names no issuer", file.display())).because("bad-document"));
    }
    issuers.iter().for_each(|issuer| show(context, issuer));
    if let Some(thumbprint) = thumbprint {
        issuers.retain(|issuer| issuer.card.thumbprint() == *thumbprint);
        if issuers.is_empty() {
            let message = "the thumbprint is not the one in the file, so nothing was accepted";
            return Err(Failed::new(Failure::IssuerNotAccepted, message).hint(
                "ask the issuer for its thumbprint again, and do not use the file if they still differ",
            ));
        }
    }
    let store = context.store()?;
    for issuer in issuers {
        let root = issuer.card.thumbprint();
        let name = issuer.card.name.shown();
        if store.is_accepted(&root)? {
            context.output.text(format_args!("{name} is accepted already"));
            continue;
        }
        if thumbprint.is_none() && !agreed(context, file, &issuer)? {
            return Err(Failed::new(
                Failure::IssuerNotAccepted,
                format!("{name} was not accepted"),
            ));
        }
        store.accept_root(&issuer.card, issuer.host.as_deref(), now())?;
        context
            .output
            .text(format_args!("{name} is accepted on this computer now"));
        let line = Line::new(Event::Accepted).with("name", name);
        context.output.event(&line.with("thumbprint", root.to_string()));
    }
    Ok(())
}

fn agreed(context: &Context, file: &Path, issuer: &Shown) -> Result<bool> {
    if context.can_ask() {
        return context
            .ask("did you compare the thumbprint with the one that the issuer publishes, and accept it?");
    }
    let (name, root) = (issuer.card.name.shown(), issuer.card.thumbprint());
    let file = words::quoted(&file.display().to_string());
    let message = format!("{name} is not accepted without its thumbprint: --thumbprint is missing");
    Err(Failed::new(Failure::IssuerNotAccepted, message)
        .hint(format!(
            "the thumbprint in the file is {}: compare it with the one that {name} publishes",
            words::grouped(&root)
        ))
        .hint(format!(
            "if they are the same: {} trust add {file} --thumbprint {root}",
            context.program()
        )))
}

fn show(context: &Context, issuer: &Shown) {
    let (name, root) = (issuer.card.name.shown(), issuer.card.thumbprint());
    context.output.text(&name);
    context
        .output
        .text(format_args!("  thumbprint  {}", words::grouped(&root)));
    if let Some(host) = &issuer.host {
        context.output.text(format_args!("  service     {host}"));
    }
    let line = Line::new(Event::Issuer)
        .with("name", name)
        .with("thumbprint", root.to_string());
    context.output.event(&line.with("host", issuer.host.as_deref()));
}

fn issuers_of(file: &Path) -> Result<Vec<Shown>> {
    let mut found = Vec::new();
    match document::open(file)? {
        Document::Card(card) if card.kind == CardKind::Issuer => found.push(Shown {
            card: *card,
            host: None,
        }),
        Document::Card(card) => {
            let message = format!("{} is the card of {}", file.display(), words::whose(card.kind));
            return Err(Failed::other(message)
                .because("bad-document")
                .hint("only issuers are accepted"));
        }
        // They name issuers by thumbprints alone.
        Document::Message(_) | Document::Closed(..) => {}
        Document::Licenses(blocks) => {
            for block in blocks {
                let (card, service) = block?.cards().map_err(|e| Failed::document(file, &e))?;
                let root = card.thumbprint();
                if !found.iter().any(|known: &Shown| known.card.thumbprint() == root) {
                    found.push(Shown {
                        card,
                        host: address(&service),
                    });
                }
            }
        }
        Document::Backup(reader) => {
            let header = reader.header();
            let hosts: Vec<String> = header.services.iter().filter_map(address).collect();
            let host = (!hosts.is_empty()).then(|| hosts.join(", "));
            found.extend(header.issuers.iter().map(|card| Shown {
                card: card.clone(),
                host: host.clone(),
            }));
        }
    }
    Ok(found)
}

fn address(service: &Verified<Card>) -> Option<String> {
    service.urls.first().map(|url| url.shown())
}

fn list(context: &Context) -> Result<()> {
    let roots = context.store()?.accepted_roots()?;
    context.output.summarize("issuers", roots.len());
    for root in &roots {
        let (name, thumbprint) = (root.card.name.shown(), root.card.thumbprint());
        let host = root.host.as_deref().map(keyferry_license::printable);
        context.output.text(&name);
        context
            .output
            .text(format_args!("  thumbprint  {}", words::grouped(&thumbprint)));
        if let Some(host) = &host {
            context.output.text(format_args!("  service     {host}"));
        }
        context
            .output
            .text(format_args!("  accepted    {}", words::time(root.time)));
        let line = Line::new(Event::Issuer)
            .with("name", name)
            .with("thumbprint", thumbprint.to_string());
        context
            .output
            .item(&line.with("host", host).with("accepted", root.time));
    }
    if roots.is_empty() {
        context.output.text("no issuer is accepted on this computer yet");
        context.output.hint("accept one with: keyferry trust add FILE");
    }
    Ok(())
}

fn remove(context: &Context, thumbprint: &Thumbprint) -> Result<()> {
    let store = context.store()?;
    let Some(root) = store
        .accepted_roots()?
        .into_iter()
        .find(|root| root.card.thumbprint() == *thumbprint)
    else {
        return Err(
            Failed::other(format!("no issuer with thumbprint {thumbprint} is accepted here"))
                .hint("`keyferry trust list` shows those that are"),
        );
    };
    let name = root.card.name.shown();
    if !context.yes {
        if !context.can_ask() {
            return Err(Failed::usage(format!(
                "removing {name} has to be confirmed: --yes is missing"
            )));
        }
        if !context.ask(&format!(
            "stop accepting {name}? its licenses stay here and can't be used"
        ))? {
            return Err(Failed::new(Failure::Canceled, format!("{name} stays accepted")));
        }
    }
    store.remove_root(thumbprint)?;
    context.output.text(format_args!(
        "{name} is no longer accepted; its licenses stay here and can't be used"
    ));
    let line = Line::new(Event::Removed).with("name", name);
    context
        .output
        .event(&line.with("thumbprint", thumbprint.to_string()));
    Ok(())
}
