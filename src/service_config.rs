//! Settings of the web service.

use std::{fs, io::Write, net::IpAddr, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use anyhow::Context;
use lectern_agent::LiveKit;
use lectern_service::{
    Downloads, FileKind, Files, Gate, Lifetimes, Limit, Limits, Network, Oidc, OpenRooms, PlainHttp,
    PrivateAddresses, RedisServer, Registration, Retention, SECRET_BYTES_MIN, Settings, Webhooks,
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    config::{Problems, given},
    oidc_config::OidcArgs,
};

/// The web service.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Service")]
pub(crate) struct ServiceArgs {
    /// Address to listen on; everything but this machine is shut out by default.
    #[arg(long, env = "LECTERN_HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port for the web service, health and metrics.
    #[arg(long, env = "PORT", default_value = "8090")]
    pub(crate) port: String,
    /// Where browsers reach LiveKit (ws:// or wss://), if that is not LIVEKIT_URL.
    #[arg(long, env = "LIVEKIT_PUBLIC_URL")]
    pub(crate) livekit_public_url: Option<String>,
    /// Signs sessions: at least 32 bytes. Made once and kept in the data folder if not given.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub(crate) jwt_secret: Option<SecretString>,
    /// Origins of web pages that may call the service from browsers, separated by commas; each a scheme and a host.
    #[arg(long, env = "WEB_ORIGIN", value_delimiter = ',')]
    pub(crate) web_origin: Vec<String>,
    /// Addresses of proxies whose X-Forwarded-For is believed, separated by commas.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    pub(crate) trusted_proxies: Vec<String>,
    /// Where several services share limits and news: redis://…, or rediss://… for TLS. Without it each counts for itself.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub(crate) redis_url: Option<SecretString>,
    /// Keeps an instance to those who have this key, of at least 16 bytes: in the header x-dev-access-key, or once in a
    /// browser as ?dev_access_key=KEY. Health and LiveKit's signed webhook stay open.
    #[arg(long, env = "DEV_ACCESS_KEY", hide_env_values = true)]
    pub(crate) dev_access_key: Option<SecretString>,
    /// Keeps an instance to those who call from these addresses or networks (10.0.0.0/8), separated by commas. Who has
    /// the DEV_ACCESS_KEY may call from elsewhere too.
    #[arg(long, env = "ALLOWED_IPS", value_delimiter = ',')]
    pub(crate) allowed_ips: Vec<String>,
    /// Whether anybody may register: `open` or `closed`.
    #[arg(long, env = "LECTERN_REGISTRATION", default_value = "open")]
    pub(crate) registration: String,
    /// Whether callers without credentials may make and join rooms: `true`, `false`, or `auto`, which is true while only
    /// this machine can reach the service.
    #[arg(long, env = "OPEN_ROOMS", default_value = "auto")]
    pub(crate) open_rooms: String,
    /// Address of the first administrator, made while there is none. If there is an account of this address, it becomes
    /// the administrator's if LECTERN_ADMIN_PASSWORD is its password; otherwise the service doesn't start.
    #[arg(long, env = "LECTERN_ADMIN_EMAIL")]
    pub(crate) admin_email: Option<String>,
    /// Password of that account.
    #[arg(long, env = "LECTERN_ADMIN_PASSWORD", hide_env_values = true)]
    pub(crate) admin_password: Option<SecretString>,
    /// Requests that one caller may make within RATE_LIMIT_WINDOW_SECONDS.
    #[arg(long, env = "RATE_LIMIT_MAX", default_value = "100")]
    pub(crate) rate_limit_max: String,
    /// The time for RATE_LIMIT_MAX.
    #[arg(long, env = "RATE_LIMIT_WINDOW_SECONDS", default_value = "60")]
    pub(crate) rate_limit_window_seconds: String,
    /// Seconds that a token to join a room is good for.
    #[arg(long, env = "LECTERN_JOIN_TOKEN_SECONDS", default_value = "7200")]
    pub(crate) join_token_seconds: String,
    /// Seconds that a publisher's token of a server is good for.
    #[arg(long, env = "LECTERN_PUBLISHER_TOKEN_SECONDS", default_value = "14400")]
    pub(crate) publisher_token_seconds: String,
    /// Seconds that a viewer's token of a server is good for.
    #[arg(long, env = "LECTERN_VIEWER_TOKEN_SECONDS", default_value = "3600")]
    pub(crate) viewer_token_seconds: String,
    /// Seconds that people wait in a lobby before they are sent away.
    #[arg(long, env = "LECTERN_LOBBY_SECONDS", default_value = "900")]
    pub(crate) lobby_seconds: String,
    /// Megabytes (of a million bytes) that a file may have which somebody shares in a room.
    #[arg(long, env = "LECTERN_FILE_MB_MAX", default_value = "50")]
    pub(crate) file_mb_max: String,
    /// Files that a room may have.
    #[arg(long, env = "LECTERN_FILES_PER_ROOM_MAX", default_value = "100")]
    pub(crate) files_per_room_max: String,
    /// Kinds of files that people may share, separated by commas, each an ending (.pdf) or a media type
    /// (application/pdf, image/*); every kind if none is named.
    #[arg(long, env = "LECTERN_FILES_ALLOWED", value_delimiter = ',')]
    pub(crate) files_allowed: Vec<String>,
    /// Kinds of files that people may not share, allowed or not; `programs` stands for all that run when they are opened.
    #[arg(
        long,
        env = "LECTERN_FILES_FORBIDDEN",
        value_delimiter = ',',
        default_value = "programs"
    )]
    pub(crate) files_forbidden: Vec<String>,
    /// How shared files get to who fetches them where they are in S3: `redirect` sends browsers there, `through` sends
    /// the bytes through the service.
    #[arg(long, env = "LECTERN_FILE_DOWNLOADS", default_value = "redirect")]
    pub(crate) file_downloads: String,
    /// Whether webhooks may lead to this machine and private networks: `refused` or `allowed`.
    #[arg(long, env = "LECTERN_WEBHOOK_PRIVATE", default_value = "refused")]
    pub(crate) webhook_private: String,
    /// Whether webhooks may be sent unencrypted, by http://: `refused` or `allowed`.
    #[arg(long, env = "LECTERN_WEBHOOK_HTTP", default_value = "refused")]
    pub(crate) webhook_http: String,
    /// Days after which lectures are erased, with chat, files and guests of that time, where a room doesn't say; 0 for never.
    #[arg(long, env = "LECTERN_RETENTION_DAYS", default_value = "0")]
    pub(crate) retention_days: String,
    /// Days that the log of who did what is kept.
    #[arg(long, env = "LECTERN_AUDIT_DAYS", default_value = "365")]
    pub(crate) audit_days: String,
    /// Days that it is kept what webhooks were told.
    #[arg(long, env = "LECTERN_WEBHOOK_DAYS", default_value = "30")]
    pub(crate) webhook_days: String,
    /// Where a room's page is, for invitations: a URL with `{code}` (or `{id}`) in it.
    #[arg(long, env = "LECTERN_ROOM_LINK")]
    pub(crate) room_link: Option<String>,
    /// Who may log in by another's account.
    #[command(flatten)]
    pub(crate) oidc: OidcArgs,
}

