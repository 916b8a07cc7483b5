//! Which addresses may be asked.
//!
//! Only the public internet, unless a network is configured: a certificate must not make this service ask what the network
//! around it trusts this host with. The tables are those of the IANA registries of special-purpose addresses (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What an address is that is not asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressKind {
    /// This host.
    #[error("this host itself")]
    Loopback,
    /// No address of any host.
    #[error("no host at all")]
    Unspecified,
    /// RFC 1918, unique-local and site-local addresses, and those that carriers share.
    #[error("a private network")]
    Private,
    /// The wire this host is at.
    #[error("a link-local address")]
    LinkLocal,
    /// The metadata service of a cloud, which hands out the credentials of this machine.
    #[error("the metadata service of a cloud")]
    Metadata,
    /// Many hosts.
    #[error("a multicast address")]
    Multicast,
    /// Examples in texts.
    #[error("an address for documentation")]
    Documentation,
    /// Set aside for something else.
    #[error("a reserved address")]
    Reserved,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(first: u16, second: u16, third: u16, last: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, last), length)
}

/// The first that fits counts.
const SPECIAL_V4: [(Ipv4Net, AddressKind); 19] = [
    // Azure's and Alibaba's; the others are in the next one or are link-local.
    (v4(168, 63, 129, 16, 32), AddressKind::Metadata),
    (v4(100, 100, 100, 200, 32), AddressKind::Metadata),
    (v4(169, 254, 169, 254, 32), AddressKind::Metadata),
    (v4(169, 254, 170, 0, 24), AddressKind::Metadata),
    (v4(192, 0, 0, 192, 32), AddressKind::Metadata),
    (v4(0, 0, 0, 0, 8), AddressKind::Unspecified),
    (v4(10, 0, 0, 0, 8), AddressKind::Private),
    (v4(100, 64, 0, 0, 10), AddressKind::Private),
    (v4(127, 0, 0, 0, 8), AddressKind::Loopback),
    (v4(169, 254, 0, 0, 16), AddressKind::LinkLocal),
    (v4(172, 16, 0, 0, 12), AddressKind::Private),
    (v4(192, 0, 0, 0, 24), AddressKind::Reserved),
    (v4(192, 0, 2, 0, 24), AddressKind::Documentation),
    (v4(192, 168, 0, 0, 16), AddressKind::Private),
    (v4(198, 18, 0, 0, 15), AddressKind::Reserved),
    (v4(198, 51, 100, 0, 24), AddressKind::Documentation),
    (v4(203, 0, 113, 0, 24), AddressKind::Documentation),
    (v4(224, 0, 0, 0, 4), AddressKind::Multicast),
    (v4(240, 0, 0, 0, 4), AddressKind::Reserved),
];

/// Likewise. What is not in 2000::/3 is not public whether it stands here or not.
const SPECIAL_V6: [(Ipv6Net, AddressKind); 13] = [
    (v6(0xfd00, 0x0ec2, 0, 0x254, 128), AddressKind::Metadata),
    (v6(0xfd20, 0x00ce, 0, 0x254, 128), AddressKind::Metadata),
    (v6(0, 0, 0, 0, 128), AddressKind::Unspecified),
    (v6(0, 0, 0, 1, 128), AddressKind::Loopback),
    (v6(0x64, 0xff9b, 1, 0, 48), AddressKind::Private),
    (v6(0xfe80, 0, 0, 0, 10), AddressKind::LinkLocal),
    (v6(0xfec0, 0, 0, 0, 10), AddressKind::Private),
    (v6(0xfc00, 0, 0, 0, 7), AddressKind::Private),
    (v6(0xff00, 0, 0, 0, 8), AddressKind::Multicast),
    (v6(0x2001, 0x0db8, 0, 0, 32), AddressKind::Documentation),
    (v6(0x3fff, 0, 0, 0, 20), AddressKind::Documentation),
    // Teredo and what else the IETF keeps for protocols.
    (v6(0x2001, 0, 0, 0, 23), AddressKind::Reserved),
    // The relays of 6to4 are no more; its addresses are judged by the IPv4 address in them before this is reached.
    (v6(0x5f00, 0, 0, 0, 16), AddressKind::Reserved),
];

const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 0, 0, 3);
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 0, 96);
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 0, 16);

