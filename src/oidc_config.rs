//! Settings of logging in by an OpenID Connect provider.

use lectern_service::{ClaimValue, HttpUrl, OIDC_CALLBACK_PATH, Oidc, Registration};
use secrecy::SecretString;

use crate::config::{Problems, given};

/// Logging in by another's account.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Single sign-on")]
pub(crate) struct OidcArgs {
    /// URL of the OpenID Connect provider that people may log in by, as its own discovery document writes it.
    #[arg(long, env = "OIDC_ISSUER")]
    pub(crate) oidc_issuer: Option<String>,
    /// What the provider calls this service.
    #[arg(long, env = "OIDC_CLIENT_ID")]
    pub(crate) oidc_client_id: Option<String>,
    /// The secret that the provider gave out for it; none for a public client.
    #[arg(long, env = "OIDC_CLIENT_SECRET", hide_env_values = true)]
    pub(crate) oidc_client_secret: Option<SecretString>,
    /// Where the provider sends browsers back to: /api/auth/oidc/callback on the origin that browsers open; on the first
    /// WEB_ORIGIN, or on this machine, if not given.
    #[arg(long, env = "OIDC_REDIRECT_URL")]
    pub(crate) oidc_redirect_url: Option<String>,
    /// What people call the provider; its host if not given.
    #[arg(long, env = "OIDC_NAME")]
    pub(crate) oidc_name: Option<String>,
    /// What the provider is asked for, separated by spaces or commas.
    #[arg(long, env = "OIDC_SCOPES", default_value = "openid email profile")]
    pub(crate) oidc_scopes: String,
    /// Domains whose verified addresses may come, separated by commas; those of any domain if none is named. Only with
    /// domains named here do people get into accounts that were made with a password.
    #[arg(long, env = "OIDC_EMAIL_DOMAINS", value_delimiter = ',')]
    pub(crate) oidc_email_domains: Vec<String>,
    /// The claim by which the provider says that an address is verified.
    #[arg(long, env = "OIDC_EMAIL_VERIFIED_CLAIM", default_value = "email_verified")]
    pub(crate) oidc_email_verified_claim: String,
    /// Whether whoever comes for the first time gets an account: `open` or `closed`.
    #[arg(long, env = "OIDC_REGISTRATION", default_value = "open")]
    pub(crate) oidc_registration: String,
    /// The claim that makes an administrator of whom it has OIDC_ADMIN_VALUE, and a host of everybody else, at each login:
    /// `groups`, or `realm_access.roles`.
    #[arg(long, env = "OIDC_ADMIN_CLAIM")]
    pub(crate) oidc_admin_claim: Option<String>,
    /// The value of that claim, or one of its values.
    #[arg(long, env = "OIDC_ADMIN_VALUE")]
    pub(crate) oidc_admin_value: Option<String>,
}

impl OidcArgs {
    /// The provider, if one was given. `origin` is where browsers open the service, if that is known.
    pub(crate) fn oidc(&self, origin: Option<&str>, problems: &mut Problems) -> Option<Oidc> {
        let issuer = match given(&self.oidc_issuer) {
            Some(issuer) => self.issuer(&issuer, problems),
            None => {
                self.refuse_without_issuer(problems);
                return None;
            }
        };
        let client_id = given(&self.oidc_client_id);
        if client_id.is_none() {
            problems.add("OIDC_CLIENT_ID is missing: what the provider OIDC_ISSUER calls this service");
        }
        let redirect_url = self.redirect_url(origin, problems);
        let administrators = self.administrators(problems);
        let email_domains = self.email_domains(problems);
        let registration = problems.one_of(
            "OIDC_REGISTRATION",
            &self.oidc_registration,
            &[("open", Registration::Open), ("closed", Registration::Closed)],
        );
        let issuer = issuer?;
        Some(Oidc {
            name: given(&self.oidc_name).unwrap_or_else(|| issuer.host().to_owned()),
            issuer,
            client_id: client_id?,
            client_secret: given(&self.oidc_client_secret),
            redirect_url: redirect_url?,
            scopes: self.scopes(),
            email_domains,
            email_verified_claim: self.oidc_email_verified_claim.trim().to_owned(),
            registration,
            administrators,
        })
    }

