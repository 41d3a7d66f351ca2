//! Which of several recognisers gets the next connection. No clock and no socket: what became of connections goes in.

use std::time::{Duration, Instant};

use lectern_pipelines::SttEnd;

use crate::backoff::Backoff;

/// Recognisers in the order in which they are wanted, and how each fares. One value for all rooms of a worker.
///
/// What one connection meets counts for all: nobody has to find out again. What says more about the connection than
/// about the recogniser counts for nobody else: too many connections (429), and a question it can't take (400).
#[derive(Debug)]
pub(crate) struct Failover {
    recognisers: Vec<Standing>,
}

#[derive(Debug)]
struct Standing {
    state: State,
    /// How long until the next probe; grows until it has worked for [`STEADY`].
    backoff: Backoff,
    /// Connections that broke in a row, without an answer to anybody between.
    breaks: u32,
    /// When it last said something to anybody.
    answered_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It takes connections, as far as is known.
    Ready { since: Instant },
    /// It can't be reached, is out of order, or says nothing.
    Away { probe_at: Instant },
    /// It wants another key, credit or address: waiting doesn't help, an operator does.
    Refusing { probe_at: Instant },
}

impl Failover {
    /// So many recognisers that nothing is known of; at least one.
    pub(crate) fn new(recognisers: usize, now: Instant) -> Self {
        let standing = || Standing {
            state: State::Ready { since: now },
            backoff: Backoff::new(PROBE_FIRST, PROBE_MAX),
            breaks: 0,
            answered_at: None,
        };
        Self {
            recognisers: std::iter::repeat_with(standing).take(recognisers).collect(),
        }
    }

    /// The first recogniser that works, if one does.
    pub(crate) fn serving(&self) -> Option<usize> {
        self.recognisers
            .iter()
            .position(|standing| standing.state.is_ready())
    }

    /// Whom a new connection tries, in this order: those that work, then those that may have come back. Who refuses us
    /// is left alone while there is anybody else.
    pub(crate) fn candidates(&self) -> Vec<usize> {
        let those = |wanted: fn(State) -> bool| {
            let numbered = self.recognisers.iter().enumerate();
            numbered.filter_map(move |(index, standing)| wanted(standing.state).then_some(index))
        };
        let hopeful: Vec<usize> = those(State::is_ready).chain(those(State::is_away)).collect();
        match hopeful.is_empty() {
            true => (0..self.recognisers.len()).collect(),
            false => hopeful,
        }
    }

    /// It took a connection.
    pub(crate) fn opened(&mut self, index: usize, now: Instant) {
        let state = &mut self.recognisers[index].state;
        if !state.is_ready() {
            *state = State::Ready { since: now };
        }
    }

    /// It said something.
    pub(crate) fn answered(&mut self, index: usize, now: Instant) {
        let standing = &mut self.recognisers[index];
        (standing.answered_at, standing.breaks) = (Some(now), 0);
    }

    /// A connection, or a probe, never came to be.
    pub(crate) fn unreachable(&mut self, index: usize, end: SttEnd, now: Instant) {
        match end {
            SttEnd::Refused(400 | 429) => {}
            end if is_refusal(end) => self.recognisers[index].refuse(now),
            _ => self.recognisers[index].go_away(now),
        }
    }

    /// A connection broke.
    pub(crate) fn broke(&mut self, index: usize, now: Instant) {
        let standing = &mut self.recognisers[index];
        standing.breaks += 1;
        if standing.breaks >= BREAKS_MAX {
            standing.go_away(now);
        }
    }

    /// It has taken a connection's audio since `since` and not answered. Says whether that connection should be given up
    /// for another recogniser; where others were answered, it is the audio that is odd.
    pub(crate) fn is_hung(&mut self, index: usize, since: Instant, now: Instant) -> bool {
        let standing = &mut self.recognisers[index];
        if now < since + HUNG_AFTER || standing.answered_at.is_some_and(|at| at >= since) {
            return false;
        }
        standing.go_away(now);
        self.serving().is_some()
    }

    /// The recogniser that is to be probed now, if one is: wanted more than the one that serves, and not probed for a
    /// while. The next probe is a while from now.
    pub(crate) fn probe(&mut self, now: Instant) -> Option<usize> {
        let index = (0..self.probed()).find(|&index| {
            self.recognisers[index]
                .state
                .probe_at()
                .is_some_and(|at| now >= at)
        })?;
        let standing = &mut self.recognisers[index];
        match standing.state {
            State::Refusing { .. } => standing.refuse(now),
            State::Away { .. } | State::Ready { .. } => standing.wait(now),
        }
        Some(index)
    }

    /// A probe was answered: it is returned to.
    pub(crate) fn returned(&mut self, index: usize, now: Instant) {
        self.opened(index, now);
        self.recognisers[index].breaks = 0;
    }

