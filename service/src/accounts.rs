//! Registering, logging in and out.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use lectern_pipelines::{RoomName, UnixMillis};
use lectern_storage::{Account, AccountRole, NewAccount, NewAuditEntry};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::{
    ApiError, ErrorCode, Service,
    body::{Body, one_line},
    caller::{Caller, SESSION_COOKIE},
    error::{ErrorBody, Rule},
    oidc::OIDC_PATH,
    password,
    settings::Registration,
    users,
    wire::timestamp,
};

/// Somebody who can log in, as they are shown to themselves.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountView {
    id: String,
    email: String,
    name: String,
    /// `ADMIN` or `HOST`.
    role: &'static str,
    /// RFC 3339.
    created_at: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Register {
    /// An e-mail address.
    #[schema(format = "email")]
    email: String,
    /// What others see.
    #[schema(max_length = 80)]
    name: String,
    /// At least ten characters.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 200)]
    password: SecretString,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetUp {
    /// From what the service prints when it starts, while there is no administrator.
    token: String,
    #[serde(flatten)]
    account: Register,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct LogIn {
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangePassword {
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 200)]
    password: SecretString,
}

/// Who is logged in, and the proof of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedIn {
    user: AccountView,
    /// To be sent as `Authorization: Bearer`; browsers have it in a cookie too.
    token: String,
    /// RFC 3339.
    expires_at: String,
}

/// A session that has begun.
pub(crate) struct Session {
    token: String,
    /// The same for browsers.
    pub(crate) cookie: HeaderValue,
    expires_at: UnixMillis,
}

/// How people may log in here, for a page that asks them to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoginOptions {
    /// Whether anybody may register with a password. Who has one can always log in by it.
    registration: bool,
    /// The provider that people may log in by; null if there is none.
    oidc: Option<ProviderOption>,
}

/// A provider that people may log in by.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderOption {
    /// What people call it, for a button.
    name: String,
    /// Where its link leads: a page, not a call. `?next=/path` says where to go on afterwards.
    path: &'static str,
}

