//! Accounts as administrators look after them: who there is, what they may do, and their end.

use lectern_pipelines::{AccountId, UnixMillis};

use crate::{
    Account, AccountRole, Database, Error,
    account::{AccountRow, account_of},
    database::{rows, sql, transaction},
    page::{Cursor, Page, before, page_of, rows_for},
};

/// An account with what has come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountOverview {
    /// The account.
    pub account: Account,
    /// When somebody last logged in to it.
    pub last_login_at: Option<UnixMillis>,
    /// Since when nobody can.
    pub disabled_at: Option<UnixMillis>,
    /// How many rooms they hold.
    pub rooms: u64,
    /// How many lectures there are of these rooms.
    pub lectures: u64,
    /// With how many providers they have a name.
    pub identities: u64,
}

/// Whether an account can be logged in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountAccess {
    /// As any other.
    Enabled,
    /// By nobody.
    Disabled,
}

/// What is to be another way with an account; nothing stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccountChange {
    /// What they may do.
    pub role: Option<AccountRole>,
    /// Whether they can log in.
    pub access: Option<AccountAccess>,
}

/// What became of the wish to change or to delete an account. Where it was not done, nothing was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Governed {
    /// It is done.
    Done,
    /// There is no such account.
    NoAccount,
    /// Nobody would be left who may do everything.
    LastAdministrator,
    /// They hold this many rooms, with this many lectures, and nobody was named who takes them.
    HoldsRooms {
        /// How many rooms.
        rooms: u64,
        /// How many lectures.
        lectures: u64,
    },
    /// Who is to take the rooms has no account, or one that nobody can log in to.
    NoHeir,
}

