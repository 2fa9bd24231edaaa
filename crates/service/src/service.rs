//! The service without its HTTP: a request's bytes and the time go in, an answer's bytes come out
//! (docs/protocol.md sections 2 to 5).

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use keyferry_license::{Card, CardKind, Digest, PublicKey, Text, Verified, printable};
use keyferry_protocol::{
    Answer, Delivery, Entry, ListNumber, Lists, MESSAGE_LIMIT, Page, ProblemCode, Receipt, Request,
    RequestId, SignedRequest, kind,
};

use crate::allowance::ComputerPace;
use crate::error::{Error, Result};
use crate::identity::Identities;
use crate::issuers::Issuers;
use crate::keys::ServiceKeys;
use crate::ledger::{Computer, Ledger, SqliteLedger};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::policy::Policy;
use crate::recovery::Moment;
use crate::timed::TimedLedger;

/// The ledger's file in the service's folder.
pub const LEDGER_FILE: &str = "ledger.sqlite";

/// Seconds after which a computer may ask again when the ledger failed.
pub(crate) const RETRY_AFTER: u32 = 30;

/// What an operator gives.
#[derive(Debug)]
pub struct ServiceConfig {
    /// The service's folder: keys, card and ledger. Made if it is not there; its parent has to be.
    pub dir: PathBuf,
    /// What people call the service.
    pub name: String,
    /// The base address that stands in the card, `http://` or `https://`.
    pub url: String,
    /// Issuers that are registered, beside those that the ledger knows.
    pub issuers: Vec<Verified<Card>>,
    /// What is allowed beyond the grants.
    pub policy: Policy,
}

/// The license management service.
pub struct Service {
    identities: Identities,
    pub(crate) url: String,
    pub(crate) issuers: Issuers,
    pub(crate) policy: Policy,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pace: ComputerPace,
}

/// What a receipt says beside what every receipt says.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) not_before: u64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) pages: Vec<Page>,
    pub(crate) card: Option<Digest>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) newest: Option<Vec<ListNumber>>,
    pub(crate) lists: Option<Lists>,
}

/// Why a request is not judged.
pub(crate) enum NotJudged {
    /// The sender's fault.
    Problem(ProblemCode, String),
    /// The service's.
    Failed(Error),
    /// The sender asks more than it may: it may again after so many seconds.
    Later(&'static str, u32),
}

impl Service {
    /// Opens the service in its folder: keys are made at the first start, the card is written if it changed.
    pub fn open(config: ServiceConfig) -> Result<Self> {
        make_folder(&config.dir)?;
        let ledger = SqliteLedger::open(&config.dir.join(LEDGER_FILE))?;
        Self::with_ledger(config, Arc::new(ledger))
    }

    /// The same with a ledger that is open already.
    pub fn with_ledger(config: ServiceConfig, ledger: Arc<dyn Ledger>) -> Result<Self> {
        make_folder(&config.dir)?;
        let url = base_url(&config.url)?;
        let metrics = Arc::new(Metrics::default());
        let ledger: Arc<dyn Ledger> = Arc::new(TimedLedger::new(ledger, Arc::clone(&metrics)));
        let now = unix_now();
        let identities = Identities::open(&config.dir, &config.name, &url, now)?;
        for issuer in &config.issuers {
            if issuer.kind != CardKind::Issuer {
                let why = format!("the card of {} is not an issuer's", issuer.name.shown());
                return Err(Error::Config { field: "issuer", why });
            }
            ledger.put_issuer(issuer.thumbprint(), issuer.serial, issuer.as_bytes())?;
        }
        Ok(Self {
            identities,
            url,
            issuers: Issuers::of(&*ledger)?,
            policy: config.policy,
            ledger,
            metrics,
            pace: ComputerPace::default(),
        })
    }

    /// The same, keeping computers to the pace that these limits allow each.
    pub fn limited(mut self, limits: &Limits) -> Self {
        self.pace = ComputerPace::new(limits);
        self
    }