/// How people may log in here: what a page that asks them to has to offer.
#[utoipa::path(get, path = "/api/auth/options", tag = "accounts",
    responses((status = 200, body = LoginOptions), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn options(State(service): State<Arc<Service>>, _caller: Caller) -> Json<LoginOptions> {
    let oidc = service.settings.oidc.as_ref().map(|oidc| ProviderOption {
        name: oidc.name.clone(),
        path: OIDC_PATH,
    });
    Json(LoginOptions {
        registration: service.settings.registration == Registration::Open,
        oidc,
    })
}

/// Makes an account and logs it in.
#[utoipa::path(post, path = "/api/auth/register", tag = "accounts", request_body = Register,
    responses((status = 201, body = LoggedIn), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn register(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(wanted): Body<Register>,
) -> Result<Response, ApiError> {
    if service.settings.registration == Registration::Closed {
        caller.admin().map_err(|_| {
            let message = "nobody can register here; ask an administrator for an account";
            ApiError::new(ErrorCode::RegistrationClosed, message)
        })?;
    }
    service.count_attempt(&caller, &wanted.email).await?;
    let account = service.make_account(wanted, AccountRole::Host).await?;
    service.logged_in(account, StatusCode::CREATED).await
}

/// Makes the first administrator, for who has the token that was printed. An account of that address becomes the
/// administrator's if the password is its own.
#[utoipa::path(post, path = "/api/auth/setup", tag = "accounts", request_body = SetUp,
    responses((status = 201, body = LoggedIn), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn set_up(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(wanted): Body<SetUp>,
) -> Result<Response, ApiError> {
    service.count_attempt(&caller, &wanted.account.email).await?;
    let given = wanted.token.as_bytes();
    let expected = service.setup_token.expose_secret().as_bytes();
    if !bool::from(expected.ct_eq(given)) || service.database.has_administrator().await? {
        return Err(ApiError::forbidden(
            "this token was used already, or the service was started anew since",
        ));
    }
    let account = service.make_administrator(wanted.account).await?;
    service.logged_in(account, StatusCode::CREATED).await
}

/// Logs in.
#[utoipa::path(post, path = "/api/auth/login", tag = "accounts", request_body = LogIn,
    responses((status = 200, body = LoggedIn), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn log_in(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(given): Body<LogIn>,
) -> Result<Response, ApiError> {
    service.count_attempt(&caller, &given.email).await?;
    let email = given.email.trim().to_lowercase();
    let found = match email.contains('\0') {
        true => None,
        false => service.database.account_by_email(&email).await?,
    };
    let (account, hash) = found.unzip();
    let fits = service.passwords.verify(given.password, hash.flatten()).await?;
    match account.filter(|_| fits) {
        Some(account) => service.logged_in(account, StatusCode::OK).await,
        None => Err(ApiError::new(
            ErrorCode::LoginFailed,
            "this address and this password don't belong together",
        )),
    }
}

/// Ends the session; there need not be one.
#[utoipa::path(post, path = "/api/auth/logout", tag = "accounts",
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn log_out(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Response, ApiError> {
    if let Some(login) = &caller.login {
        service.database.end_session(&login.session).await?;
    }
    let gone = service.cookie(SESSION_COOKIE, "", "/", 0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

/// Who is logged in.
#[utoipa::path(get, path = "/api/auth/me", tag = "accounts",
    responses((status = 200, body = AccountView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn me(caller: Caller) -> Result<Json<AccountView>, ApiError> {
    caller.account().map(|account| Json(AccountView::of(account)))
}

/// Replaces one's password; every session but the new one ends.
#[utoipa::path(post, path = "/api/auth/password", tag = "accounts", request_body = ChangePassword,
    responses((status = 200, body = LoggedIn), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn change_password(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(given): Body<ChangePassword>,
) -> Result<Response, ApiError> {
    let account = caller.account()?.clone();
    service.count_attempt(&caller, &account.email).await?;
    let stored = service.database.account_by_email(&account.email).await?;
    let hash = stored.and_then(|(_, hash)| hash);
    if !service.passwords.verify(given.current_password, hash).await? {
        return Err(ApiError::new(
            ErrorCode::LoginFailed,
            "the current password is another one",
        ));
    }
    let password = password::checked(given.password, &account.email)?;
    let hash = service.passwords.hash(password).await?;
    service.database.set_password_hash(&account.id, &hash).await?;
    service
        .note(Some(account.id.as_str()), "account.password", None, None)
        .await?;
    service.logged_in(account, StatusCode::OK).await
}

impl Service {
    /// Makes the first administrator, unless there is one. An account of that address becomes the administrator's if
    /// the password is its own, and is an error otherwise: anybody may have registered it.
    pub async fn make_first_administrator(
        &self,
        email: &str,
        password: SecretString,
    ) -> Result<(), crate::Error> {
        if self.database.has_administrator().await? {
            return Ok(());
        }
        let wanted = Register {
            email: email.to_owned(),
            name: "Administrator".to_owned(),
            password,
        };
        match self.make_administrator(wanted).await {
            Ok(_) => Ok(()),
            Err(error) => Err(crate::Error::FirstAdministrator(error.to_string())),
        }
    }

    /// Makes an administrator's account, or makes the account of that address one: then whoever asks has to know its
    /// password, since its address proves nothing.
    async fn make_administrator(&self, wanted: Register) -> Result<Account, ApiError> {
        let email = parse_email(&wanted.email)?;
        let Some((account, hash)) = self.database.account_by_email(&email).await? else {
            return self.make_account(wanted, AccountRole::Admin).await;
        };
        if !self.passwords.verify(wanted.password, hash).await? {
            return Err(ApiError::new(
                ErrorCode::EmailTaken,
                "there is an account of this address, and this is not its password; give its password, or another address",
            ));
        }
        self.database.make_administrator(&account.id).await?;
        self.note(Some(account.id.as_str()), "account.administrator", None, None)
            .await?;
        Ok(Account {
            role: AccountRole::Admin,
            ..account
        })
    }

    async fn make_account(&self, wanted: Register, role: AccountRole) -> Result<Account, ApiError> {
        let email = parse_email(&wanted.email)?;
        let name = one_line("name", &wanted.name, NAME_CHARS_MAX)?;
        let password = password::checked(wanted.password, &email)?;
        let hash = self.passwords.hash(password).await?;
        let new = NewAccount {
            email: &email,
            name: &name,
            role,
            password_hash: Some(&hash),
        };
        let made = self.database.create_account(new, self.now()).await?;
        let taken = || {
            ApiError::new(
                ErrorCode::EmailTaken,
                "there is an account of this address; log in instead",
            )
        };
        let account = made.ok_or_else(taken)?;
        self.note(Some(account.id.as_str()), "account.create", None, None)
            .await?;
        Ok(account)
    }

    /// Begins a session and says so, in the body and in a cookie.
    pub(crate) async fn logged_in(&self, account: Account, status: StatusCode) -> Result<Response, ApiError> {
        let session = self.begin_session(&account).await?;
        let body = LoggedIn {
            user: AccountView::of(&account),
            token: session.token,
            expires_at: timestamp(session.expires_at),
        };
        Ok((status, [(header::SET_COOKIE, session.cookie)], Json(body)).into_response())
    }

    /// Begins a session, unless nobody can log in to the account.
    pub(crate) async fn begin_session(&self, account: &Account) -> Result<Session, ApiError> {
        let lifetime = self.settings.lifetimes.session;
        let expires_at = self.later(lifetime);
        let session = self
            .database
            .open_session(&account.id, self.now(), expires_at)
            .await?
            .ok_or_else(users::disabled)?;
        let token = self.tokens.session(&session, expires_at);
        Ok(Session {
            cookie: self.cookie(SESSION_COOKIE, &token, "/", lifetime.as_secs()),
            token,
            expires_at,
        })
    }

    /// Out of reach for scripts, not sent along from other sites, and only by TLS where there is a domain.
    pub(crate) fn cookie(&self, name: &str, value: &str, path: &str, seconds: u64) -> HeaderValue {
        let secure = match self
            .settings
            .web_origins
            .iter()
            .any(|origin| origin.starts_with("https://"))
        {
            true => "; Secure",
            false => "",
        };
        let text = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(text).expect("tokens and paths of ids are plain letters")
    }

    /// One more try at an account, from an address.
    async fn count_attempt(&self, caller: &Caller, email: &str) -> Result<(), ApiError> {
        let to = format!("login to {}", email.trim().to_lowercase());
        self.count_login(&[from(caller), to]).await
    }

    /// One more try at whichever account the provider, or a link, will name, from an address.
    pub(crate) async fn count_login_from(&self, caller: &Caller) -> Result<(), ApiError> {
        self.count_login(&[from(caller)]).await
    }

    async fn count_login(&self, keys: &[String]) -> Result<(), ApiError> {
        self.limiter
            .take(keys, self.settings.limits.login, self.now())
            .await
            .map_err(ApiError::rate_limited)
    }

    /// Notes who did what.
    pub(crate) async fn note(
        &self,
        actor: Option<&str>,
        action: &'static str,
        room: Option<&RoomName>,
        target: Option<&str>,
    ) -> Result<(), ApiError> {
        let entry = NewAuditEntry {
            actor,
            action,
            room,
            target,
            outcome: None,
        };
        Ok(self.database.audit(entry, self.now()).await?)
    }
}

impl AccountView {
    pub(crate) fn of(account: &Account) -> Self {
        Self {
            id: account.id.as_str().to_owned(),
            email: account.email.clone(),
            name: account.name.clone(),
            role: account.role.as_str(),
            created_at: timestamp(account.created_at),
        }
    }
}

fn from(caller: &Caller) -> String {
    format!("login from {}", caller.address)
}

/// What a name may have; LiveKit shows it next to a picture.
pub(crate) const NAME_CHARS_MAX: usize = 80;
const EMAIL_BYTES_MAX: usize = 254;

/// An address in lower case: something, an at sign, a domain. Whether mail arrives there is for mail to find out.
pub(crate) fn parse_email(text: &str) -> Result<String, ApiError> {
    let email = text.trim().to_lowercase();
    let refused = || ApiError::broken("email", Rule::Email, "write an address such as ada@example.org");
    let (own, domain) = email.rsplit_once('@').ok_or_else(refused)?;
    let is_plain = |part: &str| {
        !part.is_empty()
            && part.chars().all(|letter| {
                !letter.is_whitespace()
                    && !letter.is_control()
                    && !matches!(letter, '@' | '<' | '>' | ',' | ';' | '"')
            })
    };
    let is_domain = is_plain(domain) && domain.split('.').all(|label| !label.is_empty());
    match is_plain(own) && is_domain && email.len() <= EMAIL_BYTES_MAX {
        true => Ok(email),
        false => Err(refused()),
    }
}

impl std::fmt::Debug for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Register(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_texts() {
        assert_eq!(
            parse_email(" Ada@Example.org ").expect("an address"),
            "ada@example.org"
        );
        assert!(parse_email("ada@localhost").is_ok());
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "a b@example.org",
            "ada@example..org",
            "a@b@c",
            "a\n@b",
        ] {
            let is_wrong = parse_email(text).is_err();
            assert!(is_wrong, "{text:?}");
        }
    }
}
