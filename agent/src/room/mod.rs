//! A LiveKit room as the driver sees it. Nothing of the SDK shows outside of this folder.

mod audio;
mod captions;
mod chat;
pub(crate) mod speaker;
mod subscription;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use livekit::{
    DisconnectReason, Room as Connection, RoomEvent as SdkEvent, RoomOptions, TextStreamReader,
    prelude::{Participant as AnyParticipant, RemoteParticipant, RemoteTrack, RemoteTrackPublication},
    webrtc::peer_connection_factory::{IceTransportsType, RtcConfiguration, StunServers},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::mpsc::{UnboundedReceiver, error::TrySendError},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use lectern_pipelines::{Participant, ParticipantIdentity, RoomSid, TrackKey, TrackSid};

use self::{
    audio::{AudioEvent, Listener},
    chat::{Names, OpenedStream, StreamSender},
    subscription::{Publication, Wish},
};
use crate::{CaptionForms, NetworkPaths, ScreenShareAudio, Visibility, tls};

pub(crate) use self::{
    audio::Samples,
    captions::CaptionQueue,
    chat::{ReceivedMessage, RoomChat, SentMessage},
};

/// How a room is joined and served.
#[derive(Debug, Clone)]
pub(crate) struct RoomSettings {
    /// Whether others see us.
    pub(crate) visibility: Visibility,
    /// The ways by which media may come.
    pub(crate) network_paths: NetworkPaths,
    /// Whether shared screens are listened to.
    pub(crate) screen_share_audio: ScreenShareAudio,
    /// How captions are sent.
    pub(crate) caption_forms: CaptionForms,
}

/// What happens in a room.
#[derive(Debug)]
pub(crate) enum RoomEvent {
    /// Somebody who may speak is there, or goes by a new name.
    Participant(Participant),
    /// Somebody who came after us can be sent what was said before.
    Arrived(ParticipantIdentity),
    /// Somebody speaks another language than the room, or (none) that of the room.
    Language {
        /// Who.
        speaker: ParticipantIdentity,
        /// BCP 47.
        language: Option<String>,
    },
    /// Audio will come under this key.
    TrackStarted {
        /// New for every subscription.
        track: TrackKey,
        /// LiveKit's id of it.
        sid: TrackSid,
        /// Whose it is.
        speaker: ParticipantIdentity,
    },
    /// The next samples of a track.
    Audio {
        /// As in [`RoomEvent::TrackStarted`].
        track: TrackKey,
        /// 16 kHz, one channel.
        samples: Samples,
    },
    /// The last samples of this track have been given.
    TrackEnded {
        /// As in [`RoomEvent::TrackStarted`].
        track: TrackKey,
    },
    /// A track that would be captioned if it could be heard.
    Encrypted(TrackSid),
    /// The room has another SID from now on: its server was restarted.
    NewSid(RoomSid),
    /// The connection is lost for now.
    Reconnecting,
    /// The connection is back.
    Reconnected,
    /// The last event.
    Left(Departure),
}

/// Why we are not in the room any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Departure {
    /// The room was closed or deleted: the meeting is over.
    RoomOver,
    /// Anything else. The room may well go on.
    Interrupted(&'static str),
    /// We were asked to, and are still there to show last captions.
    OnRequest,
}

/// Why a room could not be joined; free of secrets.
#[derive(Debug)]
pub(crate) struct JoinError(pub(crate) String);

/// A room that we are in.
#[derive(Debug)]
pub(crate) struct Room {
    connection: Option<Connection>,
    events: UnboundedReceiver<SdkEvent>,
    settings: RoomSettings,
    sid: RoomSid,
    listener: Listener,
    encrypted: HashSet<TrackSid>,
    ready: VecDeque<RoomEvent>,
    state: State,
    captions: CaptionQueue,
    captions_task: JoinHandle<()>,
    /// Where the streams of the chat go, to whoever took it.
    chat_streams: StreamSender,
    chat: Option<RoomChat>,
    names: Names,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Inside,
    Left,
}

/// Signalling, ICE and DTLS together, with the SDK's own repetitions.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// A SID comes with the first answer, or right after it.
const SID_TIMEOUT: Duration = Duration::from_secs(5);
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long tracks are waited for that we have asked for.
const SUBSCRIBING_MAX: Duration = Duration::from_secs(3);
const SUBSCRIBING_CHECK: Duration = Duration::from_millis(50);
/// From the subscription to the first packet; the way for media may be opened only then.
const MEDIA_COMES: Duration = Duration::from_secs(1);
/// Mostly frames of 10 ms: ten minutes of one speaker, some 20 MB.
const ATTENDED_EVENTS_MAX: usize = 60_000;

impl Room {
    /// Joins, and subscribes to what is to be heard.
    pub(crate) async fn join(
        url: &str,
        token: &SecretString,
        settings: RoomSettings,
    ) -> Result<Self, JoinError> {
        tls::choose_provider();
        let token = token.expose_secret();
        let mut options = RoomOptions::default();
        options.auto_subscribe = false;
        options.rtc_config = rtc_configuration(settings.network_paths);
        let (connection, events) = timeout(JOIN_TIMEOUT, Connection::connect(url, token, options))
            .await
            .map_err(|_| JoinError("no answer within 20 s".to_owned()))?
            // The SDK's account may quote the URL, and with it the token.
            .map_err(|error| JoinError(error.to_string().replace(token, "…")))?;
        let (captions, captions_task) =
            captions::start(connection.local_participant(), settings.caption_forms);
        let names = Names::default();
        let (chat_streams, chat) = RoomChat::new(connection.local_participant(), names.subscribe());
        let mut room = Self {
            connection: Some(connection),
            events,
            settings,
            sid: RoomSid::parse("unknown").expect("a good SID"),
            listener: Listener::default(),
            encrypted: HashSet::new(),
            ready: VecDeque::new(),
            state: State::Inside,
            captions,
            captions_task,
            chat_streams,
            chat: Some(chat),
            names,
        };
        room.sid = room.first_sid().await?;
        room.survey();
        room.announce();
        Ok(room)
    }

