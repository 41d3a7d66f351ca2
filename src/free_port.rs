//! Ports for servers that are told theirs before they start.

use std::{
    io,
    net::{TcpListener, UdpSocket},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A port of this address that nobody has, neither for TCP nor for UDP. No two calls of a process get the same.
///
/// It lies below those that systems hand out to clients (from 32768 on), so that none of them takes it before the server
/// does, or while the server is started again.
pub(crate) fn free_port(address: &str) -> io::Result<u16> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Processes that run at once begin at different places.
    let begin = process::id().wrapping_mul(STRIDE);
    let mut refusal = None;
    for _ in PORTS {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let offset = begin.wrapping_add(call) % u32::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(offset).expect("it is less than a port");
        match (
            TcpListener::bind((address, port)),
            UdpSocket::bind((address, port)),
        ) {
            (Ok(_), Ok(_)) => return Ok(port),
            (Err(error), _) | (_, Err(error)) => refusal = Some(error),
        }
    }
    Err(refusal.expect("there are ports to try"))
}

/// Browsers refuse 10080.
const PORTS: std::ops::Range<u16> = 11_000..20_000;
/// As many as a process may want.
const STRIDE: u32 = 97;