impl ServiceArgs {
    /// Host and port, as a socket takes them.
    pub(crate) fn address(&self, problems: &mut Problems) -> (String, u16) {
        (
            self.host.clone(),
            problems.number("PORT", &self.port, 0, u16::MAX),
        )
    }

    /// Where a server on this machine reaches the service, if that is known before it listens.
    pub(crate) fn own_url(&self) -> Option<String> {
        let port: u16 = self.port.parse().ok().filter(|port| *port > 0)?;
        match self.host.as_str() {
            "0.0.0.0" | "::" | "localhost" => Some(format!("http://127.0.0.1:{port}")),
            host if host.contains(':') => Some(format!("http://[{host}]:{port}")),
            host => Some(format!("http://{host}:{port}")),
        }
    }

    /// What the service is told. Where no secret was given, it has to be put in with [`secret_of`].
    pub(crate) fn settings(&self, livekit: &LiveKit, problems: &mut Problems) -> Settings {
        let public_url = given(&self.livekit_public_url).unwrap_or_else(|| websocket_url(&livekit.url));
        if !public_url.is_empty() && !public_url.starts_with("ws://") && !public_url.starts_with("wss://") {
            problems.add(format!(
                "LIVEKIT_PUBLIC_URL is {public_url:?}; it has to begin with ws:// or wss://"
            ));
        }
        Settings {
            livekit: lectern_service::LiveKit {
                url: livekit.url.clone(),
                public_url,
                api_key: livekit.api_key.clone(),
                api_secret: livekit.api_secret.clone(),
            },
            jwt_secret: self.given_secret(problems),
            registration: problems.one_of(
                "LECTERN_REGISTRATION",
                &self.registration,
                &[("open", Registration::Open), ("closed", Registration::Closed)],
            ),
            oidc: self.oidc(problems),
            open_rooms: self.open_rooms(problems),
            web_origins: self.web_origins(problems),
            trusted_proxies: self.trusted_proxies(problems),
            gate: self.gate(problems),
            redis: self.redis(problems),
            limits: self.limits(problems),
            lifetimes: self.lifetimes(problems),
            files: self.files(problems),
            webhooks: self.webhooks(problems),
            retention: self.retention(problems),
            room_link: self.room_link(problems),
        }
    }

