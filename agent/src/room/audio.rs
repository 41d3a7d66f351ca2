//! The tracks of a room that are listened to.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
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
}

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
        });
        metrics::gauge!("lectern_tracks").increment(1.0);
        key
    }

    /// What comes next; nothing, for ever, while there is no track. Loses nothing when dropped.
    pub(super) async fn next(&mut self) -> AudioEvent {
        poll_fn(|context| self.poll_next(context)).await
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
            match Pin::new(&mut track.stream).poll_next(context) {
                Poll::Ready(Some(frame)) => {
                    return Poll::Ready(AudioEvent::Samples(track.key, Samples(frame)));
                }
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
    fn drain(mut self, mut give: impl FnMut(AudioEvent)) {
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(frame)) = Pin::new(&mut self.stream).poll_next(&mut context) {
            give(AudioEvent::Samples(self.key, Samples(frame)));
        }
        give(AudioEvent::Ended(self.key));
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
