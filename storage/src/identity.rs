//! Who logs in by another's account, and by which attempt.

use lectern_pipelines::{AccountId, UnixMillis};

use crate::{
    Account, AccountRole, Database, Error, NewAccount,
    account::{AccountRow, account_of},
    database::{rows, sql, transaction},
    page::id_made_at,
};

/// What a provider calls somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The provider's URL, as it writes it.
    pub issuer: &'a str,
    /// Its name for them, which it gives to nobody else.
    pub subject: &'a str,
}

impl Database {
    /// Whose account this is.
    pub async fn account_of_identity(&self, identity: Identity<'_>) -> Result<Option<Account>, Error> {
        let row = transaction!(self, Read, "look an account up", |connection| {
            rows!(
                AccountRow,
                "select account.id, email, name, role, created_at
                from identity join account on account.id = account_id where issuer = $1 and subject = $2",
                identity.issuer,
                identity.subject
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(account_of).transpose()
    }

    /// Makes an account for somebody whom a provider knows; nothing if there is one of that address, or of theirs, already.
    pub async fn create_account_of(
        &self,
        identity: Identity<'_>,
        new: NewAccount<'_>,
        now: UnixMillis,
    ) -> Result<Option<Account>, Error> {
        let id = id_made_at(now);
        let made = transaction!(self, Write, "make an account", |connection| {
            // Nobody's row is made before it is sure that their name is free.
            let made = sql!(
                "insert into account (id, email, name, role, password_hash, created_at)
                select $1, $2, $3, $4, $5, $6
                where not exists (select 1 from identity where issuer = $7 and subject = $8)
                on conflict do nothing",
                &id,
                new.email,
                new.name,
                new.role.as_str(),
                new.password_hash,
                now.0,
                identity.issuer,
                identity.subject
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            if made == 1 {
                sql!(
                    "insert into identity (issuer, subject, account_id, linked_at) values ($1, $2, $3, $4)",
                    identity.issuer,
                    identity.subject,
                    &id,
                    now.0
                )
                .execute(&mut *connection)
                .await?;
            }
            made
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

    /// Lets somebody whom a provider knows into an account that was made with a password, and says whether it did: not if
    /// it is another's of that provider.
    ///
    /// The account's sessions end, and a host's password is of no use any more: whoever chose it never proved that the
    /// address is theirs. An administrator's stays, as the way in while the provider is away.
    pub async fn link_identity(
        &self,
        account: &AccountId,
        identity: Identity<'_>,
        now: UnixMillis,
    ) -> Result<bool, Error> {
        let linked = transaction!(self, Write, "link an account", |connection| {
            let linked = sql!(
                "insert into identity (issuer, subject, account_id, linked_at) values ($1, $2, $3, $4)
                on conflict do nothing",
                identity.issuer,
                identity.subject,
                account.as_str(),
                now.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            if linked == 1 {
                sql!(
                    "update account set password_hash = null where id = $1 and role <> $2",
                    account.as_str(),
                    AccountRole::Admin.as_str()
                )
                .execute(&mut *connection)
                .await?;
                sql!("delete from session where account_id = $1", account.as_str())
                    .execute(&mut *connection)
                    .await?;
            }
            linked
        })?;
        Ok(linked == 1)
    }

    /// Ends an attempt to log in, which nobody could come back to after `expires_at`; says whether it had not ended before.
    /// Attempts that nobody can come back to are forgotten.
    pub async fn end_login_flow(
        &self,
        id: &str,
        now: UnixMillis,
        expires_at: UnixMillis,
    ) -> Result<bool, Error> {
        let ended = transaction!(self, Write, "end an attempt to log in", |connection| {
            sql!("delete from login_flow where expires_at <= $1", now.0)
                .execute(&mut *connection)
                .await?;
            sql!(
                "insert into login_flow (id, expires_at) values ($1, $2) on conflict do nothing",
                id,
                expires_at.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        Ok(ended == 1)
    }
}
