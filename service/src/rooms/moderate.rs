//! What hosts do about people in a room: hush them, send them out, keep them out, hand the room over.

use std::sync::Arc;

use axum::{Json, extract::State};
use lectern_pipelines::{AccountId, GuestId, GuestState, RoomName};
use lectern_storage::{
    Account, AccountRole, Audience, Banned, BannedBy, Decided, Decision, Door, Guest, NewAuditEntry,
    NewEvent, NewGuest, OwnCaptions, Room, RoomChange, RoomStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    join::{guest_rights, identity},
    lobby, parse_id,
};
use crate::{
    ApiError, ErrorCode, Service,
    body::{Body, InPath, InQuery, Paging},
    caller::Caller,
    error::ErrorBody,
    livekit::{Hush, JoinerRole, Rights},
    wire::{Items, timestamp},
};

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Moderation {
    action: Action,
    /// Whom it is about, where it is about somebody: what LiveKit calls them, or their id in the lobby.
    #[schema(max_length = 256)]
    target: Option<String>,
}

/// What hosts may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    /// Mutes somebody. They can unmute themselves.
    Mute,
    /// Mutes everybody but who asks for it.
    MuteAll,
    /// Stops the screen that somebody shows.
    StopScreen,
    /// Sends somebody out. They may ask to come in again.
    Kick,
    /// Sends somebody out for good, whatever they call themselves then.
    Ban,
    /// Lets somebody ask to come in again.
    Unban,
    /// Takes nobody new.
    Lock,
    /// Takes people again.
    Unlock,
    /// Hands the room over to somebody in it who has an account.
    PassHost,
    /// Mutes everybody, stops shared screens, locks the room, sends away who waits, and sends out every guest whom no
    /// host let in.
    Panic,
    /// Ends the room.
    End,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Moderated {
    action: Action,
}

/// Does something about people in a room; for who holds it.
#[utoipa::path(post, path = "/api/rooms/{roomId}/moderate", tag = "moderation", params(("roomId" = String, Path)),
    request_body = Moderation,
    responses((status = 200, body = Moderated), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn moderate(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(wanted): Body<Moderation>,
) -> Result<Json<Moderated>, ApiError> {
    let (mut room, host) = service.held_room(&caller, &parse_id(id)?).await?;
    let action = wanted.action;
    match action.step() {
        Step::On(step) => {
            let target = service.target(&room, wanted.target.as_deref()).await?;
            let done = service.act_on(&room, &host, step, &target).await;
            service
                .note_done(&room, &host, action, Some(&target.identity), done)
                .await?;
        }
        Step::InRoom(step) => {
            let done = service.act(&room.id, &host, step).await;
            service.note_done(&room, &host, action, None, done).await?;
        }
        // Ending notes itself: there is another path to it.
        Step::End => service.end_room(&mut room, &host).await?,
    }
    Ok(Json(Moderated { action }))
}

/// Who may not come in any more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BanView {
    /// To be sent as `target` of `unban`.
    identity: String,
    /// What they called themselves; null where that is not known any more.
    name: Option<String>,
    /// RFC 3339.
    banned_at: String,
    /// The account that decided.
    banned_by: String,
}

