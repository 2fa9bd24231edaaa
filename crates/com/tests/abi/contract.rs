//! What holds without a service: identity, properties, wrong arguments, references, reentrance, threads, memory. The
//! checks themselves stand in the client, `tests/client`.

use keyferry_testkit::World;

use crate::client::told;

/// Runs a scenario with an empty home and a folder for backups.
fn scenario(name: &str) -> Vec<String> {
    let world = World::new();
    let (home, stick) = (world.path("home"), world.folder("stick"));
    told(&[name, &home.to_string_lossy(), &stick.to_string_lossy()])
}

#[test]
fn each_call_answers_as_the_contract_says() {
    assert!(scenario("contract").is_empty());
}

#[test]
fn a_program_may_release_start_and_cancel_from_inside_its_callback() {
    assert!(scenario("reentrance").is_empty());
}

#[test]
fn eight_threads_use_one_object() {
    assert_eq!(scenario("threads").len(), 1);
}

#[test]
fn objects_and_backups_leave_no_memory_behind() {
    assert_eq!(scenario("endurance").len(), 1);
}
