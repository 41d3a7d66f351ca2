//! The sans-IO core: audio to transcript, transcript to summary and page model.
//!
//! Nothing in here knows a clock, a socket, a file, a task or a lock. [`Meeting`] takes audio and recogniser
//! messages and gives captions, segments to store and bytes for the recogniser; the live worker and
//! `lectern replay` drive the same value. What follows the room's end ([`Lecture`], exports, summary, minutes) is
//! made of plain values too.

mod aside;
mod audio;
mod caption;
mod export;
mod gate;
mod ids;
mod journal;
mod labels;
mod language;
mod lecture;
mod lobby;
mod meeting;
mod minutes;
mod resample;
mod search;
mod segment;
mod stage;
mod stt;
mod summary;
mod time;
mod track;
mod transcript;

pub use aside::{Aside, ChatLine, SharedFile};
pub use audio::{AudioFrame, SAMPLE_RATE_HZ};
pub use caption::{
    CAPTIONS_TOPIC, Caption, CaptionKind, DATA_PACKET_BYTES_MAX, Health, HealthState, TRANSCRIPTION_TOPIC,
    tail_of,
};
pub use export::{ExportFormat, export, summary_json};
pub use gate::GateSettings;
pub use ids::{
    AccountId, ConnectionId, DeliveryId, GuestId, HookId, IdError, MeetingId, ParticipantIdentity, RoomName,
    RoomSid, SegmentId, TrackKey, TrackSid,
};
pub use journal::{UnsettledSpeech, after_void};
pub use labels::Labels;
pub use language::is_language_tag;
pub use lecture::Lecture;
pub use lobby::{GuestState, GuestStep, TooLate};
pub use meeting::{Event, LateSpeech, Meeting, Output, Settings, SttEnd, SttPurpose, TrackClock};
pub use minutes::{
    ActionNotes, Attendee, ChapterNotes, ChatNotes, Entry, FileNotes, Line, Minutes, PageSize, QuestionNotes,
    Source, TermNotes,
};
pub use resample::Resampler;
pub use search::{Excerpt, QUERY_TERMS_MAX, SearchQuery, SearchTerm, search_tokens};
pub use segment::{Gap, GapReason, Participant, Segment, Word};
pub use stage::Stage;
pub use stt::{DEEPGRAM_CATCH_UP_RATE, ModelImprovement, STT_CLOSE_STREAM, SttSettings, stt_path_of_model};
pub use summary::{
    ActionItem, Chapter, CitedLine, KeyTerm, Message, ModelAbsence, ModelFailure, Prompt, PromptFailure,
    PromptId, Question, ReplyForm, Role, Summary, SummaryError, SummaryPlanner, SummarySettings,
    SummarySource, TOKEN_BUDGET_MIN, WISH_CHARS_MAX, extractive,
};
pub use time::{MediaTime, UnixMillis};
