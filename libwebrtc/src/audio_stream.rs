//! Hearing a track.

/// Streams of PCM.
pub mod native {
    use std::{
        fmt,
        pin::Pin,
        sync::Arc,
        task::{Context, Poll},
    };

    use futures_core::Stream;

    use crate::{
        audio_frame::AudioFrame,
        audio_track::RtcAudioTrack,
        media_stream_track::RtcTrackState,
        playout::{
            queue::{FrameQueue, Overflow},
            sinks::Sink,
        },
    };

    /// How a stream keeps frames that are not taken at once.
    #[derive(Clone, Debug, Default)]
    pub struct NativeAudioStreamOptions {
        /// How many frames of 10 ms are kept: 10 if `None`, any number if `Some(0)`.
        ///
        /// With a number, frames that must be dropped, the oldest first, are handed out as silence, so that counting
        /// samples still tells the time.
        pub queue_size_frames: Option<usize>,
    }

    /// A track's audio as 10 ms frames of the rate and channels that were asked for.
    ///
    /// The stream begins when it is made and is continuous from then on: what is lost is concealed, and what is not sent
    /// (silence, mute) is handed out as silence while time passes. It ends with the track.
    pub struct NativeAudioStream {
        track: RtcAudioTrack,
        queue: Arc<FrameQueue>,
        sink: Option<Arc<Sink>>,
    }

    impl NativeAudioStream {
        /// Hears a track at 8 to 192 kHz with one or two channels, keeping 100 ms: what is not taken by then is lost, as suits a loudspeaker.
        pub fn new(audio_track: RtcAudioTrack, sample_rate: i32, num_channels: i32) -> Self {
            Self::open(
                audio_track,
                sample_rate,
                num_channels,
                FrameQueue::new(Some(QUEUE_FRAMES), Overflow::Skip),
            )
        }

        /// Hears a track, keeping as much as the options say.
        pub fn with_options(
            audio_track: RtcAudioTrack,
            sample_rate: i32,
            num_channels: i32,
            options: NativeAudioStreamOptions,
        ) -> Self {
            let queue = match options.queue_size_frames {
                None => FrameQueue::new(Some(QUEUE_FRAMES), Overflow::Skip),
                Some(0) => FrameQueue::new(None, Overflow::Skip),
                Some(frames) => FrameQueue::new(Some(frames), Overflow::Silence),
            };
            Self::open(audio_track, sample_rate, num_channels, queue)
        }

        fn open(track: RtcAudioTrack, sample_rate: i32, num_channels: i32, queue: FrameQueue) -> Self {
            let queue = Arc::new(queue);
            let Some(sinks) = track.sinks() else {
                tracing::error!(
                    "only remote tracks can be heard: the stream of track {} is empty",
                    track.id()
                );
                queue.close();
                return Self {
                    track,
                    queue,
                    sink: None,
                };
            };
            match Sink::new(sample_rate, num_channels, queue.clone()) {
                Ok(sink) => {
                    let sink = Arc::new(sink);
                    sinks.add(sink.clone());
                    // A track that ended before this has no more to give, and nobody to end the stream.
                    if track.state() == RtcTrackState::Ended {
                        sinks.close();
                    }
                    Self {
                        track,
                        queue,
                        sink: Some(sink),
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the stream of track {} is empty", track.id());
                    queue.close();
                    Self {
                        track,
                        queue,
                        sink: None,
                    }
                }
            }
        }

        /// The track that is heard.
        pub fn track(&self) -> RtcAudioTrack {
            self.track.clone()
        }

        /// Stops hearing. What was not taken is lost.
        pub fn close(&mut self) {
            if let (Some(sinks), Some(sink)) = (self.track.sinks(), self.sink.take()) {
                sinks.remove(&sink);
            }
            self.queue.close();
            self.queue.clear();
        }
    }

    impl Drop for NativeAudioStream {
        fn drop(&mut self) {
            self.close();
        }
    }

    impl Stream for NativeAudioStream {
        type Item = AudioFrame<'static>;

        fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.queue.poll_next(context)
        }
    }

