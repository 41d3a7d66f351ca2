//! People without an account: at a room's door, in it, or sent away.

use lectern_pipelines::{AccountId, GuestId, GuestState, RoomName, UnixMillis};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
    event::{NewEvent, append_events},
    page::id_made_at,
};

/// Somebody without an account who asked to come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Their id.
    pub id: GuestId,
    /// Where they want to be.
    pub room: RoomName,
    /// What they call themselves.
    pub name: String,
    /// How their browser is known again.
    pub fingerprint: String,
    /// Where they called from.
    pub address: String,
    /// Whether somebody banned called from there too.
    pub address_banned: bool,
    /// Who they are if they were logged in.
    pub account: Option<AccountId>,
    /// Whether they want to be captioned.
    pub captions: OwnCaptions,
    /// How it stands with them.
    pub state: GuestState,
    /// When they asked.
    pub asked_at: UnixMillis,
    /// The account that decided; nothing where nobody had to.
    pub decided_by: Option<String>,
}

/// Somebody who asks to come in.
#[derive(Debug, Clone, Copy)]
pub struct NewGuest<'a> {
    /// What they call themselves.
    pub name: &'a str,
    /// How their browser is known again.
    pub fingerprint: &'a str,
    /// Where they call from.
    pub address: &'a str,
    /// Whether somebody banned called from there too.
    pub address_banned: bool,
    /// Who they are if they are logged in.
    pub account: Option<&'a AccountId>,
    /// Whether they want to be captioned.
    pub captions: OwnCaptions,
    /// [`GuestState::Waiting`], or [`GuestState::Admitted`] where nobody has to decide.
    pub state: GuestState,
    /// The account that let them in, if one did already.
    pub decided_by: Option<&'a str>,
}

/// Whether somebody wants what they say to be captioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnCaptions {
    /// They do.
    On,
    /// Others hear them, and nothing of it is written down.
    Off,
}

/// Whom a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided<'a> {
    /// One guest.
    One(&'a GuestId),
    /// Everybody who is in that state.
    Everybody,
    /// Everybody in that state about whom nobody decided.
    Undecided,
    /// Everybody in that state who came by this browser.
    Browser(&'a str),
    /// Everybody in that state who asked before then.
    WhoAskedBefore(UnixMillis),
}

/// A decision about guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'a> {
    /// About whom.
    pub about: Decided<'a>,
    /// The state they are in; about who has left it meanwhile, nothing is decided.
    pub from: GuestState,
    /// The state they come to.
    pub to: GuestState,
    /// The account that decides.
    pub by: Option<&'a str>,
}

