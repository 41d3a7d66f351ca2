//! What is listened to and what isn't, and in which language.

use std::collections::HashMap;

use livekit::{
    e2ee::EncryptionType,
    participant::ParticipantKind,
    prelude::{TrackKind, TrackSource},
};

use lectern_pipelines::is_language_tag;

use crate::ScreenShareAudio;

/// A participant who sets this attribute to [`OFF`] is not listened to.
const OPT_OUT_ATTRIBUTE: &str = "lectern.captions";
const OFF: &str = "off";
/// A participant who sets this attribute to a BCP 47 tag is listened to in that language.
const LANGUAGE_ATTRIBUTE: &str = "lectern.language";

/// What is to be done about a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Subscribe.
    Listen,
    /// Don't, or no longer.
    Ignore,
    /// It would be listened to, but can't be understood.
    Encrypted,
}

/// What matters of a publication.
#[derive(Debug, Clone, Copy)]
pub(super) struct Publication {
    pub(super) kind: TrackKind,
    pub(super) source: TrackSource,
    pub(super) encryption: EncryptionType,
}

/// What is to be done about what a participant publishes.
pub(super) fn wish(
    kind: ParticipantKind,
    attributes: &HashMap<String, String>,
    publication: Publication,
    screen_share_audio: ScreenShareAudio,
) -> Wish {
    let has_opted_out = attributes
        .get(OPT_OUT_ATTRIBUTE)
        .is_some_and(|value| value.eq_ignore_ascii_case(OFF));
    if !may_speak(kind) || has_opted_out || !is_speech(publication, screen_share_audio) {
        return Wish::Ignore;
    }
    match publication.encryption {
        EncryptionType::None => Wish::Listen,
        _ => Wish::Encrypted,
    }
}

/// The language that a participant says they speak, if it is one.
pub(super) fn language(attributes: &HashMap<String, String>) -> Option<String> {
    attributes
        .get(LANGUAGE_ATTRIBUTE)
        .filter(|tag| is_language_tag(tag))
        .cloned()
}

/// Agents speak for themselves, and recorders don't speak.
pub(super) fn may_speak(kind: ParticipantKind) -> bool {
    !matches!(kind, ParticipantKind::Agent | ParticipantKind::Egress)
}

fn is_speech(publication: Publication, screen_share_audio: ScreenShareAudio) -> bool {
    publication.kind == TrackKind::Audio
        && match publication.source {
            // Many publishers that are no browser don't say what their audio is; it is somebody's voice.
            TrackSource::Microphone | TrackSource::Unknown => true,
            TrackSource::ScreenshareAudio => screen_share_audio == ScreenShareAudio::Captioned,
            TrackSource::Camera | TrackSource::Screenshare => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROPHONE: Publication = Publication {
        kind: TrackKind::Audio,
        source: TrackSource::Microphone,
        encryption: EncryptionType::None,
    };

    fn wish_for(kind: ParticipantKind, captions: &str, publication: Publication) -> Wish {
        let attributes = HashMap::from([("lectern.captions".to_owned(), captions.to_owned())]);
        wish(kind, &attributes, publication, ScreenShareAudio::Ignored)
    }

    #[test]
    fn people_telephones_and_streams_are_listened_to_agents_and_recorders_are_not() {
        for (kind, expected) in [
            (ParticipantKind::Standard, Wish::Listen),
            (ParticipantKind::Sip, Wish::Listen),
            (ParticipantKind::Ingress, Wish::Listen),
            (ParticipantKind::Agent, Wish::Ignore),
            (ParticipantKind::Egress, Wish::Ignore),
        ] {
            assert_eq!(wish_for(kind, "on", MICROPHONE), expected, "{kind:?}");
        }
    }

    #[test]
    fn whoever_opted_out_is_not_listened_to() {
        assert_eq!(
            wish_for(ParticipantKind::Standard, "off", MICROPHONE),
            Wish::Ignore
        );
        assert_eq!(
            wish_for(ParticipantKind::Standard, "OFF", MICROPHONE),
            Wish::Ignore
        );
        assert_eq!(wish_for(ParticipantKind::Standard, "", MICROPHONE), Wish::Listen);
    }

    #[test]
    fn nothing_but_a_language_is_asked_for() {
        let spoken = |tag: &str| language(&HashMap::from([("lectern.language".to_owned(), tag.to_owned())]));
        assert_eq!(spoken("pt-BR").as_deref(), Some("pt-BR"));
        for nonsense in ["", "my own", "en&model=nova", &"x".repeat(200)] {
            assert_eq!(spoken(nonsense), None, "{nonsense}");
        }
        assert_eq!(language(&HashMap::new()), None);
    }

    #[test]
    fn encrypted_speech_is_never_subscribed_to() {
        for encryption in [EncryptionType::Gcm, EncryptionType::Custom] {
            let publication = Publication {
                encryption,
                ..MICROPHONE
            };
            assert_eq!(
                wish_for(ParticipantKind::Standard, "on", publication),
                Wish::Encrypted
            );
            assert_eq!(
                wish_for(ParticipantKind::Standard, "off", publication),
                Wish::Ignore
            );
        }
    }

    #[test]
    fn pictures_are_ignored_and_a_screen_s_sound_is_a_setting() {
        let video = Publication {
            kind: TrackKind::Video,
            source: TrackSource::Camera,
            ..MICROPHONE
        };
        assert_eq!(wish_for(ParticipantKind::Standard, "on", video), Wish::Ignore);
        let screen = Publication {
            source: TrackSource::ScreenshareAudio,
            ..MICROPHONE
        };
        for (setting, expected) in [
            (ScreenShareAudio::Ignored, Wish::Ignore),
            (ScreenShareAudio::Captioned, Wish::Listen),
        ] {
            assert_eq!(
                wish(ParticipantKind::Standard, &HashMap::new(), screen, setting),
                expected
            );
        }
    }
}
