//! The straight path, and what happens to a request that is sent again.

use keyferry_protocol::{CheckedItem, Reason, Verdict};

use crate::world::{Computer, NOW, World};

/// (verdict, slot, of), or the reason of a no.
pub fn outcome(item: &CheckedItem) -> Result<(Verdict, u32, u32), Reason> {
    match item {
        CheckedItem::Granted { verdict, slot, of, .. } => Ok((*verdict, *slot, *of)),
        CheckedItem::Refused(reason) => Err(*reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn three_computers_get_a_license_and_the_fourth_does_not() {
    let world = World::new();
    let mut old = world.computer("old-laptop");
    let licenses = vec![world.issue(old.id()), world.issue(old.id())];
    for slot in 2..=4 {
        let mut computer = world.computer("new-laptop");
        let checked = world.restore(&mut computer, &licenses, NOW);
        for (item, (_, key)) in checked.items.iter().zip(&licenses) {
            assert_eq!(outcome(item), Ok((Verdict::Restored, slot, 4)));
            let CheckedItem::Granted { key: Some(delivered), .. } = item else { panic!("{item:?}") };
            assert_eq!(delivered.expose(), key.expose());
        }
        let again = world.restore(&mut computer, &licenses, NOW);
        assert_eq!(outcome(&again.items[0]), Ok((Verdict::Reissued, slot, 4)));
    }
    let mut fifth = world.computer("fifth");
    let checked = world.restore(&mut fifth, &licenses, NOW);
    assert_eq!(outcome(&checked.items[0]), Err(Reason::Limit));
    assert!(checked.page(Reason::Limit).is_some());
    let back = world.restore(&mut old, &licenses, NOW);
    assert_eq!(outcome(&back.items[1]), Ok((Verdict::Reissued, 1, 4)));
}

#[test]
fn an_unknown_computer_is_asked_to_individualize() {
    let world = World::new();
    let mut unknown = Computer::new("unknown");
    let licenses = [world.issue(unknown.id())];
    let request = unknown.restore(&world.service, &licenses);
    let problem = world.send(&mut unknown, &request, &licenses, NOW).unwrap_err();
    assert_eq!(problem.code, keyferry_protocol::ProblemCode::NotIndividualized);
}