impl Database {
    /// Notes somebody who asks to come in, and tells what `tell` makes of it.
    pub async fn create_guest(
        &self,
        room: &RoomName,
        new: NewGuest<'_>,
        now: UnixMillis,
        tell: impl Fn(&Guest) -> Vec<NewEvent>,
    ) -> Result<Guest, Error> {
        let guest = Guest {
            id: GuestId::parse(id_made_at(now)).expect("36 characters without control characters"),
            room: room.clone(),
            name: new.name.to_owned(),
            fingerprint: new.fingerprint.to_owned(),
            address: new.address.to_owned(),
            address_banned: new.address_banned,
            account: new.account.cloned(),
            captions: new.captions,
            state: new.state,
            asked_at: now,
            decided_by: new.decided_by.map(str::to_owned),
        };
        let events = tell(&guest);
        transaction!(self, Write, "note a guest", |connection| {
            sql!(
                "insert into guest (id, room_id, name, fingerprint, address, state, asked_at, decided_by,
                    address_banned, account_id, captions)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                guest.id.as_str(),
                room.as_str(),
                &guest.name,
                &guest.fingerprint,
                &guest.address,
                guest.state.as_str(),
                now.0,
                guest.decided_by.as_deref(),
                i64::from(guest.address_banned),
                guest.account.as_ref().map(AccountId::as_str),
                guest.captions.stored()
            )
            .execute(&mut *connection)
            .await?;
            append_events!(self, connection, room, &events, now);
        })?;
        Ok(guest)
    }

    /// Notes that a guest has changed their mind about being captioned.
    pub async fn set_own_captions(&self, guest: &GuestId, captions: OwnCaptions) -> Result<(), Error> {
        transaction!(self, Write, "note whether a guest is captioned", |connection| {
            sql!(
                "update guest set captions = $2 where id = $1",
                guest.as_str(),
                captions.stored()
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// One guest.
    pub async fn guest(&self, id: &GuestId) -> Result<Option<Guest>, Error> {
        let row = transaction!(self, Read, "look a guest up", |connection| {
            rows!(GuestRow, guest!("where id = $1"), id.as_str())
                .fetch_optional(&mut *connection)
                .await?
        })?;
        row.map(guest_of).transpose()
    }

    /// The guest as whom an account came to a room last.
    pub async fn guest_of_account(
        &self,
        room: &RoomName,
        account: &AccountId,
    ) -> Result<Option<Guest>, Error> {
        let row = transaction!(self, Read, "look for an account's guest", |connection| {
            rows!(
                GuestRow,
                guest!("where room_id = $1 and account_id = $2 order by asked_at desc, id desc limit 1"),
                room.as_str(),
                account.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(guest_of).transpose()
    }

    /// The guests of a room who are in a state, the longest there first; at most `limit`.
    pub async fn guests(&self, room: &RoomName, state: GuestState, limit: u32) -> Result<Vec<Guest>, Error> {
        let found = transaction!(self, Read, "list a room's guests", |connection| {
            rows!(
                GuestRow,
                guest!("where room_id = $1 and state = $2 order by asked_at, id limit $3"),
                room.as_str(),
                state.as_str(),
                i64::from(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        found.into_iter().map(guest_of).collect()
    }

    /// Who waits at a room's door in that browser, the longest there if several do.
    pub async fn waiting_as(&self, room: &RoomName, fingerprint: &str) -> Result<Option<Guest>, Error> {
        let row = transaction!(self, Read, "look for who waits already", |connection| {
            rows!(
                GuestRow,
                guest!(
                    "where room_id = $1 and state = 'waiting' and fingerprint = $2 order by asked_at, id limit 1"
                ),
                room.as_str(),
                fingerprint
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(guest_of).transpose()
    }

    /// How many guests of a room are in a state.
    pub async fn count_guests(&self, room: &RoomName, state: GuestState) -> Result<u64, Error> {
        let (count,) = transaction!(self, Read, "count a room's guests", |connection| {
            rows!(
                (i64,),
                "select cast(count(*) as bigint) from guest where room_id = $1 and state = $2",
                room.as_str(),
                state.as_str()
            )
            .fetch_one(&mut *connection)
            .await?
        })?;
        Ok(count.unsigned_abs())
    }

    /// The rooms where somebody has waited since before then.
    pub async fn rooms_waited_at_since(&self, before: UnixMillis) -> Result<Vec<RoomName>, Error> {
        let found = transaction!(self, Read, "look for who waits too long", |connection| {
            rows!(
                (String,),
                "select distinct room_id from guest where state = 'waiting' and asked_at <= $1",
                before.0
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        found
            .into_iter()
            .map(|(id,)| RoomName::parse(id.clone()).map_err(|_| Error::unreadable("room id", id)))
            .collect()
    }

    /// Decides about guests, and tells what `tell` makes of each; returns those about whom this decided.
    pub async fn decide(
        &self,
        room: &RoomName,
        decision: Decision<'_>,
        now: UnixMillis,
        tell: impl Fn(&Guest) -> Vec<NewEvent>,
    ) -> Result<Vec<Guest>, Error> {
        let (mut one, mut browser, mut undecided, mut asked_before) = (None, None, 0, i64::MAX);
        match decision.about {
            Decided::One(guest) => one = Some(guest.as_str()),
            Decided::Everybody => {}
            Decided::Undecided => undecided = 1,
            Decided::Browser(fingerprint) => browser = Some(fingerprint),
            Decided::WhoAskedBefore(then) => asked_before = then.0,
        }
        transaction!(self, Write, "decide about guests", |connection| {
            let found = rows!(
                GuestRow,
                "update guest set state = $3, decided_at = $4, decided_by = $5
                where room_id = $1 and state = $2 and (id = $6 or $6 is null) and asked_at <= $7
                    and (fingerprint = $8 or $8 is null) and ($9 = 0 or decided_by is null)
                returning id, room_id, name, fingerprint, address, state, asked_at, decided_by, address_banned, account_id,
                    captions",
                room.as_str(),
                decision.from.as_str(),
                decision.to.as_str(),
                now.0,
                decision.by,
                one,
                asked_before,
                browser,
                i64::from(undecided)
            )
            .fetch_all(&mut *connection)
            .await?;
            let mut guests = found
                .into_iter()
                .map(guest_of)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            // What an update returns has no order.
            guests.sort_by(|one, other| (one.asked_at, &one.id).cmp(&(other.asked_at, &other.id)));
            let events: Vec<_> = guests.iter().flat_map(&tell).collect();
            if !events.is_empty() {
                append_events!(self, connection, room, &events, now);
            }
            guests
        })
    }
}

type GuestRow = (
    String,
    String,
    String,
    String,
    String,
    String,
    i64,
    Option<String>,
    i64,
    Option<String>,
    i64,
);

impl OwnCaptions {
    fn stored(self) -> i64 {
        i64::from(self == Self::On)
    }
}

/// The columns of a [`GuestRow`], and which rows.
macro_rules! guest {
    ($which:literal) => {
        concat!(
            "select id, room_id, name, fingerprint, address, state, asked_at, decided_by,
                address_banned, account_id, captions from guest ",
            $which
        )
    };
}
use guest;

fn guest_of(row: GuestRow) -> Result<Guest, Error> {
    let (
        id,
        room,
        name,
        fingerprint,
        address,
        state,
        asked_at,
        decided_by,
        address_banned,
        account,
        captions,
    ) = row;
    Ok(Guest {
        room: RoomName::parse(room).map_err(|_| Error::unreadable("room", &*id))?,
        name,
        fingerprint,
        address,
        address_banned: address_banned != 0,
        account: account
            .map(AccountId::parse)
            .transpose()
            .map_err(|_| Error::unreadable("account", &*id))?,
        captions: match captions {
            0 => OwnCaptions::Off,
            _ => OwnCaptions::On,
        },
        state: GuestState::parse(&state).ok_or_else(|| Error::unreadable("state", &*id))?,
        asked_at: UnixMillis(asked_at),
        decided_by,
        id: GuestId::parse(id.clone()).map_err(|_| Error::unreadable("guest id", id))?,
    })
}
