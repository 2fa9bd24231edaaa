//! What holds for every value: written and read it is the same, and bytes of any kind are refused in peace.

use keyferry_license::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::bodies;
use crate::cast::*;

fn text<const MAX: usize>() -> impl Strategy<Value = Text<MAX>> {
    // Any characters: what is shown is cleaned, what is kept is what was signed.
    vec(any::<char>(), 0..MAX / 4).prop_map(|chars| {
        let text: String = chars.into_iter().collect();
        Text::new("text", text).unwrap()
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let count = option::of(1..u32::MAX);
    let (from, length) = (option::of(0..u64::MAX / 2), option::of(1..u64::MAX / 2));
    let after = option::of(1..u64::MAX);
    (count, from, length, after, option::of(any::<u32>())).prop_map(|(count, from, length, after, share)| {
        Limits {
            count,
            from,
            until: length.map(|length| from.unwrap_or(0) + length),
            after_first_use: after,
            portion: count.zip(share).map(|(count, share)| 1 + share % count),
        }
    })
}

fn rights() -> impl Strategy<Value = Rights> {
    let action = prop_oneof![
        Just("Play".to_owned()),
        Just("Backup".to_owned()),
        Just("Copy".to_owned()),
        "[a-z]{1,8}(\\.[A-Za-z0-9_-]{1,12}){1,3}",
    ];
    proptest::collection::btree_map(action, limits(), 0..12).prop_map(|rights| {
        let rights = rights.into_iter().map(|(action, limits)| right(&action, limits));
        Rights::new(rights.rev().collect()).unwrap()
    })
}

fn license_id() -> impl Strategy<Value = LicenseId> {
    (0..1u64 << 38, any::<[u8; 10]>()).prop_map(|(time, random)| LicenseId::new_at(time, random))
}

prop_compose! {
    fn grants()(
        license in license_id(),
        (issuer, service, origin) in any::<([u8; 32], [u8; 32], [u8; 32])>(),
        key_id in any::<[u8; 16]>(),
        kind in text(),
        rights in rights(),
        computers in option::of(1u8..4),
        commitment in any::<[u8; 32]>(),
        title in text(),
        priority in any::<u16>(),
        subject in option::of(text()),
        parent in option::of(license_id()),
    ) -> Grant {
        Grant {
            license,
            issuer: Thumbprint(issuer),
            service: Thumbprint(service),
            origin: Thumbprint(origin),
            key_id: KeyId(key_id),
            kind,
            rights,
            computers,
            commitment: Commitment(commitment),
            title,
            priority,
            subject,
            parent,
        }
    }
}

prop_compose! {
    fn cards()(
        kind in prop_oneof![Just(CardKind::Issuer), Just(CardKind::Service), Just(CardKind::Computer)],
        name in "[^\\p{C}]{1,60}",
        keys in vec((any::<bool>(), 1u8..50, any::<u32>(), option::of(any::<u32>())), 0..4),
        urls in vec(text(), 0..8),
        serial in any::<u64>(),
    ) -> Card {
        let key = |(seals, seed, start, end): (bool, u8, u32, Option<u32>)| CardKey {
            usage: if seals { KeyUse::Seal } else { KeyUse::Sign },
            key: if seals {
                PublicKey::XWing(kem(seed).public().unwrap())
            } else {
                PublicKey::Ed25519(signer(seed).public())
            },
            not_before: u64::from(start),
            not_after: end.map(|length| u64::from(start) + u64::from(length)),
        };
        Card {
            kind,
            name: Text::new("name", format!("n{name}")).unwrap(),
            root: PublicKey::Ed25519(signer(1).public()),
            keys: keys.into_iter().map(key).collect(),
            urls,
            serial,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_grant_comes_back_as_it_was(grant in grants()) {
        let signed = grant.sign(&signer(1)).unwrap();
        prop_assert_eq!(&*signed, &grant);
        let parsed = Grant::parse(signed.as_bytes()).unwrap();
        prop_assert_eq!(parsed.claim(), &grant);
        prop_assert_eq!(parsed.digest(), *signed.digest());
        bodies::grant(signed.as_bytes());
    }

    #[test]
    fn a_card_comes_back_as_it_was(card in cards()) {
        let signed = card.sign(&signer(1)).unwrap();
        prop_assert_eq!(&*signed, &card);
        bodies::card(signed.as_bytes());
    }

    #[test]
    fn any_bytes_are_read_in_peace(bytes in vec(any::<u8>(), 0..2000)) {
        bodies::card(&bytes);
        bodies::grant(&bytes);
        bodies::license_file(&bytes);
        bodies::armored(&bytes);
        let _ = check_deterministic("document", &bytes);
        let _ = IssuerKey::from_armor(&bytes);
    }

    #[test]
    fn any_bytes_survive_armor(bytes in vec(any::<u8>(), 1..3000), before in "[a-z \n]{0,300}", crlf in any::<bool>()) {
        let mut text = format!("{before}\n{}", armor::write(armor::LICENSE, &bytes).unwrap());
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        prop_assert_eq!(armor::single(armor::LICENSE, text.as_bytes()), Ok(bytes));
    }

    #[test]
    fn what_is_shown_hides_nothing_and_moves_nothing(text in any::<String>()) {
        let shown = printable(&text);
        prop_assert_eq!(printable(&shown), shown.clone());
        let bad = |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        prop_assert!(!shown.contains(bad));
        let kept: String = text.chars().filter(|c| c.is_ascii_graphic()).collect();
        let still: String = shown.chars().filter(|c| c.is_ascii_graphic()).collect();
        prop_assert_eq!(kept, still);
    }

    #[test]
    fn ids_are_read_in_every_notation(id in any::<[u8; 16]>(), thumbprint in any::<[u8; 32]>()) {
        let key_id = KeyId(id);
        for text in [key_id.to_base64(), key_id.to_uuid(), key_id.to_base64().replace('+', "-").replace('/', "_")] {
            prop_assert_eq!(text.parse::<KeyId>(), Ok(key_id));
        }
        prop_assert_eq!(LicenseId(id).to_string().parse(), Ok(LicenseId(id)));
        let thumbprint = Thumbprint(thumbprint);
        prop_assert_eq!(thumbprint.to_string().to_uppercase().parse(), Ok(thumbprint));
    }

    #[test]
    fn any_text_is_no_id_or_one(text in any::<String>()) {
        let _ = (text.parse::<KeyId>(), text.parse::<LicenseId>(), text.parse::<Thumbprint>());
    }

    #[test]
    fn no_use_gives_more_than_the_limits(limits in limits(), times in vec(any::<u32>(), 0..40)) {
        let mut state = None;
        let (mut used, mut first) = (0, None);
        for now in times.into_iter().map(u64::from) {
            if let Ok(after) = usage::use_once(&limits, state, now) {
                used += 1;
                let first = *first.get_or_insert(now);
                state = after;
                prop_assert!(limits.count.is_none_or(|count| used <= count));
                prop_assert!(limits.from.is_none_or(|from| from <= now));
                prop_assert!(limits.until.is_none_or(|until| now < until));
                prop_assert!(limits.after_first_use.is_none_or(|seconds| now >= first && now - first < seconds));
                prop_assert_eq!(after.is_some(), limits.keeps_state());
            }
        }
        // What a restore brought gives nothing of what is counted.
        let spent = usage::use_once(&limits, Some(usage::UsageState::spent()), 1);
        prop_assert!(limits.count.is_none() || spent.is_err());
    }
}