    fn issuer(&self, text: &str, problems: &mut Problems) -> Option<HttpUrl> {
        let issuer = HttpUrl::parse(text);
        match &issuer {
            Err(error) => problems.add(format!("OIDC_ISSUER is {text:?}: {error}")),
            Ok(url) if !url.is_private() => problems.add(format!(
                "OIDC_ISSUER is {text:?}; it has to begin with https:// unless it is on this machine"
            )),
            Ok(_) => {}
        }
        issuer.ok()
    }

    fn refuse_without_issuer(&self, problems: &mut Problems) {
        let others = [
            ("OIDC_CLIENT_ID", given(&self.oidc_client_id).is_some()),
            ("OIDC_CLIENT_SECRET", given(&self.oidc_client_secret).is_some()),
            ("OIDC_REDIRECT_URL", given(&self.oidc_redirect_url).is_some()),
            ("OIDC_ADMIN_CLAIM", given(&self.oidc_admin_claim).is_some()),
            ("OIDC_ADMIN_VALUE", given(&self.oidc_admin_value).is_some()),
        ];
        for (name, _) in others.iter().filter(|(_, is_given)| *is_given) {
            problems.add(format!(
                "{name} is given and OIDC_ISSUER is not; give both or neither"
            ));
        }
    }

    fn redirect_url(&self, origin: Option<&str>, problems: &mut Problems) -> Option<HttpUrl> {
        let made = || origin.map(|origin| format!("{}{OIDC_CALLBACK_PATH}", origin.trim_end_matches('/')));
        let Some(text) = given(&self.oidc_redirect_url).or_else(made) else {
            problems.add(format!(
                "OIDC_REDIRECT_URL is missing: where browsers reach this service, such as \
                 https://meet.example.org{OIDC_CALLBACK_PATH}"
            ));
            return None;
        };
        let url = HttpUrl::parse(&text).ok();
        let url = url.filter(|url| url.path() == OIDC_CALLBACK_PATH);
        if url.is_none() {
            problems.add(format!(
                "OIDC_REDIRECT_URL is {text:?}; write the origin that browsers open, followed by {OIDC_CALLBACK_PATH}"
            ));
        }
        url
    }

    /// `openid` is always asked for.
    fn scopes(&self) -> Vec<String> {
        let scopes = self.oidc_scopes.split([' ', ',']).map(str::trim);
        scopes
            .filter(|scope| !scope.is_empty() && *scope != "openid")
            .map(str::to_owned)
            .collect()
    }

    fn email_domains(&self, problems: &mut Problems) -> Vec<String> {
        let given = self.oidc_email_domains.iter().map(|text| text.trim());
        given
            .filter(|text| !text.is_empty())
            .map(|text| {
                let is_domain = text.split('.').all(|label| {
                    !label.is_empty() && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
                });
                if !is_domain {
                    problems.add(format!(
                        "OIDC_EMAIL_DOMAINS has {text:?}; write domains such as example.org, separated by commas"
                    ));
                }
                text.to_lowercase()
            })
            .collect()
    }

