//! The ways of being hostile, and what each of them gets.

use std::collections::BTreeMap;

use keyferry_protocol::REQUEST_TYPE;

/// Ways that are tried together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    All,
    Handshakes,
    Large,
}

/// One way of being hostile.
pub struct Kind {
    pub name: &'static str,
    /// How many of a hundred connections, and how many at most.
    share: usize,
    most: usize,
    /// What they say first; given a large request that would be answered.
    pub says: fn(&[u8]) -> Vec<u8>,
    pub then: Then,
    /// The statuses that it may get; 0 is being cut off without a word.
    pub right: &'static [u16],
}

/// What they do after what they say first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Nothing,
    /// A byte a second.
    Trickle,
    /// The end of the connection, at once.
    Leave,
    /// Pieces of 64 KiB, as fast as they are taken.
    Chunks,
}

const MANY: usize = usize::MAX;
/// Everything that keeps a connection open, and what is refused.
const ALL: &[Kind] = &[
    Kind {
        name: "silent",
        share: 29,
        most: MANY,
        says: |_| Vec::new(),
        then: Then::Nothing,
        right: &[0],
    },
    Kind {
        name: "slow-head",
        share: 30,
        most: MANY,
        says: |_| b"POST /v1/messages HTTP/1.1\r\nx: ".to_vec(),
        then: Then::Trickle,
        right: &[408],
    },
    Kind {
        name: "slow-body",
        share: 28,
        most: MANY,
        says: |_| head(REQUEST_TYPE, "content-length: 1000000"),
        then: Then::Trickle,
        right: &[408],
    },
    Kind {
        name: "gigabyte",
        share: 3,
        most: MANY,
        says: |_| head(REQUEST_TYPE, "content-length: 1073741824"),
        then: Then::Chunks,
        right: &[413],
    },
    Kind {
        name: "gigabyte-in-chunks",
        share: 3,
        most: 20,
        says: |_| head(REQUEST_TYPE, "transfer-encoding: chunked"),
        then: Then::Chunks,
        right: &[413, 503],
    },
    Kind {
        name: "deep",
        share: 3,
        most: MANY,
        says: |_| [head(REQUEST_TYPE, "content-length: 100000"), vec![0x81; 100_000]].concat(),
        then: Then::Nothing,
        right: &[400],
    },
    Kind {
        name: "wrong-type",
        share: 3,
        most: MANY,
        says: |_| head("application/json", "content-length: 1073741824"),
        then: Then::Nothing,
        right: &[415],
    },
    Kind {
        name: "comes-and-goes",
        share: 1,
        most: MANY,
        says: |_| Vec::new(),
        then: Then::Leave,
        right: &[0],
    },
];
/// Handshakes that don't come to an end, and what is none.
const HANDSHAKES: &[Kind] = &[
    Kind {
        name: "silent",
        share: 40,
        most: MANY,
        says: |_| Vec::new(),
        then: Then::Nothing,
        right: &[0],
    },
    Kind {
        name: "slow-hello",
        share: 40,
        most: MANY,
        // A handshake record that holds a hello of a client, and nothing of it yet.
        says: |_| vec![22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3],
        then: Then::Trickle,
        right: &[0],
    },
    Kind {
        name: "no-hello",
        share: 20,
        most: MANY,
        says: |_| head(REQUEST_TYPE, "content-length: 1000000"),
        then: Then::Nothing,
        right: &[0],
    },
];
/// Large requests that are much to judge.
const LARGE: &[Kind] = &[
    Kind {
        name: "forged",
        share: 50,
        most: MANY,
        says: |request| {
            let mut forged = message(request);
            if let Some(last) = forged.last_mut() {
                *last ^= 1;
            }
            forged
        },
        then: Then::Nothing,
        right: &[400, 503],
    },
    Kind {
        name: "again",
        share: 50,
        most: MANY,
        says: message,
        then: Then::Nothing,
        right: &[200, 429, 503],
    },
];

fn message(request: &[u8]) -> Vec<u8> {
    let length = format!("connection: close\r\ncontent-length: {}", request.len());
    [&head(REQUEST_TYPE, &length), request].concat()
}

fn head(kind: &str, length: &str) -> Vec<u8> {
    format!("POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-type: {kind}\r\n{length}\r\n\r\n").into_bytes()
}

impl Set {
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::All => ALL,
            Self::Handshakes => HANDSHAKES,
            Self::Large => LARGE,
        }
    }

    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Handshakes => "handshakes",
            Self::Large => "large",
        }
    }

    pub fn named(name: &str) -> Self {
        let all = [Self::All, Self::Handshakes, Self::Large];
        let named = all.into_iter().find(|set| set.name() == name);
        named.expect("a set")
    }

    /// The kinds of so many connections, mixed.
    pub fn mixed(self, connections: usize) -> impl Iterator<Item = &'static Kind> {
        let mut had: BTreeMap<&str, usize> = BTreeMap::new();
        (0..connections).map(move |number| {
            // 37 and 100 have no divisor in common, so that each hundred has every share.
            let mut at = number * 37 % 100;
            let kind = self.kinds().iter().find(|kind| match at.checked_sub(kind.share) {
                Some(rest) => {
                    at = rest;
                    false
                }
                None => true,
            });
            let kind = kind.unwrap_or(&self.kinds()[0]);
            let had = had.entry(kind.name).or_default();
            *had += 1;
            if *had > kind.most { &self.kinds()[0] } else { kind }
        })
    }
}
