//! What outlives a meeting: rows in SQLite or Postgres, objects in a folder or S3.
//!
//! [`Database`] holds meetings, who works on them, what was said and what came of it, and accounts, rooms and guests;
//! [`Objects`] holds files.
//! A live meeting stores through a [`Writer`], which says of every segment when it is safe; everything else calls
//! [`Database`] directly. No function here reads a clock: times are arguments.

mod account;
mod administration;
mod artifact;
mod audit;
mod ban;
mod caption;
mod chat;
mod chat_relay;
mod correction;
mod database;
mod erasure;
mod error;
mod event;
mod file;
mod guest;
mod hand;
mod handover;
mod hook;
mod identity;
mod key;
mod lease;
mod meeting;
mod objects;
mod outbox;
mod page;
pub mod records;
mod retention;
mod room;
mod room_news;
mod search;
mod share;
mod summary;
mod transcript;
mod webhook_event;
mod writer;

pub use account::{Account, AccountRole, ApiKey, NewAccount};
pub use administration::{AccountAccess, AccountChange, AccountOverview, Governed};
pub use artifact::{Artifact, LECTURE_PDF, SHARED_PDF};
pub use audit::{AuditEntry, NewAuditEntry};
pub use ban::{AtTheDoor, Ban, Banned, BannedBy};
pub use caption::{CaptionContent, CaptionedMeeting, StoredCaption};
pub use chat::{CHAT_TEXT_CHARS_MAX, ChatChange, ChatMessage, NewChatMessage, REACTIONS_EACH_MAX, Reaction};
pub use chat_relay::{CHAT_NEWS_MAX, ChatNews, ReceivedChat};
pub use correction::{Corrected, Correction, SegmentVersion, StoredSegment};
pub use database::{Database, DatabaseConfig, Postgres, SQLITE_CONNECTIONS_MAX, Sqlite};
pub use error::Error;
pub use event::{Audience, EVENTS_READ_MAX, NewEvent, RoomEvent};
pub use file::{NewFile, SharedFile, Sharing};
pub use guest::{Decided, Decision, Guest, NewGuest, OwnCaptions};
pub use hand::Hand;
pub use handover::Inheritance;
pub use hook::{Failing, Hook, HookChange, HookTopic, NewHook, Switch, SwitchedOff};
pub use identity::Identity;
pub use key::{ObjectKey, object_key};
pub use lease::{Due, Lease, LiveMeeting, PendingMeeting};
pub use meeting::{CONTINUES_WITHIN, MeetingOverview, OpenedMeeting, Origin};
pub use objects::{
    Addressing, Bucket, Folder, LinkHeaders, ObjectReader, Objects, ObjectsConfig, S3Config, Upload,
};
pub use outbox::{Attempt, ClaimedHook, Delivery, DeliveryState, HOOK_WAITING_MAX, HookEvent};
pub use page::{Cursor, PAGE_ITEMS_MAX, Page};
pub use retention::Expired;
pub use room::{Door, Room, RoomChange, RoomStatus, RoomWishes};
pub use room_news::RoomNews;
pub use search::{FOUND_SEGMENTS_MAX, FoundLecture, FoundSegment};
pub use share::LectureShare;
pub use summary::{NewSummary, SUMMARIES_KEPT_MAX, SummaryOrder, SummaryTask, SummaryVersion};
pub use transcript::Record;
pub use writer::{
    LogState, MeetingWriter, NotTaken, QUEUED_RECORDS_MAX, Receipt, WordLog, Writer, WriterTask,
};