    /// When [`Self::probe`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let wanted = self.recognisers[..self.probed()].iter();
        wanted.filter_map(|standing| standing.state.probe_at()).min()
    }

    /// How many of the first may be probed. One alone is not: whoever has something to say finds out.
    fn probed(&self) -> usize {
        match self.recognisers.len() {
            1 => 0,
            all => self.serving().unwrap_or(all),
        }
    }
}

impl Standing {
    /// The earlier of two reasons to be away decides when it is probed.
    fn go_away(&mut self, now: Instant) {
        match self.state {
            State::Away { .. } => return,
            State::Ready { since } if now.saturating_duration_since(since) >= STEADY => self.backoff.reset(),
            State::Ready { .. } | State::Refusing { .. } => {}
        }
        self.wait(now);
    }

    fn wait(&mut self, now: Instant) {
        let probe_at = now + self.backoff.next_delay();
        self.state = State::Away { probe_at };
    }

    fn refuse(&mut self, now: Instant) {
        let probe_at = now + Backoff::new(REFUSED_PROBE, REFUSED_PROBE).next_delay();
        self.state = State::Refusing { probe_at };
    }
}

impl State {
    fn is_ready(self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    fn is_away(self) -> bool {
        matches!(self, Self::Away { .. })
    }

    fn probe_at(self) -> Option<Instant> {
        match self {
            Self::Ready { .. } => None,
            Self::Away { probe_at } | Self::Refusing { probe_at } => Some(probe_at),
        }
    }
}

/// Which of several ends of one attempt, each with its recogniser, says what waiting is good for.
///
/// The most hopeful does: an outage passes, a full house too, and a refused key does not. But what the first recogniser
/// of the list can't be asked should be asked otherwise, whoever else is away.
pub(crate) fn telling(ends: &[(usize, SttEnd)]) -> SttEnd {
    const BAD_QUESTION: SttEnd = SttEnd::Refused(400);
    if ends.contains(&(0, BAD_QUESTION)) {
        return BAD_QUESTION;
    }
    let rank = |end: &SttEnd| match end {
        SttEnd::Refused(429) => 1,
        end if is_refusal(*end) => 2,
        _ => 0,
    };
    let ends = ends.iter().map(|(_, end)| *end);
    ends.min_by_key(rank).unwrap_or(SttEnd::Failed)
}

/// Whether only somebody's help would change it.
fn is_refusal(end: SttEnd) -> bool {
    matches!(end, SttEnd::Refused(status) if (400..500).contains(&status) && status != 408)
}

/// From a failure to the first probe, at most.
const PROBE_FIRST: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(30);
const REFUSED_PROBE: Duration = Duration::from_secs(300);
/// Whoever fails sooner after it came back is probed less and less often.
const STEADY: Duration = Duration::from_secs(60);
/// One connection may break for reasons of its own.
const BREAKS_MAX: u32 = 2;
/// Audio without an answer for so long; sooner than the core gives a connection up.
const HUNG_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: usize = 0;
    const SECOND: usize = 1;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn pair() -> (Failover, Instant) {
        let now = Instant::now();
        (Failover::new(2, now), now)
    }

    #[test]
    fn recogniser_that_can_t_be_reached_is_left_at_once_and_returned_to() {
        let (mut failover, now) = pair();
        assert_eq!(failover.candidates(), [FIRST, SECOND]);
        failover.unreachable(FIRST, SttEnd::Failed, now);
        assert_eq!(failover.candidates(), [SECOND, FIRST]);
        assert_eq!(failover.probe(now), None);
        let due = failover.poll_timeout().expect("the first is probed");
        assert!(due <= now + PROBE_FIRST);
        assert_eq!(failover.probe(due), Some(FIRST));
        assert_eq!(failover.probe(due), None, "once for all rooms");
        failover.returned(FIRST, due);
        assert_eq!((failover.serving(), failover.poll_timeout()), (Some(FIRST), None));
    }

    #[test]
    fn refused_key_is_left_alone() {
        for status in [401, 402, 403, 404] {
            let (mut failover, now) = pair();
            failover.unreachable(FIRST, SttEnd::Refused(status), now);
            assert_eq!(failover.candidates(), [SECOND], "{status}");
            assert!(
                failover.poll_timeout() >= Some(now + REFUSED_PROBE / 2),
                "{status}"
            );
            failover.unreachable(SECOND, SttEnd::Refused(status), now);
            assert_eq!(failover.candidates(), [FIRST, SECOND], "there is nobody else");
        }
    }

    #[test]
    fn full_house_and_a_bad_question_say_nothing_about_the_recogniser() {
        let (mut failover, now) = pair();
        for status in [429, 400] {
            for _ in 0..10 {
                failover.unreachable(FIRST, SttEnd::Refused(status), now);
            }
            assert_eq!(failover.candidates(), [FIRST, SECOND], "{status}");
        }
    }

