//! Which section a source's packets belong to.
//!
//! A section goes from one speaker to the next when a description says so, and the last packets of the one may arrive
//! after that. They must not be heard as the other: a source that lost its section is remembered, and has none until a
//! description gives it one.

use std::{collections::VecDeque, sync::Arc};

use super::transceiver::Transceiver;

/// The sources that are received.
#[derive(Default)]
pub(super) struct Routes {
    routes: Vec<Route>,
    // Sources that lost their section, oldest first.
    retired: VecDeque<u32>,
}

struct Route {
    ssrc: u32,
    owner: Arc<Transceiver>,
    // Whether a description names the source, or only its packets named the section.
    is_named: bool,
}

impl Routes {
    /// The section that a source belongs to.
    pub(super) fn owner(&self, ssrc: u32) -> Option<&Arc<Transceiver>> {
        self.routes
            .iter()
            .find(|route| route.ssrc == ssrc)
            .map(|route| &route.owner)
    }

    /// Gives a section the sources that a description names, whoever had them before.
    pub(super) fn assign(&mut self, owner: &Arc<Transceiver>, ssrcs: &[u32]) {
        self.routes.retain(|route| !ssrcs.contains(&route.ssrc));
        self.retired.retain(|retired| !ssrcs.contains(retired));
        self.routes.extend(ssrcs.iter().map(|ssrc| Route {
            ssrc: *ssrc,
            owner: owner.clone(),
            is_named: true,
        }));
    }

    /// Takes a source whose packet names a section, unless what that section hears was named by a description, or the
    /// source had its time.
    pub(super) fn adopt(&mut self, owner: &Arc<Transceiver>, ssrc: u32) -> bool {
        let is_other = |route: &Route| route.is_named && Arc::ptr_eq(&route.owner, owner);
        if self.retired.contains(&ssrc) || self.routes.iter().any(is_other) {
            return false;
        }
        self.routes.push(Route {
            ssrc,
            owner: owner.clone(),
            is_named: false,
        });
        true
    }

    /// Takes all sources but these from a section, and says which those were.
    pub(super) fn retire(&mut self, owner: &Arc<Transceiver>, kept: &[u32]) -> Vec<u32> {
        let is_gone = |route: &mut Route| Arc::ptr_eq(&route.owner, owner) && !kept.contains(&route.ssrc);
        let gone: Vec<u32> = self
            .routes
            .extract_if(.., is_gone)
            .map(|route| route.ssrc)
            .collect();
        self.retired.extend(&gone);
        let excess = self.retired.len().saturating_sub(RETIRED_MAX);
        self.retired.drain(..excess);
        gone
    }
}

/// How many sources without a section are remembered; what is under way of older ones has long arrived.
const RETIRED_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        MediaType,
        rtp_transceiver::{RtpTransceiverDirection, RtpTransceiverInit},
    };

    fn section() -> Arc<Transceiver> {
        let init = RtpTransceiverInit {
            direction: RtpTransceiverDirection::RecvOnly,
            stream_ids: Vec::new(),
            send_encodings: Vec::new(),
        };
        Transceiver::new(&Weak::new(), MediaType::Audio, init)
    }

    #[test]
    fn a_source_no_description_names_is_found_by_its_section() {
        let (mut routes, first) = (Routes::default(), section());
        assert!(routes.adopt(&first, 1));
        assert!(routes.owner(1).is_some_and(|owner| Arc::ptr_eq(owner, &first)));
        assert_eq!(routes.retire(&first, &[]), [1]);
        assert!(!routes.adopt(&first, 1), "its packets are late");
        assert!(routes.adopt(&first, 2));
    }

    #[test]
    fn a_source_may_move_and_come_back() {
        let (mut routes, first, second) = (Routes::default(), section(), section());
        routes.assign(&first, &[1]);
        routes.assign(&second, &[1]);
        assert!(routes.owner(1).is_some_and(|owner| Arc::ptr_eq(owner, &second)));
        assert_eq!(routes.retire(&second, &[]), [1]);
        routes.assign(&first, &[1]);
        assert!(routes.owner(1).is_some_and(|owner| Arc::ptr_eq(owner, &first)));
    }

    proptest! {
        #[test]
        fn a_late_packet_never_reaches_the_next_speaker(
            // Who speaks in each of four sections in turn, and whose packets come late after each change.
            turns in prop::collection::vec((0_usize..4, prop::collection::vec(0_u32..40, 0..8)), 1..40)
        ) {
            let sections: Vec<_> = std::iter::repeat_with(section).take(4).collect();
            let mut speakers: [Option<u32>; 4] = [None; 4];
            let mut routes = Routes::default();
            for (turn, (slot, late)) in turns.iter().enumerate() {
                let speaker = turn as u32;
                routes.retire(&sections[*slot], &[speaker]);
                routes.assign(&sections[*slot], &[speaker]);
                speakers[*slot] = Some(speaker);
                for ssrc in late.iter().copied().filter(|ssrc| *ssrc <= speaker) {
                    let speaks = speakers.contains(&Some(ssrc));
                    prop_assert_eq!(routes.owner(ssrc).is_some(), speaks);
                    // The packet names the section that its speaker once had, which others have now.
                    let adopts = |section| routes.adopt(section, ssrc);
                    prop_assert!(speaks || !sections.iter().any(adopts));
                }
            }
        }
    }
}