    /// LiveKit's id of the room as it is now.
    pub(crate) fn sid(&self) -> &RoomSid {
        &self.sid
    }

    /// What is listened to.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = &TrackSid> {
        self.listener.tracks()
    }

    /// Where captions for this room go.
    pub(crate) fn captions(&self) -> &CaptionQueue {
        &self.captions
    }

    /// What people write to one another, from the time we joined on; once.
    pub(crate) fn take_chat(&mut self) -> Option<RoomChat> {
        self.chat.take()
    }

    /// What happens next. Loses nothing when dropped; after [`RoomEvent::Left`] nothing more happens.
    pub(crate) async fn next_event(&mut self) -> RoomEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            let is_inside = self.state == State::Inside;
            tokio::select! {
                biased;
                event = self.events.recv(), if is_inside => match event {
                    Some(event) => self.translate(event),
                    None => self.leave(Departure::Interrupted("CONNECTION_CLOSED")),
                },
                event = self.listener.next() => match event {
                    AudioEvent::Samples(track, samples) => return RoomEvent::Audio { track, samples },
                    AudioEvent::Ended(track) => return RoomEvent::TrackEnded { track },
                },
            }
        }
    }

    /// Waits for something else, and keeps what happens meanwhile with when it happened.
    ///
    /// Beyond [`ATTENDED_EVENTS_MAX`] audio waits in the SDK's queues, which drop what is older than half a minute.
    pub(crate) async fn attend<T>(
        &mut self,
        meanwhile: impl Future<Output = T>,
    ) -> (T, Vec<(Instant, RoomEvent)>) {
        let mut waited = Vec::new();
        tokio::pin!(meanwhile);
        loop {
            tokio::select! {
                biased;
                value = &mut meanwhile => return (value, waited),
                event = self.next_event(), if waited.len() < ATTENDED_EVENTS_MAX => {
                    waited.push((Instant::now(), event));
                }
            }
        }
    }

    /// Waits until all that is to be heard is heard, though not for long, and keeps what happens meanwhile.
    pub(crate) async fn attend_to_all(&mut self) -> Vec<(Instant, RoomEvent)> {
        let began = Instant::now();
        let mut waited = Vec::new();
        while !self.listens_to_all() && began.elapsed() < SUBSCRIBING_MAX {
            waited.extend(self.attend(sleep(SUBSCRIBING_CHECK)).await.1);
        }
        waited.extend(self.attend(sleep(MEDIA_COMES)).await.1);
        waited
    }

    /// Stops listening. What was heard so far is still given, then [`Departure::OnRequest`].
    pub(crate) fn stop_listening(&mut self) {
        if self.state == State::Inside {
            self.leave(Departure::OnRequest);
        }
    }

    /// Sends what captions are left, then leaves.
    pub(crate) async fn close(mut self) {
        self.captions.finish();
        // The task has a deadline of its own; if it panicked, that was logged.
        let _ = (&mut self.captions_task).await;
        if let Some(connection) = self.connection.take() {
            leave(connection).await;
        }
    }

    async fn first_sid(&self) -> Result<RoomSid, JoinError> {
        let Some(connection) = &self.connection else {
            return Err(JoinError("left already".to_owned()));
        };
        let sid = timeout(SID_TIMEOUT, connection.sid()).await;
        let sid = sid.map_err(|_| JoinError("LiveKit tells no SID of the room".to_owned()))?;
        RoomSid::parse(sid.as_str()).map_err(|error| JoinError(error.to_string()))
    }

    fn translate(&mut self, event: SdkEvent) {
        match event {
            SdkEvent::ParticipantConnected(participant) => self.meet(&participant),
            SdkEvent::ParticipantActive(participant) if subscription::may_speak(participant.kind()) => {
                if let Ok(identity) = ParticipantIdentity::parse(participant.identity().as_str()) {
                    self.ready.push_back(RoomEvent::Arrived(identity));
                }
            }
            SdkEvent::ParticipantNameChanged {
                participant: AnyParticipant::Remote(participant),
                ..
            } => {
                self.see(&participant);
            }
            SdkEvent::ParticipantAttributesChanged {
                participant: AnyParticipant::Remote(participant),
                ..
            } => self.reconsider(&participant),
            SdkEvent::TrackPublished {
                publication,
                participant,
            } => self.consider(&participant, &publication),
            SdkEvent::TrackSubscribed {
                track,
                publication,
                participant,
            } => {
                self.listen(track, &publication, &participant);
            }
            SdkEvent::TrackUnsubscribed { publication, .. }
            | SdkEvent::TrackUnpublished { publication, .. } => {
                self.end_track(publication.sid().as_str());
            }
            SdkEvent::TrackSubscriptionFailed {
                participant,
                track_sid,
                error,
            } => {
                warn!(track.sid = %track_sid, %error, "track {track_sid} can't be subscribed to; asking again");
                if let Some(publication) = participant.get_track_publication(&track_sid) {
                    publication.set_subscribed(true);
                }
            }
            SdkEvent::TextStreamOpened {
                reader,
                topic,
                participant_identity,
            } if topic == chat::TOPIC => self.receive_chat(reader.take(), participant_identity.into()),
            SdkEvent::Reconnecting => self.ready.push_back(RoomEvent::Reconnecting),
            SdkEvent::Reconnected => {
                self.check_sid();
                self.survey();
                self.ask_again();
                self.ready.push_back(RoomEvent::Reconnected);
            }
            SdkEvent::RoomUpdated { .. } | SdkEvent::Moved { .. } => self.check_sid(),
            SdkEvent::Disconnected { reason } => self.leave(departure_of(reason)),
            _ => {}
        }
    }

    /// Everybody who is there, and what they publish.
    fn survey(&mut self) {
        for participant in self.participants().values() {
            self.meet(participant);
        }
    }

    /// For tracks that we were told of while the connection came back: then the SDK asks the server that is gone for them.
    fn ask_again(&mut self) {
        for participant in self.participants().values() {
            for publication in participant.track_publications().values() {
                if publication.is_desired() && publication.track().is_none() {
                    publication.set_subscribed(true);
                }
            }
        }
    }

    fn participants(&self) -> HashMap<livekit::id::ParticipantIdentity, RemoteParticipant> {
        let connection = self.connection.as_ref();
        connection
            .map(Connection::remote_participants)
            .unwrap_or_default()
    }

    fn meet(&mut self, participant: &RemoteParticipant) {
        self.see(participant);
        self.reconsider(participant);
    }

    fn see(&mut self, participant: &RemoteParticipant) {
        self.names.send_modify(|names| {
            names.insert(participant.identity().into(), name_of(participant));
        });
        if !subscription::may_speak(participant.kind()) {
            return;
        }
        match participant_of(participant) {
            Some(participant) => self.ready.push_back(RoomEvent::Participant(participant)),
            None => warn!("a participant has an identity that can't be stored, and is not captioned"),
        }
    }

    fn reconsider(&mut self, participant: &RemoteParticipant) {
        if let Some(speaker) = participant_of(participant).map(|participant| participant.identity) {
            let language = subscription::language(&participant.attributes());
            self.ready.push_back(RoomEvent::Language { speaker, language });
        }
        for publication in participant.track_publications().values() {
            self.consider(participant, publication);
        }
    }

    fn consider(&mut self, participant: &RemoteParticipant, publication: &RemoteTrackPublication) {
        match self.wish(participant, publication) {
            Wish::Listen if !publication.is_desired() => publication.set_subscribed(true),
            Wish::Listen => {}
            Wish::Ignore if publication.is_desired() => {
                publication.set_subscribed(false);
                debug!(track.sid = %publication.sid(), "no longer listening to track {}", publication.sid());
                // What was said before is given; what follows isn't waited for.
                self.end_track(publication.sid().as_str());
            }
            Wish::Ignore => {}
            Wish::Encrypted => {
                if let Ok(sid) = TrackSid::parse(publication.sid().as_str())
                    && self.encrypted.insert(sid.clone())
                {
                    self.ready.push_back(RoomEvent::Encrypted(sid));
                }
            }
        }
    }

    /// Whether there is nothing more to subscribe to. What is muted may not be given to us yet.
    fn listens_to_all(&self) -> bool {
        self.participants().values().all(|participant| {
            participant.track_publications().values().all(|publication| {
                publication.is_muted()
                    || self
                        .tracks()
                        .any(|track| track.as_str() == publication.sid().as_str())
                    || self.wish(participant, publication) != Wish::Listen
            })
        })
    }

    fn wish(&self, participant: &RemoteParticipant, publication: &RemoteTrackPublication) -> Wish {
        let publication = Publication {
            kind: publication.kind(),
            source: publication.source(),
            encryption: publication.encryption_type(),
        };
        subscription::wish(
            participant.kind(),
            &participant.attributes(),
            publication,
            self.settings.screen_share_audio,
        )
    }

    fn listen(
        &mut self,
        track: RemoteTrack,
        publication: &RemoteTrackPublication,
        participant: &RemoteParticipant,
    ) {
        let RemoteTrack::Audio(audio) = track else { return };
        if self.wish(participant, publication) != Wish::Listen {
            return publication.set_subscribed(false);
        }
        let (Ok(sid), Ok(speaker)) = (
            TrackSid::parse(publication.sid().as_str()),
            ParticipantIdentity::parse(participant.identity().as_str()),
        ) else {
            return publication.set_subscribed(false);
        };
        self.end_track(sid.as_str());
        let track = self.listener.add(sid.clone(), audio.rtc_track());
        debug!(track.sid = %sid, "listening to track {sid}");
        self.ready
            .push_back(RoomEvent::TrackStarted { track, sid, speaker });
    }

    fn receive_chat(&self, reader: Option<TextStreamReader>, identity: String) {
        let Some(reader) = reader else { return };
        // Closed where nobody wants a chat here.
        if let Err(TrySendError::Full(_)) = self.chat_streams.try_send(OpenedStream { identity, reader }) {
            metrics::counter!("lectern_chat_received_total", "outcome" => "refused").increment(1);
        }
    }

    /// Gives what has been heard of a track, then its end.
    fn end_track(&mut self, sid: &str) {
        let ready = &mut self.ready;
        self.listener.end(sid, |event| ready.push_back(event.into()));
    }

    fn check_sid(&mut self) {
        let sid = self.connection.as_ref().and_then(Connection::maybe_sid);
        let Some(sid) = sid.and_then(|sid| RoomSid::parse(sid.as_str()).ok()) else {
            return;
        };
        if sid != self.sid {
            self.sid = sid.clone();
            self.ready.push_back(RoomEvent::NewSid(sid));
        }
    }

    fn leave(&mut self, departure: Departure) {
        self.state = State::Left;
        if departure != Departure::OnRequest {
            // There is nobody left to show captions to.
            self.captions_task.abort();
        }
        let ready = &mut self.ready;
        self.listener.end_all(|event| ready.push_back(event.into()));
        self.ready.push_back(RoomEvent::Left(departure));
    }

    /// Tells front ends that look for an agent that we listen.
    fn announce(&self) {
        let (Visibility::Visible, Some(connection)) = (self.settings.visibility, &self.connection) else {
            return;
        };
        let participant = connection.local_participant();
        tokio::spawn(async move {
            let state = HashMap::from([("lk.agent.state".to_owned(), "listening".to_owned())]);
            if let Err(error) = participant.set_attributes(state).await {
                debug!(%error, "front ends can't be told that we listen");
            }
        });
    }
}

