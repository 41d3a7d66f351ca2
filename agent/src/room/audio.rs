//! The tracks of a room that are listened to.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use futures_util::Stream;
use livekit::webrtc::{
    audio_frame::AudioFrame as SdkFrame,
    audio_stream::native::{NativeAudioStream, NativeAudioStreamOptions},
    prelude::RtcAudioTrack,
};

use lectern_pipelines::{AudioFrame, SAMPLE_RATE_HZ, TrackKey, TrackSid};

/// Samples as the SDK hands them over.
pub(crate) struct Samples(SdkFrame<'static>);

/// What comes of tracks.
#[derive(Debug)]
pub(super) enum AudioEvent {
    /// The next samples.
    Samples(TrackKey, Samples),
    /// There will be no more.
    Ended(TrackKey),
}

/// All tracks that are listened to, read in turn so that none keeps another one waiting.
#[derive(Debug, Default)]
pub(super) struct Listener {
    tracks: Vec<Track>,
    /// Whose turn it is.
    turn: usize,
    last_key: u32,
}

#[derive(Debug)]
struct Track {
    key: TrackKey,
    sid: TrackSid,
    stream: NativeAudioStream,
    silence: Silence,
}

/// The silence at the end of what a track gave so far.
///
/// Most microphones are muted most of the time, and a stream hands out silence all the while, 100 frames a second. After
/// some seconds it is withheld: to the core, a track without samples for a while has lost time, and goes on at the time
/// of what comes next.
#[derive(Debug, Default)]
struct Silence {
    frames: usize,
    withheld_frames: usize,
    /// When samples were handed over last, while some are withheld.
    handed_at: Option<Instant>,
}

/// What is as quiet as this (-72 dB) is no sound: a microphone that is off, as its encoder tells of it now and then.
const SILENCE_PEAK: u16 = 8;
/// So much silence is handed over: no utterance is open any more after it.
const SILENCE_FRAMES_HANDED: usize = 300;
/// So much of what is withheld comes before the first sound after it, so that no recogniser hears it begin too suddenly.
const LEAD_FRAMES: usize = 30;
/// Only where nothing was handed over for so long, the core surely sees that time was lost; else it gets all silence.
const LOST_TIME: Duration = Duration::from_secs(2);

/// Frames of 10 ms that may wait for us: after a freeze of the network seconds of audio come at once.
const QUEUE_FRAMES: usize = 3_000;

impl Listener {
    /// Begins to listen, under a new key.
    pub(super) fn add(&mut self, sid: TrackSid, track: RtcAudioTrack) -> TrackKey {
        self.last_key += 1;
        let key = TrackKey(self.last_key);
        let options = NativeAudioStreamOptions {
            queue_size_frames: Some(QUEUE_FRAMES),
        };
        let rate = i32::try_from(SAMPLE_RATE_HZ).expect("16,000 fits");
        self.tracks.push(Track {
            key,
            sid,
            stream: NativeAudioStream::with_options(track, rate, 1, options),
            silence: Silence::default(),
        });
        metrics::gauge!("lectern_tracks").increment(1.0);
        key
    }

    /// What comes next; nothing, for ever, while there is no track. Loses nothing when dropped.
    pub(super) async fn next(&mut self) -> AudioEvent {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// What is listened to.
    pub(super) fn tracks(&self) -> impl Iterator<Item = &TrackSid> {
        self.tracks.iter().map(|track| &track.sid)
    }

    /// Stops listening to a track, if it is listened to, once what waits has been given.
    pub(super) fn end(&mut self, sid: &str, give: impl FnMut(AudioEvent)) {
        if let Some(index) = self.tracks.iter().position(|track| track.sid.as_str() == sid) {
            self.remove(index).drain(give);
        }
    }

    /// As [`Listener::end`], for all tracks.
    pub(super) fn end_all(&mut self, mut give: impl FnMut(AudioEvent)) {
        while !self.tracks.is_empty() {
            self.remove(0).drain(&mut give);
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<AudioEvent> {
        for _ in 0..self.tracks.len() {
            let index = self.turn % self.tracks.len();
            self.turn = index + 1;
            let track = &mut self.tracks[index];
            match track.poll_next(context) {
                Poll::Ready(Some(samples)) => return Poll::Ready(AudioEvent::Samples(track.key, samples)),
                Poll::Ready(None) => return Poll::Ready(AudioEvent::Ended(self.remove(index).key)),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    fn remove(&mut self, index: usize) -> Track {
        metrics::gauge!("lectern_tracks").decrement(1.0);
        self.tracks.remove(index)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        metrics::gauge!("lectern_tracks").decrement(self.tracks.len() as f64);
    }
}

impl Track {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Samples>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.stream).poll_next(context)) else {
                return Poll::Ready(None);
            };
            if let Some(frame) = self.silence.pass(frame, Instant::now()) {
                return Poll::Ready(Some(Samples(frame)));
            }
        }
    }

    fn drain(mut self, mut give: impl FnMut(AudioEvent)) {
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(samples)) = self.poll_next(&mut context) {
            give(AudioEvent::Samples(self.key, samples));
        }
        give(AudioEvent::Ended(self.key));
    }
}

impl Silence {
    /// What of a frame is handed over, together with what of the silence before it was not.
    fn pass(&mut self, frame: SdkFrame<'static>, now: Instant) -> Option<SdkFrame<'static>> {
        if frame
            .data
            .iter()
            .any(|sample| sample.unsigned_abs() > SILENCE_PEAK)
        {
            let lead = self.end(now);
            return Some(lengthened(frame, lead));
        }
        if self.frames < SILENCE_FRAMES_HANDED {
            self.frames += 1;
            return Some(frame);
        }
        self.withheld_frames += 1;
        self.handed_at.get_or_insert(now);
        None
    }

    /// How many frames of silence are due before a sound.
    fn end(&mut self, now: Instant) -> usize {
        let Self {
            withheld_frames,
            handed_at,
            ..
        } = std::mem::take(self);
        match handed_at {
            Some(at) if now.saturating_duration_since(at) > LOST_TIME => withheld_frames.min(LEAD_FRAMES),
            Some(_) | None => withheld_frames,
        }
    }
}

/// A frame with so much silence before it as so many of its kind have. It must be one: the core takes the end of a frame
/// after lost time for now.
fn lengthened(frame: SdkFrame<'static>, silent_frames: usize) -> SdkFrame<'static> {
    if silent_frames == 0 {
        return frame;
    }
    let mut data = vec![0; frame.data.len() * silent_frames];
    data.extend_from_slice(&frame.data);
    SdkFrame {
        samples_per_channel: frame.samples_per_channel * (silent_frames as u32 + 1),
        data: data.into(),
        ..frame
    }
}

impl Samples {
    /// For the core.
    pub(crate) fn frame(&self) -> AudioFrame<'_> {
        AudioFrame {
            samples: &self.0.data,
            sample_rate_hz: self.0.sample_rate,
            channels: u16::try_from(self.0.num_channels).unwrap_or(0),
        }
    }

    /// How long they last.
    pub(crate) fn micros(&self) -> u64 {
        u64::from(self.0.samples_per_channel) * 1_000_000 / u64::from(self.0.sample_rate.max(1))
    }
}

impl std::fmt::Debug for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Samples({} µs)", self.micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(10);

    fn frame(value: i16) -> SdkFrame<'static> {
        SdkFrame {
            data: vec![value; 160].into(),
            sample_rate: SAMPLE_RATE_HZ,
            num_channels: 1,
            samples_per_channel: 160,
        }
    }

    /// So many silent frames, one each 10 ms; how many are handed over.
    fn be_silent(silence: &mut Silence, now: &mut Instant, frames: usize) -> usize {
        (0..frames)
            .filter(|_| {
                *now += FRAME;
                silence.pass(frame(0), *now).is_some()
            })
            .count()
    }

    fn length(frame: &SdkFrame<'_>) -> usize {
        assert_eq!(frame.data.len(), frame.samples_per_channel as usize);
        frame.data.len() / 160
    }

    #[test]
    fn muted_track_is_silent_for_some_seconds_and_then_nothing() {
        let (mut silence, mut now) = (Silence::default(), Instant::now());
        let handed = be_silent(&mut silence, &mut now, 100_000);
        assert_eq!(handed, SILENCE_FRAMES_HANDED);
        assert!(silence.pass(frame(SILENCE_PEAK as i16), now).is_none());
        let sound = silence.pass(frame(700), now).expect("a sound is handed over");
        assert_eq!(length(&sound), LEAD_FRAMES + 1);
        assert!(sound.data[..LEAD_FRAMES * 160].iter().all(|sample| *sample == 0));
        assert_eq!(sound.data[LEAD_FRAMES * 160..], [700; 160]);
        assert_eq!(be_silent(&mut silence, &mut now, 400), SILENCE_FRAMES_HANDED);
    }

    #[test]
    fn pause_too_short_to_be_seen_by_the_core_is_handed_over_whole() {
        let (mut silence, mut now) = (Silence::default(), Instant::now());
        for frames in [1, SILENCE_FRAMES_HANDED, SILENCE_FRAMES_HANDED + 150] {
            let handed = be_silent(&mut silence, &mut now, frames);
            let sound = silence.pass(frame(700), now).expect("a sound is handed over");
            assert_eq!(handed + length(&sound), frames + 1);
        }
    }

    #[test]
    fn silence_that_came_at_once_is_handed_over_whole() {
        let (mut silence, now) = (Silence::default(), Instant::now());
        let handed = (0..2_000)
            .filter(|_| silence.pass(frame(0), now).is_some())
            .count();
        let sound = silence.pass(frame(700), now).expect("a sound is handed over");
        assert_eq!(handed + length(&sound), 2_001);
    }
}
