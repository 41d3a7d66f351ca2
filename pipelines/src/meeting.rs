//! One meeting: everything that happens while people are in the room.

use crate::{
    AudioFrame, Caption, ConnectionId, Gap, Health, MediaTime, Participant, ParticipantIdentity, Segment,
    SegmentId, TrackKey, TrackSid,
};

/// What a meeting is told.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// Somebody is in the room, or goes by a new name.
    ParticipantSeen(&'a Participant),
    /// A participant's audio will come under this key. The key must be new.
    TrackStarted {
        /// Our number for it.
        track: TrackKey,
        /// LiveKit's id of it.
        sid: &'a TrackSid,
        /// Whose it is.
        speaker: &'a ParticipantIdentity,
    },
    /// The next samples of a track; without gaps, silence included.
    Audio {
        /// The track that was started.
        track: TrackKey,
        /// Any rate, any number of channels.
        frame: AudioFrame<'a>,
    },
    /// No more audio of this track: unpublished, left, or opted out.
    TrackEnded {
        /// The track that was started.
        track: TrackKey,
    },
    /// The recogniser accepted the connection.
    SttOpened {
        /// As in [`Output::OpenStt`].
        connection: ConnectionId,
    },
    /// A text message came from the recogniser.
    SttMessage {
        /// As in [`Output::OpenStt`].
        connection: ConnectionId,
        /// The message as it came; anything at all.
        text: &'a str,
    },
    /// The connection is over, or never came to be. Nothing more may come of it.
    SttEnded {
        /// As in [`Output::OpenStt`].
        connection: ConnectionId,
        /// Why.
        end: SttEnd,
    },
    /// A segment from [`Output::Store`] is safe.
    Stored(&'a SegmentId),
    /// The room is over: let the recogniser finish, then end.
    RoomEnded,
    /// [`Meeting::poll_timeout`] has come.
    Timeout,
}

/// How a connection to the recogniser ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SttEnd {
    /// A websocket close frame with this code, or none (1005).
    Closed(u16),
    /// The server answered the upgrade with this HTTP status instead.
    Refused(u16),
    /// The network failed, or nobody answered in time.
    Failed,
}

/// What a meeting wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Connect to the recogniser. Answered by [`Event::SttOpened`] or [`Event::SttEnded`].
    OpenStt {
        /// The connection's number from now on.
        connection: ConnectionId,
        /// Whose audio it will carry.
        track: TrackKey,
        /// Path and query to add to the recogniser's base URL: `/v1/listen?…`.
        path_and_query: String,
    },
    /// Send audio: 16 kHz mono, 16-bit little-endian, never empty.
    SendAudio {
        /// An open connection.
        connection: ConnectionId,
        /// One binary frame.
        bytes: Vec<u8>,
    },
    /// Send a control message.
    SendText {
        /// An open connection.
        connection: ConnectionId,
        /// One text frame.
        text: &'static str,
    },
    /// Drop the connection without further ado; no [`Event::SttEnded`] is waited for.
    CloseStt {
        /// A connection that was asked for.
        connection: ConnectionId,
    },
    /// Store this final segment, then answer with [`Event::Stored`]. It is shown as final only then.
    Store(Segment),
    /// Store that speech is missing here.
    StoreGap(Gap),
    /// Show this to the room.
    Caption(Caption),
    /// Tell the room how recognition fares.
    Health(Health),
    /// Something came in that makes no sense; to be counted and logged, without its content.
    Rejected(&'static str),
    /// After [`Event::RoomEnded`]: every final is stored. The last output.
    Transcribed,
}
