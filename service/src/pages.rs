//! The front end's pages, built into the program.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::{Embed, EmbeddedFile};

use crate::{ApiError, LiveKit, gate::wants_page};

/// What `scripts/web` built, each text with its compressed forms beside it; of WebAssembly those forms alone.
#[derive(Embed)]
#[folder = "../web/dist/"]
#[allow_missing = true]
struct Built;

/// Answers for the front end.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    policy: HeaderValue,
}

impl Pages {
    /// Pages that may talk to us and to this LiveKit server.
    pub(crate) fn new(livekit: &LiveKit) -> Self {
        let policy = HeaderValue::try_from(policy(&livekit.public_url));
        Self {
            policy: policy.unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")),
        }
    }

    /// A file of the front end, the page for its paths, or that there is nothing.
    pub(crate) fn answer(&self, request: &Request<Body>) -> Response {
        let path = request.uri().path();
        let missing = || ApiError::not_found(path).into_response();
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return missing();
        }
        let name = path.trim_start_matches('/');
        match (place(path), is_file(name)) {
            (Place::Page, _) => self.page(StatusCode::OK, request.headers()),
            (_, true) => self.file(name, request.headers()),
            // Who reads it is a person: the page tells them so in their language.
            (Place::Unknown, false) if wants_page(request.headers()) => {
                self.page(StatusCode::NOT_FOUND, request.headers())
            }
            (Place::Unknown | Place::Api, false) => missing(),
        }
    }

    fn page(&self, status: StatusCode, asked: &HeaderMap) -> Response {
        match Built::get(INDEX) {
            Some(_) => (status, self.file(INDEX, asked)).into_response(),
            None => (StatusCode::SERVICE_UNAVAILABLE, NOT_BUILT).into_response(),
        }
    }

    /// A file that there is, in the smallest form that the caller takes.
    fn file(&self, name: &str, asked: &HeaderMap) -> Response {
        let form = |(encoding, ending)| Some((Some(encoding), Built::get(&format!("{name}.{ending}"))?));
        let found = ENCODINGS
            .into_iter()
            .filter(|(encoding, _)| takes(asked, encoding))
            .find_map(form)
            .or_else(|| Some((None, Built::get(name)?)))
            .or_else(|| form(GZIP));
        let Some((encoding, EmbeddedFile { data, .. })) = found else {
            return ApiError::not_found(name).into_response();
        };
        let mut response = Body::from(data).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(lifetime(name)));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert("permissions-policy", HeaderValue::from_static(PERMISSIONS));
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    }
}

/// Whether there is such a file to ask for; compressed forms are no files of their own.
fn is_file(name: &str) -> bool {
    let is_form = ENCODINGS
        .into_iter()
        .any(|(_, ending)| name.ends_with(&format!(".{ending}")));
    let has = |name: &str| Built::get(name).is_some();
    !is_form && (has(name) || has(&format!("{name}.{}", GZIP.1)))
}

/// What a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// One of the front end's pages, which it tells apart itself.
    Page,
    /// Programs call it.
    Api,
    Unknown,
}

fn place(path: &str) -> Place {
    let mut parts = path.trim_matches('/').split('/');
    match (parts.next().unwrap_or_default(), parts.next(), parts.next()) {
        ("" | "live" | "login" | "register" | "setup" | "lectures" | "admin", None, _)
        | ("join" | "room" | "lectures", Some(_), None) => Place::Page,
        ("api" | "rooms" | "voice" | "assets", ..) => Place::Api,
        _ => Place::Unknown,
    }
}