impl Drop for Room {
    /// A room's work may end by a panic: the connection must not outlive it.
    fn drop(&mut self) {
        self.captions_task.abort();
        if let (Some(connection), Ok(runtime)) =
            (self.connection.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(leave(connection));
        }
    }
}

impl From<AudioEvent> for RoomEvent {
    fn from(event: AudioEvent) -> Self {
        match event {
            AudioEvent::Samples(track, samples) => Self::Audio { track, samples },
            AudioEvent::Ended(track) => Self::TrackEnded { track },
        }
    }
}

/// The servers come from LiveKit when the room is joined.
fn rtc_configuration(paths: NetworkPaths) -> RtcConfiguration {
    let mut configuration = RtcConfiguration::default();
    match paths {
        NetworkPaths::Direct => {}
        NetworkPaths::WithStun => configuration.stun_servers = StunServers::Asked,
        NetworkPaths::RelayOnly => configuration.ice_transport_type = IceTransportsType::Relay,
    }
    configuration
}

async fn leave(connection: Connection) {
    match timeout(LEAVE_TIMEOUT, connection.close()).await {
        // Of a connection that ended by itself nothing is left to close.
        Ok(_) => {}
        Err(_) => info!("LiveKit doesn't answer to our leaving"),
    }
}

/// Nothing where the identity is one that no table could hold.
fn participant_of(participant: &RemoteParticipant) -> Option<Participant> {
    let identity = ParticipantIdentity::parse(participant.identity().as_str()).ok()?;
    let name = name_of(participant);
    Some(Participant { identity, name })
}

