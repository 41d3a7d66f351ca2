//! Chat as LiveKit's own components have it: each message is a text stream with an id, in its author's name. The same
//! author's next stream under the same id takes its place.

use std::{collections::HashMap, time::Duration};

use futures_util::StreamExt;
use livekit::{SendTextOptions, StreamReader, TextStreamReader, prelude::LocalParticipant};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

/// LiveKit's topic for it.
pub(super) const TOPIC: &str = "lk.chat";

/// A message that somebody wrote in a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedMessage {
    /// By which components know it, together with its author.
    pub(crate) stream_id: String,
    /// Who wrote it, as LiveKit calls them.
    pub(crate) identity: String,
    /// What they call themselves.
    pub(crate) name: String,
    /// All of it, up to [`TEXT_BYTES_MAX`]; what follows is cut off.
    pub(crate) text: String,
}

/// A message for components to show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SentMessage<'a> {
    /// By which components know it, together with its author.
    pub(crate) stream_id: &'a str,
    /// Who wrote it, as LiveKit calls them.
    pub(crate) identity: &'a str,
    /// What it says now.
    pub(crate) text: &'a str,
}

/// Where streams go that somebody opened.
pub(super) type StreamSender = mpsc::Sender<OpenedStream>;

/// A message that begins to arrive.
#[derive(Debug)]
pub(super) struct OpenedStream {
    /// Who writes it, as LiveKit calls them.
    pub(super) identity: String,
    pub(super) reader: TextStreamReader,
}

/// What people call themselves, by what LiveKit calls them.
pub(super) type Names = watch::Sender<HashMap<String, String>>;

/// The chat of a room that we are in.
#[derive(Debug)]
pub(crate) struct RoomChat {
    participant: LocalParticipant,
    names: watch::Receiver<HashMap<String, String>>,
    opened: mpsc::Receiver<OpenedStream>,
    reading: JoinSet<Option<ReceivedMessage>>,
}

/// Streams that wait to be read; more of them are dropped.
const OPENED_MAX: usize = 64;
/// Streams that are read at once; others wait.
const READING_MAX: usize = 16;
/// Far more than a message may have.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// How long a message may take to arrive: it must not keep others waiting for ever.
const READING_TIMEOUT: Duration = Duration::from_secs(10);
/// Who publishes nothing is told of after three seconds (LiveKit server 1.13.5): some write sooner.
const NAME_TIMEOUT: Duration = Duration::from_secs(4);
/// How long LiveKit may take to take a message from us.
const SENDING_TIMEOUT: Duration = Duration::from_secs(10);

impl RoomChat {
    pub(super) fn new(
        participant: LocalParticipant,
        names: watch::Receiver<HashMap<String, String>>,
    ) -> (StreamSender, Self) {
        let (sender, opened) = mpsc::channel(OPENED_MAX);
        let chat = Self {
            participant,
            names,
            opened,
            reading: JoinSet::new(),
        };
        (sender, chat)
    }

    /// The next message that has arrived whole; nothing once we have left the room. Loses nothing when dropped.
    pub(crate) async fn next(&mut self) -> Option<ReceivedMessage> {
        loop {
            tokio::select! {
                Some(stream) = self.opened.recv(), if self.reading.len() < READING_MAX => {
                    self.reading.spawn(read(stream, self.names.clone()));
                }
                Some(read) = self.reading.join_next() => if let Ok(Some(message)) = read {
                    return Some(message);
                },
                else => return None,
            }
        }
    }

    /// Shows a message to everybody in the room, in its author's name; says whether LiveKit took it.
    pub(crate) async fn send(&self, message: SentMessage<'_>) -> Result<(), NotSent> {
        let mut options = SendTextOptions::new_with_topic(TOPIC).with_sender_identity(message.identity);
        options.id = Some(message.stream_id.to_owned());
        // A sentence gains nothing by it.
        options.compress = Some(false);
        match timeout(SENDING_TIMEOUT, self.participant.send_text(message.text, options)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotSent),
        }
    }
}

/// LiveKit can't be reached just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotSent;

async fn read(
    stream: OpenedStream,
    mut names: watch::Receiver<HashMap<String, String>>,
) -> Option<ReceivedMessage> {
    let OpenedStream { identity, reader } = stream;
    let stream_id = reader.info().id.clone();
    let text = timeout(READING_TIMEOUT, text_of(reader)).await.ok()??;
    let named = names.wait_for(|names| names.contains_key(&identity));
    let name = match timeout(NAME_TIMEOUT, named).await {
        Ok(Ok(names)) => names.get(&identity).cloned(),
        Ok(Err(_)) | Err(_) => None,
    };
    Some(ReceivedMessage {
        stream_id,
        name: name.unwrap_or_else(|| identity.clone()),
        identity,
        text,
    })
}

/// Nothing where the stream breaks off.
async fn text_of(mut reader: TextStreamReader) -> Option<String> {
    let mut text = String::new();
    while let Some(piece) = reader.next().await {
        text.push_str(&piece.ok()?);
        if text.len() > TEXT_BYTES_MAX {
            reader.closer().close();
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
            break;
        }
    }
    Some(text)
}
