//! What stands at each address.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keyferry_license::armor;
use keyferry_protocol::{ANSWER_TYPE, Answer, MESSAGE_LIMIT, ProblemCode, REQUEST_TYPE};

use super::body::Unread;
use super::desk::Desk;
use crate::ledger::PageId;
use crate::metrics::METRICS_TYPE;
use crate::service::unix_now;

/// Seconds after which a computer may ask again when there are too many others.
pub(super) const RETRY_AFTER: u32 = 5;

/// `POST /v1/messages`.
pub(super) async fn message(State(desk): State<Desk>, headers: HeaderMap, body: Body) -> Response {
    if !is_type(&headers, REQUEST_TYPE) {
        let message = format!("the content type of a request is {REQUEST_TYPE}");
        return problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ProblemCode::BadRequest,
            &message,
        );
    }
    let taken = match desk.read(&headers, body, MESSAGE_LIMIT).await {
        Ok(taken) => taken,
        Err(why) => return unread(why),
    };
    let answered = desk.judge(taken, |service, held| {
        let (answer, limited) = service.reply(&held.bytes, unix_now());
        let status = match limited {
            true => StatusCode::TOO_MANY_REQUESTS,
            false => status(&answer),
        };
        (status, retry_after(&answer), answer.encode())
    });
    match answered.await {
        Ok((status, retry_after, answer)) => answer_response(status, retry_after, answer),
        Err(why) => unread(why),
    }
}

/// `GET /refusals/{page}`.
pub(super) async fn refusal(State(desk): State<Desk>, Path(page): Path<String>) -> Response {
    let Some(page) = page_id(&page) else {
        return html(StatusCode::NOT_FOUND, desk.service().not_found_page());
    };
    let found = desk.work(move |service| {
        service
            .refusal_page(&page, unix_now())
            .map(|found| found.ok_or(service.not_found_page()))
    });
    match found.await {
        Ok(Ok(Ok(page))) => html(StatusCode::OK, page),
        Ok(Ok(Err(page))) => html(StatusCode::NOT_FOUND, page),
        Ok(Err(error)) => {
            tracing::error!("refusal page: {error}");
            come_back()
        }
        Err(_) => come_back(),
    }
}

fn come_back() -> Response {
    let response = text(StatusCode::SERVICE_UNAVAILABLE, "come back later\n");
    later(response, RETRY_AFTER)
}

/// `GET /`.
pub(super) async fn start(State(desk): State<Desk>) -> Response {
    html(StatusCode::OK, desk.service().start_page())
}

