//! The exchange of descriptions.
//!
//! What str0m's own exchange makes hard is easy here, since the lines of a description are ours: an offer is written
//! from the sections there are and changes nothing, so it can be written again; a section gets its id when a description
//! with it is set; taking an offer back forgets the lines that it added.

use std::{sync::Arc, time::Instant};

use str0m::{Candidate, IceCreds, config::Fingerprint};

use super::{core::Core, events::Event, transceiver::Transceiver};
use crate::{
    MediaType, RtcError,
    ice_candidate::IceCandidate,
    peer_connection::{IceGatheringState, OfferOptions, PeerConnectionState, SignalingState, TrackEvent},
    rtp_transceiver::{RtpTransceiver, RtpTransceiverDirection, RtpTransceiverInit},
    sdp::{AudioLine, DataLine, Description, Line, Numbers, OUR_NUMBERS, Sdp, Section, Transport, VideoLine},
    session_description::{SdpType, SessionDescription},
};

/// How the exchange of descriptions stands.
pub(super) struct Negotiation {
    state: SignalingState,
    number: u64,
    version: u64,
    // The lines of the descriptions, in order: agreed ones, then those of a pending offer.
    lines: Vec<Entry>,
    // How many of them only the pending offer has.
    pending_lines: usize,
    // What the last offer or answer that was written would add.
    draft: Draft,
    pending_credentials: Option<IceCreds>,
    pending_local: Option<SessionDescription>,
    pending_remote: Option<SessionDescription>,
    current_local: Option<SessionDescription>,
    current_remote: Option<SessionDescription>,
    restart_wanted: bool,
}

/// A line of the descriptions.
#[derive(Clone)]
struct Entry {
    mid: String,
    owner: Owner,
}

#[derive(Clone)]
enum Owner {
    Section(Arc<Transceiver>),
    Data,
    Rejected { kind: String, protocol: String },
}

#[derive(Default)]
struct Draft {
    lines: Vec<Entry>,
    credentials: Option<IceCreds>,
}

impl Default for Negotiation {
    fn default() -> Self {
        Self {
            state: SignalingState::Stable,
            number: u64::from(*str0m::rtp::Ssrc::new()),
            version: 0,
            lines: Vec::new(),
            pending_lines: 0,
            draft: Draft::default(),
            pending_credentials: None,
            pending_local: None,
            pending_remote: None,
            current_local: None,
            current_remote: None,
            restart_wanted: false,
        }
    }
}

impl Negotiation {
    /// The id of the first section, which stands for the transport that all share.
    pub(super) fn first_mid(&self) -> String {
        self.lines
            .first()
            .map(|line| line.mid.clone())
            .unwrap_or_default()
    }

    pub(super) fn has_no_remote(&self) -> bool {
        self.current_remote.is_none() && self.pending_remote.is_none()
    }

    pub(super) fn close(&mut self) {
        *self = Self {
            state: SignalingState::Closed,
            ..Self::default()
        };
    }

    fn has_data(&self) -> bool {
        self.lines.iter().any(|line| matches!(line.owner, Owner::Data))
    }

    /// An id that no line has.
    fn free_mid(&self, taken: &[Entry]) -> String {
        let is_free = |mid: &String| self.lines.iter().chain(taken).all(|line| line.mid != *mid);
        let start = self.lines.len() + taken.len();
        (start..)
            .map(|number| number.to_string())
            .find(is_free)
            .expect("there are more numbers than lines")
    }
}

impl Core {
    pub(super) fn signaling_state(&self) -> SignalingState {
        self.negotiation.state
    }

    pub(super) fn current_local_description(&self) -> Option<SessionDescription> {
        self.negotiation.current_local.clone()
    }

    pub(super) fn current_remote_description(&self) -> Option<SessionDescription> {
        self.negotiation.current_remote.clone()
    }

    pub(super) fn restart_ice(&mut self) {
        self.negotiation.restart_wanted = true;
    }

