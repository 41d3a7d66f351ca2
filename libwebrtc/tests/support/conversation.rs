//! Two who speak, listen and send messages all the time, and keep account of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use livekit::{
    Room, RoomEvent,
    prelude::{DataPacket, RemoteTrack},
    webrtc::{
        audio_stream::native::{NativeAudioStream, NativeAudioStreamOptions},
        prelude::RtcAudioTrack,
        stats::{InboundRtpStats, RtcStats},
    },
};
use parking_lot::Mutex;
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet, time::sleep};

use super::{Participant, RATE_HZ, RoomOptions, Server, Tone, next, patient};

/// Two in a room.
pub(crate) struct Conversation {
    pub(crate) ada: Side,
    pub(crate) ben: Side,
}

/// One of them.
pub(crate) struct Side {
    room: Arc<Room>,
    account: Arc<Mutex<Account>>,
    speaking: Tone,
    counting: JoinSet<()>,
    _listening: JoinSet<()>,
}

/// What one said, and what came of the other.
#[derive(Debug, Default, Clone)]
pub(crate) struct Account {
    /// The messages that the SDK took, and those that came.
    pub(crate) said: Vec<u32>,
    pub(crate) told: Vec<u32>,
    /// How many tracks of the other's there were, and how many of them ended.
    pub(crate) tracks: u32,
    pub(crate) tracks_ended: u32,
    since: Option<Instant>,
    samples: u64,
    periods: u64,
}

/// What came of a track by the stand-in's own account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    /// How much audio its packets hold, with what they tell of lost ones.
    pub(crate) seconds: f64,
    /// How much was made up that isn't silence.
    pub(crate) seconds_made_up: f64,
    /// How many of the packets came twice or too late.
    #[expect(dead_code, reason = "it is printed where a test fails")]
    packets_discarded: u64,
}

impl Received {
    fn of(track: &InboundRtpStats) -> Self {
        let InboundRtpStats {
            received, inbound, ..
        } = track;
        let made_up = inbound.concealed_samples - inbound.silent_concealed_samples;
        Self {
            seconds: (received.packets_received + inbound.fec_packets_received) as f64 * PACKET_SECONDS,
            seconds_made_up: made_up as f64 / f64::from(RATE_HZ),
            packets_discarded: inbound.packets_discarded,
        }
    }
}

impl Conversation {
    /// Begins to talk, and waits until all arrives.
    pub(crate) async fn begin(server: &Server, options: impl Fn() -> RoomOptions) -> Self {
        let ada = Participant::join(server, "ada", options()).await;
        let ben = Participant::join(server, "ben", options()).await;
        let conversation = Self {
            ada: Side::begin(ada).await,
            ben: Side::begin(ben).await,
        };
        conversation.goes_on().await;
        conversation
    }

    /// Waits until new messages and another second of the tone arrive on both sides.
    pub(crate) async fn goes_on(&self) {
        tokio::join!(self.ada.hears_more(), self.ben.hears_more());
    }

    /// Says no more, waits for what is under way, and gives how many of the messages did not come.
    pub(crate) async fn messages_lost(&mut self) -> usize {
        self.ada.counting.shutdown().await;
        self.ben.counting.shutdown().await;
        // Nobody says when a message that is lost should have come.
        sleep(Duration::from_secs(1)).await;
        let (ada, ben) = (self.ada.account(), self.ben.account());
        missing(&ada.said, &ben.told) + missing(&ben.said, &ada.told)
    }
}

impl Side {
    async fn begin(participant: Participant) -> Self {
        let speaking = participant.speak().await;
        let Participant { room, events } = participant;
        let (room, account) = (Arc::new(room), Arc::default());
        let (mut counting, mut listening) = (JoinSet::new(), JoinSet::new());
        counting.spawn(count(room.clone(), Arc::clone(&account)));
        listening.spawn(listen(events, Arc::clone(&account)));
        Self {
            room,
            account,
            speaking,
            counting,
            _listening: listening,
        }
    }

    /// What there is so far.
    pub(crate) fn account(&self) -> Account {
        self.account.lock().clone()
    }

