//! The unit for systemd starts the program with arguments that it takes.

use crate::place::Place;

/// The unit's command, its lines joined.
fn command() -> Vec<String> {
    let unit = include_str!("../../../../contrib/systemd/keyferry.service").replace("\\\n", " ");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart="));
    let words = start.expect("a line ExecStart").split_whitespace();
    words.map(str::to_owned).collect()
}

#[test]
fn it_is_told_to_reload_by_a_signal_that_does_not_end_it() {
    let unit = include_str!("../../../../contrib/systemd/keyferry.service");
    assert!(unit.contains("\nExecReload=/bin/kill -HUP $MAINPID\n"));
}

#[test]
fn its_arguments_are_taken() {
    let command = command();
    assert_eq!(&command[..2], ["/usr/local/bin/keyferry", "serve"]);
    let place = Place::with_issuer();
    let more: Vec<&str> = command[2..]
        .chunks(2)
        .filter(|pair| !matches!(pair[0].as_str(), "--dir" | "--listen" | "--metrics"))
        .flatten()
        .map(String::as_str)
        .collect();
    assert!(more.contains(&"--trusted-proxy"), "{more:?}");
    let served = place.serve_with(&[&more[..], &["--metrics", "127.0.0.1:0"]].concat());
    assert_eq!(served.listening["url"], "https://licenses.example.com");
    for taken in ["--dir", "--listen", "--metrics"] {
        let values = command.iter().filter(|word| *word == taken);
        assert_eq!(values.count(), 1, "{taken} stands in it once");
    }
}