    impl fmt::Debug for NativeAudioStream {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter
                .debug_struct("NativeAudioStream")
                .field("track", &self.track)
                .finish_non_exhaustive()
        }
    }

    const QUEUE_FRAMES: usize = 10;
}

/// Packets of Opus as they came, undecoded (feature `opus-packets`).
///
/// For who passes audio on without hearing it: to a recogniser that takes Opus, or to a disk. It is an eighth of the
/// bytes of PCM, and costs no decoding. A track can be heard by streams of both kinds at once.
#[cfg(any(test, feature = "opus-packets"))]
pub mod packets {
    use std::{
        fmt,
        pin::Pin,
        sync::Arc,
        task::{Context, Poll},
        time::Instant,
    };

    use futures_core::Stream;

    use crate::{
        RtcError, audio_track::RtcAudioTrack, media_stream_track::RtcTrackState,
        playout::packets::PacketQueue,
    };

    /// A packet of Opus, out of any wrapping it came in.
    #[derive(Debug, Clone)]
    pub struct OpusPacket {
        /// The number of its source. It may change within a track; numbers and times of the packets then begin anew.
        pub ssrc: u32,
        /// Its place among the packets of its source, without wrapping: where one is left out, a packet was lost.
        /// `None` if the packet itself was lost, and this is what a later one carried of it (RFC 2198).
        pub sequence: Option<u64>,
        /// Its place in time, in ticks of 48 kHz, without wrapping. Between one packet's end and the next one's
        /// beginning nothing was sent (silence, mute), or something was lost.
        pub timestamp: u64,
        /// When it came.
        pub arrived_at: Instant,
        /// How loud its sender says it is, if it says so.
        pub loudness: Option<Loudness>,
        /// The packet: RFC 6716, from its table-of-contents byte on.
        pub payload: Arc<[u8]>,
    }