    /// The first administrator's address and password, if they were given.
    pub(crate) fn first_administrator(&self, problems: &mut Problems) -> Option<(String, SecretString)> {
        match (given(&self.admin_email), given(&self.admin_password)) {
            (Some(email), Some(password)) => Some((email, password)),
            (None, None) => None,
            (Some(_), None) => {
                problems.add(
                    "LECTERN_ADMIN_EMAIL is given and LECTERN_ADMIN_PASSWORD is not; give both or neither",
                );
                None
            }
            (None, Some(_)) => {
                problems.add(
                    "LECTERN_ADMIN_PASSWORD is given and LECTERN_ADMIN_EMAIL is not; give both or neither",
                );
                None
            }
        }
    }

    fn given_secret(&self, problems: &mut Problems) -> SecretString {
        let secret = given(&self.jwt_secret).unwrap_or_default();
        let length = secret.expose_secret().len();
        if length > 0 && length < SECRET_BYTES_MIN {
            problems.add(format!(
                "JWT_SECRET has {length} bytes; it needs at least {SECRET_BYTES_MIN}: openssl rand -base64 48"
            ));
        }
        secret
    }

    /// The provider that people may log in by, if one was given.
    pub(crate) fn oidc(&self, problems: &mut Problems) -> Option<Oidc> {
        let first_origin = self.web_origin.iter().find(|origin| !origin.trim().is_empty());
        let origin = first_origin.map(|origin| origin.trim().to_owned());
        self.oidc
            .oidc(origin.or_else(|| self.own_url()).as_deref(), problems)
    }

    fn open_rooms(&self, problems: &mut Problems) -> OpenRooms {
        let is_own_machine =
            self.host == "localhost" || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let auto = match is_own_machine {
            true => OpenRooms::Yes,
            false => OpenRooms::No,
        };
        let choices = [("auto", auto), ("true", OpenRooms::Yes), ("false", OpenRooms::No)];
        problems.one_of("OPEN_ROOMS", &self.open_rooms, &choices)
    }

    fn web_origins(&self, problems: &mut Problems) -> Vec<String> {
        let given = self
            .web_origin
            .iter()
            .map(|origin| origin.trim())
            .filter(|origin| !origin.is_empty());
        given
            .map(|origin| {
                let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
                if host.is_none_or(|host| host.is_empty() || host.contains('/')) {
                    problems.add(format!(
                        "WEB_ORIGIN has {origin:?}; an origin is a scheme and a host, such as https://meet.example.org"
                    ));
                }
                origin.to_owned()
            })
            .collect()
    }

