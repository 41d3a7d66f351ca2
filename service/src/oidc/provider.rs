//! The provider, by HTTP. No other file names `openidconnect`.

use std::{error::Error, future::Future, pin::Pin, sync::Arc, time::Duration};

use lectern_pipelines::UnixMillis;
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AsyncHttpClient, AuthType, AuthenticationFlow, AuthorizationCode,
    ClaimsVerificationError, Client, ClientId, ClientSecret, CsrfToken, DiscoveryError,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    IdTokenClaims, IdTokenFields, IssuerUrl, JwsSigningAlgorithm, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError,
    StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims, UserInfoError,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
        CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
        CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse,
        CoreTokenType,
    },
};
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::{sync::Mutex, time::timeout};

use super::{
    flow::FlowSecrets,
    person::{Claims, is_complete},
};
use crate::settings::Oidc;

/// A provider, and what it last said of itself.
pub(crate) struct Provider {
    pub(crate) settings: Oidc,
    http: Http,
    known: Mutex<Option<Arc<Known>>>,
}

/// Why a provider was of no help. What is in it is for the log: no claim, token or code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It can't be reached, or is not well; later it may be.
    #[error("{0}")]
    Away(String),
    /// What it said is not good.
    #[error("{0}")]
    Unusable(String),
}

/// What a provider says of itself.
struct Known {
    client: KnownClient,
    /// The ways it signs in, but those that everybody with our own secret could.
    algorithms: Vec<CoreJwsSigningAlgorithm>,
    since: UnixMillis,
}

impl Provider {
    /// A provider that nobody has asked anything yet.
    pub(crate) fn new(settings: Oidc) -> Self {
        Self {
            settings,
            http: Http::new(),
            known: Mutex::default(),
        }
    }

    /// Asks it what it is, if nobody did of late.
    pub(crate) async fn find(&self, now: UnixMillis) -> Result<(), Failure> {
        self.known(now, KNOWN_FOR).await.map(drop)
    }

    /// Where a browser has to go to log in.
    pub(crate) async fn login_url(&self, secrets: &FlowSecrets, now: UnixMillis) -> Result<String, Failure> {
        let known = self.known(now, KNOWN_FOR).await?;
        let (state, nonce) = (secrets.state.clone(), secrets.nonce.clone());
        let verifier = PkceCodeVerifier::new(secrets.verifier.clone());
        let (url, ..) = known
            .client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                || CsrfToken::new(state),
                || Nonce::new(nonce),
            )
            .add_scopes(self.settings.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url.into())
    }

    /// What it says of who came back with this code.
    pub(crate) async fn claims(
        &self,
        code: String,
        secrets: &FlowSecrets,
        now: UnixMillis,
    ) -> Result<Claims, Failure> {
        let mut known = self.known(now, KNOWN_FOR).await?;
        let tokens = known
            .client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| unusable("it has no token endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(secrets.verifier.clone()))
            .request_async(&self.http)
            .await
            .map_err(of_exchange)?;
        let mut verified = known.verified(&tokens, secrets);
        if let Err(Unverified::KeyUnknown) = verified {
            // It may have other keys by now.
            known = self.known(now, KEYS_KNOWN_FOR).await?;
            verified = known.verified(&tokens, secrets);
        }
        let verified = verified.map_err(|why| unusable(why.as_str()))?;
        let mut claims = as_claims(&verified);
        if !is_complete(&claims, &self.settings) {
            let more = self.more_claims(&known, &tokens, &verified).await?;
            // What was signed counts more than what was not.
            more.into_iter().for_each(|(name, value)| {
                claims.entry(name).or_insert(value);
            });
        }
        Ok(claims)
    }

    /// What it says only when it is asked; of the same person, or it is a failure.
    async fn more_claims(
        &self,
        known: &Known,
        tokens: &Tokens,
        verified: &IdTokenClaims<AnyClaims, CoreGenderClaim>,
    ) -> Result<Claims, Failure> {
        let subject = verified.subject().clone();
        let Ok(request) = known
            .client
            .user_info(tokens.access_token().clone(), Some(subject))
        else {
            return Ok(Map::new());
        };
        let info: UserInfoClaims<AnyClaims, CoreGenderClaim> =
            request.request_async(&self.http).await.map_err(of_user_info)?;
        Ok(as_claims(&info))
    }

    /// What it says of itself, not older than `life`. Of many who ask at once, one asks it, and nobody waits longer than
    /// [`ANSWER_WITHIN`].
    async fn known(&self, now: UnixMillis, life: Duration) -> Result<Arc<Known>, Failure> {
        let asking = async {
            let mut kept = self.known.lock().await;
            if let Some(known) = kept.as_ref().filter(|known| now < known.since + life) {
                return Ok(Arc::clone(known));
            }
            let known = Arc::new(self.discover(now).await?);
            *kept = Some(Arc::clone(&known));
            Ok(known)
        };
        timeout(ANSWER_WITHIN, asking).await.unwrap_or_else(|_| {
            Err(Failure::Away(format!(
                "no answer within {} s",
                ANSWER_WITHIN.as_secs()
            )))
        })
    }

    async fn discover(&self, now: UnixMillis) -> Result<Known, Failure> {
        let issuer = IssuerUrl::new(self.settings.issuer.as_str().to_owned());
        let issuer = issuer.map_err(|_| unusable("its issuer is no URL"))?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &self.http)
            .await
            .map_err(of_discovery)?;
        let algorithms = metadata.id_token_signing_alg_values_supported().iter();
        let algorithms = algorithms.filter(|algorithm| !algorithm.uses_shared_secret());
        let algorithms = algorithms.cloned().collect();
        let auth_type = auth_type_of(&metadata);
        let secret = self.settings.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let redirect_url = RedirectUrl::new(self.settings.redirect_url.as_str().to_owned());
        let redirect_url = redirect_url.map_err(|_| unusable("our own address is no URL"))?;
        let client_id = ClientId::new(self.settings.client_id.clone());
        Ok(Known {
            client: KnownClient::from_provider_metadata(metadata, client_id, secret)
                .set_auth_type(auth_type)
                .set_redirect_uri(redirect_url),
            algorithms,
            since: now,
        })
    }
}

