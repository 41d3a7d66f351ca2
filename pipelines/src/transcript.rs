//! What one track's speech becomes: segments.

use crate::{
    MediaTime, Participant, Segment, SegmentId, TrackSid,
    stt::{Speech, SpeechEvent},
};

/// Turns a track's speech events into segments: at most one open at a time, finals that never change.
pub(crate) struct Transcript {
    track: TrackSid,
    /// Of the utterance under way, once something of it is known.
    utterance: Option<u32>,
    /// Whether the present utterance has a final already.
    utterance_begun: bool,
    open: Option<Segment>,
    /// No segment may begin before the last final did end.
    settled_until: MediaTime,
}

/// What makes a track's segments and utterances tellable from each other, whichever of its transcripts they are in.
pub(crate) struct Numbers {
    id_prefix: String,
    segments: u32,
    utterances: u32,
}

impl Numbers {
    /// Numbers from the beginning; the prefix must be one of a kind.
    pub(crate) fn new(id_prefix: String) -> Self {
        Self {
            id_prefix,
            segments: 0,
            utterances: 0,
        }
    }

    fn next_id(&mut self) -> SegmentId {
        self.segments += 1;
        SegmentId::parse(format!("{}{}", self.id_prefix, self.segments)).expect("a short prefix and a number")
    }

    fn next_utterance(&mut self) -> u32 {
        self.utterances += 1;
        self.utterances - 1
    }
}

impl Transcript {
    pub(crate) fn new(track: TrackSid) -> Self {
        Self {
            track,
            utterance: None,
            utterance_begun: false,
            open: None,
            settled_until: MediaTime::ZERO,
        }
    }

    /// A transcript with what this one has open from before `until`, to be settled there.
    pub(crate) fn take_before(&mut self, until: MediaTime) -> Option<Self> {
        let open = self.open.take_if(|open| open.start < until)?;
        Some(Self {
            track: self.track.clone(),
            utterance: self.utterance.take(),
            utterance_begun: std::mem::take(&mut self.utterance_begun),
            open: Some(open),
            settled_until: self.settled_until,
        })
    }

    /// Takes what was heard of `speaker` and gives the segment that is new or has changed.
    ///
    /// A final segment with empty text withdraws what was shown under its id.
    pub(crate) fn apply(
        &mut self,
        event: SpeechEvent,
        speaker: &Participant,
        numbers: &mut Numbers,
    ) -> Option<Segment> {
        match event {
            SpeechEvent::Interim(speech) => {
                let segment = self.segment(speech, speaker, numbers);
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
                    ..self.segment(speech, speaker, numbers)
                };
                Some(self.settle(segment))
            }
            SpeechEvent::UtteranceEnd => {
                // A number that nothing final has is not used up.
                if std::mem::take(&mut self.utterance_begun) {
                    self.utterance = None;
                }
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

    fn segment(&mut self, speech: Speech, speaker: &Participant, numbers: &mut Numbers) -> Segment {
        let (id, speaker) = match &self.open {
            // A segment stays with the name under which it was begun.
            Some(open) => (open.id.clone(), open.speaker.clone()),
            None => (numbers.next_id(), speaker.clone()),
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
            utterance: *self.utterance.get_or_insert_with(|| numbers.next_utterance()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ParticipantIdentity;

    /// A track's transcript and its numbers.
    struct Track {
        transcript: Transcript,
        numbers: Numbers,
    }

    impl Track {
        fn apply(&mut self, event: SpeechEvent) -> Option<Segment> {
            self.transcript.apply(event, &ada(), &mut self.numbers)
        }
    }

    fn track() -> Track {
        Track {
            transcript: Transcript::new(TrackSid::parse("TR_1").expect("a good SID")),
            numbers: Numbers::new("SG_".to_owned()),
        }
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
        let mut track = track();
        let interim = track
            .apply(SpeechEvent::Interim(speech("uh", 0, 300)))
            .expect("shown");
        let withdrawn = track
            .apply(SpeechEvent::Final(speech("", 0, 400)))
            .expect("withdrawn");
        assert_eq!(
            (withdrawn.id, withdrawn.text.as_str(), withdrawn.is_final),
            (interim.id, "", true)
        );
        assert_eq!(track.apply(SpeechEvent::Final(speech("", 400, 500))), None);
    }

    #[test]
    fn pieces_of_one_utterance_share_its_number() {
        let mut track = track();
        let mut utterance = |event| track.apply(event).map(|segment| segment.utterance);
        assert_eq!(utterance(SpeechEvent::Final(speech("one", 0, 300))), Some(0));
        assert_eq!(utterance(SpeechEvent::Final(speech("two", 300, 600))), Some(0));
        assert_eq!(utterance(SpeechEvent::UtteranceEnd), None);
        assert_eq!(utterance(SpeechEvent::UtteranceEnd), None);
        assert_eq!(utterance(SpeechEvent::Final(speech("three", 900, 1000))), Some(1));
    }

    #[test]
    fn same_interim_is_not_shown_twice() {
        let mut track = track();
        assert!(track.apply(SpeechEvent::Interim(speech("hi", 0, 300))).is_some());
        assert!(track.apply(SpeechEvent::Interim(speech("hi", 0, 400))).is_none());
        assert_eq!(
            track
                .transcript
                .settle_open()
                .map(|open| (open.text, open.is_final)),
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
            let mut track = track();
            let mut settled = std::collections::HashSet::new();
            let mut last_end = MediaTime::ZERO;
            for event in events {
                let Some(segment) = track.apply(event) else { continue };
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
