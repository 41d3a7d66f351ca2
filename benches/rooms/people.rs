//! Speakers: one to a room, each with an open microphone that plays numbered bursts. They note what captions they see.

use std::{sync::Arc, time::Duration};

use lectern_agent::{HeardCaption, LiveKit, Speaker};
use lectern_pipelines::{ParticipantIdentity, RoomName};
use livekit::webrtc::audio_source::{
    AudioSourceOptions,
    native::{EncodedPacket, NativeAudioSource},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at},
};

use crate::{
    children::{orders, report},
    measure::now_ms,
    tone::{PACKET_MS, Packets, packets_with_sound},
};

/// What the bench tells the speakers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Somebody enters a room and begins to speak.
    Join(Join),
    /// Everybody finishes the burst they are at, and says no more.
    Hush,
    /// Everybody leaves.
    Leave,
}

/// How a speaker speaks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Join {
    pub(crate) room: String,
    /// The first burst's number; the next ones count up.
    pub(crate) first: u8,
    /// From one burst to the next.
    pub(crate) period_ms: u64,
}

/// What the speakers tell the bench. Times are the machine's, in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// A speaker is in the room, and began to enter it then.
    Joined { room: String, began_at: f64 },
    /// A speaker could not enter.
    Failed { room: String, reason: String },
    /// A speaker whose connection was lost has it again since then.
    Back { room: String, at: f64 },
    /// A burst was sent.
    Played(Played),
    /// A caption came.
    Caption(Caption),
    /// Nobody is in any room.
    AllLeft,
}

/// A burst that was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Played {
    pub(crate) room: String,
    pub(crate) number: u8,
    pub(crate) began_at: f64,
    pub(crate) ended_at: f64,
}

/// A caption that came.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Caption {
    pub(crate) room: String,
    pub(crate) segment: String,
    pub(crate) text: String,
    pub(crate) is_final: bool,
    pub(crate) at: f64,
}

/// Runs until the bench goes.
pub(crate) async fn run(livekit: LiveKit) -> anyhow::Result<()> {
    let packets = Arc::new(Packets::new());
    let mut speakers = JoinSet::new();
    let mut wish = watch::Sender::new(Wish::Speak);
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Join(join) => {
                let (livekit, packets, wish) = (livekit.clone(), Arc::clone(&packets), wish.subscribe());
                speakers.spawn(async move {
                    let room = join.room.clone();
                    if let Err(error) = attend(&livekit, join, &packets, wish).await {
                        let reason = error.to_string();
                        report(&Report::Failed { room, reason });
                    }
                });
            }
            Order::Hush => drop(wish.send_replace(Wish::Listen)),
            Order::Leave => {
                wish.send_replace(Wish::Leave);
                while speakers.join_next().await.is_some() {}
                report(&Report::AllLeft);
                wish = watch::Sender::new(Wish::Speak);
            }
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Speak,
    Listen,
    Leave,
}

async fn attend(
    livekit: &LiveKit,
    join: Join,
    packets: &Packets,
    wish: watch::Receiver<Wish>,
) -> anyhow::Result<()> {
    let microphone = NativeAudioSource::new(AudioSourceOptions::default(), 48_000, 1, 0);
    let (room, identity) = (
        RoomName::parse(&join.room)?,
        ParticipantIdentity::parse("speaker")?,
    );
    let began_at = now_ms();
    let (speaker, captions) =
        Speaker::join_with(livekit, &room, &identity, "Speaker", microphone.clone()).await?;
    report(&Report::Joined {
        room: join.room.clone(),
        began_at,
    });
    let reader = tokio::spawn(note_captions(join.room.clone(), captions));
    speak(&join, &speaker, &microphone, packets, wish).await;
    speaker.leave().await;
    reader.await?;
    Ok(())
}

async fn note_captions(room: String, mut captions: mpsc::UnboundedReceiver<HeardCaption>) {
    while let Some(caption) = captions.recv().await {
        report(&Report::Caption(Caption {
            room: room.clone(),
            segment: caption.segment.to_string(),
            text: caption.text,
            is_final: caption.is_final,
            at: now_ms(),
        }));
    }
}

/// Sends a packet every 20 ms, with or without a burst in it, as a microphone without DTX does.
async fn speak(
    join: &Join,
    speaker: &Speaker,
    microphone: &NativeAudioSource,
    packets: &Packets,
    wish: watch::Receiver<Wish>,
) {
    let period = (join.period_ms / PACKET_MS) as u32;
    let silence = packets.silence();
    let mut ticks = interval_at(Instant::now(), Duration::from_millis(PACKET_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut sound, mut began_at): (&[Arc<[u8]>], f64) = (&[], 0.0);
    let mut was_connected = true;
    for position in 0.. {
        ticks.tick().await;
        let is_connected = speaker.is_connected();
        if is_connected && !was_connected {
            let room = join.room.clone();
            report(&Report::Back { room, at: now_ms() });
        }
        was_connected = is_connected;
        let number = join.first.wrapping_add((position / period) as u8);
        let step = u64::from(position % period);
        let wish = *wish.borrow();
        match wish {
            Wish::Leave => return,
            _ if step > 0 => {}
            Wish::Speak => sound = packets.of(number),
            Wish::Listen => sound = &[],
        }
        let payload = sound.get(step as usize).unwrap_or(&silence);
        let loud = packets_with_sound(number);
        let is_loud = !sound.is_empty() && loud.contains(&step);
        microphone.send_packet(EncodedPacket {
            position,
            payload: Arc::clone(payload),
            level: if is_loud { LOUD } else { SILENT },
        });
        if step == *loud.start() {
            began_at = now_ms();
        }
        if is_loud && step == *loud.end() {
            report(&Report::Played(Played {
                room: join.room.clone(),
                number,
                began_at,
                ended_at: now_ms(),
            }));
        }
    }
}

/// Decibels below full scale.
const LOUD: u8 = 12;
const SILENT: u8 = 127;