impl Known {
    /// The claims of the ID token, once its signature, issuer, audience, time and nonce are right, and it is of the access
    /// token that came with it.
    fn verified(
        &self,
        tokens: &Tokens,
        secrets: &FlowSecrets,
    ) -> Result<IdTokenClaims<AnyClaims, CoreGenderClaim>, Unverified> {
        let id_token = tokens.id_token().ok_or(Unverified::Not("it gave no ID token"))?;
        let verifier = self.client.id_token_verifier();
        let verifier = verifier.set_allowed_algs(self.algorithms.iter().cloned());
        let claims = id_token
            .claims(&verifier, &Nonce::new(secrets.nonce.clone()))
            .map_err(|error| Unverified::of(&error))?;
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = id_token.signing_alg();
            let key = id_token.signing_key(&verifier);
            let hash = algorithm
                .and_then(|algorithm| key.map(|key| (algorithm, key)))
                .map_err(|_| Unverified::Not("its ID token's signature can't be read"))
                .and_then(|(algorithm, key)| {
                    AccessTokenHash::from_token(tokens.access_token(), algorithm, key)
                        .map_err(|_| Unverified::Not("its access token can't be hashed"))
                })?;
            if hash != *expected {
                return Err(Unverified::Not("its access token is not the ID token's"));
            }
        }
        Ok(claims.clone())
    }
}

/// Why an ID token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unverified {
    /// It is signed by a key that the provider did not have when it was last asked.
    KeyUnknown,
    /// Another reason.
    Not(&'static str),
}

impl Unverified {
    /// Without the details, which name people.
    fn of(error: &ClaimsVerificationError) -> Self {
        match error {
            ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
                Self::KeyUnknown
            }
            ClaimsVerificationError::SignatureVerification(SignatureVerificationError::DisallowedAlg(_)) => {
                Self::Not("its ID token is signed in a way that it does not announce, or that is not taken")
            }
            ClaimsVerificationError::SignatureVerification(_) => {
                Self::Not("its ID token's signature is not good")
            }
            ClaimsVerificationError::Expired(_) => {
                Self::Not("its ID token has run out; do the clocks of both machines agree?")
            }
            ClaimsVerificationError::InvalidAudience(_) => Self::Not("its ID token is for somebody else"),
            ClaimsVerificationError::InvalidIssuer(_) => Self::Not("its ID token is another issuer's"),
            ClaimsVerificationError::InvalidNonce(_) => Self::Not("its ID token is of another login"),
            _ => Self::Not("its ID token is not good"),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::KeyUnknown => "its ID token is signed by a key that is none of its own",
            Self::Not(why) => why,
        }
    }
}

/// All that is said of somebody, besides what the standard names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct AnyClaims(Map<String, Value>);

impl AdditionalClaims for AnyClaims {}

type Fields = IdTokenFields<
    AnyClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Tokens = StandardTokenResponse<Fields, CoreTokenType>;
type ExchangeError = RequestTokenError<HttpError, StandardErrorResponse<CoreErrorResponseType>>;
type KnownClient = Client<
    AnyClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// How we prove to it who we are: as the standard has it by default, unless it takes only the other way.
fn auth_type_of(metadata: &CoreProviderMetadata) -> AuthType {
    let methods = metadata.token_endpoint_auth_methods_supported();
    match methods.is_some_and(|methods| {
        methods.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
    }) {
        true => AuthType::RequestBody,
        false => AuthType::BasicAuth,
    }
}

