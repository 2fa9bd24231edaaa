//! What one client, and all of them together, may take of a server (docs/operations.md, Limits). Numbers only: who
//! keeps them stands in `http/place.rs`, `http/body.rs` and `pace.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Bounds of a server. Zero means no limit in all but `connections`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time. One more closes those that rest longest.
    pub connections: usize,
    /// Connections of one address at a time.
    pub address_connections: usize,
    /// Requests of one address a second; ten times as many may come at once.
    pub address_requests: u32,
    /// Requests of one computer a second; ten times as many may come at once.
    pub computer_requests: u32,
    /// Licenses that one computer asks about a second; twenty times as many may come at once.
    pub computer_licenses: u32,
    /// Proxies whose word on an address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Addresses that no limit by address holds for.
    pub spared: Vec<IpNet>,
}

impl Default for Limits {
    /// What `keyferry serve` allows unless it is told otherwise: no computer that restores comes near, and programs on
    /// the same machine, a proxy above all, are not limited by address.
    fn default() -> Self {
        Self {
            connections: 16_384,
            address_connections: 1024,
            address_requests: 200,
            computer_requests: 500,
            computer_licenses: 100_000,
            trusted_proxies: Vec::new(),
            spared: vec![
                IpNet::new_assert(IpAddr::V4(Ipv4Addr::LOCALHOST), 8).trunc(),
                IpAddr::V6(Ipv6Addr::LOCALHOST).into(),
            ],
        }
    }
}

/// File descriptors beside those of connections: listeners, the ledger, files that are read for a moment, and
/// connections that are being closed.
pub const OTHER_FILES: usize = 512;

impl Limits {
    /// The same, with no more connections than so many open files allow.
    pub fn within(mut self, open_files: usize) -> Self {
        let room = open_files.saturating_sub(OTHER_FILES).max(open_files / 2).max(1);
        self.connections = self.connections.clamp(1, room);
        self
    }

    /// Is this address one of those that no limit by address holds for?
    pub(crate) fn spares(&self, address: IpAddr) -> bool {
        contains(&self.spared, address) || contains(&self.trusted_proxies, address)
    }
}

pub(crate) fn contains(nets: &[IpNet], address: IpAddr) -> bool {
    nets.iter().any(|net| net.contains(&address))
}

/// What counts as one address: an IPv4 address, or the /64 that one household has of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Neighborhood(IpAddr);

impl From<IpAddr> for Neighborhood {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(long) => {
                let bits = long.to_bits() & !u128::from(u64::MAX);
                Self(IpAddr::V6(Ipv6Addr::from_bits(bits)))
            }
            short => Self(short),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_itself_is_spared_and_others_are_not() {
        let limits = Limits::default();
        for own in ["127.0.0.1", "127.8.9.1", "::1"] {
            assert!(limits.spares(own.parse().unwrap()), "{own}");
        }
        for other in ["128.0.0.1", "10.0.0.1", "::2", "fe80::1"] {
            assert!(!limits.spares(other.parse().unwrap()), "{other}");
        }
        let trusting = Limits {
            trusted_proxies: vec!["10.0.0.0/24".parse().unwrap()],
            ..limits
        };
        assert!(trusting.spares("10.0.0.9".parse().unwrap()));
    }

    #[test]
    fn a_household_is_one_address() {
        let of = |text: &str| Neighborhood::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn few_open_files_mean_few_connections() {
        let connections = |files| Limits::default().within(files).connections;
        assert_eq!(connections(1_000_000), 16_384);
        assert_eq!(connections(4096), 3584);
        assert_eq!(connections(256), 128);
        assert_eq!(connections(0), 1);
    }
}
