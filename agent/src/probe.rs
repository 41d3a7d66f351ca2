//! Looks at what the settings lead to, for `lectern doctor`.

use std::time::Duration;

use tokio::{sync::mpsc, time::timeout};

use lectern_pipelines::{
    ConnectionId, Lecture, MediaTime, MeetingId, Participant, ParticipantIdentity, RoomName, Segment,
    SegmentId, SttEnd, SttPurpose, TrackSid, UnixMillis,
};

use crate::{
    Error, LiveKit, Llm, Replies, Stt,
    llm::LanguageModel,
    server::Server,
    stt::{PROBE_PATH, Recogniser, SttEvent},
    summary::{SUMMARY_PATIENCE, Wishes},
};

/// How many rooms the LiveKit server has; proves that it is there and takes our key.
pub async fn count_rooms(livekit: &LiveKit) -> Result<usize, Error> {
    Ok(Server::new(livekit.clone()).rooms().await?.len())
}

/// Opens a stream to each recogniser and drops it again.
pub async fn probe_recognisers(stt: &Stt) -> Result<(), Error> {
    for server in &stt.servers {
        let servers = vec![server.clone()];
        probe_recogniser(&Stt {
            servers,
            ..stt.clone()
        })
        .await?;
    }
    Ok(())
}

async fn probe_recogniser(stt: &Stt) -> Result<(), Error> {
    let recogniser = Recogniser::new(stt)?;
    let (news_sender, mut news) = mpsc::channel(4);
    let socket = recogniser.open(ConnectionId(1), SttPurpose::Live, PROBE_PATH, news_sender);
    let answer = timeout(PATIENCE, news.recv())
        .await
        .ok()
        .flatten()
        .map(|news| news.event);
    drop(socket);
    let reason = match answer {
        Some(SttEvent::Opened | SttEvent::Message(_) | SttEvent::Outdated) => return Ok(()),
        Some(SttEvent::Ended(SttEnd::Refused(401 | 403))) => {
            "it refuses the key: check DEEPGRAM_API_KEY".to_owned()
        }
        Some(SttEvent::Ended(SttEnd::Refused(402))) => "the account has no credit left".to_owned(),
        Some(SttEvent::Ended(SttEnd::Refused(429))) => {
            "it has too many streams; ours would have to wait".to_owned()
        }
        Some(SttEvent::Ended(SttEnd::Refused(status))) => format!("it answers with status {status}"),
        Some(SttEvent::Ended(_)) => "it can't be reached: check DEEPGRAM_URL".to_owned(),
        None => "it does not answer".to_owned(),
    };
    Err(Error::Recogniser {
        url: stt.servers[0].base_url.clone(),
        reason,
    })
}

/// Has the language model summarise a sentence.
pub async fn probe_llm(llm: &Llm) -> Result<(), Error> {
    let model = LanguageModel::new(llm)?;
    model
        .summarise(
            &sentence(),
            Wishes::default(),
            SUMMARY_PATIENCE,
            &mut Replies::default(),
            |_| {},
        )
        .await
        .map(|_| ())
}

fn sentence() -> Lecture {
    let speaker = Participant {
        identity: ParticipantIdentity::parse("doctor").expect("a short word"),
        name: "Doctor".to_owned(),
    };
    let end = Duration::from_secs(4);
    Lecture {
        meeting: MeetingId::parse("doctor").expect("a short word"),
        room: RoomName::parse("doctor").expect("a short word"),
        room_title: None,
        revision: 0,
        started_at: UnixMillis(0),
        duration: end,
        participants: vec![speaker.clone()],
        segments: vec![Segment {
            id: SegmentId::parse("SG_1").expect("a short word"),
            track: TrackSid::parse("TR_1").expect("a short word"),
            speaker,
            start: MediaTime::ZERO,
            end: MediaTime::ZERO + end,
            text: "Every computer has a clock inside it, and no two of these clocks agree.".to_owned(),
            language: Some("en".to_owned()),
            words: Vec::new(),
            is_final: true,
            utterance: 0,
        }],
        gaps: Vec::new(),
    }
}

const PATIENCE: Duration = Duration::from_secs(8);