    /// Writes an offer of what there is now. Nothing changes by it.
    pub(super) fn create_offer(&mut self, options: &OfferOptions) -> Result<SessionDescription, RtcError> {
        self.check_open()?;
        self.offer_to_receive(MediaType::Audio, options.offer_to_receive_audio);
        self.offer_to_receive(MediaType::Video, options.offer_to_receive_video);
        let numbers = self
            .session
            .as_ref()
            .map_or(OUR_NUMBERS, |session| session.numbers);
        self.session(numbers);
        let restart = options.ice_restart || self.negotiation.restart_wanted;
        if restart {
            self.check_revivable()?;
        }
        let credentials = (restart && self.negotiation.current_remote.is_some()).then(IceCreds::new);
        let mut added = Vec::new();
        for transceiver in &self.transceivers {
            if transceiver.mid().is_none() && transceiver.direction() != RtpTransceiverDirection::Stopped {
                let mid = self.negotiation.free_mid(&added);
                added.push(Entry {
                    mid,
                    owner: Owner::Section(transceiver.clone()),
                });
            }
        }
        if !self.channels.is_empty() && !self.negotiation.has_data() {
            let mid = self.negotiation.free_mid(&added);
            added.push(Entry {
                mid,
                owner: Owner::Data,
            });
        }
        let lines: Vec<Line> = self
            .negotiation
            .lines
            .iter()
            .chain(&added)
            .map(|entry| self.offered_line(entry, numbers))
            .collect();
        let offer = self.describe(SdpType::Offer, "actpass", credentials.as_ref(), lines)?;
        self.negotiation.draft = Draft {
            lines: added,
            credentials,
        };
        Ok(offer)
    }

    fn offer_to_receive(&mut self, kind: MediaType, wanted: bool) {
        let receives =
            |transceiver: &Arc<Transceiver>| transceiver.kind() == kind && transceiver.direction().receives();
        if wanted && !self.transceivers.iter().any(receives) {
            let transceiver = Transceiver::new(&self.connection, kind, receive_only());
            self.transceivers.push(transceiver);
        }
    }

    fn offered_line(&self, entry: &Entry, numbers: Numbers) -> Line {
        let mid = entry.mid.clone();
        match &entry.owner {
            Owner::Section(transceiver) if transceiver.kind() == MediaType::Video => {
                let format = (VP8.0.to_owned(), VP8.1.to_owned());
                Line::Video(VideoLine {
                    mid,
                    direction: transceiver.direction(),
                    format,
                })
            }
            Owner::Section(transceiver) => Line::Audio(AudioLine {
                mid,
                direction: transceiver.direction(),
                numbers,
                source: transceiver.source(),
            }),
            Owner::Data => Line::Data(DataLine {
                mid,
                message_bytes_max: MESSAGE_BYTES_MAX,
            }),
            Owner::Rejected { kind, protocol } => Line::Rejected {
                kind: kind.clone(),
                protocol: protocol.clone(),
                mid,
            },
        }
    }

    fn describe(
        &mut self,
        sdp_type: SdpType,
        setup: &'static str,
        credentials: Option<&IceCreds>,
        lines: Vec<Line>,
    ) -> Result<SessionDescription, RtcError> {
        self.negotiation.version += 1;
        let session = self
            .session
            .as_mut()
            .ok_or_else(|| RtcError::internal("a description without a session"))?;
        let description = Description {
            session: self.negotiation.number,
            version: self.negotiation.version,
            transport: Transport {
                credentials: credentials.unwrap_or(&session.credentials).clone(),
                fingerprint: session.rtc.direct_api().local_dtls_fingerprint().to_string(),
                setup,
                candidates: session.candidates.clone(),
            },
            lines,
        };
        SessionDescription::parse(&description.to_string(), sdp_type)
            .map_err(|error| RtcError::internal(format!("our own description: {error}")))
    }

