//! What one track's speech becomes: segments.

use crate::{
    MediaTime, Participant, Segment, SegmentId, TrackSid,
    stt::{Speech, SpeechEvent},
};

/// Turns a track's speech events into segments: at most one open at a time, finals that never change.
pub(crate) struct Transcript {
    track: TrackSid,
    /// What makes this track's segment ids unique.
    id_prefix: String,
    segments: u32,
    utterance: u32,
    /// Whether the present utterance has a final already.
    utterance_begun: bool,
    open: Option<Segment>,
    /// No segment may begin before the last final did end.
    settled_until: MediaTime,
}

impl Transcript {
    pub(crate) fn new(track: TrackSid, id_prefix: String) -> Self {
        Self {
            track,
            id_prefix,
            segments: 0,
            utterance: 0,
            utterance_begun: false,
            open: None,
            settled_until: MediaTime::ZERO,
        }
    }

    /// Takes what was heard of `speaker` and gives the segment that is new or has changed.
    ///
    /// A final segment with empty text withdraws what was shown under its id.
    pub(crate) fn apply(&mut self, event: SpeechEvent, speaker: &Participant) -> Option<Segment> {
        match event {
            SpeechEvent::Interim(speech) => {
                let segment = self.segment(speech, speaker);
                let is_new = self.open.as_ref().is_none_or(|open| open.text != segment.text);
                self.open = Some(segment.clone());
                is_new.then_some(segment)
            }
            SpeechEvent::Final(speech) if speech.text.is_empty() => {
                let open = self.open.take()?;
                Some(Segment {
                    text: String::new(),
                    words: Vec::new(),
                    is_final: true,
                    ..open
                })
            }
            SpeechEvent::Final(speech) => {
                let segment = Segment {
                    is_final: true,
                    ..self.segment(speech, speaker)
                };
                Some(self.settle(segment))
            }
            SpeechEvent::UtteranceEnd => {
                self.utterance += u32::from(self.utterance_begun);
                self.utterance_begun = false;
                None
            }
        }
    }

    /// Nothing more will be heard: makes the open segment final as it stands, rather than lose what it says.
    pub(crate) fn settle_open(&mut self) -> Option<Segment> {
        let open = self.open.take()?;
        Some(self.settle(Segment {
            is_final: true,
            ..open
        }))
    }

    /// Where known speech ends, open or final.
    pub(crate) fn known_until(&self) -> MediaTime {
        self.open.as_ref().map_or(self.settled_until, |open| open.end)
    }

    fn settle(&mut self, segment: Segment) -> Segment {
        self.open = None;
        self.utterance_begun = true;
        self.settled_until = segment.end;
        segment
    }

    fn segment(&mut self, speech: Speech, speaker: &Participant) -> Segment {
        let (id, speaker) = match &self.open {
            // A segment stays with the name under which it was begun.
            Some(open) => (open.id.clone(), open.speaker.clone()),
            None => (self.next_id(), speaker.clone()),
        };
        let start = speech.start.max(self.settled_until);
        Segment {
            id,
            track: self.track.clone(),
            speaker,
            start,
            end: speech.end.max(start),
            text: speech.text,
            language: speech.language,
            words: speech.words,
            is_final: false,
            utterance: self.utterance,
        }
    }

    fn next_id(&mut self) -> SegmentId {
        self.segments += 1;
        SegmentId::parse(format!("{}{}", self.id_prefix, self.segments)).expect("a short prefix and a number")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ParticipantIdentity;

    fn transcript() -> Transcript {
        Transcript::new(TrackSid::parse("TR_1").expect("a good SID"), "SG_".to_owned())
    }

    fn ada() -> Participant {
        let identity = ParticipantIdentity::parse("ada").expect("a good identity");
        Participant {
            identity,
            name: "Ada".to_owned(),
        }
    }

    fn speech(text: &str, start: u64, end: u64) -> Speech {
        let time = MediaTime::from_millis;
        Speech {
            start: time(start),
            end: time(end),
            text: text.to_owned(),
            words: vec![],
            language: None,
        }
    }

    #[test]
    fn empty_final_withdraws_interim() {
        let mut transcript = transcript();
        let interim = transcript
            .apply(SpeechEvent::Interim(speech("uh", 0, 300)), &ada())
            .expect("shown");
        let withdrawn = transcript
            .apply(SpeechEvent::Final(speech("", 0, 400)), &ada())
            .expect("withdrawn");
        assert_eq!(
            (withdrawn.id, withdrawn.text.as_str(), withdrawn.is_final),
            (interim.id, "", true)
        );
        assert_eq!(
            transcript.apply(SpeechEvent::Final(speech("", 400, 500)), &ada()),
            None
        );
    }

    #[test]
    fn pieces_of_one_utterance_share_its_number() {
        let mut transcript = transcript();
        let mut utterance = |event| transcript.apply(event, &ada()).map(|segment| segment.utterance);
        assert_eq!(utterance(SpeechEvent::Final(speech("one", 0, 300))), Some(0));
        assert_eq!(utterance(SpeechEvent::Final(speech("two", 300, 600))), Some(0));
        assert_eq!(utterance(SpeechEvent::UtteranceEnd), None);
        assert_eq!(utterance(SpeechEvent::UtteranceEnd), None);
        assert_eq!(utterance(SpeechEvent::Final(speech("three", 900, 1000))), Some(1));
    }

    #[test]
    fn same_interim_is_not_shown_twice() {
        let mut transcript = transcript();
        assert!(
            transcript
                .apply(SpeechEvent::Interim(speech("hi", 0, 300)), &ada())
                .is_some()
        );
        assert!(
            transcript
                .apply(SpeechEvent::Interim(speech("hi", 0, 400)), &ada())
                .is_none()
        );
        assert_eq!(
            transcript.settle_open().map(|open| (open.text, open.is_final)),
            Some(("hi".to_owned(), true))
        );
    }

    fn any_event() -> impl Strategy<Value = SpeechEvent> {
        let speech = ("[a-z ]{0,12}", 0u64..100_000, 0u64..100_000)
            .prop_map(|(text, start, end)| speech(text.trim(), start, end));
        prop_oneof![
            speech
                .clone()
                .prop_filter("an interim has words", |s| !s.text.is_empty())
                .prop_map(SpeechEvent::Interim),
            speech.prop_map(SpeechEvent::Final),
            Just(SpeechEvent::UtteranceEnd),
        ]
    }

    proptest! {
        #[test]
        fn ids_are_not_reused_and_times_do_not_go_back(events in prop::collection::vec(any_event(), 0..40)) {
            let mut transcript = transcript();
            let mut settled = std::collections::HashSet::new();
            let mut last_end = MediaTime::ZERO;
            for event in events {
                let Some(segment) = transcript.apply(event, &ada()) else { continue };
                prop_assert!(!settled.contains(&segment.id), "{} changed after its end", segment.id);
                prop_assert!(segment.start <= segment.end);
                if segment.is_final {
                    settled.insert(segment.id);
                    if !segment.text.is_empty() {
                        prop_assert!(segment.start >= last_end);
                        last_end = segment.end;
                    }
                } else {
                    prop_assert!(segment.start >= last_end);
                }
            }
        }
    }
}