    #[test]
    fn breaks_count_when_nobody_is_answered_between() {
        let (mut failover, now) = pair();
        for _ in 0..10 {
            failover.broke(FIRST, now);
            failover.answered(FIRST, now);
        }
        assert_eq!(failover.serving(), Some(FIRST));
        for _ in 0..BREAKS_MAX {
            failover.broke(FIRST, now);
        }
        assert_eq!(failover.serving(), Some(SECOND));
    }

    #[test]
    fn silence_counts_unless_others_are_answered_or_nobody_else_is_there() {
        let (mut failover, now) = pair();
        assert!(!failover.is_hung(FIRST, now, now + seconds(9)), "too early");
        failover.answered(FIRST, now + seconds(1));
        assert!(!failover.is_hung(FIRST, now, now + seconds(20)));
        assert_eq!(failover.serving(), Some(FIRST));
        assert!(failover.is_hung(FIRST, now + seconds(2), now + seconds(12)));
        assert_eq!(failover.serving(), Some(SECOND));
        assert!(
            !failover.is_hung(SECOND, now, now + seconds(20)),
            "nowhere to go: the connection keeps its time"
        );
    }

    #[test]
    fn what_waiting_is_good_for_is_told() {
        let [key, busy, question] = [401, 429, 400].map(SttEnd::Refused);
        assert_eq!(telling(&[(0, key)]), key);
        assert_eq!(telling(&[(0, key), (1, SttEnd::Failed)]), SttEnd::Failed);
        assert_eq!(telling(&[(0, key), (1, busy)]), busy);
        assert_eq!(telling(&[(1, SttEnd::Failed), (0, question)]), question);
        assert_eq!(telling(&[(1, question), (0, SttEnd::Failed)]), SttEnd::Failed);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Opened(usize),
        Answered(usize),
        Unreachable(usize, SttEnd),
        Broke(usize),
        Hung(usize),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let index = || 0..RECOGNISERS;
        let end = prop_oneof![
            Just(SttEnd::Failed),
            prop::sample::select(vec![400, 401, 402, 403, 404, 408, 429, 500, 503]).prop_map(SttEnd::Refused),
        ];
        let step = prop_oneof![
            index().prop_map(Step::Opened),
            index().prop_map(Step::Answered),
            (index(), end).prop_map(|(index, end)| Step::Unreachable(index, end)),
            index().prop_map(Step::Broke),
            index().prop_map(Step::Hung),
            (1u64..40_000).prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 0..60)
    }

    const RECOGNISERS: usize = 3;

    proptest! {
        #[test]
        fn whatever_befalls_them_somebody_is_asked_and_the_first_is_returned_to(steps in steps()) {
            let mut now = Instant::now();
            let mut failover = Failover::new(RECOGNISERS, now);
            for step in steps {
                let before = failover.serving();
                match step {
                    Step::Opened(index) => failover.opened(index, now),
                    Step::Answered(index) => failover.answered(index, now),
                    Step::Unreachable(index, end) => {
                        failover.unreachable(index, end, now);
                        if matches!(end, SttEnd::Refused(400 | 429)) {
                            prop_assert_eq!(failover.serving(), before);
                        }
                    }
                    Step::Broke(index) => failover.broke(index, now),
                    Step::Hung(index) => { failover.is_hung(index, now - HUNG_AFTER, now); }
                    Step::Wait(millis) => now += Duration::from_millis(millis),
                }
                let candidates = failover.candidates();
                prop_assert!(!candidates.is_empty());
                prop_assert!(candidates.iter().all(|index| *index < RECOGNISERS));
                if let Some(serving) = failover.serving() {
                    prop_assert_eq!(candidates[0], serving);
                }
                for index in 0..failover.serving().unwrap_or(RECOGNISERS) {
                    let due = failover.recognisers[index].state.probe_at().expect("it does not work");
                    prop_assert!(due <= now + REFUSED_PROBE);
                }
            }
            // Then all is well: an hour at most, and the first serves.
            let mut probes = 0;
            while let Some(due) = failover.poll_timeout() {
                now = now.max(due);
                let index = failover.probe(now).expect("it is due");
                failover.returned(index, now);
                probes += 1;
            }
            prop_assert!(probes <= RECOGNISERS);
            prop_assert_eq!(failover.serving(), Some(FIRST));
        }

        #[test]
        fn probes_of_what_stays_away_are_few(status in prop::sample::select(vec![0u16, 401, 503])) {
            let (mut failover, begin) = pair();
            let end = if status == 0 { SttEnd::Failed } else { SttEnd::Refused(status) };
            failover.unreachable(FIRST, end, begin);
            let mut probes = 0;
            while let Some(due) = failover.poll_timeout().filter(|due| *due < begin + seconds(3600)) {
                prop_assert_eq!(failover.probe(due), Some(FIRST));
                failover.unreachable(FIRST, end, due);
                probes += 1;
            }
            let most = if status == 401 { 24 } else { 250 };
            prop_assert!((10..=most).contains(&probes), "{} probes in an hour", probes);
        }
    }
}