    /// Writes an answer to their offer.
    pub(super) fn create_answer(&mut self) -> Result<SessionDescription, RtcError> {
        self.check_open()?;
        let Some(offer) = self.negotiation.pending_remote.clone() else {
            return Err(RtcError::invalid_state("an answer without an offer"));
        };
        let offer = offer.sdp();
        let theirs = offer.ice_credentials();
        let session = self
            .session
            .as_ref()
            .ok_or_else(|| RtcError::internal("an offer without a session"))?;
        let is_restart = session.is_started && session.remote_credentials != theirs;
        let credentials = is_restart.then(IceCreds::new);
        let numbers = session.numbers;
        let lines: Vec<Line> = self
            .negotiation
            .lines
            .iter()
            .map(|entry| self.answered_line(entry, offer, numbers))
            .collect();
        let setup = if offer.setup() == Some("active") {
            "passive"
        } else {
            "active"
        };
        let answer = self.describe(SdpType::Answer, setup, credentials.as_ref(), lines)?;
        self.negotiation.draft = Draft {
            lines: Vec::new(),
            credentials,
        };
        Ok(answer)
    }

    fn answered_line(&self, entry: &Entry, offer: &Sdp, numbers: Numbers) -> Line {
        let Some(theirs) = offer.section(&entry.mid).filter(|section| !section.is_rejected()) else {
            return self.offered_line(entry, numbers);
        };
        let Owner::Section(transceiver) = &entry.owner else {
            return self.offered_line(entry, numbers);
        };
        let sends = theirs.direction().receives() && transceiver.sent_track().is_some();
        let direction = join(sends, theirs.direction().sends());
        let mid = entry.mid.clone();
        if transceiver.kind() == MediaType::Video {
            let (format, codec) = theirs.first_format().unwrap_or(VP8);
            return Line::Video(VideoLine {
                mid,
                direction,
                format: (format.to_owned(), codec.to_owned()),
            });
        }
        let red = numbers.red.filter(|_| theirs.red().is_some());
        let numbers = Numbers { red, ..numbers };
        Line::Audio(AudioLine {
            mid,
            direction,
            numbers,
            source: transceiver.source().filter(|_| sends),
        })
    }

    /// Stands by our own description.
    pub(super) fn set_local_description(&mut self, description: SessionDescription) -> Result<(), RtcError> {
        self.check_open()?;
        match description.sdp_type() {
            SdpType::Offer => self.set_local_offer(description),
            SdpType::Answer => self.set_local_answer(description),
            SdpType::Rollback => self.roll_back(),
            SdpType::PrAnswer => Err(RtcError::unsupported("provisional answers are not supported")),
        }
    }

    fn set_local_offer(&mut self, offer: SessionDescription) -> Result<(), RtcError> {
        if !matches!(
            self.negotiation.state,
            SignalingState::Stable | SignalingState::HaveLocalOffer
        ) {
            return Err(RtcError::invalid_state(
                "an offer of ours while theirs is to be answered",
            ));
        }
        let draft = std::mem::take(&mut self.negotiation.draft);
        for entry in draft.lines {
            if offer.sdp().section(&entry.mid).is_none() {
                continue;
            }
            if let Owner::Section(transceiver) = &entry.owner {
                transceiver.set_mid(Some(entry.mid.clone()));
            }
            self.negotiation.lines.push(entry);
            self.negotiation.pending_lines += 1;
        }
        if offer.sdp().sections().len() != self.negotiation.lines.len() {
            return Err(RtcError::invalid_sdp(
                "an offer that was not written by this connection last",
            ));
        }
        if draft.credentials.is_some() {
            self.negotiation.pending_credentials = draft.credentials;
        }
        self.negotiation.pending_local = Some(offer);
        self.set_signaling_state(SignalingState::HaveLocalOffer);
        self.announce_addresses();
        Ok(())
    }

    fn set_local_answer(&mut self, answer: SessionDescription) -> Result<(), RtcError> {
        let Some(offer) = self.negotiation.pending_remote.take() else {
            return Err(RtcError::invalid_state(
                "an answer of ours without an offer of theirs",
            ));
        };
        self.negotiation.pending_credentials = self.negotiation.draft.credentials.take();
        self.agree(answer.sdp(), offer.sdp(), Role::Answerer)?;
        self.negotiation.pending_lines = 0;
        self.negotiation.current_local = Some(answer);
        self.negotiation.current_remote = Some(offer);
        self.set_signaling_state(SignalingState::Stable);
        self.announce_addresses();
        Ok(())
    }

