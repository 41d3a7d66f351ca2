//! Logging in by an OpenID Connect provider.
//!
//! A browser is sent to the provider with a cookie that names this attempt (`flow.rs`). It comes back with a code, for which
//! the provider (`provider.rs`) says who this is; the settings say whether they may come (`person.rs`). Whom the provider
//! knows by a name is the account that came by that name before, and by nothing else.

mod flow;
mod person;
mod provider;

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use lectern_storage::{Account, AccountChange, AccountRole, Governed, Identity, NewAccount};
use serde::Deserialize;
use utoipa::IntoParams;

pub(crate) use self::{
    flow::{Flow, PagePath},
    provider::Provider,
};
use self::{
    person::Person,
    provider::{Failure, plain},
};
use crate::{
    ApiError, Error, ErrorCode, Service,
    body::InQuery,
    caller::{Caller, cookies},
    error::ErrorBody,
    gate::wants_page,
    settings::{Oidc, Registration},
};

/// Where browsers begin.
pub(crate) const OIDC_PATH: &str = "/api/auth/oidc";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Begin {
    /// A path of ours to go on to once somebody is logged in; the first page if there is none, or it is another site's.
    next: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Return {
    /// What the provider tells us more for.
    code: Option<String>,
    /// What we gave it.
    state: Option<String>,
    /// Why there is no code.
    error: Option<String>,
    /// Who the provider is.
    iss: Option<String>,
}

/// Sends a browser to the provider to log in. Whatever goes wrong, a browser gets to `/login?error=CODE`, and a program an
/// error.
#[utoipa::path(get, path = "/api/auth/oidc", tag = "accounts", params(Begin),
    responses((status = 303, description = "`Location` is the provider, or `/login?error=CODE`"),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(crate) async fn begin(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    caller: Result<Caller, ApiError>,
    query: Result<InQuery<Begin>, ApiError>,
) -> Response {
    let next = query.map(|InQuery(begin)| begin.next);
    let next = next.ok().flatten().and_then(|text| PagePath::parse(&text));
    let next = next.unwrap_or_else(PagePath::home);
    let begun = match caller {
        Ok(caller) => service.begin_login(&caller, next.clone()).await,
        Err(error) => Err(error),
    };
    begun.unwrap_or_else(|error| refusal(error, &headers, &next))
}

/// Where the provider sends browsers back to: logs in, and goes on to the page that was asked for.
#[utoipa::path(get, path = "/api/auth/oidc/callback", tag = "accounts", params(Return),
    responses((status = 303, description = "`Location` is the page that was asked for, or `/login?error=CODE`"),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(crate) async fn callback(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    caller: Result<Caller, ApiError>,
    query: Result<InQuery<Return>, ApiError>,
) -> Response {
    let flow = service.flow_of(&headers);
    let next = flow
        .as_ref()
        .map_or_else(PagePath::home, |flow| flow.next.clone());
    let ended = match (caller, query) {
        (Ok(_), Ok(InQuery(given))) => service.end_login(flow, given).await,
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    ended.unwrap_or_else(|error| refusal(error, &headers, &next))
}

/// Whether the provider answers, and is who it should be; what to do if not.
pub async fn probe_oidc(settings: &Oidc) -> Result<(), Error> {
    let provider = Provider::new(settings.clone());
    let found = provider.find(lectern_pipelines::UnixMillis(0)).await;
    found.map_err(|failure| Error::Oidc {
        issuer: settings.issuer.to_string(),
        reason: failure.to_string(),
    })
}

impl Service {
    async fn begin_login(&self, caller: &Caller, next: PagePath) -> Result<Response, ApiError> {
        let provider = self.provider()?;
        self.count_login_from(caller).await?;
        let flow = Flow::new(next, self.later(self.settings.lifetimes.oidc));
        let secrets = flow.secrets(&self.settings.jwt_secret);
        let url = provider.login_url(&secrets, self.now()).await;
        let url = url.map_err(|failure| provider_failed(&failure))?;
        let seconds = self.settings.lifetimes.oidc.as_secs();
        let cookie = self.cookie(FLOW_COOKIE, &self.tokens.flow(&flow), OIDC_PATH, seconds);
        Ok(see_other(&url, [cookie]))
    }

    async fn end_login(&self, flow: Option<Flow>, given: Return) -> Result<Response, ApiError> {
        let provider = self.provider()?;
        let flow = flow.ok_or_else(flow_lost)?;
        let secrets = flow.secrets(&self.settings.jwt_secret);
        if !secrets.is_state(given.state.as_deref().unwrap_or_default()) {
            return Err(flow_lost());
        }
        // From here on this attempt is over, however it ends.
        let database = &self.database;
        if !database
            .end_login_flow(&flow.id, self.now(), flow.expires_at)
            .await?
        {
            return Err(flow_lost());
        }
        let code = code_of(given, &provider.settings)?;
        let claims = provider.claims(code, &secrets, self.now()).await;
        let claims = claims.map_err(|failure| provider_failed(&failure))?;
        let person = Person::of(&claims, &provider.settings)?;
        let account = self.account_of(&person, &provider.settings).await?;
        let session = self.begin_session(&account).await?;
        let gone = self.cookie(FLOW_COOKIE, "", OIDC_PATH, 0);
        Ok(see_other(flow.next.as_str(), [session.cookie, gone]))
    }

    fn provider(&self) -> Result<&Provider, ApiError> {
        self.oidc.as_ref().ok_or_else(|| {
            ApiError::new(
                ErrorCode::OidcOff,
                "nobody logs in by another's account here; use a password",
            )
        })
    }

    /// The attempt that a browser's cookie names, if it is ours and not too old.
    fn flow_of(&self, headers: &HeaderMap) -> Option<Flow> {
        let mut ours = cookies(headers).filter(|(name, _)| *name == FLOW_COOKIE);
        ours.find_map(|(_, token)| self.tokens.read_flow(token))
            .filter(|flow| self.now() < flow.expires_at)
    }

    /// The account of somebody whom the provider knows, with the role that it says they have.
    async fn account_of(&self, person: &Person, settings: &Oidc) -> Result<Account, ApiError> {
        let identity = Identity {
            issuer: settings.issuer.as_str(),
            subject: &person.subject,
        };
        let known = self.database.account_of_identity(identity).await?;
        let account = match known {
            Some(account) => account,
            None => self.first_login(identity, person, settings).await?,
        };
        match person.role {
            Some(role) if role != account.role => self.with_role(account, role).await,
            _ => Ok(account),
        }
    }

    async fn first_login(
        &self,
        identity: Identity<'_>,
        person: &Person,
        settings: &Oidc,
    ) -> Result<Account, ApiError> {
        let found = self.database.account_by_email(&person.email).await?;
        let made = match (found, settings.registration) {
            (Some((account, _)), _) => self.link_account(account, identity, settings).await?,
            (None, Registration::Open) => self.make_account_of(identity, person).await?,
            (None, Registration::Closed) => {
                let message = "there is no account for you yet; ask an administrator for one";
                return Err(ApiError::new(ErrorCode::RegistrationClosed, message));
            }
        };
        match made {
            Some(account) => Ok(account),
            // Perhaps they came twice at once, and were faster there.
            None => {
                let known = self.database.account_of_identity(identity).await?;
                known.ok_or_else(|| {
                    let message = "there is an account of your address that the provider's word is not enough for; \
                                   log in with its password";
                    ApiError::new(ErrorCode::EmailTaken, message)
                })
            }
        }
    }

    /// Into an account of the same address, where the settings say whose addresses to believe the provider.
    async fn link_account(
        &self,
        account: Account,
        identity: Identity<'_>,
        settings: &Oidc,
    ) -> Result<Option<Account>, ApiError> {
        let is_linked = !settings.email_domains.is_empty()
            && self
                .database
                .link_identity(&account.id, identity, self.now())
                .await?;
        if !is_linked {
            return Ok(None);
        }
        let actor = Some(account.id.as_str());
        self.note(actor, "account.link", None, Some(identity.issuer))
            .await?;
        Ok(Some(account))
    }

    async fn make_account_of(
        &self,
        identity: Identity<'_>,
        person: &Person,
    ) -> Result<Option<Account>, ApiError> {
        let new = NewAccount {
            email: &person.email,
            name: &person.name,
            role: person.role.unwrap_or(AccountRole::Host),
            password_hash: None,
        };
        let made = self.database.create_account_of(identity, new, self.now()).await?;
        if let Some(account) = &made {
            let actor = Some(account.id.as_str());
            self.note(actor, "account.create", None, Some(identity.issuer))
                .await?;
        }
        Ok(made)
    }

    /// The account in the role that the provider's claim gives it; as before if nobody would be left who may do everything.
    async fn with_role(&self, account: Account, role: AccountRole) -> Result<Account, ApiError> {
        let change = AccountChange {
            role: Some(role),
            ..AccountChange::default()
        };
        let changed = self
            .database
            .change_account(&account.id, change, self.now())
            .await?;
        if changed == Governed::LastAdministrator {
            tracing::warn!(
                "the provider says that account {} is no administrator, and it is the last one: make another first",
                account.id
            );
            return Ok(account);
        }
        let actor = Some(account.id.as_str());
        self.note(actor, "account.role", None, Some(role.as_str()))
            .await?;
        Ok(Account { role, ..account })
    }
}

const FLOW_COOKIE: &str = "lectern_oidc";

/// The code that the provider gave a browser for us, or why it gave none.
fn code_of(given: Return, settings: &Oidc) -> Result<String, ApiError> {
    if given.iss.is_some_and(|issuer| issuer != settings.issuer.as_str()) {
        return Err(provider_failed(&Failure::Unusable(
            "another provider answers in its place".to_owned(),
        )));
    }
    match (given.code, given.error.as_deref()) {
        (Some(code), None) => Ok(code),
        (_, Some("access_denied")) => {
            let message = "the provider did not let you in, or you changed your mind; log in again";
            Err(ApiError::new(ErrorCode::OidcDenied, message))
        }
        (_, Some("temporarily_unavailable" | "server_error")) => Err(provider_failed(&Failure::Away(
            "it says that it is not well".to_owned(),
        ))),
        (_, error) => {
            let said = plain(error.unwrap_or_default());
            Err(provider_failed(&Failure::Unusable(format!(
                "it gives no code: {said}"
            ))))
        }
    }
}

fn flow_lost() -> ApiError {
    let message = "this login was begun too long ago, in another browser or window, or was used already; begin it again";
    ApiError::new(ErrorCode::OidcExpired, message)
}

/// For the caller that it failed; for the log why.
fn provider_failed(failure: &Failure) -> ApiError {
    let (code, message) = match failure {
        Failure::Away(_) => (
            ErrorCode::OidcUnavailable,
            "the provider does not answer; try again in a moment, or log in with a password",
        ),
        Failure::Unusable(_) => (
            ErrorCode::OidcFailed,
            "the provider's answer is not good; the log has more under this request's id",
        ),
    };
    let error = ApiError::new(code, message);
    let id = error.request_id();
    tracing::warn!(request.id = %id, "request {id}: the login's provider: {failure}");
    error
}

/// Browsers are shown a page that knows what to say, which keeps where they wanted to go.
fn refusal(error: ApiError, headers: &HeaderMap, next: &PagePath) -> Response {
    if !wants_page(headers) {
        return error.into_response();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("error", &error.code().text());
    if *next != PagePath::home() {
        query.append_pair("next", next.as_str());
    }
    see_other(&format!("/login?{}", query.finish()), [])
}

/// To another page, with these cookies, and never by a copy that somebody kept.
fn see_other<const N: usize>(url: &str, cookies: [HeaderValue; N]) -> Response {
    let mut response = (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, url), (header::CACHE_CONTROL, "no-store")],
    )
        .into_response();
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
