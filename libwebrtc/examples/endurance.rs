//! What a test has no time for, against LiveKit servers of its own: `make endurance MINUTES=60`.
//!
//! First the server is frozen for 10 s and for 28 s, and killed, while two talk: printed is when they hear each other
//! again, and what they did not hear of. Then somebody stays in a room, and others join, speak, listen, send a message
//! and leave: 200 of them as fast as they can, then one every second or two. Printed is what this process has of memory,
//! threads, open files and tasks. It fails if two never hear each other again, or if there is more of anything in the
//! end than after the first hundred.

#![expect(clippy::print_stdout, reason = "printing figures is all it does")]

use std::{
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/mod.rs"]
mod support;

use support::{
    Log, Participant, PeerConnections, Rtc, Server,
    conversation::Conversation,
    options,
    visits::{Holdings, visit},
};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let minutes = std::env::args()
        .nth(1)
        .map_or(Ok(60), |minutes| minutes.parse())?;
    println!(
        "{:>12} {:>8}  messages lost  tracks  audio of that time",
        "", "back"
    );
    for fault in [
        Fault::Frozen(Duration::from_secs(10)),
        Fault::Frozen(Duration::from_secs(28)),
        Fault::Killed,
    ] {
        outlive(fault).await;
    }
    let growth = churn(Duration::from_secs(minutes * 60)).await?;
    println!("{growth}");
    Ok(match growth.is_bounded() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What happens to a server.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Frozen(Duration),
    Killed,
}

/// Lets two talk while that happens, and prints what comes of it. Times are counted from when the server is back.
async fn outlive(fault: Fault) {
    let mut server = Server::start("endurance", &LOOPBACK);
    let mut call = Conversation::begin(&server, || options(PeerConnections::Two)).await;
    let heard_before = call.ben.account().seconds_of_tone();
    let began = Instant::now();
    match fault {
        Fault::Frozen(time) => {
            server.freeze();
            tokio::time::sleep(time).await;
            server.thaw();
        }
        Fault::Killed => server.kill_and_restart(),
    }
    let away = began.elapsed();
    call.goes_on().await;
    let back = began.elapsed() - away;
    let account = call.ben.account();
    // Of a new track nothing is of before.
    let burst = match account.tracks {
        1 => account.seconds_of_tone() - heard_before - back.as_secs_f64(),
        _ => 0.0,
    };
    let said = account.said.len();
    let lost = call.messages_lost().await;
    let name = match fault {
        Fault::Frozen(time) => format!("frozen {} s", time.as_secs()),
        Fault::Killed => "killed".to_owned(),
    };
    println!(
        "{name:>12} {:>6.1} s  {lost:>4} of {:>5}  {:>6}  {burst:>5.1} of {:.1} s",
        back.as_secs_f64(),
        said * 2,
        account.tracks,
        away.as_secs_f64()
    );
}

/// Lets people come and go for so long.
async fn churn(time: Duration) -> Result<Growth, Box<dyn Error>> {
    let server = Server::start("endurance", &LOOPBACK);
    let mut host = Participant::join(&server, "host", options(PeerConnections::Two)).await;
    let began = Instant::now();
    let mut first = None;
    let mut joins = 0;
    loop {
        visit(&server, &mut host, joins / 2).await;
        joins += 2;
        let is_over = joins >= QUICK && began.elapsed() >= time;
        if is_over || joins % 100 == 0 {
            let holdings = Holdings::now();
            let minutes = began.elapsed().as_secs_f64() / 60.0;
            println!("{joins:>5} joins in {minutes:.1} min: {holdings}");
            let first = *first.get_or_insert(holdings);
            if is_over {
                return Ok(Growth {
                    first,
                    last: holdings,
                });
            }
        }
        if joins > QUICK {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What this process had after the first hundred, whose like are made anew, and in the end.
struct Growth {
    first: Holdings,
    last: Holdings,
}

impl Growth {
    fn is_bounded(&self) -> bool {
        let Self { first, last } = self;
        last.memory_kib <= first.memory_kib + MEMORY_GROWTH_KIB_MAX
            && last.threads <= first.threads
            && last.files <= first.files + FILES_GROWTH_MAX
            && last.tasks <= first.tasks + TASKS_GROWTH_MAX
    }
}

impl std::fmt::Display for Growth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kib = self.last.memory_kib as i64 - self.first.memory_kib as i64;
        write!(formatter, "{kib} KiB more than after the first hundred: ")?;
        formatter.write_str(match self.is_bounded() {
            true => "nothing grows",
            false => "something grows",
        })
    }
}

const LOOPBACK: Rtc = Rtc {
    address: "127.0.0.1",
    lines: "",
    log: Log::Sparse,
};

/// How many come without a pause in between.
const QUICK: u32 = 200;
const PAUSE: Duration = Duration::from_secs(2);

/// What an allocator keeps is not the same at any two times.
const MEMORY_GROWTH_KIB_MAX: u64 = 3 * 1024;
/// Who has just left may not be gone to the last.
const FILES_GROWTH_MAX: usize = 6;
const TASKS_GROWTH_MAX: usize = 30;
