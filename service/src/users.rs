//! Accounts, for administrators: who there is, what they may do, a link to a new password, and their end.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode, response::Response};
use lectern_pipelines::AccountId;
use lectern_storage::{Account, AccountAccess, AccountChange, AccountOverview, AccountRole, Governed};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, ErrorCode, Service,
    accounts::LoggedIn,
    body::{Body, InPath, InQuery, Paging},
    caller::{Caller, hash_of_key},
    error::{ErrorBody, Rule},
    password, random,
    wire::{Items, timestamp},
};

/// An account as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserView {
    id: String,
    email: String,
    name: String,
    /// `ADMIN` or `HOST`.
    role: &'static str,
    /// RFC 3339.
    created_at: String,
    /// When they last logged in; null if never.
    last_login_at: Option<String>,
    /// Since when they can't log in; null while they can.
    disabled_at: Option<String>,
    /// How many rooms they hold.
    rooms: u64,
    /// How many lectures there are of these rooms.
    lectures: u64,
    /// Whether they log in by the provider (OIDC).
    by_provider: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// What name or address have in them, in any case.
    #[param(max_length = 200)]
    q: Option<String>,
}

/// What is to be another way; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UserChange {
    /// What they may do.
    #[schema(inline)]
    role: Option<Role>,
    /// True ends their sessions, and the keys of servers that they made, at once, and lets them log in no more.
    disabled: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Role {
    /// Everything.
    Admin,
    /// Hold rooms of their own.
    Host,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Heir {
    /// The account that takes their rooms and lectures. Without it, an account that holds rooms is not deleted.
    heir: Option<String>,
}

/// A link by which somebody sets a new password, once. It is shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PasswordLink {
    /// The page and its token, after `#`, where no log and no other page learns it: to be added to the service's address.
    path: String,
    /// RFC 3339.
    expires_at: String,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct NewPassword {
    /// From the link.
    token: String,
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 200)]
    password: SecretString,
}