    /// Waits until as much of the newest track was heard as time has passed, but for what silence is handed out in.
    pub(crate) async fn keeps_time(&self) {
        let is_in_time =
            |account: &Account| account.seconds() > account.seconds_passed() - SILENCE_SECONDS_MAX;
        self.wait("as many samples as time has passed", is_in_time).await;
    }

    async fn hears_more(&self) {
        let before = self.account();
        let is_more = |now: &Account| {
            let heard = match now.tracks == before.tracks {
                true => now.seconds_of_tone() - before.seconds_of_tone(),
                false => now.seconds_of_tone(),
            };
            now.told.len() > before.told.len() + 2 && heard > 1.0
        };
        self.wait("more of the other", is_more).await;
    }

    async fn wait(&self, what: &str, is_there: impl Fn(&Account) -> bool) {
        let waiting = async {
            while !is_there(&self.account()) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        patient(what, waiting).await;
    }

    /// Stops the tone.
    pub(crate) fn fall_silent(&self) {
        self.speaking.stop();
    }

    /// What came of the newest track.
    pub(crate) async fn received(&self) -> Received {
        let stats = self.room.get_stats().await.expect("figures");
        let mut inbound = stats
            .publisher_stats
            .iter()
            .chain(&stats.subscriber_stats)
            .filter_map(|stats| match stats {
                RtcStats::InboundRtp(track) => Some(Received::of(track)),
                _ => None,
            });
        inbound.next().expect("the other is heard")
    }
}

impl Account {
    /// How much of the newest track was heard.
    fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(RATE_HZ)
    }

    /// How much of that was the tone.
    pub(crate) fn seconds_of_tone(&self) -> f64 {
        self.periods as f64 / 1000.0
    }

    /// For how long there has been the newest track.
    pub(crate) fn seconds_passed(&self) -> f64 {
        self.since.map_or(0.0, |since| since.elapsed().as_secs_f64())
    }
}

fn missing(said: &[u32], told: &[u32]) -> usize {
    said.iter().filter(|number| !told.contains(number)).count()
}

/// Counts aloud.
async fn count(room: Arc<Room>, account: Arc<Mutex<Account>>) {
    for number in 0_u32.. {
        let packet = DataPacket {
            payload: number.to_be_bytes().to_vec(),
            reliable: true,
            ..Default::default()
        };
        if room.local_participant().publish_data(packet).await.is_ok() {
            account.lock().said.push(number);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn listen(mut events: UnboundedReceiver<RoomEvent>, account: Arc<Mutex<Account>>) {
    let mut streams = JoinSet::new();
    while let Some(event) = events.recv().await {
        match event {
            RoomEvent::DataReceived { payload, .. } => {
                let number = payload.first_chunk().expect("a number");
                account.lock().told.push(u32::from_be_bytes(*number));
            }
            RoomEvent::TrackSubscribed {
                track: RemoteTrack::Audio(track),
                ..
            } => {
                let number = account.lock().begin_track();
                streams.spawn(hear(track.rtc_track(), number, account.clone()));
            }
            _ => {}
        }
    }
}

impl Account {
    fn begin_track(&mut self) -> u32 {
        self.tracks += 1;
        self.since = Some(Instant::now());
        (self.samples, self.periods) = (0, 0);
        self.tracks
    }
}

/// Counts what is heard of a track while it is the newest, until it ends.
async fn hear(track: RtcAudioTrack, number: u32, account: Arc<Mutex<Account>>) {
    let options = NativeAudioStreamOptions {
        queue_size_frames: Some(0),
    };
    let mut stream = NativeAudioStream::with_options(track, RATE_HZ as i32, 1, options);
    let mut last = 0;
    while let Some(frame) = next(&mut stream).await {
        let mut account = account.lock();
        if account.tracks == number {
            account.samples += u64::from(frame.samples_per_channel);
            for sample in frame.data.iter() {
                account.periods += u64::from(last < 0 && *sample >= 0);
                last = *sample;
            }
        }
    }
    account.lock().tracks_ended += 1;
}

/// Silence is handed out up to 250 ms at a time, 100 ms late, and frames of these machines' time later.
const SILENCE_SECONDS_MAX: f64 = 0.5;
const PACKET_SECONDS: f64 = 0.02;
