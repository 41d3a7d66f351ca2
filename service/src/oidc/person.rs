//! Who comes, as the provider's claims say, and whether they may.

use lectern_storage::AccountRole;
use serde_json::{Map, Value};

use crate::{
    ApiError, ErrorCode,
    accounts::{NAME_CHARS_MAX, parse_email},
    body::one_line,
    settings::{ClaimValue, Oidc},
};

/// What a provider says of somebody.
pub(crate) type Claims = Map<String, Value>;

/// Somebody whom the provider knows and the settings let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// What the provider calls them, for ever.
    pub(crate) subject: String,
    /// Their address, in lower case; the provider says that it is theirs.
    pub(crate) email: String,
    pub(crate) name: String,
    /// What they may do, if that is the provider's to say.
    pub(crate) role: Option<AccountRole>,
}

impl Person {
    /// Who these claims are about, or why they may not come.
    pub(crate) fn of(claims: &Claims, settings: &Oidc) -> Result<Self, ApiError> {
        let subject = text_of(claims, "sub").filter(|subject| subject.len() <= SUBJECT_BYTES_MAX);
        let subject = subject
            .ok_or_else(|| ApiError::new(ErrorCode::OidcFailed, "the provider did not say who this is"))?;
        let email = text_of(claims, "email").and_then(|text| parse_email(text).ok());
        let email = email.filter(|_| is_true(found(claims, &settings.email_verified_claim)));
        let Some(email) = email else {
            return Err(ApiError::new(
                ErrorCode::EmailUnverified,
                "the provider gives no e-mail address of yours that it has verified; verify it there, then log in again",
            ));
        };
        if !may_come(&email, &settings.email_domains) {
            return Err(ApiError::new(
                ErrorCode::EmailDomainRefused,
                "addresses of this domain can't log in here; use another account, or ask an administrator",
            ));
        }
        Ok(Self {
            subject: subject.to_owned(),
            name: name_of(claims, &email),
            role: settings.administrators.as_ref().map(|rule| role_by(claims, rule)),
            email,
        })
    }
}

/// Whether claims say all that is asked of them; the provider may know more than it said.
pub(crate) fn is_complete(claims: &Claims, settings: &Oidc) -> bool {
    let needed = ["email", &settings.email_verified_claim];
    let administrators = settings.administrators.as_ref().map(|rule| rule.claim.as_str());
    let mut needed = needed.into_iter().chain(administrators);
    needed.all(|claim| found(claims, claim).is_some())
}

/// A claim by its name, or by the way to it: a name may have dots in it itself.
fn found<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        let inner = claims.get(first)?.as_object()?;
        found(inner, rest)
    })
}

fn text_of<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Providers write it in several ways.
fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(is)) => *is,
        Some(Value::String(text)) => text == "true" || text == "1",
        Some(Value::Number(number)) => number.as_u64() == Some(1),
        _ => false,
    }
}

fn may_come(email: &str, domains: &[String]) -> bool {
    let own = email.rsplit_once('@').map_or("", |(_, domain)| domain);
    domains.is_empty() || domains.iter().any(|domain| domain == own)
}

fn role_by(claims: &Claims, rule: &ClaimValue) -> AccountRole {
    let is_it = |value: &Value| value.as_str() == Some(&rule.value);
    let has_it = match found(claims, &rule.claim) {
        Some(Value::Array(values)) => values.iter().any(is_it),
        Some(value) => is_it(value),
        None => false,
    };
    match has_it {
        true => AccountRole::Admin,
        false => AccountRole::Host,
    }
}

/// What they are called, in a form that can be shown; if there is none, what their address begins with.
fn name_of(claims: &Claims, email: &str) -> String {
    let own = email.split('@').next().unwrap_or_default();
    let named = ["name", "preferred_username"]
        .into_iter()
        .filter_map(|claim| text_of(claims, claim));
    let names = named.chain([own]);
    let mut shown = names.filter_map(|name| {
        let short: String = name.trim().chars().take(NAME_CHARS_MAX).collect();
        one_line("name", &short, NAME_CHARS_MAX).ok()
    });
    shown.next().unwrap_or_else(|| "Host".to_owned())
}

