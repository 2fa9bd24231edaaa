//! Wrong shapes that every signed document can have: the envelope and the encoding of its payload.

use keyferry_license::{SigningSecret, Typ};

use crate::cast::{cbor, cose, cose_with, header, join_map, protected, put, set, split_map, without};

/// A name, an expectation, a comment, the bytes.
pub type Case = (&'static str, &'static str, &'static str, Vec<u8>);

/// `payload` is a good one; `number` is a key of it whose value is an unsigned integer below 24, and `needed` one
/// that must be there.
pub struct Shape<'a> {
    pub typ: Typ,
    pub other: Typ,
    pub payload: &'a [u8],
    pub key: &'a SigningSecret,
    pub number: u8,
    pub needed: u8,
}

impl Shape<'_> {
    fn sign(&self, payload: &[u8]) -> Vec<u8> {
        cose(&protected(self.typ), &[0xa0], payload, self.key)
    }

    fn headed(&self, protected: &[u8]) -> Vec<u8> {
        cose(protected, &[0xa0], self.payload, self.key)
    }

    /// Envelopes that are wrong.
    pub fn envelopes(&self) -> Vec<Case> {
        let good = self.sign(self.payload);
        let alg = |alg: i8| (1, cbor(|e| put(e.i8(alg))));
        let typ = (16, cbor(|e| put(e.str(self.typ.media_type()))));
        let (mut flipped, mut trailing) = (good.clone(), good.clone());
        *flipped.last_mut().unwrap() ^= 1;
        trailing.push(0xf6);
        let critical = (2, cbor(|e| put(e.array(1).unwrap().u8(99))));
        let extra = (4, cbor(|e| put(e.bytes(b"kid"))));
        let detached = [
            &[0xd2, 0x84][..],
            &cbor(|e| put(e.bytes(&protected(self.typ)))),
            &[0xa0, 0xf6],
            &cbor(|e| put(e.bytes(&[0; 64]))),
        ]
        .concat();
        let mut mac = good.clone();
        mac[0] = 0xd1;
        let unprotected = header(&[(4, cbor(|e| put(e.bytes(b"1"))))]);
        vec![
            (
                "bad-signature",
                "BadSignature",
                "one bit of the signature is another",
                flipped,
            ),
            (
                "trailing",
                "Malformed",
                "one more item after the document",
                trailing,
            ),
            (
                "truncated",
                "Malformed",
                "the last byte is missing",
                good[..good.len() - 1].to_vec(),
            ),
            ("empty", "Malformed", "no bytes at all", Vec::new()),
            (
                "tag-missing",
                "Malformed",
                "COSE_Sign1 without its tag",
                good[1..].to_vec(),
            ),
            ("tag-other", "Malformed", "tagged as COSE_Mac0", mac),
            ("detached", "Malformed", "the payload is null", detached),
            (
                "signature-short",
                "Malformed",
                "a signature of 63 bytes",
                cose_with(&protected(self.typ), &[0xa0], self.payload, &[7; 63]),
            ),
            (
                "unprotected",
                "Malformed",
                "a key ID in the unprotected header",
                cose(&protected(self.typ), &unprotected, self.payload, self.key),
            ),
            (
                "typ-other",
                "WrongType",
                "the typ of another document of this project",
                self.headed(&protected(self.other)),
            ),
            (
                "typ-unknown",
                "WrongType",
                "a typ that nobody knows",
                self.headed(&header(&[
                    alg(-19),
                    (16, cbor(|e| put(e.str("application/example")))),
                ])),
            ),
            (
                "typ-missing",
                "WrongType",
                "no typ",
                self.headed(&header(&[alg(-19)])),
            ),
            (
                "alg-other",
                "WrongType",
                "alg EdDSA (-8) instead of Ed25519 (-19)",
                self.headed(&header(&[alg(-8), typ.clone()])),
            ),
            (
                "critical",
                "UnknownCritical",
                "crit names a parameter that nobody knows",
                self.headed(&header(&[alg(-19), critical, typ.clone(), (99, vec![0x01])])),
            ),
            (
                "header-extra",
                "UnknownField",
                "a key ID in the protected header",
                self.headed(&header(&[alg(-19), extra, typ])),
            ),
        ]
    }

    /// Payloads that are not encoded as they must be.
    pub fn encodings(&self) -> Vec<Case> {
        let number = split_map(self.payload)
            .into_iter()
            .find(|(key, _)| *key == [self.number]);
        let number = number.unwrap().1;
        assert_eq!(number.len(), 1);
        let long = set(self.payload, self.number, &[0x18, number[0]]);
        let mut indefinite = self.payload.to_vec();
        indefinite[0] = 0xbf;
        indefinite.push(0xff);
        let mut unsorted = split_map(self.payload);
        unsorted.swap(0, 1);
        let mut twice = split_map(self.payload);
        twice.insert(1, twice[0].clone());
        let deep = [vec![0x81; 8], vec![0x01]].concat();
        let cases = [
            (
                "long-integer",
                "NotDeterministic",
                "an integer below 24 in two bytes",
                long,
            ),
            (
                "indefinite-length",
                "NotDeterministic",
                "a map of indefinite length",
                indefinite,
            ),
            (
                "unsorted",
                "NotDeterministic",
                "two map keys in the wrong order",
                join_map(&unsorted),
            ),
            (
                "duplicate-key",
                "DuplicateKey",
                "a map key twice",
                join_map(&twice),
            ),
            (
                "unknown-field",
                "UnknownField",
                "a map key that nobody knows",
                set(self.payload, 99, &[0x01]),
            ),
            (
                "field-missing",
                "Malformed",
                "a field that must be there is not",
                without(self.payload, self.needed),
            ),
            (
                "depth-9",
                "TooDeep",
                "nested nine levels deep",
                set(self.payload, 99, &deep),
            ),
            (
                "float",
                "Malformed",
                "a floating-point number",
                set(self.payload, self.number, &[0xf9, 0x3c, 0x00]),
            ),
            (
                "payload-trailing",
                "Malformed",
                "one more item after the payload",
                [self.payload, &[0x00]].concat(),
            ),
        ];
        cases
            .into_iter()
            .map(|(name, expect, comment, payload)| (name, expect, comment, self.sign(&payload)))
            .collect()
    }
}