    /// What is counted of it.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Forgets what has no meaning any more. To be called now and then.
    pub(crate) fn tidy(&self) {
        self.pace.forget();
    }

    /// Its card, the newest.
    pub fn card(&self) -> &Verified<Card> {
        &self.identities.now().card
    }

    /// Its keys, the newest.
    pub(crate) fn keys(&self) -> &ServiceKeys {
        &self.identities.now().keys
    }

    /// Looks after the files of its keys and its card, once in a second at most.
    pub(crate) fn look(&self, now: u64) {
        self.identities.look(now);
    }

    /// Takes up the files of its keys and its card as they are now. While requests come it does so by itself,
    /// within a second.
    pub fn renew(&self) -> Result<()> {
        self.identities.renew(unix_now()).map(drop)
    }

    /// Its base address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many issuers are registered.
    pub fn issuer_count(&self) -> usize {
        self.issuers.count()
    }

    /// Does the ledger answer?
    pub fn ready(&self) -> Result<()> {
        self.ledger.ready()
    }

    /// Answers a request. `now` is the service's time (Unix seconds).
    pub fn handle(&self, request: &[u8], now: u64) -> Vec<u8> {
        self.answer(request, now).encode()
    }

    /// The same, as a value.
    pub fn answer(&self, request: &[u8], now: u64) -> Answer {
        self.reply(request, now).0
    }

    /// The same, and whether it was the sender's pace that was too much.
    pub(crate) fn reply(&self, request: &[u8], now: u64) -> (Answer, bool) {
        self.look(now);
        let (began, mut kind) = (Instant::now(), "unknown");
        let judged = self.judge(request, now, &mut kind);
        let limited = matches!(judged, Err(NotJudged::Later(..)));
        let answer = match judged {
            Ok(answer) => answer,
            Err(NotJudged::Later(message, wait)) => {
                tracing::info!("request not judged: {message}");
                Answer::problem(ProblemCode::Busy, message, Some(wait))
            }
            Err(NotJudged::Problem(code, message)) => {
                tracing::info!(problem = ?code, "request not judged: {message}");
                Answer::problem(code, &message, None)
            }
            Err(NotJudged::Failed(error)) => {
                tracing::error!("request not judged: {error}");
                let message = "the service can't use its ledger now; asking again spends nothing twice";
                Answer::problem(ProblemCode::Busy, message, Some(RETRY_AFTER))
            }
        };
        let result = answer
            .problem
            .as_ref()
            .map_or("ok", |problem| problem.code.word());
        self.metrics.request(kind, result, began.elapsed());
        (answer, limited)
    }

    fn judge(&self, bytes: &[u8], now: u64, known_kind: &mut &'static str) -> Result<Answer, NotJudged> {
        if bytes.len() > MESSAGE_LIMIT {
            let message = format!("a request is at most {MESSAGE_LIMIT} bytes long");
            return Err(NotJudged::Problem(ProblemCode::BadRequest, message));
        }
        let signed = SignedRequest::decode(bytes)?;
        if signed.claim().service != self.card().thumbprint() {
            let message = format!("the request is for the service {}", signed.claim().service);
            return Err(NotJudged::Problem(ProblemCode::OtherService, message));
        }
        *known_kind = kind_word(&signed.claim().kind);
        match &*signed.claim().kind {
            kind::INDIVIDUALIZE => self.individualize(signed, now),
            kind::PLAN | kind::RESTORE => self.known(signed, now, Self::judge_licenses),
            kind::RELEASE => self.known(signed, now, Self::judge_release),
            kind::REVOCATIONS => self.known(signed, now, Self::tell_revocations),
            kind::ACKNOWLEDGE => self.known(signed, now, Self::take_acknowledgement),
            kind::RECEIPTS => self.known(signed, now, Self::take_receipts),
            unknown => {
                let message = format!("no request of the kind {:?} is known here", printable(unknown));
                Err(NotJudged::Problem(ProblemCode::UnknownKind, message))
            }
        }
    }