    /// Takes their description.
    pub(super) fn set_remote_description(&mut self, description: SessionDescription) -> Result<(), RtcError> {
        self.check_open()?;
        match description.sdp_type() {
            SdpType::Offer => self.set_remote_offer(description),
            SdpType::Answer => self.set_remote_answer(description),
            SdpType::Rollback => self.roll_back(),
            SdpType::PrAnswer => Err(RtcError::unsupported("provisional answers are not supported")),
        }
    }

    fn set_remote_offer(&mut self, offer: SessionDescription) -> Result<(), RtcError> {
        if !matches!(
            self.negotiation.state,
            SignalingState::Stable | SignalingState::HaveRemoteOffer
        ) {
            return Err(RtcError::invalid_state(
                "an offer of theirs while ours is to be answered",
            ));
        }
        check_transport(offer.sdp())?;
        self.check_revivable()?;
        self.session(offer.sdp().numbers().unwrap_or(OUR_NUMBERS));
        for section in offer.sdp().sections() {
            let mid = section
                .mid()
                .ok_or_else(|| RtcError::invalid_sdp("a media section without an id"))?;
            if !self.negotiation.lines.iter().any(|line| line.mid == mid) {
                let owner = self.accept(mid, section);
                self.negotiation.lines.push(Entry {
                    mid: mid.to_owned(),
                    owner,
                });
                self.negotiation.pending_lines += 1;
            }
        }
        self.take_tracks(offer.sdp());
        self.negotiation.pending_remote = Some(offer);
        self.set_signaling_state(SignalingState::HaveRemoteOffer);
        Ok(())
    }

    /// Makes our side of a section that they added.
    fn accept(&mut self, mid: &str, section: &Section) -> Owner {
        let kind = match section.kind() {
            "audio" if section.opus().is_some() => MediaType::Audio,
            "video" if section.first_format().is_some() => MediaType::Video,
            "application" => return Owner::Data,
            kind => {
                return Owner::Rejected {
                    kind: kind.to_owned(),
                    protocol: section.protocol().to_owned(),
                };
            }
        };
        let transceiver = Transceiver::new(&self.connection, kind, receive_only());
        transceiver.set_mid(Some(mid.to_owned()));
        self.transceivers.push(transceiver.clone());
        Owner::Section(transceiver)
    }

    fn set_remote_answer(&mut self, answer: SessionDescription) -> Result<(), RtcError> {
        let Some(offer) = self.negotiation.pending_local.clone() else {
            return Err(RtcError::invalid_state(
                "an answer of theirs without an offer of ours",
            ));
        };
        // The SDK takes an offer back by setting the last answer again.
        let current = self.negotiation.current_remote.as_ref();
        if current.is_some_and(|current| current.to_string() == answer.to_string()) {
            return self.roll_back();
        }
        check_transport(answer.sdp())?;
        self.agree(offer.sdp(), answer.sdp(), Role::Offerer)?;
        self.take_tracks(answer.sdp());
        self.negotiation.pending_local = None;
        self.negotiation.pending_lines = 0;
        self.negotiation.current_local = Some(offer);
        self.negotiation.current_remote = Some(answer);
        self.set_signaling_state(SignalingState::Stable);
        Ok(())
    }

    /// Forgets the offer that is not answered yet, and the lines that only it had.
    fn roll_back(&mut self) -> Result<(), RtcError> {
        let agreed = self.negotiation.lines.len() - self.negotiation.pending_lines;
        for entry in self.negotiation.lines.drain(agreed..) {
            if let Owner::Section(transceiver) = entry.owner {
                transceiver.set_mid(None);
            }
        }
        self.negotiation.pending_lines = 0;
        self.negotiation.pending_local = None;
        self.negotiation.pending_remote = None;
        self.negotiation.pending_credentials = None;
        self.set_signaling_state(SignalingState::Stable);
        Ok(())
    }