/// What they call themselves; what LiveKit calls them if that is nothing.
fn name_of(participant: &RemoteParticipant) -> String {
    match participant.name() {
        name if name.trim().is_empty() => participant.identity().into(),
        name => name,
    }
}

/// Only a room that LiveKit itself calls over is over.
fn departure_of(reason: DisconnectReason) -> Departure {
    match reason {
        DisconnectReason::RoomDeleted | DisconnectReason::RoomClosed => Departure::RoomOver,
        other => Departure::Interrupted(other.as_str_name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_relays_learns_where_a_worker_is_that_may_use_nothing_else() {
        let chosen = |paths| {
            let configuration = rtc_configuration(paths);
            (configuration.ice_transport_type, configuration.stun_servers)
        };
        let any = IceTransportsType::All;
        assert_eq!(chosen(NetworkPaths::Direct), (any, StunServers::Ignored));
        assert_eq!(chosen(NetworkPaths::WithStun), (any, StunServers::Asked));
        assert_eq!(
            chosen(NetworkPaths::RelayOnly),
            (IceTransportsType::Relay, StunServers::Ignored)
        );
    }

    #[test]
    fn only_a_closed_or_deleted_room_is_over() {
        for value in 0..=16 {
            let reason = DisconnectReason::try_from(value).expect("a known reason");
            let expected = match reason {
                DisconnectReason::RoomDeleted | DisconnectReason::RoomClosed => Departure::RoomOver,
                DisconnectReason::DuplicateIdentity => Departure::Interrupted("DUPLICATE_IDENTITY"),
                DisconnectReason::ParticipantRemoved => Departure::Interrupted("PARTICIPANT_REMOVED"),
                other => Departure::Interrupted(other.as_str_name()),
            };
            assert_eq!(departure_of(reason), expected);
        }
    }
}