    fn trusted_proxies(&self, problems: &mut Problems) -> Vec<IpAddr> {
        let given = self
            .trusted_proxies
            .iter()
            .map(|address| address.trim())
            .filter(|address| !address.is_empty());
        given
            .filter_map(|address| match address.parse() {
                Ok(address) => Some(address),
                Err(_) => {
                    problems.add(format!("TRUSTED_PROXIES has {address:?}, which is no IP address"));
                    None
                }
            })
            .collect()
    }

    fn gate(&self, problems: &mut Problems) -> Gate {
        let key = given(&self.dev_access_key);
        let length = key
            .as_ref()
            .map_or(ACCESS_KEY_BYTES_MIN, |key| key.expose_secret().len());
        if length < ACCESS_KEY_BYTES_MIN {
            problems.add(format!(
                "DEV_ACCESS_KEY has {length} bytes; it needs at least {ACCESS_KEY_BYTES_MIN}: openssl rand -hex 16"
            ));
        }
        let networks = self.allowed_ips.iter().map(|text| text.trim());
        let networks = networks.filter(|text| !text.is_empty()).filter_map(|text| {
            let parsed = text.parse::<Network>();
            let parsed =
                parsed.inspect_err(|error| problems.add(format!("ALLOWED_IPS has {text:?}: {error}")));
            parsed.ok()
        });
        Gate {
            networks: networks.collect(),
            key,
        }
    }

    fn redis(&self, problems: &mut Problems) -> Option<RedisServer> {
        let server = RedisServer::parse(&given(&self.redis_url)?);
        server.inspect_err(|error| problems.add(error.to_string())).ok()
    }

    fn limits(&self, problems: &mut Problems) -> Limits {
        let window = problems.number(
            "RATE_LIMIT_WINDOW_SECONDS",
            &self.rate_limit_window_seconds,
            1,
            86_400,
        );
        Limits {
            requests: Limit {
                times: problems.number("RATE_LIMIT_MAX", &self.rate_limit_max, 1, 1_000_000),
                within: Duration::from_secs(window),
            },
            ..Limits::default()
        }
    }

    fn files(&self, problems: &mut Problems) -> Files {
        let megabytes: u64 = problems.number("LECTERN_FILE_MB_MAX", &self.file_mb_max, 1, 10_000);
        Files {
            bytes_max: megabytes * 1_000_000,
            per_room_max: problems.number("LECTERN_FILES_PER_ROOM_MAX", &self.files_per_room_max, 1, 100_000),
            allowed: kinds("LECTERN_FILES_ALLOWED", &self.files_allowed, problems),
            forbidden: kinds("LECTERN_FILES_FORBIDDEN", &self.files_forbidden, problems),
            downloads: problems.one_of(
                "LECTERN_FILE_DOWNLOADS",
                &self.file_downloads,
                &[("redirect", Downloads::Redirect), ("through", Downloads::Through)],
            ),
        }
    }

    fn webhooks(&self, problems: &mut Problems) -> Webhooks {
        Webhooks {
            private_addresses: problems.one_of(
                "LECTERN_WEBHOOK_PRIVATE",
                &self.webhook_private,
                &[
                    ("refused", PrivateAddresses::Refused),
                    ("allowed", PrivateAddresses::Allowed),
                ],
            ),
            plain_http: problems.one_of(
                "LECTERN_WEBHOOK_HTTP",
                &self.webhook_http,
                &[("refused", PlainHttp::Refused), ("allowed", PlainHttp::Allowed)],
            ),
            ..Webhooks::default()
        }
    }

    fn retention(&self, problems: &mut Problems) -> Retention {
        let mut days = |name, text, least| {
            let days: u64 = problems.number(name, text, least, RETENTION_DAYS_MAX);
            Duration::from_secs(days * DAY_SECONDS)
        };
        let lectures = days("LECTERN_RETENTION_DAYS", &self.retention_days, 0);
        Retention {
            lectures: Some(lectures).filter(|kept| !kept.is_zero()),
            audit: days("LECTERN_AUDIT_DAYS", &self.audit_days, 1),
            deliveries: days("LECTERN_WEBHOOK_DAYS", &self.webhook_days, 1),
        }
    }