/// Every account, the latest first; with `q`, those whose name or address has it in it.
#[utoipa::path(get, path = "/api/admin/users", tag = "operations", params(Wanted, Paging),
    responses((status = 200, body = Items<UserView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InQuery(wanted): InQuery<Wanted>,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<Items<UserView>>, ApiError> {
    caller.admin()?;
    let (wanted, (limit, after)) = (wanted.parse()?, paging.parse()?);
    let page = service
        .database
        .account_overviews(wanted.as_deref(), limit, after.as_ref())
        .await?;
    Ok(Json(Items::of(page, UserView::of)))
}

/// Changes what somebody may do, or whether they can log in. One administrator who can log in stays.
#[utoipa::path(patch, path = "/api/admin/users/{userId}", tag = "operations", params(("userId" = String, Path)),
    request_body = UserChange, responses((status = 200, body = UserView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn change(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(wanted): Body<UserChange>,
) -> Result<Json<UserView>, ApiError> {
    let admin = caller.admin()?;
    let id = user_id(id)?;
    let change = AccountChange {
        role: wanted.role.map(Role::stored),
        access: wanted.disabled.map(access),
    };
    done(
        service
            .database
            .change_account(&id, change, service.now())
            .await?,
    )?;
    if change.access == Some(AccountAccess::Disabled) {
        service.forget_keys();
    }
    for action in actions(change) {
        service.note_user(admin, action, &id).await?;
    }
    let overview = service.database.account_overview(&id).await?;
    overview
        .map(|overview| Json(UserView::of(&overview)))
        .ok_or_else(no_user)
}

/// Deletes an account. Its rooms and lectures go to `heir`; without one, an account that holds rooms is refused. What they
/// said and wrote in the rooms of others stays there.
#[utoipa::path(delete, path = "/api/admin/users/{userId}", tag = "operations",
    params(("userId" = String, Path), Heir), responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    InQuery(Heir { heir }): InQuery<Heir>,
) -> Result<StatusCode, ApiError> {
    let admin = caller.admin()?;
    let id = user_id(id)?;
    let heir = heir.map(AccountId::parse).transpose().map_err(|_| no_heir())?;
    let deleted = service.database.delete_account(&id, heir.as_ref(), service.now());
    done(deleted.await?)?;
    service.forget_keys();
    service.note_user(admin, "account.delete", &id).await?;
    if let Some(heir) = &heir {
        service.note_user(admin, "account.inherit", heir).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a link by which somebody sets a new password, once, within a day. The one before is of no use any more.
#[utoipa::path(post, path = "/api/admin/users/{userId}/password-link", tag = "operations",
    params(("userId" = String, Path)), responses((status = 201, body = PasswordLink), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn make_password_link(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<(StatusCode, Json<PasswordLink>), ApiError> {
    let admin = caller.admin()?;
    let id = user_id(id)?;
    let token = random::secret();
    let expires_at = service.later(PASSWORD_LINK_LASTS);
    let hash = hash_of_key(token.expose_secret());
    if !service
        .database
        .make_password_link(&id, &hash, expires_at)
        .await?
    {
        // An account that is there is disabled.
        return Err(match service.database.account(&id).await? {
            Some(_) => disabled(),
            None => no_user(),
        });
    }
    service.note_user(admin, "account.password-link", &id).await?;
    let link = PasswordLink {
        path: format!("/setup#password={}", token.expose_secret()),
        expires_at: timestamp(expires_at),
    };
    Ok((StatusCode::CREATED, Json(link)))
}

/// Sets the password that a link is for, and logs in; every session before ends.
#[utoipa::path(post, path = "/api/auth/password-link", tag = "accounts", request_body = NewPassword,
    responses((status = 200, body = LoggedIn), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn use_password_link(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(given): Body<NewPassword>,
) -> Result<Response, ApiError> {
    service.count_login_from(&caller).await?;
    let ended = || {
        let message = "this link was used already, has expired, or another took its place; ask for a new one";
        ApiError::new(ErrorCode::LinkEnded, message)
    };
    let hash = hash_of_key(&given.token);
    let found = service
        .database
        .account_of_password_link(&hash, service.now())
        .await?;
    let account = found.ok_or_else(ended)?;
    let password = password::checked(given.password, &account.email)?;
    let password = service.passwords.hash(password).await?;
    if !service
        .database
        .use_password_link(&hash, &password, service.now())
        .await?
    {
        return Err(ended());
    }
    service
        .note(Some(account.id.as_str()), "account.password", None, None)
        .await?;
    service.logged_in(account, StatusCode::OK).await
}

impl Service {
    async fn note_user(&self, by: &Account, action: &'static str, user: &AccountId) -> Result<(), ApiError> {
        self.note(Some(by.id.as_str()), action, None, Some(user.as_str()))
            .await
    }

    /// Which of them were somebody's the database knows.
    fn forget_keys(&self) {
        self.recent_keys.forget(|_, _| true);
    }
}

/// Nobody can log in to the account.
pub(crate) fn disabled() -> ApiError {
    ApiError::new(
        ErrorCode::AccountDisabled,
        "nobody can log in to this account now; ask an administrator",
    )
}

fn user_id(text: String) -> Result<AccountId, ApiError> {
    AccountId::parse(text).map_err(|_| no_user())
}

fn no_user() -> ApiError {
    ApiError::new(ErrorCode::UserNotFound, "there is no such account, or no longer")
}

fn no_heir() -> ApiError {
    let message = "name another account that somebody can log in to";
    ApiError::broken("heir", Rule::Unknown, message)
}

fn done(governed: Governed) -> Result<(), ApiError> {
    match governed {
        Governed::Done => Ok(()),
        Governed::NoAccount => Err(no_user()),
        Governed::NoHeir => Err(no_heir()),
        Governed::LastAdministrator => Err(ApiError::new(
            ErrorCode::LastAdministrator,
            "nobody would be left who may do everything; make somebody else an administrator first",
        )),
        Governed::HoldsRooms { rooms, lectures } => Err(ApiError::new(
            ErrorCode::UserHoldsRooms,
            "they hold rooms; say by ?heir=ID who takes these and their lectures, or delete the rooms first",
        )
        .with_details(json!({ "rooms": rooms, "lectures": lectures }))),
    }
}

/// What the notes of who did what call a change.
fn actions(change: AccountChange) -> impl Iterator<Item = &'static str> {
    let role = change.role.map(|role| match role {
        AccountRole::Admin => "account.make-administrator",
        AccountRole::Host => "account.make-host",
    });
    let access = change.access.map(|access| match access {
        AccountAccess::Enabled => "account.enable",
        AccountAccess::Disabled => "account.disable",
    });
    role.into_iter().chain(access)
}

fn access(disabled: bool) -> AccountAccess {
    match disabled {
        true => AccountAccess::Disabled,
        false => AccountAccess::Enabled,
    }
}

impl Role {
    fn stored(self) -> AccountRole {
        match self {
            Self::Admin => AccountRole::Admin,
            Self::Host => AccountRole::Host,
        }
    }
}

impl Wanted {
    fn parse(self) -> Result<Option<String>, ApiError> {
        let text = self.q.as_deref().map(str::trim).unwrap_or_default();
        match text.chars().count() {
            0 => Ok(None),
            1..=WANTED_CHARS_MAX if !text.contains('\0') => Ok(Some(text.to_owned())),
            _ => Err(ApiError::too_long("q", WANTED_CHARS_MAX)),
        }
    }
}

impl UserView {
    fn of(overview: &AccountOverview) -> Self {
        let account = &overview.account;
        Self {
            id: account.id.as_str().to_owned(),
            email: account.email.clone(),
            name: account.name.clone(),
            role: account.role.as_str(),
            created_at: timestamp(account.created_at),
            last_login_at: overview.last_login_at.map(timestamp),
            disabled_at: overview.disabled_at.map(timestamp),
            rooms: overview.rooms,
            lectures: overview.lectures,
            by_provider: overview.identities > 0,
        }
    }
}

const PASSWORD_LINK_LASTS: Duration = Duration::from_secs(24 * 3600);
const WANTED_CHARS_MAX: usize = 200;
