//! `keyferry serve`: a license management service, until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use keyferry_license::CardKind;
use keyferry_protocol::Recovery;
use keyferry_service::ledger::LedgerUrl;
use keyferry_service::policy::Policy;
use keyferry_service::{
    CARD_FILE, FolderLock, Front, Limits, Service, ServiceConfig, Shutdown, Tls, serve_front,
};

use crate::args::ServeArgs;
use crate::context::Context;
use crate::disk;
use crate::event::Event;
use crate::failed::{Failed, Result, plain};
use crate::files;
use crate::ledger;
use crate::open_files;
use crate::output::{Line, Output};
use crate::signals;
use crate::words;

mod check;

const METRICS_SEEN: &str = "the metrics can be read by whoever reaches that address, over plain http";

/// Serves, or looks whether it could.
pub fn run(context: &Context, args: &ServeArgs) -> Result<()> {
    match args.check_config {
        true => check::run(context, args),
        // What fails on a full disk says "I/O error", or not even that.
        false => serve(context, args).map_err(|failed| match disk::full(&args.dir) {
            Some(full) if failed.reason == "service" => Failed {
                message: format!("{}: {}", full.message, failed.message),
                ..full
            },
            _ => failed,
        }),
    }
}

fn serve(context: &Context, args: &ServeArgs) -> Result<()> {
    let tls = tls(args)?;
    let issuers = args
        .issuer
        .iter()
        .map(|path| files::read_card(path, CardKind::Issuer));
    let issuers = issuers.collect::<Result<Vec<_>>>()?;
    let (listener, address) = bind(args.listen)?;
    let metrics = args.metrics.map(bind).transpose()?;
    let (limits, fewer) = within(args.limits.limits(), open_files::raised());
    if let Some(hint) = fewer {
        context.output.hint(hint);
    }
    let url = url(args, address)?;
    let shutdown = Shutdown::default();
    let stop = shutdown.clone();
    let (told, pair) = (Arc::clone(&context.output), tls.clone());
    signals::on_interrupt_or_hangup(move || stop.request(), move || reload(&told, pair.as_ref()))?;
    let _alone = FolderLock::take(&args.dir, &url)?;
    let before = files::read_card(&args.dir.join(CARD_FILE), CardKind::Service).ok();
    let (dir, name) = (args.dir.clone(), args.name.clone());
    let place = ledger::place(&args.dir, &args.ledger)?;
    let ledger = ledger::open(&place, &args.ledger)?;
    let config = ServiceConfig {
        dir,
        name,
        url,
        issuers,
        policy: Policy::default(),
    };
    let service = Service::with_ledger(config, ledger)?.limited(&limits);
    let measured = metrics.as_ref().map(|(_, address)| *address);
    announce(context, args, &service, &place, &address.to_string(), measured);
    if let Some(recovery) = service.recovery()?.filter(Recovery::lasts) {
        super::service::tell_recovery(&context.output, &recovery, Some(&service.recovered(&recovery)?));
        context.output.flush();
    }
    if let Some(before) = before.and_then(|card| card.urls.first().map(|url| url.shown()))
        && before != service.url()
    {
        context.output.hint(moved(&before));
    }
    let front = Front {
        listener,
        tls,
        metrics: metrics.map(|(listener, _)| listener),
        limits,
    };
    serve_front(front, Arc::new(service), &shutdown)?;
    context.output.note("stopped");
    Ok(())
}

/// Takes up renewed files; what can't be used leaves what was.
fn reload(output: &Output, tls: Option<&Tls>) {
    if let Some(Err(error)) = tls.map(Tls::renew) {
        output.warning(format_args!("the certificate stays as it was: {error}"));
        return;
    }
    let until = tls.and_then(|tls| tls.validity()).map(|(_, until)| until);
    output.event(&Line::new(Event::Reloaded).with("certificate_until", until));
    match until {
        Some(until) => output.note(format_args!(
            "reloaded: the certificate is valid until {}",
            words::time(until)
        )),
        None => output.note("reloaded"),
    }
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let unbound = |e: std::io::Error| Failed::other(format!("can't listen on {address}: {}", plain(&e)));
    let listener = TcpListener::bind(address).map_err(unbound)?;
    let bound = listener.local_addr().map_err(unbound)?;
    Ok((listener, bound))
}

