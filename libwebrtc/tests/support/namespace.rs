//! Networks of their own: one for the test, one for its server, and two wires between them.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use super::{Again, Log, Rtc, Server, again};

/// Whether this is the process with a network of its own; if not, that one was run and went well.
pub(crate) fn in_namespace(test: &str) -> bool {
    let inside = again(test, "NAMESPACE", |command| {
        let test = std::mem::replace(command, Command::new("unshare"));
        // Whoever is not root becomes so in a namespace of users.
        command
            .args(["--net", "--user", "--map-root-user"])
            .arg(test.get_program())
            .args(test.get_args());
    });
    matches!(inside, Again::Inside)
}

/// Two wires to a namespace where a server is reached at one address by either.
pub(crate) struct Wires {
    space: Child,
}

impl Wires {
    pub(crate) fn lay() -> Self {
        // It waits for its input to end, and so lives as long as this.
        let space = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .spawn();
        let wires = Self {
            space: space.expect("unshare runs"),
        };
        wires.wait_for_space();
        ip(&["link", "set", "lo", "up"]);
        wires.ip(&["link", "set", "lo", "up"]);
        wires.ip(&["address", "add", &format!("{SERVER}/32"), "dev", "lo"]);
        wires.ip(&["address", "add", &format!("{SERVER_V6}/128"), "dev", "lo"]);
        for (wire, number) in [("a", 1), ("b", 2)] {
            wires.lay_one(wire, number);
        }
        wires
    }

    fn lay_one(&self, wire: &str, number: u32) {
        let (near, far) = (format!("{wire}0"), format!("{wire}1"));
        let space = self.space.id().to_string();
        ip(&[
            "link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &space,
        ]);
        ip(&["link", "set", &near, "up"]);
        self.ip(&["link", "set", &far, "up"]);
        let metric = number.to_string();
        for (net, bits, server) in [("10.77.N.", "24", SERVER), ("fd77:N::", "64", SERVER_V6)] {
            let net = net.replace('N', &metric);
            let (ours, theirs) = (format!("{net}2"), format!("{net}1"));
            // Nobody else is on the wire who could have the same address.
            let nodad: &[&str] = if server == SERVER_V6 { &["nodad"] } else { &[] };
            ip(&[
                &["address", "add", &format!("{ours}/{bits}"), "dev", &near],
                nodad,
            ]
            .concat());
            self.ip(&[
                &["address", "add", &format!("{theirs}/{bits}"), "dev", &far],
                nodad,
            ]
            .concat());
            ip(&[
                "route", "add", server, "via", &theirs, "dev", &near, "metric", &metric,
            ]);
        }
        // A relay that listens on all addresses answers from the one that it was asked at.
        let net = format!("10.77.{number}.0/24");
        self.ip(&["route", "replace", &net, "dev", &far, "src", SERVER]);
    }

    /// Takes the wire down that has this address of ours, as when a cable is pulled.
    pub(crate) fn cut(&self, ours: &str) {
        let wire = if ours == "10.77.1.2" { "a0" } else { "b0" };
        ip(&["link", "set", wire, "down"]);
    }

    /// Lets nothing out of the server's network that comes from this port of it.
    pub(crate) fn block(&self, protocol: &str, port: &str) {
        for net in ["10.77.1.0/24", "10.77.2.0/24"] {
            self.ip(&[
                "rule",
                "add",
                "to",
                net,
                "ipproto",
                protocol,
                "sport",
                port,
                "blackhole",
            ]);
        }
    }

    /// Breaks the connections to this port of the server, as a firewall that forgets them does.
    pub(crate) fn break_connections(&self, port: &str) {
        let mut command = Command::new("ss");
        command.args(["--kill", "--tcp", "state", "established", "dport", "=", port]);
        let output = command.output().expect("ss runs");
        let killed = String::from_utf8_lossy(&output.stdout).contains(SERVER);
        assert!(
            killed,
            "the kernel must be able to end connections (CONFIG_INET_DIAG_DESTROY): {output:?}"
        );
    }

    pub(crate) fn start_server(&self, address: &'static str) -> Server {
        let rtc = Rtc {
            address,
            lines: "",
            log: Log::Detailed,
        };
        let relay = if address == SERVER { RELAY } else { "" };
        Server::start_by("namespace", &rtc, relay, self.inside())
    }

    fn ip(&self, arguments: &[&str]) {
        let mut command = self.inside();
        command.arg("ip").args(arguments);
        run(command);
    }

    fn inside(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.space.id()));
        command
    }

    fn wait_for_space(&self) {
        let own = std::fs::read_link("/proc/self/ns/net").expect("there is one");
        let theirs = format!("/proc/{}/ns/net", self.space.id());
        while std::fs::read_link(&theirs).is_ok_and(|theirs| theirs == own) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        self.space.kill().ok();
        self.space.wait().ok();
    }
}

fn ip(arguments: &[&str]) {
    let mut command = Command::new("ip");
    command.args(arguments);
    run(command);
}

fn run(mut command: Command) {
    let status = command.status();
    let status =
        status.unwrap_or_else(|error| panic!("{command:?}: {error}; iproute2 and util-linux are needed"));
    assert!(status.success(), "{command:?}: {status}");
}

/// The relay that the server has in itself.
const RELAY: &str = "turn: {enabled: true, udp_port: 7883, allow_restricted_peer_cidrs: [10.77.0.0/16]}\n";

/// The ports of the server: of media by datagrams and by connections, and of its relay.
pub(crate) const UDP_PORT: &str = "7882";
pub(crate) const TCP_PORT: &str = "7881";
pub(crate) const RELAY_PORT: &str = "7883";

/// Where the server is.
pub(crate) const SERVER: &str = "10.77.0.1";
pub(crate) const SERVER_V6: &str = "fd77::1";
