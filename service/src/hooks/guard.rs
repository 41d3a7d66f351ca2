//! Where webhooks may lead: not to ourselves and our neighbours, unless the operator allows it.
//!
//! A name is looked up once, for the connection itself: the addresses that were checked are the ones that are
//! connected to, and no answer of a name server can change between the two.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use tokio::net::lookup_host;

use crate::settings::{PlainHttp, PrivateAddresses, Webhooks};

/// Where webhooks may lead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard {
    settings: Webhooks,
}

/// Why a webhook may not lead there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("write a URL such as https://example.org/hook, of at most 2,048 bytes")]
    NoUrl,
    #[error("it has to begin with https://; LECTERN_WEBHOOK_HTTP=allowed lets http:// be used too")]
    Scheme,
    #[error("leave user and password out of it: what is sent is signed")]
    Credentials,
    #[error("leave out the part from # on: it is never sent")]
    Fragment,
    #[error(
        "its address is private, this machine's own, or of no single machine; LECTERN_WEBHOOK_PRIVATE=allowed lets \
         addresses of the operator's own network be used"
    )]
    Address,
}

impl Guard {
    pub(crate) fn new(settings: Webhooks) -> Self {
        Self { settings }
    }

    /// A URL that may be used, as far as it can be told without looking its name up.
    pub(crate) fn parse(&self, text: &str) -> Result<Url, Refused> {
        let url = Url::parse(text).map_err(|_| Refused::NoUrl)?;
        match (url.scheme(), self.settings.plain_http) {
            ("https", _) | ("http", PlainHttp::Allowed) => {}
            _ => return Err(Refused::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        if url.fragment().is_some() {
            return Err(Refused::Fragment);
        }
        let host = url.host_str().filter(|_| text.len() <= URL_BYTES_MAX);
        let host = host.ok_or(Refused::NoUrl)?;
        // Whatever way an address was written in, the URL has it in its plain form now.
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        match literal.parse() {
            Ok(address) if !self.allows(address) => Err(Refused::Address),
            _ => Ok(url),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        match self.settings.private_addresses {
            PrivateAddresses::Refused => is_public(address),
            PrivateAddresses::Allowed => is_of_one_machine(address),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<_> = found
                .into_iter()
                .filter(|address| guard.allows(address.ip()))
                .collect();
            match allowed.is_empty() {
                true => Err(Refused::Address.into()),
                false => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// Whether an address is one machine's on the public internet.
fn is_public(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|net| net.has(address)),
        IpAddr::V6(address) => GLOBAL_V6.has(address) && !NOT_PUBLIC_V6.iter().any(|net| net.has(address)),
    }
}

/// Whether an address can be one machine's at all.
fn is_of_one_machine(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(address) => !NOBODYS_V4.iter().any(|net| net.has(address)),
        IpAddr::V6(address) => !address.is_unspecified() && !address.is_multicast(),
    }
}

/// The address that is meant: IPv4 travels inside IPv6 in several forms.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else {
        return address.to_canonical();
    };
    let bits = v6.to_bits();
    let is_translated = NAT64.has(v6);
    let is_compatible = bits >> 32 == 0 && bits > 1;
    match is_translated || is_compatible {
        true => IpAddr::V4(Ipv4Addr::from_bits((bits & 0xffff_ffff) as u32)),
        false => IpAddr::V6(v6),
    }
}

struct V4Net(Ipv4Addr, u32);
struct V6Net(Ipv6Addr, u32);

impl V4Net {
    const fn new(a: u8, b: u8, c: u8, bits: u32) -> Self {
        Self(Ipv4Addr::new(a, b, c, 0), bits)
    }

    fn has(&self, address: Ipv4Addr) -> bool {
        (self.0.to_bits() ^ address.to_bits()) >> (32 - self.1) == 0
    }
}

impl V6Net {
    const fn new(a: u16, b: u16, c: u16, bits: u32) -> Self {
        Self(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
    }

    fn has(&self, address: Ipv6Addr) -> bool {
        (self.0.to_bits() ^ address.to_bits()) >> (128 - self.1) == 0
    }
}

/// What the IANA's registry of special addresses has, and what is no single machine's.
const NOT_PUBLIC_V4: [V4Net; 15] = [
    V4Net::new(0, 0, 0, 8),
    V4Net::new(10, 0, 0, 8),
    V4Net::new(100, 64, 0, 10),
    V4Net::new(127, 0, 0, 8),
    // Clouds tell their secrets here.
    V4Net::new(169, 254, 0, 16),
    V4Net::new(172, 16, 0, 12),
    V4Net::new(192, 0, 0, 24),
    V4Net::new(192, 0, 2, 24),
    V4Net::new(192, 88, 99, 24),
    V4Net::new(192, 168, 0, 16),
    V4Net::new(198, 18, 0, 15),
    V4Net::new(198, 51, 100, 24),
    V4Net::new(203, 0, 113, 24),
    V4Net::new(224, 0, 0, 4),
    V4Net::new(240, 0, 0, 4),
];
const NOBODYS_V4: [V4Net; 3] = [
    V4Net::new(0, 0, 0, 8),
    V4Net::new(224, 0, 0, 4),
    V4Net::new(240, 0, 0, 4),
];
/// All that is given out of IPv6; the rest is local, or nobody's.
const GLOBAL_V6: V6Net = V6Net::new(0x2000, 0, 0, 3);
const NOT_PUBLIC_V6: [V6Net; 4] = [
    // Teredo, benchmarks and the like.
    V6Net::new(0x2001, 0, 0, 23),
    V6Net::new(0x2001, 0xdb8, 0, 32),
    // 6to4 leads to any IPv4 address.
    V6Net::new(0x2002, 0, 0, 16),
    V6Net::new(0x3fff, 0, 0, 20),
];
/// How a network of IPv6 alone reaches IPv4.
const NAT64: V6Net = V6Net::new(0x64, 0xff9b, 0, 96);

const URL_BYTES_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guard(private_addresses: PrivateAddresses, plain_http: PlainHttp) -> Guard {
        Guard::new(Webhooks {
            private_addresses,
            plain_http,
            ..Webhooks::default()
        })
    }

    const STRICT: fn() -> Guard = || guard(PrivateAddresses::Refused, PlainHttp::Refused);

    #[test]
    fn urls_that_lead_to_us_or_our_neighbours_are_refused() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "0.0.0.0",
            "0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[2001:db8::1]",
        ] {
            let url = format!("https://{host}/hook");
            assert_eq!(STRICT().parse(&url).err(), Some(Refused::Address), "{url}");
        }
        for host in [
            "1.1.1.1",
            "172.32.0.1",
            "[2606:4700::1111]",
            "[::ffff:1.1.1.1]",
            "[64:ff9b::1.1.1.1]",
        ] {
            let url = format!("https://{host}:8443/hook?for=lectern");
            assert!(STRICT().parse(&url).is_ok(), "{url}");
        }
    }