    fn room_link(&self, problems: &mut Problems) -> Option<String> {
        let link = given(&self.room_link)?;
        let is_url = link.starts_with("https://") || link.starts_with("http://");
        let names_room = link.contains("{code}") || link.contains("{id}");
        let is_plain = link
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`".contains(&byte));
        if !(is_url && names_room && is_plain) {
            problems.add(format!(
                "LECTERN_ROOM_LINK is {link:?}; write a URL with {{code}} in it, such as https://meet.example.org/join/{{code}}"
            ));
        }
        Some(link)
    }

    fn lifetimes(&self, problems: &mut Problems) -> Lifetimes {
        let mut seconds = |name, text, most| Duration::from_secs(problems.number(name, text, 10, most));
        Lifetimes {
            join: seconds(
                "LECTERN_JOIN_TOKEN_SECONDS",
                &self.join_token_seconds,
                DAY_SECONDS,
            ),
            publisher: seconds(
                "LECTERN_PUBLISHER_TOKEN_SECONDS",
                &self.publisher_token_seconds,
                DAY_SECONDS,
            ),
            viewer: seconds(
                "LECTERN_VIEWER_TOKEN_SECONDS",
                &self.viewer_token_seconds,
                DAY_SECONDS,
            ),
            lobby: seconds("LECTERN_LOBBY_SECONDS", &self.lobby_seconds, DAY_SECONDS),
            ..Lifetimes::default()
        }
    }
}

/// Kinds of files; `programs` stands for many.
fn kinds(name: &str, given: &[String], problems: &mut Problems) -> Vec<FileKind> {
    let mut kinds = Vec::new();
    for text in given
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
    {
        match (text, FileKind::parse(text)) {
            ("programs", _) => kinds.extend(FileKind::programs()),
            (_, Some(kind)) => kinds.push(kind),
            (_, None) => problems.add(format!(
                "{name} has {text:?}; write an ending such as .pdf, or a media type such as image/*"
            )),
        }
    }
    kinds
}

/// A shorter key can be guessed.
const ACCESS_KEY_BYTES_MIN: usize = 16;
const DAY_SECONDS: u64 = 86_400;
/// Ten years, as for rooms.
const RETENTION_DAYS_MAX: u64 = 3_650;

/// The secret that was given, or the one that is kept in the data folder, where it is made if it is missing. Readable by
/// its owner alone.
pub(crate) fn secret_of(given: SecretString, data: &Path) -> anyhow::Result<SecretString> {
    if !given.expose_secret().is_empty() {
        return Ok(given);
    }
    let path = data.join("jwt-secret");
    fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    let made = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match made {
        // Two processes that start at once: one makes it, and the other waits below until it is whole.
        Ok(mut file) => file
            .write_all(lectern_service::fresh_secret().expose_secret().as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(|| format!("cannot write {}", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot make {}; or set JWT_SECRET", path.display()));
        }
    }
    for _ in 0..SECRET_READS_MAX {
        let secret = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if secret.trim().len() >= SECRET_BYTES_MIN {
            return Ok(secret.trim().to_owned().into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!(
        "{} is too short for a secret; remove it, or set JWT_SECRET",
        path.display()
    )
}

/// A file of 43 bytes is written in no time.
const SECRET_READS_MAX: u32 = 50;

/// LiveKit's websocket is where its API is.
fn websocket_url(url: &str) -> String {
    match url.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct All {
        #[command(flatten)]
        service: ServiceArgs,
    }

    fn settings(args: &[&str]) -> anyhow::Result<Settings> {
        let args = All::parse_from([&["lectern"], args].concat()).service;
        let livekit = LiveKit {
            url: "https://live.example.org".to_owned(),
            api_key: "key".to_owned(),
            api_secret: "secret".into(),
        };
        let mut problems = Problems::default();
        let settings = args.settings(&livekit, &mut problems);
        args.first_administrator(&mut problems);
        problems.finish().map(|()| settings)
    }

    #[test]
    fn rooms_are_open_only_where_nobody_else_comes() {
        let open = |args: &[&str]| settings(args).expect("good settings").open_rooms;
        assert_eq!(open(&["--host=127.0.0.1"]), OpenRooms::Yes);
        assert_eq!(open(&["--host=::1"]), OpenRooms::Yes);
        assert_eq!(open(&["--host=0.0.0.0"]), OpenRooms::No);
        assert_eq!(open(&["--host=0.0.0.0", "--open-rooms=true"]), OpenRooms::Yes);
        assert_eq!(open(&["--host=127.0.0.1", "--open-rooms=false"]), OpenRooms::No);
    }

    #[test]
    fn browsers_reach_livekit_by_websocket() {
        let url = |args: &[&str]| settings(args).expect("good settings").livekit.public_url;
        assert_eq!(url(&[]), "wss://live.example.org");
        assert_eq!(
            url(&["--livekit-public-url=wss://edge.example.org"]),
            "wss://edge.example.org"
        );
    }

    #[test]
    fn lectures_are_kept_for_ever_unless_days_are_given() {
        let kept = |args: &[&str]| settings(args).expect("good settings").retention.lectures;
        assert_eq!(kept(&[]), None);
        assert_eq!(
            kept(&["--retention-days=2"]),
            Some(Duration::from_secs(2 * 86_400))
        );
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let error = settings(&[
            "--jwt-secret=short",
            "--web-origin=meet.example.org,https://a.example.org/page",
            "--trusted-proxies=proxy",
            "--registration=perhaps",
            "--open-rooms=some",
            "--admin-email=a@example.org",
            "--rate-limit-max=0",
            "--lobby-seconds=1",
            "--redis-url=http://user:hunter2@host",
            "--dev-access-key=short",
            "--allowed-ips=10.0.0.0/8,office",
            "--webhook-private=yes",
            "--webhook-http=no",
            "--retention-days=-1",
            "--audit-days=0",
            "--webhook-days=never",
            "--livekit-public-url=https://live.example.org",
            "--file-mb-max=0",
            "--files-allowed=.pdf,pictures",
            "--file-downloads=post",
            "--room-link=meet.example.org/{code}",
        ])
        .expect_err("there are mistakes")
        .to_string();
        for part in [
            "JWT_SECRET has 5 bytes",
            "\"meet.example.org\"",
            "a.example.org/page",
            "TRUSTED_PROXIES has \"proxy\"",
            "LECTERN_REGISTRATION is",
            "OPEN_ROOMS is",
            "LECTERN_ADMIN_PASSWORD is not",
            "RATE_LIMIT_MAX is",
            "LECTERN_LOBBY_SECONDS is",
            "LECTERN_WEBHOOK_PRIVATE is",
            "LECTERN_WEBHOOK_HTTP is",
            "LECTERN_RETENTION_DAYS is",
            "LECTERN_AUDIT_DAYS is",
            "LECTERN_WEBHOOK_DAYS is",
            "LIVEKIT_PUBLIC_URL is",
            "LECTERN_FILE_MB_MAX is",
            "LECTERN_FILES_ALLOWED has \"pictures\"",
            "LECTERN_FILE_DOWNLOADS is",
            "REDIS_URL is no URL",
            "DEV_ACCESS_KEY has 5 bytes",
            "ALLOWED_IPS has \"office\"",
            "LECTERN_ROOM_LINK is",
        ] {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn secret_is_made_once_and_kept_from_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let made = secret_of(SecretString::default(), &data).expect("a secret");
        let again = secret_of(SecretString::default(), &data).expect("a secret");
        assert_eq!(made.expose_secret(), again.expose_secret());
        let mode = fs::metadata(data.join("jwt-secret"))
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let given = secret_of("x".repeat(40).into(), &data).expect("a secret");
        assert_eq!(given.expose_secret(), "x".repeat(40));
    }
}