/// Whether the caller takes this encoding: it is named, and not with a weight of nothing.
fn takes(asked: &HeaderMap, encoding: &str) -> bool {
    let accepted = asked.get_all(header::ACCEPT_ENCODING).iter();
    let mut offers = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','));
    offers.any(|offer| {
        let (name, weight) = offer.split_once(';').unwrap_or((offer, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").parse::<f32>();
        name.trim().eq_ignore_ascii_case(encoding) && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// What the front end's own files are.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        Some("png") => "image/png",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// The names of assets tell their contents apart, so that they never change; a page names the assets of its time.
fn lifetime(name: &str) -> &'static str {
    match name {
        INDEX => "no-cache",
        _ if name.starts_with("assets/") => "public, max-age=31536000, immutable",
        _ => "public, max-age=3600",
    }
}

/// Nothing but our own scripts and styles, no other's frame around them, and nobody to talk to but us and LiveKit.
/// What blurs backgrounds is WebAssembly; where a browser has no streams of frames, a worker made of a script keeps
/// its time.
fn policy(livekit: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; style-src 'self'; \
         img-src 'self'; media-src 'self'; connect-src 'self'{}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        origins(livekit)
    )
}

/// A LiveKit server's origins, by websocket and by HTTP, as a policy lists them. LiveKit Cloud sends callers on to hosts
/// of a region.
fn origins(livekit: &str) -> String {
    let Some((scheme, rest)) = livekit.split_once("://") else {
        return String::new();
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return String::new();
    }
    let host = match host.ends_with(CLOUD) {
        true => format!("*{CLOUD}"),
        false => host.to_owned(),
    };
    match scheme {
        "wss" | "https" => format!(" wss://{host} https://{host}"),
        _ => format!(" ws://{host} http://{host}"),
    }
}

const INDEX: &str = "index.html";
/// The best first, each with the ending of its files.
const ENCODINGS: [(&str, &str); 2] = [("br", "br"), GZIP];
/// Every browser reads it, whether it says so or a proxy has kept that to itself.
const GZIP: (&str, &str) = ("gzip", "gz");
const CLOUD: &str = ".livekit.cloud";
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), geolocation=()";
const NOT_BUILT: &str = "This program was built without its pages. Build them by scripts/web, then build it again. \
                         The API works all the same: see /api/docs.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_pages_are_told_from_others() {
        for path in [
            "/",
            "/live",
            "/login",
            "/register",
            "/setup",
            "/lectures",
            "/lectures/01",
            "/join/abc-defg-hjk",
            "/room/x",
            "/admin",
            "/lectures/",
        ] {
            assert_eq!(place(path), Place::Page, "{path}");
        }
        for path in ["/api", "/api/", "/api/nowhere", "/rooms/x", "/assets/x.js"] {
            assert_eq!(place(path), Place::Api, "{path}");
        }
        for path in [
            "/nowhere",
            "/join",
            "/room",
            "/join/a/b",
            "/lectures/a/b",
            "/live/x",
            "/index.html",
            "/apiary",
        ] {
            assert_eq!(place(path), Place::Unknown, "{path}");
        }
    }

    #[test]
    fn encodings_count_where_they_are_named_with_a_weight() {
        let asked = |text: &'static str| {
            HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))])
        };
        assert!(takes(&asked("gzip, deflate, br"), "br"));
        assert!(takes(&asked("gzip;q=0.5, BR;q=1.0"), "br"));
        assert!(!takes(&asked("gzip, br;q=0"), "br"));
        assert!(!takes(&asked("gzip"), "br"));
        assert!(!takes(&asked("br;odd"), "br"));
        assert!(!takes(&HeaderMap::new(), "gzip"));
    }

    #[test]
    fn policy_names_livekit_and_takes_in_nothing_else() {
        assert_eq!(
            origins("ws://127.0.0.1:7880"),
            " ws://127.0.0.1:7880 http://127.0.0.1:7880"
        );
        assert_eq!(
            origins("wss://meet.example.org/rtc?x"),
            " wss://meet.example.org https://meet.example.org"
        );
        assert_eq!(
            origins("wss://mine.livekit.cloud"),
            " wss://*.livekit.cloud https://*.livekit.cloud"
        );
        for odd in ["", "ws://", "ws://a; script-src *", "no url", "ws://*"] {
            assert_eq!(origins(odd), "", "{odd}");
        }
    }
}