    /// Notes what they say they send, and tells of what is new.
    fn take_tracks(&mut self, theirs: &Sdp) {
        let sections: Vec<(String, Arc<Transceiver>)> = self.sections();
        for (mid, transceiver) in sections {
            let section = theirs.section(&mid).filter(|section| section.direction().sends());
            let ssrcs = section.map(Section::ssrcs).unwrap_or_default();
            let track = transceiver.set_received(section.and_then(Section::msid));
            if section.is_none() || !ssrcs.is_empty() || track.is_some() {
                self.retire_sources(&transceiver, &ssrcs);
            }
            let Some(track) = track else {
                continue;
            };
            let handle = RtpTransceiver::new(transceiver.clone());
            let streams = transceiver.received_streams();
            let event = TrackEvent {
                receiver: handle.receiver(),
                streams,
                track,
                transceiver: handle,
            };
            self.tell(Event::Track(event));
        }
    }

    /// Does what both descriptions say.
    fn agree(&mut self, ours: &Sdp, theirs: &Sdp, role: Role) -> Result<(), RtcError> {
        let now = Instant::now();
        self.advance(now);
        self.look_at_addresses(now);
        self.agree_on_transport(now, ours, theirs, role)?;
        for candidate in theirs.candidates() {
            self.add_remote_candidate(candidate);
        }
        for (mid, transceiver) in self.sections() {
            let (Some(ours), Some(theirs)) = (ours.section(&mid), theirs.section(&mid)) else {
                continue;
            };
            let sends = ours.direction().sends() && theirs.direction().receives();
            let receives = ours.direction().receives() && theirs.direction().sends();
            transceiver.set_current_direction(join(sends, receives));
            if transceiver.kind() == MediaType::Audio {
                let ssrcs = if receives { theirs.ssrcs() } else { Vec::new() };
                self.route_media(&mid, &transceiver, &ssrcs);
                self.prepare_to_send(&transceiver, theirs);
            }
        }
        self.changed();
        Ok(())
    }

    fn agree_on_transport(
        &mut self,
        now: Instant,
        ours: &Sdp,
        theirs: &Sdp,
        role: Role,
    ) -> Result<(), RtcError> {
        let credentials = theirs
            .ice_credentials()
            .ok_or_else(|| RtcError::invalid_sdp("no ice-ufrag and ice-pwd"))?;
        let pending = self.negotiation.pending_credentials.take();
        let has_data = |sdp: &Sdp| {
            sdp.sections()
                .iter()
                .any(|section| section.kind() == "application" && !section.is_rejected())
        };
        let wants_data = has_data(ours) && has_data(theirs);
        let is_connected = matches!(self.connection_state(), PeerConnectionState::Connected);
        let session = self
            .session
            .as_mut()
            .ok_or_else(|| RtcError::internal("an agreement without a session"))?;
        if session.is_started {
            if session.remote_credentials.as_ref() != Some(&credentials) {
                session.restart(pending, credentials, is_connected);
                self.negotiation.restart_wanted = false;
                self.look_again(now);
            }
        } else {
            let fingerprint: Fingerprint = theirs
                .fingerprint()
                .ok_or_else(|| RtcError::invalid_sdp("no fingerprint"))?
                .parse()
                .map_err(|error| RtcError::invalid_sdp(format!("fingerprint: {error}")))?;
            // Whoever offers chooses the path, unless the other side leaves that to us.
            session.is_controlling = role == Role::Offerer || theirs.is_ice_lite();
            let is_client = match (role, theirs.setup()) {
                (Role::Offerer, Some("passive")) => true,
                (Role::Offerer, _) => false,
                (Role::Answerer, setup) => setup != Some("active"),
            };
            session.start(fingerprint, credentials, is_client)?;
            self.look_again(now);
        }
        if wants_data && let Some(session) = &mut self.session {
            session.start_data(theirs.setup(), role);
        }
        Ok(())
    }

    fn sections(&self) -> Vec<(String, Arc<Transceiver>)> {
        let section = |entry: &Entry| match &entry.owner {
            Owner::Section(transceiver) => Some((entry.mid.clone(), transceiver.clone())),
            Owner::Data | Owner::Rejected { .. } => None,
        };
        self.negotiation.lines.iter().filter_map(section).collect()
    }

    fn set_signaling_state(&mut self, state: SignalingState) {
        if self.negotiation.state != state {
            self.negotiation.state = state;
            self.tell(Event::SignalingState(state));
        }
    }

