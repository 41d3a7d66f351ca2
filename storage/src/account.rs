//! Who can log in, who is logged in, and the keys of servers that call us.

use lectern_pipelines::{AccountId, UnixMillis};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
    page::id_made_at,
};

/// Somebody who can log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Their id.
    pub id: AccountId,
    /// Their address, in lower case.
    pub email: String,
    /// What they are called in rooms.
    pub name: String,
    /// What they may do.
    pub role: AccountRole,
    /// Since when there has been this account.
    pub created_at: UnixMillis,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountRole {
    /// Everything.
    Admin,
    /// Hold rooms of their own.
    Host,
}

/// An account to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewAccount<'a> {
    /// Their address, in lower case.
    pub email: &'a str,
    /// What they are called in rooms.
    pub name: &'a str,
    /// What they may do.
    pub role: AccountRole,
    /// Their password's hash in PHC form; nothing for who logs in elsewhere.
    pub password_hash: Option<&'a str>,
}

/// A key by which a server proves itself; the key itself is known to that server alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Since when it has been of no use.
    pub revoked_at: Option<UnixMillis>,
}

impl AccountRole {
    /// The name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::Host => "HOST",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Admin, Self::Host]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

impl Database {
    /// Makes an account; nothing if there is one of that address already.
    pub async fn create_account(
        &self,
        new: NewAccount<'_>,
        now: UnixMillis,
    ) -> Result<Option<Account>, Error> {
        let id = id_made_at(now);
        let made = transaction!(self, Write, "make an account", |connection| {
            sql!(
                "insert into account (id, email, name, role, password_hash, created_at)
                values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
                &id,
                new.email,
                new.name,
                new.role.as_str(),
                new.password_hash,
                now.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        let account = (
            id,
            new.email.into(),
            new.name.into(),
            new.role.as_str().into(),
            now.0,
        );
        (made == 1).then(|| account_of(account)).transpose()
    }

    /// Whether anybody may do everything.
    pub async fn has_administrator(&self) -> Result<bool, Error> {
        let found = transaction!(self, Read, "look for an administrator", |connection| {
            rows!(
                (String,),
                "select id from account where role = $1 limit 1",
                AccountRole::Admin.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(found.is_some())
    }

    /// Lets an account do everything, and ends its sessions: who logged in as a host logs in anew.
    pub async fn make_administrator(&self, account: &AccountId) -> Result<(), Error> {
        transaction!(self, Write, "make an account an administrator's", |connection| {
            sql!(
                "update account set role = $2 where id = $1",
                account.as_str(),
                AccountRole::Admin.as_str()
            )
            .execute(&mut *connection)
            .await?;
            sql!("delete from session where account_id = $1", account.as_str())
                .execute(&mut *connection)
                .await?;
        })
    }

    /// The account of that address, with its password's hash.
    pub async fn account_by_email(&self, email: &str) -> Result<Option<(Account, Option<String>)>, Error> {
        let row = transaction!(self, Read, "look an account up", |connection| {
            rows!(
                (String, String, String, String, i64, Option<String>),
                "select id, email, name, role, created_at, password_hash from account where email = $1",
                email
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(|(id, email, name, role, created_at, hash)| {
            Ok((account_of((id, email, name, role, created_at))?, hash))
        })
        .transpose()
    }

    /// One account.
    pub async fn account(&self, id: &AccountId) -> Result<Option<Account>, Error> {
        let row = transaction!(self, Read, "look an account up", |connection| {
            rows!(
                AccountRow,
                "select id, email, name, role, created_at from account where id = $1",
                id.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(account_of).transpose()
    }

    /// Replaces an account's password, and ends its sessions and the link to another password.
    pub async fn set_password_hash(&self, account: &AccountId, hash: &str) -> Result<(), Error> {
        transaction!(self, Write, "replace a password", |connection| {
            sql!(
                "update account set password_hash = $2 where id = $1",
                account.as_str(),
                hash
            )
            .execute(&mut *connection)
            .await?;
            sql!("delete from session where account_id = $1", account.as_str())
                .execute(&mut *connection)
                .await?;
            sql!(
                "delete from password_link where account_id = $1",
                account.as_str()
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// Begins a session and returns its id, unless nobody can log in to this account; sessions that have run out are
    /// forgotten.
    pub async fn open_session(
        &self,
        account: &AccountId,
        now: UnixMillis,
        expires_at: UnixMillis,
    ) -> Result<Option<String>, Error> {
        let id = id_made_at(now);
        let begun = transaction!(self, Write, "begin a session", |connection| {
            // First, so that whoever takes the account's access away meanwhile waits, and then ends this session too.
            let known = sql!(
                "update account set last_login_at = $2 where id = $1 and disabled_at is null",
                account.as_str(),
                now.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            if known == 0 {
                return Ok(0);
            }
            sql!("delete from session where expires_at <= $1", now.0)
                .execute(&mut *connection)
                .await?;
            sql!(
                "insert into session (id, account_id, expires_at) values ($1, $2, $3)",
                &id,
                account.as_str(),
                expires_at.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        Ok((begun == 1).then_some(id))
    }

    /// Whose session this is, unless it has ended.
    pub async fn account_of_session(&self, session: &str, now: UnixMillis) -> Result<Option<Account>, Error> {
        let row = transaction!(self, Read, "look a session up", |connection| {
            rows!(
                AccountRow,
                "select account.id, email, name, role, created_at
                from session join account on account.id = account_id
                where session.id = $1 and expires_at > $2 and disabled_at is null",
                session,
                now.0
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(account_of).transpose()
    }

    /// Ends a session; there need not be one.
    pub async fn end_session(&self, session: &str) -> Result<(), Error> {
        transaction!(self, Write, "end a session", |connection| {
            sql!("delete from session where id = $1", session)
                .execute(&mut *connection)
                .await?;
        })
    }

    /// Makes a key of that name, known by `hash`. It ends with the access of who makes it.
    pub async fn create_api_key(
        &self,
        name: &str,
        hash: &str,
        by: &AccountId,
        now: UnixMillis,
    ) -> Result<ApiKey, Error> {
        let id = id_made_at(now);
        transaction!(self, Write, "make an API key", |connection| {
            sql!(
                "insert into api_key (id, name, hash, created_at, made_by) values ($1, $2, $3, $4, $5)",
                &id,
                name,
                hash,
                now.0,
                by.as_str()
            )
            .execute(&mut *connection)
            .await?;
        })?;
        Ok(ApiKey {
            id,
            name: name.to_owned(),
            created_at: now,
            revoked_at: None,
        })
    }

    /// The key that is known by `hash`, unless it was revoked.
    pub async fn api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, Error> {
        let row = transaction!(self, Read, "look an API key up", |connection| {
            rows!(
                ApiKeyRow,
                "select id, name, created_at, revoked_at from api_key where hash = $1 and revoked_at is null",
                hash
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(row.map(api_key_of))
    }

    /// Every key there was, the latest first.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, Error> {
        let found = transaction!(self, Read, "list API keys", |connection| {
            rows!(
                ApiKeyRow,
                "select id, name, created_at, revoked_at from api_key order by created_at desc, id desc"
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        Ok(found.into_iter().map(api_key_of).collect())
    }

    /// Makes a key useless from now on; says whether there was such a key.
    pub async fn revoke_api_key(&self, id: &str, now: UnixMillis) -> Result<bool, Error> {
        let revoked = transaction!(self, Write, "revoke an API key", |connection| {
            sql!(
                "update api_key set revoked_at = coalesce(revoked_at, $2) where id = $1",
                id,
                now.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        Ok(revoked == 1)
    }
}

pub(crate) type AccountRow = (String, String, String, String, i64);
type ApiKeyRow = (String, String, i64, Option<i64>);

pub(crate) fn account_of((id, email, name, role, created_at): AccountRow) -> Result<Account, Error> {
    Ok(Account {
        email,
        name,
        role: AccountRole::parse(&role).ok_or_else(|| Error::unreadable("role", &*id))?,
        created_at: UnixMillis(created_at),
        id: AccountId::parse(id.clone()).map_err(|_| Error::unreadable("account id", id))?,
    })
}

fn api_key_of((id, name, created_at, revoked_at): ApiKeyRow) -> ApiKey {
    ApiKey {
        id,
        name,
        created_at: UnixMillis(created_at),
        revoked_at: revoked_at.map(UnixMillis),
    }
}