fn as_claims(claims: &impl Serialize) -> Claims {
    match serde_json::to_value(claims) {
        Ok(Value::Object(claims)) => claims,
        _ => Map::new(),
    }
}

fn unusable(why: &str) -> Failure {
    Failure::Unusable(why.to_owned())
}

fn of_discovery(error: DiscoveryError<HttpError>) -> Failure {
    Failure::Away(match &error {
        DiscoveryError::Request(error) => error.to_string(),
        DiscoveryError::Response(_, _, said) | DiscoveryError::Validation(said) => said.clone(),
        DiscoveryError::Parse(error) => format!("its discovery document can't be read: {error}"),
        _ => error.to_string(),
    })
}

/// Only the error's code: a provider may write anything into the rest.
fn of_exchange(error: ExchangeError) -> Failure {
    match error {
        RequestTokenError::Request(error) => Failure::Away(error.to_string()),
        RequestTokenError::ServerResponse(answer) => {
            Failure::Unusable(format!("it refuses the code: {}", plain(answer.error().as_ref())))
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            unusable("its answer to the code can't be read")
        }
    }
}

fn of_user_info(error: UserInfoError<HttpError>) -> Failure {
    match error {
        UserInfoError::Request(error) => Failure::Away(error.to_string()),
        UserInfoError::ClaimsVerification(_) => unusable("its user info is another person's, or forged"),
        UserInfoError::Response(status, ..) => {
            Failure::Unusable(format!("it answers {status} instead of its user info"))
        }
        _ => unusable("its user info can't be read"),
    }
}

/// A code as the standard has them, or nothing that could be anything else.
pub(super) fn plain(code: &str) -> &str {
    let is_code = code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code { code } else { "another error" }
}

/// Our HTTP client, as `openidconnect` calls one.
struct Http(Result<reqwest::Client, reqwest::Error>);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("{}", chain(.0))]
    Request(reqwest::Error),
    #[error("it answers {0}")]
    Status(reqwest::StatusCode),
    #[error("its answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    #[error("the service has no certificates to know others by ({0}): install ca-certificates")]
    NoClient(String),
}

impl Http {
    fn new() -> Self {
        Self(
            reqwest::Client::builder()
                // A redirection could lead to where only we can reach.
                .redirect(Policy::none())
                .timeout(ANSWER_WITHIN)
                .user_agent(concat!("Lectern/", env!("CARGO_PKG_VERSION")))
                .build(),
        )
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let client = self
            .0
            .as_ref()
            .map_err(|error| HttpError::NoClient(chain(error)))?;
        let request = reqwest::Request::try_from(request).map_err(HttpError::request)?;
        let mut answer = client.execute(request).await.map_err(HttpError::request)?;
        let status = answer.status();
        if status.is_server_error() || status == reqwest::StatusCode::TOO_MANY_REQUESTS {
            return Err(HttpError::Status(status));
        }
        let mut whole = HttpResponse::new(Vec::new());
        *whole.status_mut() = status;
        *whole.headers_mut() = std::mem::take(answer.headers_mut());
        while let Some(piece) = answer.chunk().await.map_err(HttpError::request)? {
            if whole.body().len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(HttpError::TooLong);
            }
            whole.body_mut().extend_from_slice(&piece);
        }
        Ok(whole)
    }
}

impl HttpError {
    fn request(error: reqwest::Error) -> Self {
        Self::Request(error)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// An error with what caused it.
fn chain(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}

/// How long each answer may take, and finding out what the provider is.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Discovery documents and keys have a few kilobytes.
const ANSWER_BYTES_MAX: usize = 1_000_000;
/// How long it is believed what a provider said of itself.
const KNOWN_FOR: Duration = Duration::from_secs(3600);
/// The same where it signs by a key that is not known: whoever forges tokens can't make us ask more often.
const KEYS_KNOWN_FOR: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_has_codes_of_the_standard_and_nothing_else_that_others_write() {
        assert_eq!(plain("invalid_grant"), "invalid_grant");
        for text in ["ada@example.org", "Ada said no", "a\nb", &"x".repeat(41)] {
            assert_eq!(plain(text), "another error");
        }
    }

    #[test]
    fn only_an_unknown_key_is_worth_asking_again() {
        let of = |error| Unverified::of(&ClaimsVerificationError::SignatureVerification(error));
        assert_eq!(
            of(SignatureVerificationError::NoMatchingKey),
            Unverified::KeyUnknown
        );
        let forged = SignatureVerificationError::CryptoError("ada@example.org".to_owned());
        assert_eq!(
            of(forged),
            Unverified::Not("its ID token's signature is not good")
        );
    }
}
