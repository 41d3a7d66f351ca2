//! Metadata at the end of video frames: the types, without any video to carry it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    peer_connection_factory::PeerConnectionFactory, rtp_receiver::RtpReceiver, rtp_sender::RtpSender,
};

/// How far a video frame has come on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishTimingStage {
    /// Given to the encoder.
    EncoderUpload,
    /// Encoded.
    EncoderOutput,
    /// Given to the packetizer.
    WebrtcPacketize,
}

/// How far a video frame has come on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribeTimingStage {
    /// Put together from packets.
    WebrtcReceive,
    /// Given to the decoder.
    DecoderUpload,
    /// Decoded.
    DecoderOutput,
}

/// A moment in the life of a video frame on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishTimingEvent {
    /// How far the frame has come.
    pub stage: PublishTimingStage,
    /// When, in microseconds since 1970.
    pub timestamp_us: u64,
    /// When the frame was captured, in microseconds since 1970.
    pub capture_timestamp_us: u64,
    /// The frame's number, if the application gave one.
    pub frame_id: Option<u32>,
}

/// A moment in the life of a video frame on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeTimingEvent {
    /// How far the frame has come.
    pub stage: SubscribeTimingStage,
    /// When, in microseconds since 1970.
    pub timestamp_us: u64,
    /// When the frame was captured, in microseconds since 1970.
    pub capture_timestamp_us: u64,
    /// The frame's number, if the application gave one.
    pub frame_id: Option<u32>,
}

/// Who is told of frames on their way out.
pub type PublishTimingObserver = Arc<dyn Fn(PublishTimingEvent) + Send + Sync + 'static>;
/// Who is told of frames on their way in.
pub type SubscribeTimingObserver = Arc<dyn Fn(SubscribeTimingEvent) + Send + Sync + 'static>;

/// A handler of metadata that never sees a frame: the SDK makes one for each remote video track that announces some.
#[derive(Clone)]
pub struct PacketTrailerHandler {
    enabled: Arc<AtomicBool>,
}

impl PacketTrailerHandler {
    fn new() -> Self {
        tracing::warn!("video is not decoded by this build: the metadata of its frames will not be seen");
        Self {
            enabled: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Turns the handler on or off.
    pub fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed);
    }

    /// Whether the handler is on.
    pub fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    /// Takes an observer, who will have nothing to observe.
    pub fn set_publish_timing_observer(&self, _observer: Option<PublishTimingObserver>) {}

    /// Takes an observer, who will have nothing to observe.
    pub fn set_subscribe_timing_observer(&self, _observer: Option<SubscribeTimingObserver>) {}
}

/// A handler for what a sender sends.
pub fn create_sender_handler(_factory: &PeerConnectionFactory, _sender: &RtpSender) -> PacketTrailerHandler {
    PacketTrailerHandler::new()
}

/// A handler for what a receiver receives.
pub fn create_receiver_handler(
    _factory: &PeerConnectionFactory,
    _receiver: &RtpReceiver,
) -> PacketTrailerHandler {
    PacketTrailerHandler::new()
}