    #[test]
    fn urls_of_another_form_are_refused_with_what_to_write() {
        let long = format!("https://example.org/{}", "x".repeat(URL_BYTES_MAX));
        for (url, why) in [
            ("", Refused::NoUrl),
            ("example.org/hook", Refused::NoUrl),
            ("https://", Refused::NoUrl),
            (long.as_str(), Refused::NoUrl),
            ("http://example.org", Refused::Scheme),
            ("file:///etc/passwd", Refused::Scheme),
            ("gopher://example.org", Refused::Scheme),
            ("https://me:secret@example.org", Refused::Credentials),
            ("https://me@example.org", Refused::Credentials),
            ("https://example.org/#part", Refused::Fragment),
        ] {
            assert_eq!(STRICT().parse(url).err(), Some(why), "{url}");
        }
        assert!(
            guard(PrivateAddresses::Refused, PlainHttp::Allowed)
                .parse("http://example.org")
                .is_ok()
        );
    }

    #[test]
    fn operator_may_allow_neighbours_but_not_everybody_at_once() {
        let lax = guard(PrivateAddresses::Allowed, PlainHttp::Allowed);
        for host in ["127.0.0.1", "10.0.0.1", "[::1]", "[fd00::1]"] {
            assert!(lax.parse(&format!("http://{host}:9/")).is_ok(), "{host}");
        }
        for host in [
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[ff02::1]",
            "[::ffff:0.0.0.0]",
        ] {
            assert!(lax.parse(&format!("http://{host}:9/")).is_err(), "{host}");
        }
    }

    #[tokio::test]
    async fn name_of_this_machine_is_looked_up_and_refused() {
        let found = STRICT().resolve("localhost".parse().expect("a name")).await;
        let error = found.err().expect("refused");
        assert_eq!(error.downcast_ref::<Refused>(), Some(&Refused::Address));
        let lax = guard(PrivateAddresses::Allowed, PlainHttp::Refused);
        let found = lax.resolve("localhost".parse().expect("a name")).await;
        assert!(found.expect("allowed").all(|address| address.ip().is_loopback()));
    }

    proptest! {
        #[test]
        fn what_the_standard_library_calls_special_is_never_public(bits: u32, more in 0..8_u32) {
            // Random bits alone would hardly ever be special.
            let first = [0, 10, 100, 127, 169, 172, 192, 239][more as usize];
            for bits in [bits, bits & 0x00ff_ffff | first << 24] {
                let address = Ipv4Addr::from_bits(bits);
                let special = address.is_private() || address.is_loopback() || address.is_link_local()
                    || address.is_multicast() || address.is_broadcast() || address.is_unspecified()
                    || address.is_documentation();
                let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
                let address = IpAddr::V4(address);
                prop_assert!(!((special || shared) && is_public(address)), "{address}");
                prop_assert!(!is_public(address) || is_of_one_machine(address), "{address}");
            }
        }

        #[test]
        fn address_is_as_public_inside_ipv6_as_outside(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let outside = is_public(IpAddr::V4(v4));
            let nat64 = Ipv6Addr::from_bits(0x64_ff9b << 96 | u128::from(bits));
            for inside in [v4.to_ipv6_mapped(), nat64] {
                prop_assert_eq!(is_public(IpAddr::V6(inside)), outside, "{}", inside);
            }
        }

        #[test]
        fn nothing_local_of_ipv6_is_public(bits: u128, kind in 0..4_usize) {
            let (first, kept) = [(0xfc00, 7), (0xfe80, 10), (0xff00, 8), (0x2002, 16)][kind];
            let mask = u128::MAX >> kept;
            let address = Ipv6Addr::from_bits(u128::from(first as u16) << 112 | bits & mask);
            prop_assert!(!is_public(IpAddr::V6(address)), "{address}");
        }
    }
}
