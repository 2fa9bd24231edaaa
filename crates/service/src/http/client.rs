//! Whose request it is: the other end of the connection, or, where that is a proxy that the operator trusts, the last
//! address in the proxy's headers that isn't such a proxy itself (docs/operations.md, Limits).

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

use crate::limits::contains;

/// The address that a request is counted for. Whoever isn't trusted is believed nothing: its headers don't matter.
pub(super) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !contains(trusted, peer) {
        return peer;
    }
    let mut nearest = peer;
    for hop in hops(headers).iter().rev() {
        // Beyond a hop that has no address, anybody may have written the rest.
        let Some(hop) = hop else { break };
        nearest = *hop;
        if !contains(trusted, nearest) {
            break;
        }
    }
    nearest
}

/// The hops in their order, the nearest last. X-Forwarded-For counts where both are there.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let all = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter();
        let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        values.collect()
    };
    let plain = all("x-forwarded-for");
    if !plain.is_empty() {
        return plain
            .iter()
            .flat_map(|value| value.split(','))
            .map(address)
            .collect();
    }
    let forwarded = all("forwarded");
    forwarded
        .iter()
        .flat_map(|value| value.split(','))
        .map(|element| {
            let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
            let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
            named.next().and_then(|(_, value)| address(value))
        })
        .collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `"[2001:db8::1]:80"`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = bare.parse().ok().or_else(with_port);
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, trusted: &[&str], headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        of(peer.parse().unwrap(), &map, &trusted).to_string()
    }

    #[test]
    fn who_is_not_trusted_is_not_believed() {
        let lie = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(seen("198.51.100.7", &[], &lie), "198.51.100.7");
        assert_eq!(seen("198.51.100.7", &["10.0.0.0/8"], &lie), "198.51.100.7");
        assert_eq!(seen("127.0.0.1", &[], &lie), "127.0.0.1");
    }

    #[test]
    fn a_trusted_proxy_names_the_last_that_is_not_one() {
        let trusted = ["10.0.0.0/8", "::1/128"];
        for (header, value, address) in [
            ("x-forwarded-for", "192.0.2.1", "192.0.2.1"),
            ("x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.0.0.9", "192.0.2.1"),
            ("x-forwarded-for", "192.0.2.1:4711", "192.0.2.1"),
            ("x-forwarded-for", "[2001:db8::1]:80", "2001:db8::1"),
            ("x-forwarded-for", "::ffff:192.0.2.1", "192.0.2.1"),
            ("forwarded", "for=6.6.6.6, for=192.0.2.1;proto=https", "192.0.2.1"),
            (
                "forwarded",
                "proto=https; For=\"[2001:db8::1]:80\"",
                "2001:db8::1",
            ),
        ] {
            assert_eq!(seen("10.0.0.1", &trusted, &[(header, value)]), address, "{value}");
        }
        assert_eq!(
            seen("::1", &trusted, &[("x-forwarded-for", "192.0.2.1")]),
            "192.0.2.1"
        );
    }

    #[test]
    fn what_can_not_be_read_ends_the_trust() {
        let trusted = ["10.0.0.0/8"];
        for value in ["192.0.2.1, unknown", "192.0.2.1, _hidden", "", "192.0.2.1,"] {
            assert_eq!(
                seen("10.0.0.1", &trusted, &[("x-forwarded-for", value)]),
                "10.0.0.1",
                "{value}"
            );
        }
        assert_eq!(seen("10.0.0.1", &trusted, &[]), "10.0.0.1");
    }

    #[test]
    fn headers_that_stand_twice_are_one_list() {
        let twice = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(seen("10.0.0.1", &["10.0.0.0/8"], &twice), "192.0.2.1");
        let both = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(seen("10.0.0.1", &["10.0.0.0/8"], &both), "192.0.2.1");
    }
}