    fn administrators(&self, problems: &mut Problems) -> Option<ClaimValue> {
        match (given(&self.oidc_admin_claim), given(&self.oidc_admin_value)) {
            (Some(claim), Some(value)) => Some(ClaimValue { claim, value }),
            (None, None) => None,
            (Some(_), None) => {
                problems.add("OIDC_ADMIN_CLAIM is given and OIDC_ADMIN_VALUE is not; give both or neither");
                None
            }
            (None, Some(_)) => {
                problems.add("OIDC_ADMIN_VALUE is given and OIDC_ADMIN_CLAIM is not; give both or neither");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct All {
        #[command(flatten)]
        oidc: OidcArgs,
    }

    fn oidc(args: &[&str]) -> anyhow::Result<Option<Oidc>> {
        let args = All::parse_from([&["lectern"], args].concat()).oidc;
        let mut problems = Problems::default();
        let oidc = args.oidc(Some("https://meet.example.org"), &mut problems);
        problems.finish().map(|()| oidc)
    }

    const NEEDED: [&str; 2] = [
        "--oidc-issuer=https://login.example.org/realms/Main",
        "--oidc-client-id=lectern",
    ];

    #[test]
    fn without_an_issuer_there_is_no_provider() {
        assert!(oidc(&[]).expect("good settings").is_none());
    }

    #[test]
    fn issuer_and_client_are_enough() {
        let oidc = oidc(&NEEDED).expect("good settings").expect("a provider");
        assert_eq!(oidc.issuer.as_str(), "https://login.example.org/realms/Main");
        assert_eq!(oidc.name, "login.example.org");
        assert_eq!(
            oidc.redirect_url.as_str(),
            "https://meet.example.org/api/auth/oidc/callback"
        );
        assert_eq!(oidc.scopes, ["email", "profile"]);
        assert_eq!(oidc.email_verified_claim, "email_verified");
        assert_eq!(oidc.registration, Registration::Open);
        assert!(
            oidc.email_domains.is_empty() && oidc.administrators.is_none() && oidc.client_secret.is_none()
        );
    }

    #[test]
    fn every_choice_is_taken() {
        let more = [
            "--oidc-redirect-url=https://talk.example.org/api/auth/oidc/callback",
            "--oidc-name=Example",
            "--oidc-scopes=openid,email groups",
            "--oidc-email-domains=Example.org, example.com",
            "--oidc-registration=closed",
            "--oidc-admin-claim=groups",
            "--oidc-admin-value=lectern-admins",
        ];
        let oidc = oidc(&[&NEEDED[..], &more].concat());
        let oidc = oidc.expect("good settings").expect("a provider");
        assert_eq!(oidc.redirect_url.host(), "talk.example.org");
        assert_eq!(oidc.name, "Example");
        assert_eq!(oidc.scopes, ["email", "groups"]);
        assert_eq!(oidc.email_domains, ["example.org", "example.com"]);
        assert_eq!(oidc.registration, Registration::Closed);
        let administrators = oidc.administrators.expect("some");
        assert_eq!(
            (administrators.claim.as_str(), administrators.value.as_str()),
            ("groups", "lectern-admins")
        );
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let error = oidc(&[
            "--oidc-issuer=http://login.example.org",
            "--oidc-redirect-url=https://meet.example.org/callback",
            "--oidc-client-secret=hunter2",
            "--oidc-email-domains=@example.org",
            "--oidc-registration=perhaps",
            "--oidc-admin-claim=groups",
        ]);
        let error = error.expect_err("there are mistakes").to_string();
        for part in [
            "OIDC_ISSUER is \"http://login.example.org\"; it has to begin with https://",
            "OIDC_CLIENT_ID is missing",
            "OIDC_REDIRECT_URL is",
            "OIDC_EMAIL_DOMAINS has \"@example.org\"",
            "OIDC_REGISTRATION is",
            "OIDC_ADMIN_VALUE is not",
        ] {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn rest_without_an_issuer_is_a_mistake() {
        let error = oidc(&["--oidc-client-id=lectern", "--oidc-client-secret=hunter2"]);
        let error = error.expect_err("no issuer").to_string();
        assert!(
            error.contains("OIDC_CLIENT_ID is given and OIDC_ISSUER is not"),
            "{error}"
        );
        assert!(
            error.contains("OIDC_CLIENT_SECRET is given and OIDC_ISSUER is not"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}