    /// How loud the audio of a packet is, as its sender says (RFC 6464).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Loudness {
        /// By how many decibels it is quieter than full scale, from 0 to 127.
        pub decibels_below: u8,
        /// Whether it is a voice.
        pub is_voice: Option<bool>,
    }

    /// A track's packets.
    ///
    /// They come as they arrive: one that was overtaken comes late, with an earlier `timestamp` than the one before it;
    /// none comes twice. While nothing is sent, nothing comes. The stream ends with the track.
    pub struct OpusPacketStream {
        track: RtcAudioTrack,
        queue: Arc<PacketQueue>,
    }

    impl OpusPacketStream {
        /// Takes the packets of a remote track, and keeps at most so many: beyond that the oldest are dropped, and
        /// counted in [`dropped`](Self::dropped). Fails with an error of type `InvalidState` for a local track.
        pub fn new(track: RtcAudioTrack, packets_max: usize) -> Result<Self, RtcError> {
            let queue = Arc::new(PacketQueue::new(packets_max.max(1)));
            let Some(sinks) = track.sinks() else {
                return Err(RtcError::invalid_state("only remote tracks have packets to take"));
            };
            sinks.add_queue(queue.clone());
            if track.state() == RtcTrackState::Ended {
                sinks.close();
            }
            Ok(Self { track, queue })
        }

        /// The track whose packets these are.
        pub fn track(&self) -> RtcAudioTrack {
            self.track.clone()
        }

        /// How many packets were dropped because they were not taken in time.
        pub fn dropped(&self) -> u64 {
            self.queue.dropped()
        }
    }

    impl Drop for OpusPacketStream {
        fn drop(&mut self) {
            if let Some(sinks) = self.track.sinks() {
                sinks.remove_queue(&self.queue);
            }
        }
    }

    impl Stream for OpusPacketStream {
        type Item = OpusPacket;

        fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.queue.poll_next(context)
        }
    }

    impl fmt::Debug for OpusPacketStream {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter
                .debug_struct("OpusPacketStream")
                .field("track", &self.track)
                .finish_non_exhaustive()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll, Waker},
        time::Instant,
    };

    use futures_core::Stream;

    use super::{native::NativeAudioStream, packets::OpusPacketStream};
    use crate::{
        audio_source::{AudioSourceOptions, native::NativeAudioSource},
        audio_track::{Origin, RtcAudioTrack},
        playout::{Packet, sinks::Sinks},
    };

    fn remote() -> RtcAudioTrack {
        RtcAudioTrack::new("TR_1".to_owned(), Origin::Remote(Sinks::default()))
    }

    fn packet(sequence: u64) -> Packet {
        Packet {
            ssrc: 7,
            sequence,
            timestamp: sequence * 960,
            payload: [0xf8, 0xff, 0xfe].into(),
            is_redundant: false,
            loudness: None,
        }
    }

    /// What a stream has now, and whether it has ended.
    fn drain<S: Stream + Unpin>(stream: &mut S) -> (Vec<S::Item>, bool) {
        let mut context = Context::from_waker(Waker::noop());
        let mut items = Vec::new();
        loop {
            match Pin::new(&mut *stream).poll_next(&mut context) {
                Poll::Ready(Some(item)) => items.push(item),
                Poll::Ready(None) => return (items, true),
                Poll::Pending => return (items, false),
            }
        }
    }

    #[test]
    fn a_track_is_heard_and_handed_on_at_once() {
        let track = remote();
        let mut frames = NativeAudioStream::new(track.clone(), 16_000, 1);
        let mut packets = OpusPacketStream::new(track.clone(), 100).expect("the track is remote");
        let sinks = track.sinks().expect("the track is remote");
        sinks.push(Instant::now(), &packet(1), true);
        sinks.push(Instant::now(), &packet(3), true);
        let (handed_on, is_over) = drain(&mut packets);
        let numbers: Vec<_> = handed_on.iter().map(|packet| packet.sequence).collect();
        assert_eq!((numbers, is_over), (vec![Some(1), Some(3)], false));
        assert_eq!(&*handed_on[0].payload, [0xf8, 0xff, 0xfe]);
        // The first is heard, and silence for the time that this took. The third waits for the second, until the track
        // ends, and is heard then.
        assert!(drain(&mut frames).0.len() >= 2);
        track.end();
        let (rest, is_over) = drain(&mut frames);
        assert!(rest.len() >= 2 && is_over, "{} frames", rest.len());
        assert!(drain(&mut packets).1);
    }

    #[test]
    fn a_track_that_is_turned_off_hands_on_nothing() {
        let track = remote();
        let mut packets = OpusPacketStream::new(track.clone(), 100).expect("the track is remote");
        let sinks = track.sinks().expect("the track is remote");
        sinks.push(Instant::now(), &packet(1), false);
        assert!(drain(&mut packets).0.is_empty());
    }

    #[test]
    fn a_stream_of_any_rate_is_heard_and_an_impossible_one_is_over() {
        for (rate, channels, length) in [(44_100, 2, 882), (22_050, 1, 220), (48_000, 1, 480)] {
            let track = remote();
            let mut frames = NativeAudioStream::new(track.clone(), rate, channels);
            let sinks = track.sinks().expect("the track is remote");
            (0..4).for_each(|number| sinks.push(Instant::now(), &packet(number), true));
            let heard = drain(&mut frames).0;
            // What lies within the resampler is not out yet.
            assert!(
                (7..=8).contains(&heard.len()),
                "{} frames of {rate} Hz",
                heard.len()
            );
            assert!(heard.iter().all(|frame| frame.data.len() == length));
        }
        for (rate, channels) in [(4_000, 1), (-1, 1), (16_000, 3), (16_000, 0)] {
            assert!(drain(&mut NativeAudioStream::new(remote(), rate, channels)).1);
        }
    }

    #[test]
    fn streams_of_an_ended_track_are_over() {
        let track = remote();
        track.end();
        assert!(drain(&mut NativeAudioStream::new(track.clone(), 16_000, 1)).1);
        let mut packets = OpusPacketStream::new(track, 100).expect("the track is remote");
        assert!(drain(&mut packets).1);
    }

    #[test]
    fn a_local_track_has_no_packets_to_take() {
        let source = NativeAudioSource::new(AudioSourceOptions::default(), 48_000, 1, 100);
        let track = RtcAudioTrack::new("mic".to_owned(), Origin::Source(source));
        assert!(OpusPacketStream::new(track, 100).is_err());
    }
}