impl Database {
    /// Up to `limit` accounts, the latest first, from `after` on; with `wanted`, those whose name or address has it in it.
    pub async fn account_overviews(
        &self,
        wanted: Option<&str>,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<AccountOverview>, Error> {
        let (at, id) = before(after);
        let [as_it_is, lower, capital] = patterns(wanted.unwrap_or_default());
        let found = transaction!(self, Read, "list accounts", |connection| {
            rows!(
                OverviewRow,
                overviews!(
                    "where (created_at, id) < ($1, $2)
                        and (name like $3 escape '\\' or name like $5 escape '\\'
                            or lower(name) like $4 escape '\\' or email like $4 escape '\\')
                    order by created_at desc, id desc limit $6"
                ),
                at,
                id,
                as_it_is,
                lower,
                capital,
                rows_for(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        let items = found
            .into_iter()
            .map(overview_of)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(page_of(items, limit, |last: &AccountOverview| Cursor {
            at: last.account.created_at,
            id: last.account.id.as_str().to_owned(),
        }))
    }

    /// One account with what has come of it.
    pub async fn account_overview(&self, id: &AccountId) -> Result<Option<AccountOverview>, Error> {
        let row = transaction!(self, Read, "look an account up", |connection| {
            rows!(OverviewRow, overviews!("where account.id = $1"), id.as_str())
                .fetch_optional(&mut *connection)
                .await?
        })?;
        row.map(overview_of).transpose()
    }

    /// Changes an account. With its access end its sessions, the link to a new password, and the keys of servers that it
    /// made.
    pub async fn change_account(
        &self,
        account: &AccountId,
        change: AccountChange,
        now: UnixMillis,
    ) -> Result<Governed, Error> {
        let id = account.as_str();
        let disabled = change
            .access
            .map(|access| i64::from(access == AccountAccess::Disabled));
        transaction!(self, Write, "change an account", |connection| {
            take_turns!(connection);
            let changed = sql!(
                "update account set role = coalesce($2, role),
                    disabled_at = case when $3 = 1 then coalesce(disabled_at, $4) when $3 = 0 then null else disabled_at end
                where id = $1",
                id,
                change.role.map(AccountRole::as_str),
                disabled,
                now.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            if changed == 0 {
                return Ok(Governed::NoAccount);
            }
            if !has_administrator!(connection) {
                return Ok(Governed::LastAdministrator);
            }
            if disabled == Some(1) {
                end_access!(connection, id, now);
            }
            Governed::Done
        })
    }

    /// Deletes an account. Its rooms, and with them their lectures, become `heir`'s; without one, an account that holds
    /// rooms stays. What they said and wrote in the rooms of others stays with these rooms.
    pub async fn delete_account(
        &self,
        account: &AccountId,
        heir: Option<&AccountId>,
        now: UnixMillis,
    ) -> Result<Governed, Error> {
        let id = account.as_str();
        transaction!(self, Write, "delete an account", |connection| {
            take_turns!(connection);
            let held = rows!(
                (i64, i64),
                concat!("select ", holdings!(), " from account where id = $1"),
                id
            )
            .fetch_optional(&mut *connection)
            .await?;
            let Some((rooms, lectures)) = held else {
                return Ok(Governed::NoAccount);
            };
            match heir {
                Some(heir) if !is_enabled!(connection, heir.as_str()) || heir == account => {
                    return Ok(Governed::NoHeir);
                }
                Some(heir) => {
                    sql!(
                        "update room set owner_id = $2 where owner_id = $1",
                        id,
                        heir.as_str()
                    )
                    .execute(&mut *connection)
                    .await?;
                }
                None if rooms > 0 => {
                    return Ok(Governed::HoldsRooms {
                        rooms: rooms.unsigned_abs(),
                        lectures: lectures.unsigned_abs(),
                    });
                }
                None => {}
            }
            end_access!(connection, id, now);
            sql!("update guest set account_id = null where account_id = $1", id)
                .execute(&mut *connection)
                .await?;
            sql!("delete from account where id = $1", id)
                .execute(&mut *connection)
                .await?;
            match has_administrator!(connection) {
                true => Governed::Done,
                false => return Ok(Governed::LastAdministrator),
            }
        })
    }

    /// Keeps what is known of a link by which an account's password can be set anew, in place of the one before; says
    /// whether there is such an account, and somebody can log in to it.
    pub async fn make_password_link(
        &self,
        account: &AccountId,
        hash: &str,
        expires_at: UnixMillis,
    ) -> Result<bool, Error> {
        let made = transaction!(self, Write, "make a link to a new password", |connection| {
            sql!(
                "insert into password_link (account_id, hash, expires_at)
                select id, $2, $3 from account where id = $1 and disabled_at is null
                on conflict (account_id) do update set hash = excluded.hash, expires_at = excluded.expires_at",
                account.as_str(),
                hash,
                expires_at.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        Ok(made == 1)
    }

    /// Whose password a link sets, unless it was used, has expired, or another took its place.
    pub async fn account_of_password_link(
        &self,
        hash: &str,
        now: UnixMillis,
    ) -> Result<Option<Account>, Error> {
        let row = transaction!(self, Read, "look a link to a new password up", |connection| {
            rows!(
                AccountRow,
                "select id, email, name, role, created_at from password_link join account on id = account_id
                where hash = $1 and expires_at > $2 and disabled_at is null",
                hash,
                now.0
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(account_of).transpose()
    }

    /// Sets the password that a link is for, and ends the account's sessions and the link; says whether the link was good.
    pub async fn use_password_link(
        &self,
        hash: &str,
        password_hash: &str,
        now: UnixMillis,
    ) -> Result<bool, Error> {
        transaction!(self, Write, "use a link to a new password", |connection| {
            let used = rows!(
                (String,),
                "delete from password_link where hash = $1 and expires_at > $2 returning account_id",
                hash,
                now.0
            )
            .fetch_optional(&mut *connection)
            .await?;
            let Some((account,)) = used else {
                return Ok(false);
            };
            sql!(
                "update account set password_hash = $2 where id = $1",
                &account,
                password_hash
            )
            .execute(&mut *connection)
            .await?;
            sql!("delete from session where account_id = $1", &account)
                .execute(&mut *connection)
                .await?;
            true
        })
    }
}

/// Whoever runs this waits for whoever ran it before to end their transaction.
macro_rules! take_turns {
    ($connection:ident) => {
        sql!("update administration set changes = changes + 1")
            .execute(&mut *$connection)
            .await?
    };
}
use take_turns;

macro_rules! has_administrator {
    ($connection:ident) => {
        rows!(
            (String,),
            "select id from account where role = 'ADMIN' and disabled_at is null limit 1"
        )
        .fetch_optional(&mut *$connection)
        .await?
        .is_some()
    };
}
use has_administrator;

macro_rules! is_enabled {
    ($connection:ident, $account:expr) => {
        rows!(
            (String,),
            "select id from account where id = $1 and disabled_at is null",
            $account
        )
        .fetch_optional(&mut *$connection)
        .await?
        .is_some()
    };
}
use is_enabled;

macro_rules! end_access {
    ($connection:ident, $account:expr, $now:expr) => {
        for statement in [
            "delete from session where account_id = $1",
            "delete from password_link where account_id = $1",
        ] {
            sql!(statement, $account).execute(&mut *$connection).await?;
        }
        sql!(
            "update api_key set revoked_at = $2 where made_by = $1 and revoked_at is null",
            $account,
            $now.0
        )
        .execute(&mut *$connection)
        .await?;
    };
}
use end_access;

/// How many rooms and lectures an account has.
macro_rules! holdings {
    () => {
        "(select count(*) from room where owner_id = account.id),
        (select count(*) from meeting where room in (select id from room where owner_id = account.id)
            and id not in (select meeting_id from erasure))"
    };
}
use holdings;

/// Accounts with what has come of each.
macro_rules! overviews {
    ($which:literal) => {
        concat!(
            "select account.id, email, name, role, created_at, last_login_at, disabled_at, ",
            holdings!(),
            ", (select count(*) from identity where account_id = account.id) from account ",
            $which
        )
    };
}
use overviews;

type OverviewRow = (
    String,
    String,
    String,
    String,
    i64,
    Option<i64>,
    Option<i64>,
    i64,
    i64,
    i64,
);

fn overview_of(row: OverviewRow) -> Result<AccountOverview, Error> {
    let (id, email, name, role, created_at, last_login_at, disabled_at, rooms, lectures, identities) = row;
    Ok(AccountOverview {
        account: account_of((id, email, name, role, created_at))?,
        last_login_at: last_login_at.map(UnixMillis),
        disabled_at: disabled_at.map(UnixMillis),
        rooms: rooms.unsigned_abs(),
        lectures: lectures.unsigned_abs(),
        identities: identities.unsigned_abs(),
    })
}

/// What `like` takes for texts that have `wanted` in them: as it is, in lower case, and with capitals where words begin.
/// SQLite's `lower` knows the Latin alphabet alone, and people's names begin with capitals.
fn patterns(wanted: &str) -> [String; 3] {
    let lower = wanted.to_lowercase();
    let mut begins = true;
    let capital: String = lower
        .chars()
        .flat_map(|letter| {
            let shown: String = match begins {
                true => letter.to_uppercase().collect(),
                false => letter.into(),
            };
            begins = !letter.is_alphanumeric();
            shown.chars().collect::<Vec<_>>()
        })
        .collect();
    [wanted.to_owned(), lower, capital].map(|text| {
        let mut pattern = String::from("%");
        for letter in text.chars() {
            if matches!(letter, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern + "%"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_only_what_was_written() {
        assert_eq!(
            patterns("ada_b"),
            ["%ada\\_b%", "%ada\\_b%", "%Ada\\_B%"].map(str::to_owned)
        );
        assert_eq!(patterns("иван петров")[2], "%Иван Петров%");
        assert_eq!(patterns("50%\\")[0], "%50\\%\\\\%");
    }
}