    /// The receipt of an individualization is the computer's certificate.
    fn individualize(&self, signed: SignedRequest<'_>, now: u64) -> Result<Answer, NotJudged> {
        let (_, card) = signed.claim().individualize_body()?;
        let PublicKey::Ed25519(key) = card.root else {
            let message = "the card's root can't sign".into();
            return Err(NotJudged::Problem(ProblemCode::BadRequest, message));
        };
        let (id, request) = signed.verify(&key)?;
        self.ledger.register(Computer {
            id: request.computer,
            key,
            card: card.as_bytes().to_vec(),
            serial: card.serial,
            name: card.name.shown(),
            since: now,
        })?;
        tracing::info!(request = %Digest(id), computer = %request.computer, "individualized");
        let judged = Judged {
            card: Some(*card.digest()),
            ..Judged::default()
        };
        Ok(self.receipt(id, request, judged, &self.moment(now)?)?)
    }

    /// A request of a computer that was individualized and signed it.
    fn known(
        &self,
        signed: SignedRequest<'_>,
        now: u64,
        judge: impl FnOnce(&Self, RequestId, &Request, &Moment) -> Result<Judged, NotJudged>,
    ) -> Result<Answer, NotJudged> {
        let Some(computer) = self.ledger.computer(&signed.claim().computer)? else {
            let message = "the computer is not individualized at this service".into();
            return Err(NotJudged::Problem(ProblemCode::NotIndividualized, message));
        };
        let (id, request) = signed.verify(&computer.key)?;
        self.may_ask(&request)?;
        let at = self.moment(now)?;
        let judged = judge(self, id, &request, &at)?;
        Ok(self.receipt(id, request, judged, &at)?)
    }

    fn receipt(&self, id: RequestId, request: Request, judged: Judged, at: &Moment) -> Result<Answer> {
        self.metrics.judged(kind_word(&request.kind), &judged.entries);
        let receipt = Receipt {
            request: id,
            operation: request.operation,
            service: self.card().thumbprint(),
            computer: request.computer,
            time: at.now.max(judged.not_before),
            kind: Text::new("kind of request", &*request.kind)?,
            entries: judged.entries,
            pages: judged.pages,
            card: judged.card,
            newest: judged.newest,
            recovery: at.told_recovery(),
        };
        Ok(Answer {
            receipt: Some(receipt.sign(self.keys().signing(at.now))),
            delivery: judged.delivery,
            card: Some(self.card().as_bytes().to_vec()),
            problem: None,
            lists: judged.lists,
        })
    }
}

impl From<keyferry_protocol::Error> for NotJudged {
    fn from(error: keyferry_protocol::Error) -> Self {
        NotJudged::Problem(ProblemCode::BadRequest, error.to_string())
    }
}

impl From<Error> for NotJudged {
    fn from(error: Error) -> Self {
        NotJudged::Failed(error)
    }
}

/// Kinds as metrics name them: what isn't known here has one name.
fn kind_word(kind: &str) -> &'static str {
    let known = [
        kind::INDIVIDUALIZE,
        kind::PLAN,
        kind::RESTORE,
        kind::RELEASE,
        kind::REVOCATIONS,
        kind::ACKNOWLEDGE,
        kind::RECEIPTS,
    ];
    known
        .into_iter()
        .find(|known| *known == kind)
        .unwrap_or("unknown")
}

/// The service's time.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

pub(crate) fn make_folder(dir: &std::path::Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(false);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(dir) {
        Err(_) if dir.is_dir() => Ok(()),
        made => made.map_err(Error::file("create", dir)),
    }
}

fn base_url(url: &str) -> Result<String> {
    let url = url.trim_end_matches('/');
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let sound = |host: &str| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"\"'<>\\?#`{}|^".contains(&b))
    };
    if host.is_some_and(sound) {
        return Ok(url.to_owned());
    }
    let why = format!("{url:?} is not an address such as https://licenses.example.com");
    Err(Error::Config { field: "url", why })
}
