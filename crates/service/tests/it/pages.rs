//! What refusal pages show, and what they don't.

use keyferry_license::Text;
use keyferry_protocol::Reason;
use keyferry_service::ledger::PAGE_LIFETIME;

use crate::world::{NOW, World};

fn page_id(url: &str) -> [u8; 16] {
    let digits = url.rsplit('/').next().unwrap();
    assert_eq!(digits.len(), 32);
    u128::from_str_radix(digits, 16).unwrap().to_be_bytes()
}

#[test]
fn a_page_speaks_of_the_whole_operation_and_is_bounded() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses: Vec<_> = (0..250)
        .map(|n| {
            world.issue_with(origin.id(), |grant| {
                grant.computers = Some(1);
                grant.title = Text::new("title", format!("Song <{n}> & \u{202e}more")).unwrap();
            })
        })
        .collect();
    let mut computer = world.computer("<b>new</b>");
    let operation = [3; 16];
    let mut urls = Vec::new();
    for batch in licenses.chunks(100) {
        let request = computer.restore_in(&world.service, batch, operation);
        for _ in 0..2 {
            let checked = world.send(&mut computer, &request, batch, NOW).unwrap();
            urls.push(checked.page(Reason::Limit).unwrap().url.clone());
        }
    }
    urls.dedup();
    assert_eq!(urls.len(), 1, "one page for each operation and reason");
    let page = world
        .service
        .refusal_page(&page_id(&urls[0]), NOW)
        .unwrap()
        .unwrap();
    for shown in [
        "250 licenses could not be restored",
        "… and 150 more",
        "Song &#60;99&#62; &#38; more",
        "&#60;b&#62;new&#60;/b&#62;",
        "1 of 1",
        "o•••••p",
        "https://northwind.example",
        "Northwind Audio",
    ] {
        assert!(page.contains(shown), "{shown} in {page}");
    }
    for hidden in ["Song &#60;100&#62;", "old-laptop", "<script", "\u{202e}"] {
        assert!(!page.contains(hidden), "{hidden}");
    }
    let other = computer.restore_in(&world.service, &licenses[..1], [4; 16]);
    let checked = world.send(&mut computer, &other, &licenses[..1], NOW).unwrap();
    assert_ne!(checked.page(Reason::Limit).unwrap().url, urls[0]);
}

#[test]
fn a_page_is_forgotten_in_time_and_unknown_ones_are_none() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = [world.issue_with(origin.id(), |grant| grant.computers = Some(1))];
    let mut computer = world.computer("new-laptop");
    let checked = world.restore(&mut computer, &licenses, NOW);
    let page = page_id(&checked.page(Reason::Limit).unwrap().url);
    let at = |page, now| world.service.refusal_page(page, now).unwrap().is_some();
    assert!(at(&page, NOW + PAGE_LIFETIME));
    assert!(!at(&page, NOW + PAGE_LIFETIME + 1));
    assert!(!at(&[0; 16], NOW));
    world.restore(&mut computer, &licenses, NOW + PAGE_LIFETIME + 1);
    assert!(!at(&page, NOW), "removed when the next page was made");
}

#[test]
fn every_reason_has_a_page_that_says_what_to_do() {
    let world = World::new();
    let stranger = World::new();
    let origin = world.computer("old-laptop");
    let licenses = [stranger.issue(origin.id())];
    let mut computer = world.computer("new-laptop");
    let checked = world.restore(&mut computer, &licenses, NOW);
    let url = &checked.page(Reason::UnknownIssuer).unwrap().url;
    let page = world.service.refusal_page(&page_id(url), NOW).unwrap().unwrap();
    assert!(
        page.contains("The publisher is not known here") && page.contains("One license"),
        "{page}"
    );
    assert!(!page.contains("Slot"));
}