/// These limits within the open files that the system allows, and what to say if they are less then.
fn within(wanted: Limits, files: Option<usize>) -> (Limits, Option<String>) {
    let Some(files) = files else {
        return (wanted, None);
    };
    let most = wanted.connections;
    let limits = wanted.within(files);
    let fewer = (limits.connections < most).then(|| {
        format!(
            "{files} files may be open at a time, so there are {} connections instead of {most}; raise that with ulimit \
             -Hn, or LimitNOFILE= in systemd",
            limits.connections
        )
    });
    (limits, fewer)
}

/// The address that the card names, of a service that listens here.
fn url(args: &ServeArgs, address: SocketAddr) -> Result<String> {
    match &args.url {
        Some(url) => checked(url),
        None if address.ip().is_unspecified() => {
            Err(Failed::usage(format!("no computer can ask at {address}"))
                .hint("name the address that computers use with --url https://…"))
        }
        None if args.tls_cert.is_some() => Ok(format!("https://{address}")),
        None => Ok(format!("http://{address}")),
    }
}

fn moved(before: &str) -> String {
    format!(
        "the address was {before} before: licenses and backups made until now send people there; --url or --listen \
         keeps it"
    )
}

/// The certificate. Without one nothing outside of this computer is answered.
fn tls(args: &ServeArgs) -> Result<Option<Tls>> {
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        return Ok(Some(Tls::from_files(certificate, key)?));
    }
    if args.listen.ip().is_loopback() {
        return Ok(None);
    }
    Err(Failed::usage(format!(
        "{} can be reached from outside, and plain http is for this computer only",
        args.listen
    ))
    .hint("give a certificate: --tls-cert FILE --tls-key FILE")
    .hint("or listen on 127.0.0.1, behind a server that speaks https, and name its address with --url"))
}

/// https anywhere, http on this computer only.
fn checked(url: &str) -> Result<String> {
    let shown = keyferry_license::printable(url);
    let host = |rest: &str| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        host.trim_matches(['[', ']']).to_owned()
    };
    let local = |host: String| {
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    let fits = match url.split_once("://") {
        Some(("https", rest)) => !host(rest).is_empty(),
        Some(("http", rest)) => local(host(rest)),
        _ => false,
    };
    if !fits {
        return Err(Failed::usage(format!("{shown} is no address for a service"))
            .hint("computers ask services at https://…, and at http:// on the same computer only"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn announce(
    context: &Context,
    args: &ServeArgs,
    service: &Service,
    ledger: &LedgerUrl,
    address: &str,
    metrics: Option<SocketAddr>,
) {
    let (output, card) = (&context.output, service.card());
    let file = args.dir.join(CARD_FILE);
    let line = Line::new(Event::Listening)
        .with("address", address)
        .with("url", service.url())
        .with("name", card.name.shown())
        .with("thumbprint", card.thumbprint().to_string())
        .with("card", file.display().to_string())
        .with("ledger", ledger.to_string())
        .with("issuers", service.issuer_count());
    output.event(&match metrics {
        Some(metrics) => line.with("metrics", metrics.to_string()),
        None => line,
    });
    output.text(format_args!("{} listens at {address}", card.name.shown()));
    output.text(format_args!("  address     {}", service.url()));
    output.text(format_args!(
        "  thumbprint  {}",
        words::grouped(&card.thumbprint())
    ));
    output.text(format_args!("  card        {}", file.display()));
    output.text(format_args!("  ledger      {ledger}"));
    output.text(format_args!("  issuers     {}", service.issuer_count()));
    if let Some(metrics) = metrics {
        output.text(format_args!("  metrics     http://{metrics}/metrics"));
    }
    output.flush();
    if metrics.is_some_and(|address| !address.ip().is_loopback()) {
        output.hint(METRICS_SEEN);
    }
    if service.issuer_count() == 0 {
        output.hint("no issuer is registered, so nothing can be restored: add --issuer CARD");
    }
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn plain_http_stays_on_this_computer() {
        for good in [
            "https://example.org/keyferry/",
            "http://127.0.0.1:80",
            "http://[::1]:8467",
            "http://localhost:1",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.org",
            "http://127.0.0.1.example.org",
            "ftp://example.org",
            "example.org",
            "https://",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
