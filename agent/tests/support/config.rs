//! Settings of a worker in tests; also those of the crate itself and of the binary.

use std::{path::Path, time::Duration};

use lectern_agent::{
    CaptionForms, Config, LiveKit, NetworkPaths, ScreenShareAudio, Stt, SttServer, Visibility,
};
use lectern_pipelines::SttSettings;

/// A worker whose LiveKit server and recogniser are where nobody listens.
pub(crate) fn lonely(render_program: &Path) -> Config {
    Config {
        livekit: LiveKit {
            url: "ws://127.0.0.1:1".to_owned(),
            api_key: "key".to_owned(),
            api_secret: "secret".into(),
        },
        agent_name: String::new(),
        rooms_max: 10,
        drain: Duration::ZERO,
        visibility: Visibility::Hidden,
        network_paths: NetworkPaths::Direct,
        screen_share_audio: ScreenShareAudio::Ignored,
        caption_forms: CaptionForms {
            text_streams: true,
            transcription_packets: true,
            data_packets: true,
        },
        stt: Stt {
            servers: vec![SttServer {
                base_url: "http://127.0.0.1:1".to_owned(),
                api_key: None,
                model: None,
            }],
            sockets_max: 16,
            lanes_max: 8,
            settings: SttSettings::with_endpointing(Duration::from_millis(300)),
        },
        llm: None,
        speech_logs: None,
        render_program: render_program.to_owned(),
        paper: None,
    }
}