/// Judges an address. `allowed` are the networks that are asked whatever they are; a metadata service only where it is
/// named by itself.
pub(super) fn judge(address: IpAddr, allowed: &[IpNet]) -> Result<(), AddressKind> {
    let address = address.to_canonical();
    let Some(kind) = kind_of(address) else { return Ok(()) };
    let is_named = |network: &IpNet| {
        let by_itself = network.prefix_len() == network.max_prefix_len();
        network.contains(&address) && (by_itself || kind != AddressKind::Metadata)
    };
    if allowed.iter().any(is_named) {
        return Ok(());
    }
    match within(address) {
        Some(inner) => judge(inner.into(), allowed),
        None => Err(kind),
    }
}

/// What an address is if it is not public.
fn kind_of(address: IpAddr) -> Option<AddressKind> {
    match address {
        IpAddr::V4(address) => {
            let mut known = SPECIAL_V4.iter();
            known.find(|(network, _)| network.contains(&address)).map(|(_, kind)| *kind)
        }
        IpAddr::V6(v6_address) => {
            if let Some(inner) = within(address) {
                return kind_of(inner.into());
            }
            let mut known = SPECIAL_V6.iter();
            let special = known.find(|(network, _)| network.contains(&v6_address)).map(|(_, kind)| *kind);
            special.or_else(|| (!PUBLIC_V6.contains(&v6_address)).then_some(AddressKind::Reserved))
        }
    }
}

/// The IPv4 address that packets to an address of NAT64 (RFC 6052) or of 6to4 (RFC 3056) go to.
fn within(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let [_, _, a, b, c, d, .., w, x, y, z] = address.octets();
    if NAT64.contains(&address) {
        return Some(Ipv4Addr::new(w, x, y, z));
    }
    SIX_TO_FOUR.contains(&address).then(|| Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(address: &str, allowed: &[&str]) -> Result<(), AddressKind> {
        let allowed: Vec<IpNet> = allowed.iter().map(|network| network.parse().unwrap()).collect();
        judge(address.parse().unwrap(), &allowed)
    }

    #[test]
    fn public_addresses_are_asked() {
        for public in [
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert_eq!(judged(public, &[]), Ok(()), "{public}");
        }
    }

    #[test]
    fn what_is_not_public_is_refused_in_every_spelling() {
        use AddressKind::{
            Documentation, LinkLocal, Loopback, Metadata, Multicast, Private, Reserved, Unspecified,
        };
        let refused = [
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("64:ff9b::7f00:1", Loopback),
            ("2002:7f00:1::", Loopback),
            ("0.0.0.0", Unspecified),
            ("::", Unspecified),
            ("10.1.2.3", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.0.1", Private),
            ("100.64.0.1", Private),
            ("::ffff:10.0.0.1", Private),
            ("64:ff9b::a00:1", Private),
            ("64:ff9b:1::1", Private),
            ("fc00::1", Private),
            ("fdff::1", Private),
            ("fec0::1", Private),
            ("169.254.0.1", LinkLocal),
            ("fe80::1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("168.63.129.16", Metadata),
            ("100.100.100.200", Metadata),
            ("fd00:ec2::254", Metadata),
            ("64:ff9b::a9fe:a9fe", Metadata),
            ("224.0.0.1", Multicast),
            ("ff02::1", Multicast),
            ("192.0.2.1", Documentation),
            ("2001:db8::1", Documentation),
            ("3fff::1", Documentation),
            ("255.255.255.255", Reserved),
            ("198.18.0.1", Reserved),
            ("2001::1", Reserved),
            ("::7f00:1", Reserved),
            ("4000::1", Reserved),
        ];
        for (address, kind) in refused {
            assert_eq!(judged(address, &[]), Err(kind), "{address}");
        }
    }

    #[test]
    fn a_configured_network_is_asked_and_no_other() {
        assert_eq!(judged("10.1.2.3", &["10.0.0.0/8"]), Ok(()));
        assert_eq!(judged("::ffff:10.1.2.3", &["10.0.0.0/8"]), Ok(()));
        assert_eq!(judged("64:ff9b::a01:203", &["10.0.0.0/8"]), Ok(()));
        assert_eq!(judged("192.168.0.1", &["10.0.0.0/8"]), Err(AddressKind::Private));
        assert_eq!(judged("fd00::1", &["fd00::/16"]), Ok(()));
    }

    #[test]
    fn the_metadata_service_of_a_cloud_is_asked_only_where_it_is_named_by_itself() {
        assert_eq!(judged("169.254.169.254", &["0.0.0.0/0"]), Err(AddressKind::Metadata));
        assert_eq!(judged("64:ff9b::a9fe:a9fe", &["::/0", "0.0.0.0/0"]), Err(AddressKind::Metadata));
        assert_eq!(judged("169.254.169.254", &["169.254.169.254/32"]), Ok(()));
    }
}
