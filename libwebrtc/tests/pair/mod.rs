//! Two connections of this process that hear each other.

use std::sync::Mutex;

use futures_core::Stream;
use libwebrtc::{
    audio_frame::AudioFrame,
    audio_source::{AudioSourceOptions, native::NativeAudioSource},
    media_stream_track::MediaStreamTrack,
    peer_connection_factory::native::PeerConnectionFactoryExt,
    prelude::*,
};
use tokio::sync::oneshot;

/// Who speaks.
pub(crate) struct Speaker {
    pub(crate) connection: PeerConnection,
    pub(crate) source: NativeAudioSource,
}

impl Speaker {
    /// A connection with a track of mono audio of a rate in Hz. Made within the runtime that drives it.
    pub(crate) fn new(sample_rate: u32) -> Self {
        let factory = PeerConnectionFactory::default();
        let source = NativeAudioSource::new(AudioSourceOptions::default(), sample_rate, 1, 100);
        let track = factory.create_audio_track("microphone", source.clone());
        let connection = factory
            .create_peer_connection(RtcConfiguration::default())
            .expect("a socket");
        let init = RtpTransceiverInit {
            direction: RtpTransceiverDirection::SendOnly,
            stream_ids: vec!["speaker".to_owned()],
            send_encodings: vec![RtpEncodingParameters {
                max_bitrate: Some(24_000),
                ..RtpEncodingParameters::default()
            }],
        };
        connection
            .add_transceiver(track.into(), init)
            .expect("audio can be sent");
        Self { connection, source }
    }

    /// Says frames of 10 ms, as fast as they are sent.
    pub(crate) async fn say(&self, frames: usize, mut sample: impl FnMut(usize) -> i16) {
        let length = self.source.sample_rate() as usize / 100;
        for frame in 0..frames {
            let data: Vec<i16> = (frame * length..(frame + 1) * length).map(&mut sample).collect();
            let frame = AudioFrame {
                data: data.into(),
                sample_rate: self.source.sample_rate(),
                num_channels: 1,
                samples_per_channel: length as u32,
            };
            self.source
                .capture_frame(&frame)
                .await
                .expect("the source takes the frame");
        }
    }
}

/// A connection that only listens. Made within the runtime that drives it.
pub(crate) fn listener() -> PeerConnection {
    PeerConnectionFactory::default()
        .create_peer_connection(RtcConfiguration::default())
        .expect("a socket")
}

/// Lets the two find each other; `change` may change the listener's answer. Gives what is heard.
pub(crate) async fn connect(
    speaker: &PeerConnection,
    listener: &PeerConnection,
    change: impl FnOnce(String) -> String,
) -> RtcAudioTrack {
    let (tell, told) = oneshot::channel();
    let tell = Mutex::new(Some(tell));
    listener.on_track(Some(Box::new(move |event| {
        if let Some(tell) = tell.lock().expect("nobody panicked").take() {
            let _ = tell.send(event.track);
        }
    })));
    let offer = speaker
        .create_offer(OfferOptions::default())
        .await
        .expect("an offer");
    speaker
        .set_local_description(offer.clone())
        .await
        .expect("our offer");
    listener.set_remote_description(offer).await.expect("their offer");
    let answer = listener
        .create_answer(AnswerOptions::default())
        .await
        .expect("an answer");
    listener
        .set_local_description(answer.clone())
        .await
        .expect("our answer");
    let answer =
        SessionDescription::parse(&change(answer.to_string()), SdpType::Answer).expect("a description");
    speaker
        .set_remote_description(answer)
        .await
        .expect("their answer");
    match told.await.expect("the listener is told") {
        MediaStreamTrack::Audio(track) => track,
        MediaStreamTrack::Video(_) => panic!("nobody sends video"),
    }
}

/// What a stream gives next.
pub(crate) async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await
}