    /// Tells of our addresses, all of which are known at once.
    fn announce_addresses(&mut self) {
        if self.gathering == IceGatheringState::Complete {
            return;
        }
        self.gathering = IceGatheringState::Complete;
        self.tell(Event::IceGatheringState(IceGatheringState::Gathering));
        let mid = self.negotiation.first_mid();
        let candidates: Vec<Candidate> = self
            .session
            .iter()
            .flat_map(|session| session.candidates.iter().cloned())
            .collect();
        for candidate in candidates {
            self.tell(Event::Candidate(IceCandidate::local(&mid, 0, &candidate)));
        }
        self.tell(Event::IceGatheringState(IceGatheringState::Complete));
    }
}

impl super::core::Session {
    fn start(
        &mut self,
        fingerprint: Fingerprint,
        credentials: IceCreds,
        is_client: bool,
    ) -> Result<(), RtcError> {
        let is_controlling = self.is_controlling;
        let mut api = self.rtc.direct_api();
        api.set_ice_controlling(is_controlling);
        api.set_remote_ice_credentials(credentials.clone());
        api.set_remote_fingerprint(fingerprint);
        api.start_dtls(is_client)
            .map_err(|error| RtcError::internal(format!("cannot start DTLS: {error}")))?;
        self.remote_credentials = Some(credentials);
        self.is_started = true;
        Ok(())
    }

    /// Starts the data channels; the client of the encryption is their client too.
    fn start_data(&mut self, their_setup: Option<&str>, role: Role) {
        let is_client = match (role, their_setup) {
            (Role::Offerer, setup) => setup == Some("passive"),
            (Role::Answerer, setup) => setup != Some("active"),
        };
        self.rtc.direct_api().start_sctp(is_client);
    }

    /// Changes what paths are checked with. A path that works goes on to be used, so nothing is lost by it.
    fn restart(&mut self, ours: Option<IceCreds>, theirs: IceCreds, is_connected: bool) {
        let mut api = self.rtc.direct_api();
        if let Some(ours) = ours {
            api.set_local_ice_credentials(ours.clone());
            self.credentials = ours;
        }
        api.set_remote_ice_credentials(theirs.clone());
        self.remote_credentials = Some(theirs);
        // They are told anew, with the credentials.
        let told = std::mem::take(&mut self.remote_candidates);
        if is_connected {
            return;
        }
        // What was tried in vain must not keep what comes next from being tried.
        for candidate in told {
            api.invalidate_candidate(&candidate);
        }
        for candidate in &self.tried {
            api.invalidate_candidate(candidate);
        }
        for candidate in self.tried.clone() {
            self.rtc.add_local_candidate(candidate);
        }
    }
}

/// Who wrote the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Offerer,
    Answerer,
}

fn check_transport(theirs: &Sdp) -> Result<(), RtcError> {
    let Some(hash) = theirs.fingerprint() else {
        return Err(RtcError::invalid_sdp("no fingerprint"));
    };
    hash.parse::<Fingerprint>()
        .map_err(|error| RtcError::invalid_sdp(format!("fingerprint: {error}")))?;
    theirs
        .ice_credentials()
        .ok_or_else(|| RtcError::invalid_sdp("no ice-ufrag and ice-pwd"))?;
    Ok(())
}

fn join(sends: bool, receives: bool) -> RtpTransceiverDirection {
    match (sends, receives) {
        (true, true) => RtpTransceiverDirection::SendRecv,
        (true, false) => RtpTransceiverDirection::SendOnly,
        (false, true) => RtpTransceiverDirection::RecvOnly,
        (false, false) => RtpTransceiverDirection::Inactive,
    }
}

fn receive_only() -> RtpTransceiverInit {
    RtpTransceiverInit {
        direction: RtpTransceiverDirection::RecvOnly,
        stream_ids: Vec::new(),
        send_encodings: Vec::new(),
    }
}

/// The format that sections of video are offered with.
const VP8: (&str, &str) = ("96", "VP8/90000");

/// The longest message we take, in bytes; str0m's own bound.
const MESSAGE_BYTES_MAX: u32 = 256 << 10;
