//! Captions on their way into a room, in three wire forms.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use livekit::{
    SendTextOptions, Transcription, TranscriptionSegment,
    prelude::{DataPacket, LocalParticipant},
};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, warn};

use lectern_pipelines::{
    CAPTIONS_TOPIC, Caption, DATA_PACKET_BYTES_MAX, Health, HealthState, ParticipantIdentity, Segment,
    TRANSCRIPTION_TOPIC, TrackSid, tail_of,
};

use crate::CaptionForms;

/// Where captions wait for the network. Clones share one queue.
///
/// An interim gives way to what is newer of its segment, and to anything else when the queue is full. A final never
/// does: it is sent for as long as we are in the room.
#[derive(Debug, Clone)]
pub(crate) struct CaptionQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    items: Mutex<VecDeque<Item>>,
    added: Notify,
    finishing: CancellationToken,
}

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Caption {
        caption: Caption,
        /// When the recogniser said what it shows.
        heard: Option<Instant>,
        /// Kept back until then, for what is about to take its place.
        not_before: Option<Instant>,
    },
    Health(Health),
    /// Tells somebody who has come what they have missed, and which tracks are in trouble.
    Welcome {
        to: ParticipantIdentity,
        history: Vec<Vec<u8>>,
    },
}

/// Items that may wait; interims beyond that are dropped, the oldest first.
const ITEMS_MAX: usize = 256;
/// Settled words that are being stored are kept back for so long: on a healthy disk they are safe by then, and are
/// shown once, as final. On a slow one people see them as an interim meanwhile.
const STORING: Duration = Duration::from_millis(25);
const RETRY: Duration = Duration::from_millis(250);
/// How long last captions may take when we leave.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

/// Begins to send captions in a room.
pub(super) fn start(participant: LocalParticipant, forms: CaptionForms) -> (CaptionQueue, JoinHandle<()>) {
    let queue = CaptionQueue::new();
    let task = tokio::spawn(send_all(queue.clone(), participant, forms).instrument(Span::current()));
    (queue, task)
}

impl CaptionQueue {
    fn new() -> Self {
        Self(Arc::new(Shared {
            items: Mutex::default(),
            added: Notify::new(),
            finishing: CancellationToken::new(),
        }))
    }

    /// Shows a caption; `heard` is when the recogniser said what it shows.
    pub(crate) fn show(&self, caption: Caption, heard: Option<Instant>) {
        let is_being_stored = caption.segment.is_final && !caption.is_final();
        let not_before = is_being_stored.then(|| Instant::now() + STORING);
        self.push(Item::Caption {
            caption,
            heard,
            not_before,
        });
    }

    /// Says how recognition fares.
    pub(crate) fn tell(&self, health: Health) {
        self.push(Item::Health(health));
    }

    /// Sends somebody who has come the packets of what was said before.
    pub(crate) fn welcome(&self, to: ParticipantIdentity, history: Vec<Vec<u8>>) {
        self.push(Item::Welcome { to, history });
    }

    /// Lets the task end once everything is sent, or a short time has passed.
    pub(super) fn finish(&self) {
        self.0.finishing.cancel();
    }

    fn push(&self, item: Item) {
        if enqueue(&mut self.lock(), item).is_some() {
            metrics::counter!("lectern_captions_dropped_total").increment(1);
        }
        self.0.added.notify_one();
    }

