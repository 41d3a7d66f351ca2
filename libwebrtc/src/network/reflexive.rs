//! A STUN server: asks how our packets look from outside (RFC 8489), by the socket that they go from.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use super::{
    interfaces::source_towards,
    relay::{Resolving, ToServer, resolving},
    servers::Host,
    stun::{self, Class, Message, Method, TransactionId},
};

/// One question to one server.
pub(super) struct Question {
    host: Host,
    state: State,
}

enum State {
    Resolving(Resolving),
    Asking(Asking),
    Done,
}

/// A question that is being asked, without a socket or a clock.
#[derive(Debug)]
struct Asking {
    ours: IpAddr,
    server: SocketAddr,
    id: TransactionId,
    times: u32,
    next: Instant,
}

impl Question {
    /// Begins when it is polled, by the task.
    pub(super) fn new(host: Host) -> Self {
        Self {
            state: State::Resolving(resolving(&host)),
            host,
        }
    }

    pub(super) fn is_to(&self, host: &Host) -> bool {
        self.host == *host
    }

    pub(super) fn is_server(&self, source: SocketAddr) -> bool {
        matches!(&self.state, State::Asking(asking) if asking.server == source)
    }

    /// Looks the server up. Ready when there is something to send.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, now: Instant) -> Poll<()> {
        let State::Resolving(resolving) = &mut self.state else {
            return Poll::Pending;
        };
        let found = ready!(resolving.as_mut().poll(context));
        // One family is enough: it is behind a translation of addresses that this is of use.
        let way = found.and_then(|found| {
            let v4 = found.iter().copied().find(SocketAddr::is_ipv4);
            let server = v4.or(found.first().copied()).ok_or(io::ErrorKind::NotFound)?;
            let ours = source_towards(server.ip()).ok_or(io::ErrorKind::NetworkUnreachable)?;
            Ok((ours, server))
        });
        match way {
            Ok((ours, server)) => {
                self.state = State::Asking(Asking::new(now, ours, server));
                Poll::Ready(())
            }
            Err(error) => {
                tracing::warn!(server = %self.host, %error, "a STUN server cannot be asked");
                self.state = State::Done;
                Poll::Pending
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Asking(asking) => Some(asking.next),
            State::Resolving(_) | State::Done => None,
        }
    }

    /// What is to be sent now, if anything is.
    pub(super) fn poll_send(&mut self, now: Instant) -> Option<ToServer> {
        let State::Asking(asking) = &mut self.state else {
            return None;
        };
        if asking.is_over(now) {
            tracing::warn!(server = %self.host, "a STUN server does not answer");
            self.state = State::Done;
            return None;
        }
        asking.poll_send(now)
    }

    /// Takes a datagram of the server's: our address as it sees it.
    pub(super) fn receive(&mut self, packet: &[u8]) -> Option<SocketAddr> {
        let State::Asking(asking) = &self.state else {
            return None;
        };
        let seen = asking.answer(packet)?;
        self.state = State::Done;
        Some(seen)
    }
}

impl Asking {
    fn new(now: Instant, ours: IpAddr, server: SocketAddr) -> Self {
        Self {
            ours,
            server,
            id: stun::transaction_id(),
            times: 0,
            next: now,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.times >= TIMES_MAX && now >= self.next
    }

    fn poll_send(&mut self, now: Instant) -> Option<ToServer> {
        if now < self.next {
            return None;
        }
        self.next = now + REPEAT_AFTER * 2_u32.pow(self.times);
        self.times += 1;
        Some(ToServer {
            ours: self.ours,
            server: self.server,
            packet: stun::write(Class::Request, Method::Binding, &self.id, &[], None),
        })
    }

    fn answer(&self, packet: &[u8]) -> Option<SocketAddr> {
        let message = Message::read(packet)?;
        if (message.class, message.method, message.id) != (Class::Success, Method::Binding, self.id) {
            return None;
        }
        message.mapped_address()
    }
}

/// After how long a question is repeated, doubled each time, and how often it is asked.
const REPEAT_AFTER: Duration = Duration::from_millis(500);
const TIMES_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::stun::Attribute;

    fn asking(now: Instant) -> Asking {
        let server: SocketAddr = "192.0.2.1:3478".parse().expect("an address");
        Asking::new(now, server.ip(), server)
    }

    #[test]
    fn a_question_is_repeated_until_it_is_given_up() {
        let start = Instant::now();
        let mut asking = asking(start);
        let mut asked_at = Vec::new();
        while !asking.is_over(asking.next) {
            let now = asking.next;
            assert!(asking.poll_send(now).is_some());
            assert!(asking.poll_send(now).is_none());
            asked_at.push((now - start).as_millis());
        }
        assert_eq!(asked_at, [0, 500, 1500, 3500, 7500]);
    }

    #[test]
    fn only_the_answer_to_the_question_counts() {
        let asking = asking(Instant::now());
        let seen = [Attribute::XorMappedAddress(asking.server)];
        let other = stun::write(Class::Success, Method::Binding, &[1; 12], &seen, None);
        assert_eq!(asking.answer(&other), None);
        let answer = stun::write(Class::Success, Method::Binding, &asking.id, &seen, None);
        assert_eq!(asking.answer(&answer), Some(asking.server));
    }
}