/// As the standard has it.
const SUBJECT_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{HttpUrl, Registration};

    fn settings() -> Oidc {
        let url = |text| HttpUrl::parse(text).expect("a URL");
        Oidc {
            issuer: url("https://login.example.org"),
            client_id: "lectern".to_owned(),
            client_secret: None,
            redirect_url: url("https://meet.example.org/api/auth/oidc/callback"),
            name: "Example".to_owned(),
            scopes: Vec::new(),
            email_domains: Vec::new(),
            email_verified_claim: "email_verified".to_owned(),
            registration: Registration::Open,
            administrators: None,
        }
    }

    fn claims(more: Value) -> Claims {
        let base = json!({ "sub": "7", "email": "Ada@Example.org", "email_verified": true, "name": "Ada" });
        let both = [base, more]
            .into_iter()
            .filter_map(|value| value.as_object().cloned());
        both.flatten().collect()
    }

    fn code_of(claims: &Claims, settings: &Oidc) -> Option<ErrorCode> {
        Person::of(claims, settings).err().map(|error| error.code())
    }

    #[test]
    fn person_has_the_verified_address_in_lower_case() {
        let person = Person::of(&claims(json!({})), &settings()).expect("a person");
        assert_eq!(
            (
                person.subject.as_str(),
                person.email.as_str(),
                person.name.as_str(),
                person.role
            ),
            ("7", "ada@example.org", "Ada", None)
        );
    }

    #[test]
    fn address_that_is_not_verified_counts_as_none() {
        for more in [
            json!({ "email_verified": false }),
            json!({ "email_verified": "false" }),
            json!({ "email_verified": null }),
            json!({ "email_verified": 0 }),
            json!({ "email_verified": ["true"] }),
            json!({ "email": "" }),
            json!({ "email": 7 }),
            json!({ "email": "ada" }),
            json!({ "email": "a@b@example.org" }),
        ] {
            let code = code_of(&claims(more.clone()), &settings());
            assert_eq!(code, Some(ErrorCode::EmailUnverified), "{more}");
        }
        for verified in [json!(true), json!("true"), json!("1"), json!(1)] {
            let claims = claims(json!({ "email_verified": verified }));
            assert_eq!(code_of(&claims, &settings()), None);
        }
        let elsewhere = Oidc {
            email_verified_claim: "xms_edov".to_owned(),
            ..settings()
        };
        assert_eq!(
            code_of(&claims(json!({})), &elsewhere),
            Some(ErrorCode::EmailUnverified)
        );
        assert_eq!(code_of(&claims(json!({ "xms_edov": "1" })), &elsewhere), None);
    }

    #[test]
    fn only_addresses_of_the_named_domains_come() {
        let settings = Oidc {
            email_domains: vec!["example.org".to_owned()],
            ..settings()
        };
        assert_eq!(code_of(&claims(json!({})), &settings), None);
        for email in [
            "ada@example.com",
            "ada@sub.example.org",
            "ada@notexample.org",
            "example.org@evil.test",
        ] {
            let code = code_of(&claims(json!({ "email": email })), &settings);
            assert_eq!(code, Some(ErrorCode::EmailDomainRefused), "{email}");
        }
    }

    #[test]
    fn nobody_without_a_subject_comes() {
        for subject in [json!(null), json!(""), json!(7), json!("x".repeat(256))] {
            let code = code_of(&claims(json!({ "sub": subject })), &settings());
            assert_eq!(code, Some(ErrorCode::OidcFailed), "{subject}");
        }
    }

    #[test]
    fn claim_makes_administrators_of_some_and_hosts_of_others() {
        let role = |claim: &str, more: Value| {
            let rule = ClaimValue {
                claim: claim.to_owned(),
                value: "staff".to_owned(),
            };
            let settings = Oidc {
                administrators: Some(rule),
                ..settings()
            };
            Person::of(&claims(more), &settings).expect("a person").role
        };
        let (admin, host) = (Some(AccountRole::Admin), Some(AccountRole::Host));
        assert_eq!(role("groups", json!({ "groups": ["all", "staff"] })), admin);
        assert_eq!(role("groups", json!({ "groups": "staff" })), admin);
        assert_eq!(role("groups", json!({ "groups": ["staffers"] })), host);
        assert_eq!(role("groups", json!({ "groups": "all staff" })), host);
        assert_eq!(role("groups", json!({})), host);
        let nested = json!({ "realm_access": { "roles": ["staff"] } });
        assert_eq!(role("realm_access.roles", nested.clone()), admin);
        assert_eq!(role("realm_access.groups", nested), host);
        let namespaced = json!({ "https://example.org/roles": ["staff"] });
        assert_eq!(role("https://example.org/roles", namespaced), admin);
    }

    #[test]
    fn name_can_always_be_shown() {
        let name = |more| Person::of(&claims(more), &settings()).expect("a person").name;
        assert_eq!(name(json!({ "name": "  Zoë O’Neil " })), "Zoë O’Neil");
        assert_eq!(name(json!({ "name": "x".repeat(200) })), "x".repeat(80));
        assert_eq!(
            name(json!({ "name": "evil\u{202e}txt", "preferred_username": "zoe" })),
            "zoe"
        );
        assert_eq!(name(json!({ "name": null })), "ada");
    }

    #[test]
    fn more_is_asked_for_only_where_something_is_missing() {
        let rule = ClaimValue {
            claim: "groups".to_owned(),
            value: "staff".to_owned(),
        };
        let with_rule = Oidc {
            administrators: Some(rule),
            ..settings()
        };
        assert!(is_complete(&claims(json!({})), &settings()));
        assert!(!is_complete(&claims(json!({})), &with_rule));
        assert!(is_complete(&claims(json!({ "groups": [] })), &with_rule));
        let only_subject = json!({ "sub": "7" });
        assert!(!is_complete(
            only_subject.as_object().expect("an object"),
            &settings()
        ));
    }
}
