//! `/authorize`: a person brings a request file of a computer without a network, and takes the answer file home. A
//! plain form; the requests in the file are handled as messages.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keyferry_protocol::MESSAGE_LIMIT;

use super::body::Unread;
use super::desk::Desk;
use super::routes::{RETRY_AFTER, closing, html, later};
use crate::carried::NotCarried;
use crate::service::unix_now;

/// The file and the form around it.
const FORM_LIMIT: usize = MESSAGE_LIMIT;
/// What a browser calls the file that it keeps.
const ANSWER_FILE: &str = "attachment; filename=\"keyferry-answer.txt\"";

/// `GET /authorize`.
pub(super) async fn form(State(desk): State<Desk>) -> Response {
    html(StatusCode::OK, desk.service().upload_page(None))
}

/// `POST /authorize`.
pub(super) async fn authorize(State(desk): State<Desk>, headers: HeaderMap, body: Body) -> Response {
    if !is_form(&headers) {
        let why = "Files come here by the form on this page.";
        return closing(refused(&desk, StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let mut taken = match desk.read(&headers, body, FORM_LIMIT).await {
        Ok(taken) => taken,
        Err(why) => return unread(&desk, why),
    };
    let Some(file) = file(&headers, std::mem::take(&mut taken.held.bytes)).await else {
        let why = "No file came with the form. Choose the request file and try again.";
        return refused(&desk, StatusCode::BAD_REQUEST, why);
    };
    // The room that the file takes is held until it was answered.
    let carried = desk.judge(taken, move |service, _held| {
        service.answer_file(&file, unix_now())
    });
    match carried.await {
        Ok(Ok(answers)) => attachment(answers),
        Ok(Err(NotCarried(why))) => refused(&desk, StatusCode::BAD_REQUEST, &why),
        Err(why) => unread(&desk, why),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let form = b"multipart/form-data";
    kind.and_then(|kind| kind.get(..form.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(form))
}

/// The field named `request`, if the form has one with something in it.
async fn file(headers: &HeaderMap, body: Vec<u8>) -> Option<Bytes> {
    let kind = headers.get(header::CONTENT_TYPE)?.clone();
    let mut request = Request::new(Body::from(body));
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    request
        .extensions_mut()
        .insert(axum::extract::DefaultBodyLimit::disable());
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    while let Some(field) = form.next_field().await.ok()? {
        if field.name() == Some("request") {
            let bytes = field.bytes().await.ok()?;
            return (!bytes.is_empty()).then_some(bytes);
        }
    }
    None
}

fn attachment(answers: String) -> Response {
    let mut response = (StatusCode::OK, answers).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, ANSWER_FILE),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refused(desk: &Desk, status: StatusCode, why: &str) -> Response {
    html(status, desk.service().upload_page(Some(why)))
}

fn unread(desk: &Desk, why: Unread) -> Response {
    let (status, why) = match why {
        Unread::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "The file is longer than 16 MiB. Carry it with keyferry authorize instead, which sends it in parts.",
        ),
        Unread::TooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            "The file came too slowly. Try again.",
        ),
        Unread::TooManyPieces => (StatusCode::BAD_REQUEST, "The file came in too many small pieces."),
        Unread::Broken => (StatusCode::BAD_REQUEST, "The file did not come whole. Try again."),
        Unread::NoRoom => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many are here at the moment. Try again in a minute.",
        ),
        Unread::Failed => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The service failed. Try again.",
        ),
    };
    let response = closing(refused(desk, status, why));
    match status {
        StatusCode::SERVICE_UNAVAILABLE => later(response, RETRY_AFTER),
        _ => response,
    }
}