/// `GET /card`.
pub(super) async fn card(State(desk): State<Desk>) -> Response {
    desk.service().look(unix_now());
    let card = armor::write(armor::CARD, desk.service().card().as_bytes()).unwrap_or_default();
    let mut response = text(StatusCode::OK, card);
    let name = HeaderValue::from_static("attachment; filename=\"service.card\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    response
}

/// `GET /healthz`: the process is up.
pub(super) async fn health() -> Response {
    text(StatusCode::OK, "ok\n")
}

/// `GET /readyz`: the ledger answers.
pub(super) async fn ready(State(desk): State<Desk>) -> Response {
    // In recovery it is ready too: computers have to get through to show what they have.
    match desk
        .work(|service| service.ready().and_then(|()| service.recovery()))
        .await
    {
        Ok(Ok(Some(recovery))) if recovery.lasts() => text(StatusCode::OK, "ready, in recovery\n"),
        Ok(Ok(_)) => text(StatusCode::OK, "ready\n"),
        Ok(Err(error)) => {
            tracing::error!("not ready: {error}");
            text(StatusCode::SERVICE_UNAVAILABLE, "the ledger doesn't answer\n")
        }
        Err(_) => later(text(StatusCode::SERVICE_UNAVAILABLE, "too busy\n"), RETRY_AFTER),
    }
}

/// `GET /metrics`, on the listener for it.
pub(super) async fn metrics(State(desk): State<Desk>) -> Response {
    bytes(
        StatusCode::OK,
        METRICS_TYPE,
        None,
        desk.service().metrics().text().into_bytes(),
    )
}

/// Everything else.
pub(super) async fn not_found(State(desk): State<Desk>) -> Response {
    html(StatusCode::NOT_FOUND, desk.service().not_found_page())
}

fn status(answer: &Answer) -> StatusCode {
    match answer.problem.as_ref().map(|problem| problem.code) {
        None => StatusCode::OK,
        Some(ProblemCode::BadRequest | ProblemCode::UnknownKind) => StatusCode::BAD_REQUEST,
        Some(
            ProblemCode::OtherService | ProblemCode::NotIndividualized | ProblemCode::CertificateRevoked,
        ) => StatusCode::FORBIDDEN,
        Some(ProblemCode::TooManyIndividualizations) => StatusCode::TOO_MANY_REQUESTS,
        Some(ProblemCode::Busy) => StatusCode::SERVICE_UNAVAILABLE,
        Some(ProblemCode::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn retry_after(answer: &Answer) -> Option<u32> {
    answer.problem.as_ref().and_then(|problem| problem.retry_after)
}

fn unread(why: Unread) -> Response {
    match why {
        Unread::TooLarge => {
            let message = format!("a request is at most {MESSAGE_LIMIT} bytes long");
            problem(StatusCode::PAYLOAD_TOO_LARGE, ProblemCode::BadRequest, &message)
        }
        Unread::TooSlow => problem(
            StatusCode::REQUEST_TIMEOUT,
            ProblemCode::BadRequest,
            "the request came too slowly",
        ),
        Unread::TooManyPieces => problem(
            StatusCode::BAD_REQUEST,
            ProblemCode::BadRequest,
            "the request came in too many small pieces",
        ),
        Unread::Broken => problem(
            StatusCode::BAD_REQUEST,
            ProblemCode::BadRequest,
            "the request ended too early",
        ),
        Unread::Failed => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            ProblemCode::Internal,
            "the service failed",
        ),
        Unread::NoRoom => {
            let answer = Answer::problem(
                ProblemCode::Busy,
                "too many requests at a time",
                Some(RETRY_AFTER),
            );
            closing(answer_response(
                status(&answer),
                Some(RETRY_AFTER),
                answer.encode(),
            ))
        }
    }
}

fn problem(status: StatusCode, code: ProblemCode, message: &str) -> Response {
    closing(answer_response(
        status,
        None,
        Answer::problem(code, message, None).encode(),
    ))
}

/// What is left of a body that was not read is nobody's next request.
pub(super) fn closing(mut response: Response) -> Response {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// Is the content of this media type, without parameters?
pub(super) fn is_type(headers: &HeaderMap, kind: &str) -> bool {
    let found = headers.get(header::CONTENT_TYPE);
    found.is_some_and(|value| value.as_bytes() == kind.as_bytes())
}

fn answer_response(status: StatusCode, retry_after: Option<u32>, answer: Vec<u8>) -> Response {
    bytes(status, ANSWER_TYPE, retry_after, answer)
}

/// An answer of one of the protocol's media types.
pub(super) fn bytes(
    status: StatusCode,
    kind: &'static str,
    retry_after: Option<u32>,
    answer: Vec<u8>,
) -> Response {
    let mut response = (status, answer).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// With the seconds after which it may work.
pub(super) fn later(mut response: Response, seconds: u32) -> Response {
    let seconds = HeaderValue::from(seconds);
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let mut response = (status, text.into()).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

pub(super) fn html(status: StatusCode, page: String) -> Response {
    let mut response = text(status, page);
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex, nofollow"));
    response
}

/// 32 lower-case hexadecimal digits.
fn page_id(text: &str) -> Option<PageId> {
    let digits = text.as_bytes();
    if digits.len() != 32
        || !digits
            .iter()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}