    /// The next item; `None` when the queue is finishing and empty.
    async fn next(&self) -> Option<Item> {
        loop {
            let is_finishing = self.0.finishing.is_cancelled();
            let now = (!is_finishing).then(Instant::now);
            let wait = match take_due(&mut self.lock(), now) {
                Ok(item) => return Some(item),
                Err(None) if is_finishing => return None,
                Err(wait) => wait,
            };
            let due = wait.unwrap_or_else(Instant::now).into();
            tokio::select! {
                biased;
                () = self.0.added.notified() => {}
                () = sleep_until(due), if wait.is_some() => {}
                () = self.0.finishing.cancelled(), if !is_finishing => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Item>> {
        // The items are whole after every statement, panic or not.
        self.0.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the first item that isn't kept back beyond `now`; without a time nothing is kept back.
///
/// Where there is none, says when there will be, if ever.
fn take_due(items: &mut VecDeque<Item>, now: Option<Instant>) -> Result<Item, Option<Instant>> {
    let is_due = |item: &Item| item.not_before().zip(now).is_none_or(|(at, now)| at <= now);
    let index = items.iter().position(is_due);
    let item = index.and_then(|index| items.remove(index));
    item.ok_or_else(|| items.iter().filter_map(Item::not_before).min())
}

/// Adds an item, in place of what it makes obsolete; returns what had to give way for want of space.
fn enqueue(items: &mut VecDeque<Item>, item: Item) -> Option<Item> {
    if let Some(obsolete) = items.iter_mut().find(|queued| item.replaces(queued)) {
        *obsolete = item;
        return None;
    }
    items.push_back(item);
    if items.len() <= ITEMS_MAX {
        return None;
    }
    // Where only finals wait, the queue grows: words come slower than memory fills.
    let index = items.iter().position(|queued| !queued.must_arrive())?;
    items.remove(index)
}

impl Item {
    fn replaces(&self, queued: &Self) -> bool {
        match (self, queued) {
            (Self::Caption { caption: new, .. }, Self::Caption { caption: old, .. }) => {
                !old.is_final() && new.segment.id == old.segment.id
            }
            (Self::Health(new), Self::Health(old)) => new.track == old.track,
            (Self::Welcome { to: new, .. }, Self::Welcome { to: old, .. }) => new == old,
            _ => false,
        }
    }

    fn not_before(&self) -> Option<Instant> {
        match self {
            Self::Caption { not_before, .. } => *not_before,
            Self::Health(_) | Self::Welcome { .. } => None,
        }
    }

    fn must_arrive(&self) -> bool {
        match self {
            Self::Caption { caption, .. } => caption.is_final(),
            Self::Health(_) => true,
            Self::Welcome { .. } => false,
        }
    }
}

async fn send_all(queue: CaptionQueue, participant: LocalParticipant, forms: CaptionForms) {
    let mut troubles = Troubles::default();
    let sending = async {
        while let Some(item) = queue.next().await {
            match item {
                Item::Caption { caption, heard, .. } => {
                    let message = Message {
                        caption: Some(&caption),
                        packet: caption.data_packet(),
                        must_arrive: caption.is_final(),
                    };
                    send(&participant, forms, &message).await;
                    if let Some(heard) = heard {
                        metrics::histogram!("lectern_caption_delay_seconds")
                            .record(heard.elapsed().as_secs_f64());
                    }
                }
                Item::Health(health) => {
                    troubles.note(&health);
                    let message = Message {
                        caption: None,
                        packet: health.data_packet(),
                        must_arrive: true,
                    };
                    send(&participant, forms, &message).await;
                }
                Item::Welcome { to, history } => {
                    welcome(&participant, &to, history.into_iter().chain(troubles.packets())).await;
                }
            }
        }
    };
    let too_late = async {
        queue.0.finishing.cancelled().await;
        sleep(FINISH_TIMEOUT).await;
    };
    tokio::select! {
        () = sending => {}
        () = too_late => warn!("captions could not be shown before we left the room"),
    }
}

/// Which tracks are in trouble.
#[derive(Debug, Default)]
struct Troubles(HashMap<TrackSid, HealthState>);

impl Troubles {
    fn note(&mut self, health: &Health) {
        match health.state {
            HealthState::Started | HealthState::Listening | HealthState::Resumed(_) => {
                self.0.remove(&health.track)
            }
            trouble => self.0.insert(health.track.clone(), trouble),
        };
    }

    fn packets(&self) -> impl Iterator<Item = Vec<u8>> {
        self.0.iter().map(|(track, state)| {
            let health = Health {
                track: track.clone(),
                state: *state,
            };
            health.data_packet()
        })
    }
}

/// Once: whoever is not reached is about to leave, or comes again.
async fn welcome(
    participant: &LocalParticipant,
    to: &ParticipantIdentity,
    packets: impl Iterator<Item = Vec<u8>>,
) {
    for packet in packets {
        if !send_packet(participant, packet, Some(to)).await {
            return;
        }
    }
}

/// What goes to everybody.
struct Message<'a> {
    /// What the other forms than data packets are made of.
    caption: Option<&'a Caption>,
    packet: Vec<u8>,
    must_arrive: bool,
}

/// Sends the forms asked for, again and again if it must arrive.
async fn send(participant: &LocalParticipant, forms: CaptionForms, message: &Message<'_>) {
    let mut missing = send_once(participant, forms, message).await;
    if missing == NO_FORMS || !message.must_arrive {
        return;
    }
    warn!("a caption could not be sent; trying again until it can");
    while missing != NO_FORMS {
        sleep(RETRY).await;
        missing = send_once(participant, missing, message).await;
    }
}

const NO_FORMS: CaptionForms = CaptionForms {
    text_streams: false,
    transcription_packets: false,
    data_packets: false,
};

/// Sends the forms asked for; returns those that failed.
async fn send_once(
    participant: &LocalParticipant,
    forms: CaptionForms,
    message: &Message<'_>,
) -> CaptionForms {
    let packet = || send_packet(participant, message.packet.clone(), None);
    CaptionForms {
        text_streams: match message.caption {
            Some(caption) if forms.text_streams => !send_stream(participant, caption).await,
            _ => false,
        },
        transcription_packets: match message.caption {
            Some(caption) if forms.transcription_packets => !send_transcription(participant, caption).await,
            _ => false,
        },
        data_packets: forms.data_packets && !packet().await,
    }
}

/// Every update is a stream of its own that holds the whole text so far.
async fn send_stream(participant: &LocalParticipant, caption: &Caption) -> bool {
    let attributes: HashMap<String, String> = caption
        .stream_attributes()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let mut options = SendTextOptions::new_with_topic(TRANSCRIPTION_TOPIC)
        .with_attributes(attributes)
        .with_sender_identity(caption.segment.speaker.identity.as_str());
    // A sentence gains nothing by it.
    options.compress = Some(false);
    participant
        .send_text(&caption.segment.text, options)
        .await
        .is_ok()
}

async fn send_transcription(participant: &LocalParticipant, caption: &Caption) -> bool {
    let Segment {
        id,
        track,
        speaker,
        start,
        end,
        text,
        language,
        ..
    } = &caption.segment;
    let packet = Transcription {
        participant_identity: speaker.identity.to_string(),
        track_id: track.to_string(),
        segments: vec![TranscriptionSegment {
            id: id.to_string(),
            text: tail_of(text, TRANSCRIPTION_TEXT_BYTES_MAX).to_owned(),
            start_time: start.as_millis(),
            end_time: end.as_millis(),
            r#final: caption.is_final(),
            language: language.clone().unwrap_or_default(),
        }],
    };
    participant.publish_transcription(packet).await.is_ok()
}

/// To everybody, or to one.
async fn send_packet(
    participant: &LocalParticipant,
    payload: Vec<u8>,
    to: Option<&ParticipantIdentity>,
) -> bool {
    let packet = DataPacket {
        payload,
        topic: Some(CAPTIONS_TOPIC.to_owned()),
        reliable: true,
        destination_identities: to.map(|to| to.as_str().to_owned().into()).into_iter().collect(),
    };
    participant.publish_data(packet).await.is_ok()
}

/// Leaves room for ids and names in a packet.
const TRANSCRIPTION_TEXT_BYTES_MAX: usize = DATA_PACKET_BYTES_MAX - 1_500;

#[cfg(test)]
mod tests {
    use lectern_pipelines::{
        CaptionKind, HealthState, MediaTime, Participant, ParticipantIdentity, SegmentId, TrackSid,
    };

    use super::*;

    fn caption(id: &str, text: &str, kind: CaptionKind) -> Item {
        let segment = Segment {
            id: SegmentId::parse(id).expect("a good id"),
            track: TrackSid::parse("TR_1").expect("a good SID"),
            speaker: Participant {
                identity: ParticipantIdentity::parse("ada").expect("a good identity"),
                name: "Ada".to_owned(),
            },
            start: MediaTime::ZERO,
            end: MediaTime::ZERO,
            text: text.to_owned(),
            language: None,
            words: Vec::new(),
            is_final: kind == CaptionKind::Final,
            utterance: 0,
        };
        Item::Caption {
            caption: Caption { segment, kind },
            heard: None,
            not_before: None,
        }
    }

    fn interim(id: &str, text: &str) -> Item {
        caption(id, text, CaptionKind::Interim)
    }

    fn settled(id: &str) -> Item {
        caption(id, "whole", CaptionKind::Final)
    }

    #[test]
    fn newer_words_take_the_place_of_an_interim_that_waits() {
        let mut items = VecDeque::new();
        for item in [
            interim("a", "one"),
            interim("b", "other"),
            interim("a", "one two"),
            settled("a"),
        ] {
            assert_eq!(enqueue(&mut items, item), None);
        }
        assert_eq!(items, [settled("a"), interim("b", "other")]);
    }

    #[test]
    fn a_final_is_never_replaced() {
        let mut items = VecDeque::new();
        enqueue(&mut items, settled("a"));
        enqueue(&mut items, caption("a", "", CaptionKind::Final));
        assert_eq!(items.len(), 2);
    }

    #[test]
    fn a_full_queue_drops_its_oldest_interim_and_no_final() {
        let mut items: VecDeque<Item> = VecDeque::new();
        enqueue(&mut items, settled("first"));
        enqueue(&mut items, interim("second", "x"));
        for number in 0..ITEMS_MAX - 2 {
            assert_eq!(enqueue(&mut items, settled(&format!("s{number}"))), None);
        }
        assert_eq!(enqueue(&mut items, settled("more")), Some(interim("second", "x")));
        assert_eq!(enqueue(&mut items, settled("even more")), None);
        assert_eq!(items.len(), ITEMS_MAX + 1, "finals stay, whatever it takes");
        assert_eq!(
            enqueue(&mut items, interim("late", "x")),
            Some(interim("late", "x"))
        );
    }

    #[test]
    fn only_the_latest_health_of_a_track_is_told() {
        let health = |state| {
            Item::Health(Health {
                track: TrackSid::parse("TR_1").expect("a good SID"),
                state,
            })
        };
        let mut items = VecDeque::new();
        enqueue(&mut items, health(HealthState::Interrupted));
        enqueue(&mut items, health(HealthState::Listening));
        assert_eq!(items, [health(HealthState::Listening)]);
    }

    #[tokio::test(start_paused = true)]
    async fn words_that_are_being_stored_are_shown_once_if_the_disk_is_quick() {
        let show = |queue: &CaptionQueue, item: Item| {
            let Item::Caption { mut caption, .. } = item else {
                unreachable!("a caption")
            };
            caption.segment.is_final = true;
            queue.show(caption, None);
        };
        let queue = CaptionQueue::new();
        show(&queue, interim("a", "whole"));
        show(&queue, settled("a"));
        let shown = queue.next().await.expect("an item");
        assert_eq!((shown.must_arrive(), queue.lock().len()), (true, 0));
        show(&queue, interim("b", "whole"));
        queue.push(interim("c", "other words don't wait"));
        assert_eq!(queue.next().await, Some(interim("c", "other words don't wait")));
        queue.finish();
        assert!(
            matches!(queue.next().await, Some(Item::Caption { .. })),
            "nothing is kept back at the end"
        );
        assert_eq!(queue.next().await, None);
    }

    #[test]
    fn words_on_a_slow_disk_are_shown_as_an_interim_after_a_moment() {
        let now = Instant::now();
        let Item::Caption { caption, heard, .. } = interim("a", "whole") else {
            unreachable!("a caption")
        };
        let kept = Item::Caption {
            caption,
            heard,
            not_before: Some(now + STORING),
        };
        let mut items = VecDeque::from([kept]);
        assert!(matches!(take_due(&mut items, Some(now)), Err(Some(at)) if at == now + STORING));
        assert!(take_due(&mut items, Some(now + STORING)).is_ok());
    }

    #[test]
    fn who_comes_is_told_of_the_tracks_that_are_in_trouble() {
        let health = |track: &str, state| Health {
            track: TrackSid::parse(track).expect("a good SID"),
            state,
        };
        let mut troubles = Troubles::default();
        troubles.note(&health("TR_1", HealthState::Interrupted));
        troubles.note(&health("TR_2", HealthState::Refused));
        troubles.note(&health("TR_2", HealthState::Interrupted));
        troubles.note(&health("TR_1", HealthState::Listening));
        let told: Vec<Vec<u8>> = troubles.packets().collect();
        assert_eq!(told, [health("TR_2", HealthState::Interrupted).data_packet()]);
        troubles.note(&health("TR_2", HealthState::Resumed(Duration::from_secs(2))));
        assert_eq!(troubles.packets().count(), 0);
    }
}
