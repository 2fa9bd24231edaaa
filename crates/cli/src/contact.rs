//! How services are reached: the roots of https that the person named, and how they are named again.

use std::sync::Arc;
use std::time::Duration;

use keyferry::{HttpTransport, Parts, Patience, Restorer, Roots, SystemClock};

use crate::args::{ContactArgs, WAIT};
use crate::context::Context;
use crate::failed::{Failed, Result};
use crate::files::read_small;
use crate::words::quoted;

/// The way to services that these arguments ask for.
pub fn transport(args: &ContactArgs) -> Result<HttpTransport> {
    let mut roots = Roots::default();
    for path in &args.ca {
        let read = Roots::from_pem(&read_small(path)?);
        let read = read.map_err(|why| {
            Failed::other(format!("{} holds no root certificates: {why}", path.display()))
                .because("bad-document")
                .hint("--ca takes certificates in PEM, which begin with -----BEGIN CERTIFICATE-----")
        })?;
        roots = roots.and(read);
    }
    Ok(HttpTransport::with_roots(&roots))
}

/// The backup restorer object of the home, which reaches services so.
pub fn restorer(context: &Context, args: &ContactArgs) -> Result<Restorer> {
    let transport = Arc::new(transport(args)?);
    Ok(Restorer::with(Parts {
        home: context.home()?,
        guard: context.guard()?,
        clock: Arc::new(SystemClock),
        transport,
        patience: patience(args),
    }))
}

/// How long these arguments let it wait.
pub fn patience(args: &ContactArgs) -> Patience {
    Patience {
        busy: Duration::from_secs(args.wait.into()),
        ..Patience::default()
    }
}

/// The arguments, to be typed again.
pub fn typed(args: &ContactArgs) -> String {
    let each = args
        .ca
        .iter()
        .map(|path| format!(" --ca {}", quoted(&path.display().to_string())));
    let wait = (args.wait != WAIT).then(|| format!(" --wait {}", args.wait));
    each.chain(wait).collect()
}
