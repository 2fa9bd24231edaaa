//! Requests by file, through the page and its form.

use keyferry_license::{Text, Thumbprint, armor};
use keyferry_protocol::{ANSWER_LABEL, AnswerParcel, Prepared, Reason, RequestParcel};

use crate::restore::outcome;
use crate::server::{Response, Server, head};
use crate::world::{Computer, NOW, World, check};

const BOUNDARY: &str = "----form-boundary-17";

fn form(name: &str, file: &[u8]) -> Vec<u8> {
    let mut body = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"request.txt\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend(file);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
    body
}

fn upload(server: &Server, name: &str, file: &[u8]) -> Response {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    server.post_to("/authorize", &kind, &form(name, file))
}

fn parcel(service: Thumbprint, request: &Prepared) -> String {
    let parcel = RequestParcel {
        service,
        url: Text::new("URL", "https://elsewhere.example").unwrap(),
        request: request.bytes.clone(),
    };
    parcel.to_armor().unwrap()
}

#[test]
fn one_trip_individualizes_and_restores() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id())];
    let computer = Computer::new("island");
    let requests = [
        computer.individualize(&world.service),
        computer.restore(&world.service, &licenses),
    ];
    let root = world.service.card().thumbprint();
    let file: String = requests.iter().map(|request| parcel(root, request)).collect();
    let server = Server::start(world.service);
    let response = upload(&server, "request", file.as_bytes());
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(response.head.contains("content-disposition: attachment"));
    let answers: Vec<AnswerParcel> = armor::Blocks::new(ANSWER_LABEL, &response.body[..])
        .map(|block| AnswerParcel::decode(&block.unwrap()).unwrap())
        .collect();
    assert_eq!(
        answers.iter().map(|answer| answer.request).collect::<Vec<_>>(),
        requests.iter().map(|request| request.id).collect::<Vec<_>>()
    );
    let checked = check(&answers[1].answer, &requests[1], &licenses, &server.service).unwrap();
    assert!(outcome(&checked.items[0]).is_ok());
}

#[test]
fn the_page_has_a_form_and_no_script() {
    let server = Server::start(World::new().service);
    let page = server.get("/authorize");
    assert_eq!(page.status, 200);
    for shown in [
        "enctype=\"multipart/form-data\"",
        "type=\"file\"",
        "name=\"request\"",
    ] {
        assert!(page.text().contains(shown), "{shown}");
    }
    assert!(!page.text().contains("<script"));
    assert!(page.head.contains("form-action 'self'"), "{}", page.head);
    assert!(server.get("/").text().contains("href=\"authorize\""));
}

#[test]
fn what_can_not_be_answered_is_said_on_the_page() {
    let world = World::new();
    let computer = Computer::new("never <known>");
    let root = world.service.card().thumbprint();
    let licenses = [world.issue(computer.id())];
    let request = computer.restore(&world.service, &licenses);
    let unknown = parcel(root, &request);
    let elsewhere = {
        let other = World::new();
        let request = computer.individualize(&other.service);
        parcel(other.service.card().thumbprint(), &request)
    };
    let mut many = String::new();
    for _ in 0..101 {
        many.push_str(&unknown);
    }
    let server = Server::start(world.service);
    let cut = &unknown.as_bytes()[..unknown.len() / 2];
    for (file, why) in [
        (&b""[..], "No file came"),
        (b"<b>hello</b>", "There is no request in this file"),
        (cut, "can&#39;t be read"),
        (unknown.as_bytes(), "not individualized"),
        (
            elsewhere.as_bytes(),
            "for another service, at https://elsewhere.example",
        ),
        (many.as_bytes(), "more than 100 requests"),
    ] {
        let response = upload(&server, "request", file);
        assert_eq!(response.status, 400, "{why}");
        assert!(response.text().contains(why), "{why} in {}", response.text());
        assert!(response.head.contains("text/html"));
    }
    assert_eq!(upload(&server, "other", unknown.as_bytes()).status, 400);
    let plain = server.post_to("/authorize", "text/plain", unknown.as_bytes());
    assert_eq!(plain.status, 415);
    let large = server.send(&head("/authorize", "multipart/form-data; boundary=b", 17 << 20));
    assert_eq!(large.status, 413);
    assert!(large.text().contains("16 MiB"));
}

#[test]
fn a_refusal_by_file_is_an_answer_too() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue_with(origin.id(), |grant| grant.computers = Some(1))];
    let computer = world.computer("island");
    let request = computer.restore(&world.service, &licenses);
    let file = parcel(world.service.card().thumbprint(), &request);
    let answers = world.service.answer_file(file.as_bytes(), NOW);
    assert!(answers.is_ok());
    let block = armor::single(ANSWER_LABEL, answers.unwrap().as_bytes()).unwrap();
    let answer = AnswerParcel::decode(&block).unwrap();
    let checked = check(&answer.answer, &request, &licenses, &world.service).unwrap();
    assert_eq!(outcome(&checked.items[0]), Err(Reason::Limit));
}
