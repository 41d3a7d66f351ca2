//! The addresses of this machine.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::{InterfaceFlags, if_nametoindex},
};
use parking_lot::Mutex;

/// An address of this machine, and the interface that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    /// The address.
    pub(crate) ip: IpAddr,
    /// The number of the interface; 0 for whichever the routes choose.
    pub(crate) interface: u32,
}

/// How far an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// No farther than this machine.
    Machine,
    /// To what is on the same wire, if one says which wire.
    Link,
    /// As far as there are routes.
    Routed,
}

impl Reach {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip {
            _ if ip.is_loopback() => Self::Machine,
            IpAddr::V4(ip) if ip.is_link_local() => Self::Link,
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Self::Link,
            _ => Self::Routed,
        }
    }
}

/// The addresses of this machine that are up, those of the default routes first.
///
/// All connections of a process share one reading, which costs the kernel a list: it is at most [`READING_AGE_MAX`] old.
pub(crate) fn addresses() -> Arc<[Address]> {
    let mut last = READING.lock();
    if let Some((at, addresses)) = &*last
        && at.elapsed() < READING_AGE_MAX
    {
        return addresses.clone();
    }
    let addresses: Arc<[Address]> = read().into();
    *last = Some((Instant::now(), addresses.clone()));
    addresses
}

/// Which of our addresses to announce to a side with these addresses. What leads only a little way is of use only to
/// those who are as near, except on a machine that has nothing else.
pub(crate) fn announced(ours: &[Address], theirs: &[IpAddr]) -> Vec<Address> {
    let is_wanted = |address: &Address| {
        let reach = Reach::of(address.ip);
        reach == Reach::Routed || theirs.iter().any(|theirs| leads(address.ip, *theirs))
    };
    let wanted: Vec<Address> = ours.iter().copied().filter(is_wanted).collect();
    match wanted.is_empty() {
        true => ours
            .iter()
            .copied()
            .filter(|address| Reach::of(address.ip) == Reach::Machine)
            .collect(),
        false => wanted,
    }
}

/// Whether packets from one of our addresses could get to one of theirs.
pub(crate) fn leads(ours: IpAddr, theirs: IpAddr) -> bool {
    ours.is_ipv4() == theirs.is_ipv4() && Reach::of(ours) == Reach::of(theirs)
}

fn read() -> Vec<Address> {
    let mut addresses: Vec<Address> = match getifaddrs() {
        Ok(interfaces) => interfaces.filter_map(usable).collect(),
        Err(error) => {
            tracing::warn!(%error, "cannot list the network interfaces");
            Vec::new()
        }
    };
    let preferred = [ANYWHERE_V6, ANYWHERE_V4].map(source_towards);
    if addresses.is_empty() {
        // Some sandboxes list nothing, and yet have routes.
        let loopback = source_towards(Ipv4Addr::LOCALHOST.into());
        let sources = preferred.into_iter().chain([loopback]).flatten();
        addresses.extend(sources.map(|ip| Address {
            ip,
            interface: ANY_INTERFACE,
        }));
    }
    addresses.sort_by_key(|address| !preferred.contains(&Some(address.ip)));
    addresses.truncate(ADDRESSES_MAX);
    addresses
}

fn usable(interface: InterfaceAddress) -> Option<Address> {
    let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    if !interface.flags.contains(up) {
        return None;
    }
    let address = interface.address?;
    let ip: IpAddr = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(address), _) => address.ip().into(),
        (_, Some(address)) => address.ip().into(),
        _ => return None,
    };
    // Candidates of this kind are refused by everyone.
    if matches!(ip, IpAddr::V4(ip) if ip.is_link_local()) {
        return None;
    }
    let interface = if_nametoindex(interface.interface_name.as_str()).ok()?;
    Some(Address { ip, interface })
}

/// Asks the kernel which of our addresses leads to one of theirs. Nothing is sent.
pub(super) fn source_towards(remote: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match remote {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let probe = UdpSocket::bind((any, 0)).ok()?;
    probe.connect(SocketAddr::new(remote, 9)).ok()?;
    Some(probe.local_addr().ok()?.ip())
}

static READING: Mutex<Option<(Instant, Arc<[Address]>)>> = Mutex::new(None);

const ANY_INTERFACE: u32 = 0;

/// How old a reading may be.
const READING_AGE_MAX: Duration = Duration::from_millis(500);

/// How many addresses are looked at: a machine with hundreds of bridges must not try a path from each.
const ADDRESSES_MAX: usize = 16;

/// Addresses of the documentation ranges: only routes are asked for them, and any default route leads there.
const ANYWHERE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ANYWHERE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

#[cfg(test)]
mod tests {
    use super::*;

    fn address(ip: &str) -> Address {
        let ip = ip.parse().expect("an address");
        Address { ip, interface: 1 }
    }

    fn announced_to(ours: &[&str], theirs: &[&str]) -> Vec<String> {
        let ours: Vec<Address> = ours.iter().map(|ip| address(ip)).collect();
        let theirs: Vec<IpAddr> = theirs.iter().map(|ip| address(ip).ip).collect();
        announced(&ours, &theirs)
            .iter()
            .map(|address| address.ip.to_string())
            .collect()
    }

    const OURS: [&str; 5] = ["10.0.0.2", "2001:db8::2", "127.0.0.1", "::1", "fe80::2"];

    #[test]
    fn near_addresses_are_for_near_sides() {
        assert_eq!(announced_to(&OURS, &[]), ["10.0.0.2", "2001:db8::2"]);
        assert_eq!(
            announced_to(&OURS, &["127.0.0.1"]),
            ["10.0.0.2", "2001:db8::2", "127.0.0.1"]
        );
        assert_eq!(
            announced_to(&OURS, &["fe80::9"]),
            ["10.0.0.2", "2001:db8::2", "fe80::2"]
        );
    }

    #[test]
    fn loopback_is_announced_where_there_is_nothing_else() {
        assert_eq!(
            announced_to(&["127.0.0.1", "::1", "fe80::2"], &[]),
            ["127.0.0.1", "::1"]
        );
    }

    #[test]
    fn this_machine_has_a_loopback_interface() {
        let addresses = addresses();
        let loopback = addresses.iter().find(|address| address.ip.is_loopback());
        assert!(
            loopback.is_some_and(|address| address.interface > 0),
            "{addresses:?}"
        );
    }
}