/// Who is banned from a room, the latest first; for who holds it. One person may be there under several identities.
#[utoipa::path(get, path = "/api/rooms/{roomId}/bans", tag = "moderation",
    params(("roomId" = String, Path), Paging),
    responses((status = 200, body = Items<BanView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn bans(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<Items<BanView>>, ApiError> {
    let (room, _) = service.held_room(&caller, &parse_id(id)?).await?;
    let (limit, after) = paging.parse()?;
    let page = service.database.bans(&room.id, limit, after.as_ref()).await?;
    Ok(Json(Items::of(page, BanView::of)))
}

impl BanView {
    fn of(banned: &Banned) -> Self {
        Self {
            identity: banned.identity.clone(),
            name: banned.name.clone(),
            banned_at: timestamp(banned.at),
            banned_by: banned.decided_by.clone(),
        }
    }
}

/// What an action takes.
enum Step {
    /// Somebody whom it is about.
    On(OnSomebody),
    /// Nobody: it is about the whole room.
    InRoom(OnRoom),
    /// Nobody, and the room is over.
    End,
}

/// What is done to somebody.
enum OnSomebody {
    Mute,
    StopScreen,
    Kick,
    Ban,
    Unban,
    PassHost,
}

/// What is done to a whole room.
enum OnRoom {
    MuteAll,
    Lock,
    Unlock,
    Panic,
}

/// Somebody an action is about.
struct Target {
    /// What LiveKit calls them.
    identity: String,
    /// The guest that they are, if they are one.
    guest: Option<Guest>,
    /// The account that they have, if they have one.
    account: Option<AccountId>,
}

impl Target {
    /// Everything that LiveKit may call them in this room.
    fn identities(&self) -> Vec<String> {
        let guest = self.guest.as_ref().map(|guest| guest_identity(&guest.id));
        let account = self.account.as_ref().map(account_identity);
        let others = guest.into_iter().chain(account);
        let mut all = vec![self.identity.clone()];
        all.extend(others.filter(|other| *other != self.identity));
        all
    }
}

impl Action {
    fn step(self) -> Step {
        match self {
            Self::Mute => Step::On(OnSomebody::Mute),
            Self::StopScreen => Step::On(OnSomebody::StopScreen),
            Self::Kick => Step::On(OnSomebody::Kick),
            Self::Ban => Step::On(OnSomebody::Ban),
            Self::Unban => Step::On(OnSomebody::Unban),
            Self::PassHost => Step::On(OnSomebody::PassHost),
            Self::MuteAll => Step::InRoom(OnRoom::MuteAll),
            Self::Lock => Step::InRoom(OnRoom::Lock),
            Self::Unlock => Step::InRoom(OnRoom::Unlock),
            Self::Panic => Step::InRoom(OnRoom::Panic),
            Self::End => Step::End,
        }
    }

    fn noted_as(self) -> &'static str {
        match self {
            Self::Mute => "room.mute",
            Self::MuteAll => "room.mute-all",
            Self::StopScreen => "room.stop-screen",
            Self::Kick => "room.kick",
            Self::Ban => "room.ban",
            Self::Unban => "room.unban",
            Self::Lock => "room.lock",
            Self::Unlock => "room.unlock",
            Self::PassHost => "room.pass-host",
            Self::Panic => "room.panic",
            Self::End => "room.end",
        }
    }
}

impl Service {
    /// Ends a room and sends everybody out.
    pub(crate) async fn end_room(&self, room: &mut Room, by: &Account) -> Result<(), ApiError> {
        let done = async {
            self.livekit.close_room(&room.id).await?;
            self.note_end(&room.id).await
        };
        let done = done.await;
        self.note_done(room, by, Action::End, None, done).await?;
        room.status = RoomStatus::Ended;
        Ok(())
    }

    /// Notes that a room is over, whoever finds it first: we or LiveKit.
    pub(crate) async fn note_end(&self, room: &RoomName) -> Result<(), ApiError> {
        if self
            .database
            .set_room_status(room, RoomStatus::Ended, self.now())
            .await?
        {
            self.tell_all(room, "room.ended").await?;
        }
        Ok(self.database.lower_all_hands(room).await?)
    }

    /// Whether somebody who came into a room may not be there; if so, they are sent out.
    pub(crate) async fn turn_away(&self, room: &RoomName, identity: &str) -> Result<bool, ApiError> {
        let guest = guest_of(identity);
        if !self.database.is_kept_out(room, identity, guest.as_ref()).await? {
            return Ok(false);
        }
        self.livekit
            .remove(room, &[identity.to_owned()], self.now())
            .await?;
        Ok(true)
    }

    /// Sends out who came back with a token from before they were sent out. LiveKit tells of who comes, but not surely.
    pub(crate) async fn keep_out_who_was_sent_out(&self) -> Result<(), ApiError> {
        let lifetimes = &self.settings.lifetimes;
        let longest = lifetimes.join.max(lifetimes.publisher).max(lifetimes.viewer);
        let then = self.now().saturating_sub(longest);
        for room in self.database.rooms_left_by_force_since(then).await? {
            for person in self.livekit.present(&room).await? {
                self.turn_away(&room, &person.identity).await?;
            }
        }
        Ok(())
    }

    /// Notes what a host did, also where LiveKit did not do its part: ours is done then, and holds.
    async fn note_done(
        &self,
        room: &Room,
        host: &Account,
        action: Action,
        target: Option<&str>,
        done: Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let outcome = match &done {
            Ok(()) => None,
            // The database fails too, or the request was refused: there is nothing that could or should be noted.
            Err(error) if error.code() != ErrorCode::LivekitUnavailable => return done,
            Err(_) => Some("LIVEKIT_UNAVAILABLE"),
        };
        let entry = NewAuditEntry {
            actor: Some(host.id.as_str()),
            action: action.noted_as(),
            room: Some(&room.id),
            target,
            outcome,
        };
        self.database.audit(entry, self.now()).await?;
        done
    }

    async fn act_on(
        &self,
        room: &Room,
        host: &Account,
        step: OnSomebody,
        target: &Target,
    ) -> Result<(), ApiError> {
        match step {
            OnSomebody::Mute => self.hush_one(room, target, Hush::Sound, "you.muted").await,
            OnSomebody::StopScreen => {
                self.hush_one(room, target, Hush::Screen, "you.screen-stopped")
                    .await
            }
            OnSomebody::Kick => self.kick(room, host, target).await,
            OnSomebody::Ban => self.ban(room, host, target).await,
            OnSomebody::Unban => {
                self.database.let_back(&room.id, &target.identities()).await?;
                Ok(())
            }
            OnSomebody::PassHost => self.pass_host(room, target).await,
        }
    }

    async fn act(&self, room: &RoomName, host: &Account, step: OnRoom) -> Result<(), ApiError> {
        match step {
            OnRoom::MuteAll => self.hush_all(room, host, &[], Hush::Sound).await,
            OnRoom::Lock => self.turn_key(room, Door::Locked).await,
            OnRoom::Unlock => self.turn_key(room, Door::Unlocked).await,
            OnRoom::Panic => self.panic(room, host).await,
        }
    }

    /// Whom a text means: a guest's id in the lobby, or what LiveKit calls somebody.
    async fn target(&self, room: &Room, text: Option<&str>) -> Result<Target, ApiError> {
        let Some(text) = text else {
            return Err(ApiError::invalid("target", "say whom this is about"));
        };
        if text.is_empty() || text.len() > TARGET_BYTES_MAX || text.contains(char::is_control) {
            return Err(ApiError::invalid("target", "this can be nobody's identity"));
        }
        if let Some(account) = account_of(text) {
            let guest = self.database.guest_of_account(&room.id, &account).await?;
            return Ok(Target {
                identity: text.to_owned(),
                guest,
                account: Some(account),
            });
        }
        let id = guest_of(text).or_else(|| GuestId::parse(text).ok());
        let guest = match id {
            Some(id) => self.database.guest(&id).await?,
            None => None,
        };
        let guest = guest.filter(|guest| guest.room == room.id);
        Ok(Target {
            identity: guest
                .as_ref()
                .map_or_else(|| text.to_owned(), |guest| guest_identity(&guest.id)),
            account: guest.as_ref().and_then(|guest| guest.account.clone()),
            guest,
        })
    }

    async fn hush_one(
        &self,
        room: &Room,
        target: &Target,
        hush: Hush,
        kind: &'static str,
    ) -> Result<(), ApiError> {
        let identities = target.identities();
        let mut people = self.livekit.present(&room.id).await?;
        people.retain(|person| identities.contains(&person.identity));
        if people.is_empty() {
            return Err(nobody());
        }
        self.livekit.hush(&room.id, &people, hush).await?;
        match &target.guest {
            Some(guest) => self.tell(&room.id, vec![own_event(guest, kind)]).await,
            None => Ok(()),
        }
    }

    /// Hushes everybody but who asks for it, and but those who are on their way out.
    async fn hush_all(
        &self,
        room: &RoomName,
        host: &Account,
        leaving: &[String],
        hush: Hush,
    ) -> Result<(), ApiError> {
        let guest = self.database.guest_of_account(room, &host.id).await?;
        let own = [
            Some(account_identity(&host.id)),
            guest.map(|guest| guest_identity(&guest.id)),
        ];
        let mut people = self.livekit.present(room).await?;
        people.retain(|person| {
            !leaving.contains(&person.identity) && !own.iter().flatten().any(|own| *own == person.identity)
        });
        self.livekit.hush(room, &people, hush).await?;
        self.tell_all(room, "room.muted").await
    }

    async fn turn_key(&self, room: &RoomName, door: Door) -> Result<(), ApiError> {
        let kind = match door {
            Door::Locked => "room.locked",
            Door::Unlocked => "room.unlocked",
        };
        match self.database.set_door(room, door).await? {
            true => self.tell_all(room, kind).await,
            false => Ok(()),
        }
    }

    async fn kick(&self, room: &Room, host: &Account, target: &Target) -> Result<(), ApiError> {
        self.check_can_be_sent_out(room, target).await?;
        let identities = target.identities();
        self.database
            .keep_out(&room.id, &identities, None, host.id.as_str(), self.now())
            .await?;
        if let Some(guest) = &target.guest {
            self.decide_out(&room.id, host, Decided::One(&guest.id), guest.state)
                .await?;
        }
        self.livekit.remove(&room.id, &identities, self.now()).await
    }

    async fn ban(&self, room: &Room, host: &Account, target: &Target) -> Result<(), ApiError> {
        self.check_can_be_sent_out(room, target).await?;
        let Some(guest) = &target.guest else {
            let message = "only who came through the room's door can be banned; kick them";
            return Err(ApiError::invalid("target", message));
        };
        let mut identities = target.identities();
        let banned = BannedBy {
            fingerprint: &guest.fingerprint,
            address: &guest.address,
        };
        let by = host.id.as_str();
        self.database
            .keep_out(&room.id, &identities, Some(banned), by, self.now())
            .await?;
        for state in [GuestState::Admitted, GuestState::Waiting] {
            let browser = Decided::Browser(&guest.fingerprint);
            let out = self.decide_out(&room.id, host, browser, state).await?;
            identities.extend(out.iter().map(|guest| guest_identity(&guest.id)));
        }
        identities.sort_unstable();
        identities.dedup();
        self.livekit.remove(&room.id, &identities, self.now()).await
    }

    async fn check_can_be_sent_out(&self, room: &Room, target: &Target) -> Result<(), ApiError> {
        let Some(account) = &target.account else {
            return Ok(());
        };
        let is_admin = match self.database.account(account).await? {
            Some(account) => account.role == AccountRole::Admin,
            None => false,
        };
        match is_admin || *account == room.owner {
            true => Err(ApiError::invalid(
                "target",
                "who holds the room can't be sent out of it",
            )),
            false => Ok(()),
        }
    }

    /// Removes guests as far as we are concerned; LiveKit has to be told as well.
    async fn decide_out(
        &self,
        room: &RoomName,
        host: &Account,
        about: Decided<'_>,
        from: GuestState,
    ) -> Result<Vec<Guest>, ApiError> {
        if !matches!(from, GuestState::Admitted | GuestState::Waiting) {
            return Ok(Vec::new());
        }
        let decision = Decision {
            about,
            from,
            to: GuestState::Removed,
            by: Some(host.id.as_str()),
        };
        let out = self
            .database
            .decide(room, decision, self.now(), |guest| {
                let mut events = lobby::outcome(guest);
                events.push(own_event(guest, "you.removed"));
                events
            })
            .await?;
        self.feeds.announce(room);
        for guest in &out {
            self.lower_hand(room, &guest_identity(&guest.id)).await?;
        }
        Ok(out)
    }

    /// Hands a room over. Who held it stays in it as a guest.
    async fn pass_host(&self, room: &Room, target: &Target) -> Result<(), ApiError> {
        let Some(account) = &target.account else {
            let message = "who has no account can't hold a room; they have to log in, and join again";
            return Err(ApiError::invalid("target", message));
        };
        if *account == room.owner {
            return Ok(());
        }
        let is_in = matches!(&target.guest, Some(guest) if guest.state == GuestState::Admitted);
        if !is_in || self.database.account(account).await?.is_none() {
            return Err(nobody());
        }
        let identities = target.identities();
        self.database.let_back(&room.id, &identities).await?;
        self.make_guest_of_owner(room).await?;
        let change = RoomChange {
            owner: Some(account),
            ..RoomChange::default()
        };
        self.database.change_room(&room.id, change).await?;
        for identity in &identities {
            self.livekit
                .change_role(&room.id, identity, JoinerRole::Host, Rights::ALL)
                .await?;
        }
        let former = account_identity(&room.owner);
        self.livekit
            .change_role(&room.id, &former, JoinerRole::Guest, guest_rights(room))
            .await?;
        let passed = |audience| {
            NewEvent::about(
                audience,
                "room.host-passed",
                &json!({ "identity": target.identity }),
            )
        };
        // Those who held it until now listen as its hosts, and have to stop.
        self.tell(&room.id, vec![passed(Audience::All), passed(Audience::Hosts)])
            .await
    }

    async fn make_guest_of_owner(&self, room: &Room) -> Result<(), ApiError> {
        let Some(owner) = self.database.account(&room.owner).await? else {
            return Ok(());
        };
        let fingerprint = account_identity(&owner.id);
        let new = NewGuest {
            name: &owner.name,
            fingerprint: &fingerprint,
            address: "",
            address_banned: false,
            account: Some(&owner.id),
            captions: OwnCaptions::On,
            state: GuestState::Admitted,
            decided_by: Some(owner.id.as_str()),
        };
        self.database
            .create_guest(&room.id, new, self.now(), |_| Vec::new())
            .await?;
        Ok(())
    }

    /// Quiet and a closed door, at once. All of it is tried, whatever fails.
    async fn panic(&self, room: &RoomName, host: &Account) -> Result<(), ApiError> {
        let deny = Decision {
            about: Decided::Everybody,
            from: GuestState::Waiting,
            to: GuestState::Denied,
            by: Some(host.id.as_str()),
        };
        // First the door, or somebody might come in behind the rest.
        let locked = self.turn_key(room, Door::Locked).await;
        let deny = async {
            let denied = self.database.decide(room, deny, self.now(), lobby::outcome);
            denied.await?;
            self.feeds.announce(room);
            Ok(())
        };
        let kick = self.decide_out(room, host, Decided::Undecided, GuestState::Admitted);
        let (denied, out) = tokio::join!(deny, kick);
        let (out, kicked) = match out {
            Ok(out) => (out, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        let out: Vec<_> = out.iter().map(|guest| guest_identity(&guest.id)).collect();
        let (removed, hushed) = tokio::join!(
            self.livekit.remove(room, &out, self.now()),
            self.hush_all(room, host, &out, Hush::SoundAndScreen)
        );
        locked.and(denied).and(kicked).and(removed).and(hushed)
    }

    async fn tell_all(&self, room: &RoomName, kind: &'static str) -> Result<(), ApiError> {
        self.tell(room, vec![NewEvent::about(Audience::All, kind, &json!({}))])
            .await
    }

    /// Adds to what happened in a room.
    async fn tell(&self, room: &RoomName, events: Vec<NewEvent>) -> Result<(), ApiError> {
        self.database.append_events(room, &events, self.now()).await?;
        self.feeds.announce(room);
        Ok(())
    }
}

fn own_event(guest: &Guest, kind: &'static str) -> NewEvent {
    NewEvent::about(Audience::Guest(guest.id.clone()), kind, &json!({}))
}

fn guest_identity(id: &GuestId) -> String {
    identity("guest", id.as_str()).to_string()
}

fn account_identity(id: &AccountId) -> String {
    identity("user", id.as_str()).to_string()
}

fn guest_of(identity: &str) -> Option<GuestId> {
    GuestId::parse(identity.strip_prefix("guest-")?).ok()
}

fn account_of(identity: &str) -> Option<AccountId> {
    AccountId::parse(identity.strip_prefix("user-")?).ok()
}

fn nobody() -> ApiError {
    ApiError::new(ErrorCode::NotInRoom, "nobody of this identity is in the room")
}

/// As long as LiveKit's identities may be.
const TARGET_BYTES_MAX: usize = 256;
