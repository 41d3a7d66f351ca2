//! People who come and go, and what they leave behind.

use std::{fmt, fs};

use livekit::RoomEvent;
use tokio::runtime::Handle;

use super::{Participant, PeerConnections, Server, hear_tone, options};

/// Two join who both listen and of whom one speaks, say a word to the host, and leave.
///
/// The one who speaks leaves first. The SDK (livekit 0.10.0, `remote_participant.rs`, `add_publication`) ties the tracks
/// of others and those whose they are to each other, so that a room that is left before them is never freed: some
/// 100 KiB each time, which would hide what is ours.
pub(crate) async fn visit(server: &Server, host: &mut Participant, number: u32) {
    let connections = match number % 2 {
        0 => PeerConnections::One,
        _ => PeerConnections::Two,
    };
    let speaker = Participant::join(server, &format!("speaker-{number}"), options(connections)).await;
    let mut guest = Participant::join(server, &format!("guest-{number}"), options(connections)).await;
    let tone = speaker.speak().await;
    let (mut host_hears, mut guest_hears) = (host.listen().await, guest.listen().await);
    tokio::join!(hear_tone(&mut host_hears), hear_tone(&mut guest_hears));
    guest.say(host, &number.to_string()).await;
    drop(tone);
    speaker.leave().await;
    guest
        .event("the end of the speaker's track", is_unpublished)
        .await;
    guest.leave().await;
}

fn is_unpublished(event: RoomEvent) -> Option<()> {
    matches!(event, RoomEvent::TrackUnpublished { .. }).then_some(())
}

/// What this process has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holdings {
    /// Memory of its own, in KiB.
    pub(crate) memory_kib: u64,
    pub(crate) threads: u64,
    pub(crate) files: usize,
    pub(crate) tasks: usize,
}

impl Holdings {
    pub(crate) fn now() -> Self {
        Self {
            memory_kib: status("RssAnon:"),
            threads: status("Threads:"),
            files: fs::read_dir("/proc/self/fd")
                .expect("the system tells it")
                .count(),
            tasks: Handle::current().metrics().num_alive_tasks(),
        }
    }
}

impl fmt::Display for Holdings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            memory_kib,
            threads,
            files,
            tasks,
        } = self;
        write!(
            formatter,
            "{memory_kib} KiB, {threads} threads, {files} files, {tasks} tasks"
        )
    }
}

/// A figure of /proc/self/status.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("figures of processes need Linux's /proc");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let text = line.unwrap_or_else(|| panic!("there is no {name}"));
    text.trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or_else(|error| panic!("{name} {text}: {error}"))
}
