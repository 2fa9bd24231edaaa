//! `POST /v1/revocations`: an issuer posts a revocation list.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use keyferry_license::REVOCATION_LIST_LIMIT;
use keyferry_protocol::{ListProblemCode, POSTED_TYPE, Posted, REVOCATIONS_TYPE};

use super::body::Unread;
use super::desk::Desk;
use super::routes::{RETRY_AFTER, bytes, closing, is_type};
use crate::service::unix_now;

/// Takes the list, and says so.
pub(super) async fn post(State(desk): State<Desk>, headers: HeaderMap, body: Body) -> Response {
    if !is_type(&headers, REVOCATIONS_TYPE) {
        let why = format!("the content type of a revocation list is {REVOCATIONS_TYPE}");
        let problem = Posted::problem(ListProblemCode::Malformed, &why, None);
        return closing(response(StatusCode::UNSUPPORTED_MEDIA_TYPE, &problem));
    }
    let taken = match desk.read(&headers, body, REVOCATION_LIST_LIMIT).await {
        Ok(taken) => taken,
        Err(why) => return unread(why),
    };
    match desk
        .judge(taken, |service, held| service.take_list(&held.bytes, unix_now()))
        .await
    {
        Ok(posted) => response(status(&posted), &posted),
        Err(why) => unread(why),
    }
}

fn status(posted: &Posted) -> StatusCode {
    match posted.problem.as_ref().map(|problem| problem.code) {
        None => StatusCode::OK,
        Some(ListProblemCode::Malformed) => StatusCode::BAD_REQUEST,
        Some(ListProblemCode::UnknownIssuer | ListProblemCode::BadSignature) => StatusCode::FORBIDDEN,
        Some(ListProblemCode::Gap | ListProblemCode::Conflict) => StatusCode::CONFLICT,
        Some(ListProblemCode::Busy) => StatusCode::SERVICE_UNAVAILABLE,
        Some(ListProblemCode::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn unread(why: Unread) -> Response {
    let malformed = |why: &str| Posted::problem(ListProblemCode::Malformed, why, None);
    let (status, posted) = match why {
        Unread::TooLarge => {
            let why = format!("a revocation list is at most {REVOCATION_LIST_LIMIT} bytes long");
            (StatusCode::PAYLOAD_TOO_LARGE, malformed(&why))
        }
        Unread::TooSlow => (StatusCode::REQUEST_TIMEOUT, malformed("the list came too slowly")),
        Unread::TooManyPieces => (
            StatusCode::BAD_REQUEST,
            malformed("the list came in too many small pieces"),
        ),
        Unread::Broken => (StatusCode::BAD_REQUEST, malformed("the list ended too early")),
        Unread::NoRoom => (
            StatusCode::SERVICE_UNAVAILABLE,
            Posted::busy("too many requests at a time", RETRY_AFTER),
        ),
        Unread::Failed => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Posted::problem(ListProblemCode::Internal, "the service failed", None),
        ),
    };
    closing(response(status, &posted))
}

fn response(status: StatusCode, posted: &Posted) -> Response {
    let retry_after = posted.problem.as_ref().and_then(|problem| problem.retry_after);
    bytes(status, POSTED_TYPE, retry_after, posted.encode())
}
