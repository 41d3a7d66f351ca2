//! What became of the bursts: which were captioned, how often, and how late.

use std::collections::HashMap;

use crate::{
    ear::{INTERIM_MS, Silence},
    people::{self, Caption, Played},
    recogniser::{self, Said, bursts_in},
    tone::BURST_MS,
};

/// What speakers and recogniser noted.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) played: Vec<Played>,
    pub(crate) captions: Vec<Caption>,
    pub(crate) said: Vec<Said>,
    /// When each speaker began to enter its room.
    pub(crate) joined: Vec<(String, f64)>,
    /// What connections were sent that are over.
    pub(crate) silence: Silence,
}

/// What became of some bursts.
#[derive(Debug, Default, Clone)]
pub(crate) struct Score {
    pub(crate) expected: usize,
    /// Bursts without a final, as room and number.
    pub(crate) lost: Vec<String>,
    /// Bursts with more than one final, and finals of what nobody said there.
    pub(crate) doubled: Vec<String>,
    /// Milliseconds from when a burst, and the silence a recogniser needs, were sent to the caption, less the
    /// recogniser's own time.
    pub(crate) final_delays: Vec<f64>,
    pub(crate) interim_delays: Vec<f64>,
}

impl Notes {
    pub(crate) fn add(&mut self, report: people::Report) {
        match report {
            people::Report::Joined { room, began_at } => self.joined.push((room, began_at)),
            people::Report::Played(played) => self.played.push(played),
            people::Report::Caption(caption) => self.captions.push(caption),
            people::Report::Back { .. } | people::Report::Failed { .. } | people::Report::AllLeft => {}
        }
    }

    pub(crate) fn add_recogniser(&mut self, report: recogniser::Report) {
        match report {
            recogniser::Report::Said(said) => self.said.push(said),
            recogniser::Report::Closed(silence) => {
                self.silence.sent_ms += silence.sent_ms;
                self.silence.beyond_ms += silence.beyond_ms;
            }
            recogniser::Report::Listening { .. } => {}
        }
    }

    /// The score of the bursts that began between two moments.
    pub(crate) fn score(&self, from: f64, until: f64) -> Score {
        let finals = self.seen(true);
        let interims = self.seen(false);
        let said: HashMap<_, _> = self
            .said
            .iter()
            .map(|said| ((said.connection, said.number, said.is_final), said))
            .collect();
        let mut score = Score::default();
        for burst in &self.played {
            if burst.began_at < from || burst.began_at >= until {
                continue;
            }
            score.expected += 1;
            let key = (burst.room.as_str(), burst.number);
            let name = || format!("{}/{}", burst.room, burst.number);
            match finals.get(&key).map(Vec::as_slice) {
                None => score.lost.push(name()),
                Some([_]) => {}
                Some(_) => score.doubled.push(name()),
            }
            for (seen, is_final, delays) in [
                (&finals, true, &mut score.final_delays),
                (&interims, false, &mut score.interim_delays),
            ] {
                let first = seen.get(&key).and_then(|captions| captions.first());
                delays.extend(first.and_then(|(caption, connection)| {
                    let said = said.get(&(*connection, burst.number, is_final))?;
                    Some(beyond_recogniser(burst, said, caption))
                }));
            }
        }
        score.doubled.extend(self.never_said(&finals));
        score
    }

    /// Captions by room and number, with the connection that heard it.
    fn seen(&self, is_final: bool) -> HashMap<(&str, u8), Vec<(&Caption, u64)>> {
        let mut seen: HashMap<_, Vec<_>> = HashMap::new();
        for caption in self
            .captions
            .iter()
            .filter(|caption| caption.is_final == is_final)
        {
            for (number, connection) in bursts_in(&caption.text) {
                seen.entry((caption.room.as_str(), number))
                    .or_default()
                    .push((caption, connection));
            }
        }
        seen
    }

    fn never_said(&self, finals: &HashMap<(&str, u8), Vec<(&Caption, u64)>>) -> Vec<String> {
        let was_played = |room: &str, number: u8| {
            self.played
                .iter()
                .any(|burst| burst.room == room && burst.number == number)
        };
        finals
            .keys()
            .filter(|(room, number)| !was_played(room, *number))
            .map(|(room, number)| format!("{room}/{number} {NEVER_SAID}"))
            .collect()
    }
}

/// Stands behind the name of a burst that nobody played in that room.
pub(crate) const NEVER_SAID: &str = "(never said there)";

impl Score {
    pub(crate) fn add(&mut self, other: Score) {
        self.expected += other.expected;
        self.lost.extend(other.lost);
        self.doubled.extend(other.doubled);
        self.final_delays.extend(other.final_delays);
        self.interim_delays.extend(other.interim_delays);
    }
}

/// The way to the recogniser, and the way from it to the reader.
fn beyond_recogniser(burst: &Played, said: &Said, caption: &Caption) -> f64 {
    let sure_at = match said.is_final {
        true => burst.ended_at + said.endpointing_ms as f64,
        false => burst.ended_at - (BURST_MS - INTERIM_MS) as f64,
    };
    (said.heard_at - sure_at) + (caption.at - said.said_at)
}

/// The value that this share of all is not above; none of nothing.
pub(crate) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}
