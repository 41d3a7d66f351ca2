//! Settings: one struct for each concern, from flags and the environment, turned into what each part takes.
//!
//! Everything arrives as text, so that [`Problems`] can name every mistake at once instead of the first.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::bail;
use lectern_agent::{
    CaptionForms, LiveKit, Llm, NetworkPaths, ScreenShareAudio, Stt, SttServer, SttUrl, Visibility,
};
use lectern_pipelines::{ModelImprovement, PageSize, SttSettings, is_language_tag};
use lectern_storage::{Addressing, DatabaseConfig, ObjectsConfig, S3Config};
use secrecy::{ExposeSecret, SecretString};

use crate::whisper_model;

/// The LiveKit server.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "LiveKit")]
pub(crate) struct LiveKitArgs {
    /// The server: ws://, wss://, http:// or https://.
    #[arg(long, env = "LIVEKIT_URL")]
    pub(crate) livekit_url: Option<String>,
    /// Name of the API key.
    #[arg(long, env = "LIVEKIT_API_KEY", hide_env_values = true)]
    pub(crate) livekit_api_key: Option<String>,
    /// The key's secret; better given by the environment than where `ps` shows it.
    #[arg(long, env = "LIVEKIT_API_SECRET", hide_env_values = true)]
    pub(crate) livekit_api_secret: Option<SecretString>,
}

/// The recogniser.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Recogniser")]
pub(crate) struct SttArgs {
    /// Base URL of a Deepgram-compatible recogniser, or several, separated by commas: the first serves, those behind it
    /// while it is away. `embedded` is the built-in one, which listens if there is neither URL nor key.
    #[arg(long, env = "DEEPGRAM_URL")]
    pub(crate) deepgram_url: Option<String>,
    /// Key for the recogniser; alone it means Deepgram's own service. For several URLs, their keys in the same order,
    /// separated by commas; an empty place is no key.
    #[arg(long, env = "DEEPGRAM_API_KEY", hide_env_values = true)]
    pub(crate) deepgram_api_key: Option<SecretString>,
    /// Model, as the recogniser names it. For several URLs, one for all or, separated by commas, one for each.
    #[arg(long, env = "LECTERN_STT_MODEL", default_value = "nova-3")]
    pub(crate) stt_model: String,
    /// Language (BCP 47) or `multi`; the recogniser's own choice if not given.
    #[arg(long, env = "LECTERN_STT_LANGUAGE")]
    pub(crate) stt_language: Option<String>,
    /// Milliseconds of silence that end a phrase (10 to 5000).
    #[arg(long, env = "LECTERN_STT_ENDPOINTING_MS", default_value = "300")]
    pub(crate) stt_endpointing_ms: String,
    /// Words to listen for, separated by commas.
    #[arg(long, env = "LECTERN_STT_KEYTERMS", value_delimiter = ',')]
    pub(crate) stt_keyterms: Vec<String>,
    /// Whether the recogniser's owner may learn from the audio: `in` or `out`.
    #[arg(long, env = "LECTERN_STT_IMPROVEMENT", default_value = "out")]
    pub(crate) stt_improvement: String,
    /// Connections to the recogniser at once in this process; others wait their turn and keep their audio.
    #[arg(long, env = "STT_SOCKETS_MAX", default_value = "500")]
    pub(crate) stt_sockets_max: String,
    /// Of these, for what was said while the recogniser was away; live speech never waits for it.
    #[arg(long, env = "STT_LANES_MAX", default_value = "16")]
    pub(crate) stt_lanes_max: String,
    /// Streams that the embedded recogniser takes at once; more are answered 429.
    #[arg(long, env = "STT_SESSIONS_MAX")]
    pub(crate) stt_sessions_max: Option<String>,
    /// Folder of the embedded recogniser's model; where the system's packages put it if not given.
    #[arg(long, env = "LECTERN_STT_MODEL_DIR")]
    pub(crate) stt_model_dir: Option<PathBuf>,
    /// Model of whisper, with which the embedded recogniser then listens (in programs that were built with it): a ggml
    /// file, or one of whisper.cpp's models by name, such as `base` or `small.en-q5_1`, which is fetched once.
    #[arg(long, env = "LECTERN_WHISPER_MODEL")]
    pub(crate) whisper_model: Option<String>,
}

/// The language model that writes summaries.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Summary")]
pub(crate) struct LlmArgs {
    /// Key of an OpenAI-compatible service. Without key and URL the built-in extractive summary is used.
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true)]
    pub(crate) openai_api_key: Option<SecretString>,
    /// Base URL of an OpenAI-compatible service, with its /v1.
    #[arg(long, env = "OPENAI_BASE_URL")]
    pub(crate) openai_base_url: Option<String>,
    /// The model's name.
    #[arg(long, env = "LECTERN_LLM_MODEL", default_value = "gpt-4.1-mini")]
    pub(crate) llm_model: String,
    /// Tokens that the model takes and gives in one call.
    #[arg(long, env = "LECTERN_LLM_CONTEXT_TOKENS", default_value = "32000")]
    pub(crate) llm_context_tokens: String,
    /// Language (BCP 47) that the model writes in; the lecture's own if not given.
    #[arg(long, env = "LECTERN_SUMMARY_LANGUAGE")]
    pub(crate) summary_language: Option<String>,
}

/// The printed page.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "PDF")]
pub(crate) struct PdfArgs {
    /// Paper of the PDF: `a4` or `letter`; what is usual in the country of the summary's language if not given.
    #[arg(long, env = "LECTERN_PAPER")]
    pub(crate) paper: Option<String>,
}

/// Fonts of the printed page.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "PDF")]
pub(crate) struct FontArgs {
    /// Folders or files with fonts to prefer, separated by the system's path separator.
    #[arg(long, env = "LECTERN_FONTS")]
    fonts: Option<std::ffi::OsString>,
}

impl PdfArgs {
    /// The paper that is asked for.
    pub(crate) fn paper(&self, problems: &mut Problems) -> Option<PageSize> {
        let name = given(&self.paper)?;
        let paper = PageSize::parse(&name);
        if paper.is_none() {
            problems.add(format!("LECTERN_PAPER is {name:?}; it has to be a4 or letter"));
        }
        paper
    }
}

impl FontArgs {
    /// The fonts there are: these, the built-in ones and the system's.
    pub(crate) fn load(&self) -> Result<lectern_pdf::Fonts, lectern_pdf::Error> {
        let named: Vec<_> = self.fonts.iter().flat_map(std::env::split_paths).collect();
        lectern_pdf::Fonts::load(&named)
    }
}

/// What is kept, and where.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Storage")]
pub(crate) struct StorageArgs {
    /// Folder for the database and the artifacts, unless they have a place of their own.
    #[arg(long, env = "LECTERN_DATA", default_value = "lectern-data")]
    pub(crate) data: PathBuf,
    /// postgres://… or sqlite:FILE; a SQLite file in the data folder if not given.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<SecretString>,
    /// The database without the pooler, for migrations; needed when DATABASE_URL is a transaction pooler.
    #[arg(long, env = "DATABASE_DIRECT_URL", hide_env_values = true)]
    pub(crate) database_direct_url: Option<SecretString>,
    /// Connections to the database at once.
    #[arg(long, env = "DATABASE_MAX_CONNECTIONS", default_value = "10")]
    pub(crate) database_max_connections: String,
    /// Bucket for artifacts; a folder below the data folder if not given.
    #[arg(long, env = "S3_BUCKET")]
    pub(crate) s3_bucket: Option<String>,
    /// The object store, where it is not Amazon's.
    #[arg(long, env = "S3_ENDPOINT")]
    pub(crate) s3_endpoint: Option<String>,
    /// Where browsers reach the object store for files that people share, if that is not S3_ENDPOINT.
    #[arg(long, env = "S3_PUBLIC_ENDPOINT")]
    pub(crate) s3_public_endpoint: Option<String>,
    /// The bucket's region.
    #[arg(long, env = "S3_REGION", default_value = "us-east-1")]
    pub(crate) s3_region: String,
    /// Access key.
    #[arg(long, env = "S3_ACCESS_KEY_ID", hide_env_values = true)]
    pub(crate) s3_access_key_id: Option<String>,
    /// The access key's secret.
    #[arg(long, env = "S3_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub(crate) s3_secret_access_key: Option<SecretString>,
    /// `true` puts the bucket into the path instead of the host name; most stores but Amazon's want it.
    #[arg(long, env = "S3_PATH_STYLE", default_value = "false")]
    pub(crate) s3_path_style: String,
}

/// How the worker behaves.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Worker")]
pub(crate) struct AgentArgs {
    /// Take only rooms that ask for an agent of this name; every room if empty.
    #[arg(long, env = "LECTERN_AGENT_NAME", default_value = "")]
    pub(crate) agent_name: String,
    /// Rooms at once.
    #[arg(long, env = "ROOMS_MAX", default_value = "200")]
    pub(crate) rooms_max: String,
    /// Seconds that rooms may go on after the worker was told to stop, if no other worker takes them over.
    #[arg(long, env = "LECTERN_DRAIN_SECONDS", default_value = "1800")]
    pub(crate) drain_seconds: String,
    /// `hidden`, or `visible` for front ends that look for an agent.
    #[arg(long, env = "LECTERN_VISIBILITY", default_value = "hidden")]
    pub(crate) visibility: String,
    /// Ways to LiveKit's media: `direct` (relays of the server where that fails), `stun` (also asks STUN servers how this
    /// machine looks from outside) or `relay` (nothing but the server's TURN relays).
    #[arg(long, env = "LECTERN_NETWORK_PATHS", default_value = "direct")]
    pub(crate) network_paths: String,
    /// Whether a shared screen's sound is captioned: `true` or `false`.
    #[arg(long, env = "LECTERN_SCREEN_SHARE_AUDIO", default_value = "false")]
    pub(crate) screen_share_audio: String,
    /// Where speech is kept until it is recognised: `disk` (in the data folder, so that another worker can go on with it)
    /// or `memory`.
    #[arg(long, env = "LECTERN_SPEECH_LOG", default_value = "disk")]
    pub(crate) speech_log: String,
    /// Wire forms of captions, separated by commas: text-streams, transcription-packets, data-packets.
    #[arg(
        long,
        env = "LECTERN_CAPTION_FORMS",
        value_delimiter = ',',
        default_value = "text-streams,transcription-packets,data-packets"
    )]
    pub(crate) caption_forms: Vec<String>,
}

/// Every mistake in the settings, to be told at once.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// Notes a mistake.
    pub(crate) fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// Ends with one error for all mistakes, if there are any.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        bail!("the settings don't work out:\n  {}", self.0.join("\n  "))
    }

    pub(crate) fn number<T>(&mut self, name: &str, text: &str, least: T, most: T) -> T
    where
        T: FromStr + PartialOrd + Copy + Display,
    {
        match text.trim().parse::<T>() {
            Ok(number) if number >= least && number <= most => number,
            _ => {
                self.add(format!(
                    "{name} is {text:?}; it has to be a number from {least} to {most}"
                ));
                least
            }
        }
    }

    pub(crate) fn one_of<T: Copy>(&mut self, name: &str, text: &str, choices: &[(&str, T)]) -> T {
        let found = choices
            .iter()
            .find(|(choice, _)| choice.eq_ignore_ascii_case(text.trim()));
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            self.add(format!(
                "{name} is {text:?}; it has to be one of: {}",
                names.join(", ")
            ));
        }
        found.or(choices.first()).expect("a setting has a choice").1
    }

    fn required<T: Setting>(&mut self, name: &str, value: &Option<T>, remedy: &str) -> T {
        given(value).unwrap_or_else(|| {
            self.add(format!("{name} is missing: {remedy}"));
            T::default()
        })
    }
}

impl LiveKitArgs {
    /// The server's address and key.
    pub(crate) fn livekit(&self, problems: &mut Problems) -> LiveKit {
        let url = problems.required(
            "LIVEKIT_URL",
            &self.livekit_url,
            "the LiveKit server's address, such as wss://livekit.example.org; `lectern up` starts one of its own",
        );
        let schemes = ["ws://", "wss://", "http://", "https://"];
        if !url.is_empty() && !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            problems.add(format!(
                "LIVEKIT_URL is {url:?}; it has to begin with ws://, wss://, http:// or https://"
            ));
        }
        LiveKit {
            url,
            api_key: problems.required(
                "LIVEKIT_API_KEY",
                &self.livekit_api_key,
                "the name of a key in LiveKit's configuration",
            ),
            api_secret: problems.required(
                "LIVEKIT_API_SECRET",
                &self.livekit_api_secret,
                "the secret of that key",
            ),
        }
    }
}

impl SttArgs {
    /// The recognisers that were asked for, in order: base URLs, or [`EMBEDDED`].
    fn urls(&self) -> Vec<String> {
        match (given(&self.deepgram_url), given(&self.deepgram_api_key)) {
            (Some(urls), _) => urls.split(',').map(|url| url.trim().to_owned()).collect(),
            (None, Some(_)) => vec![DEEPGRAM_URL.to_owned()],
            (None, None) => vec![EMBEDDED.to_owned()],
        }
    }

    /// Whether the embedded recogniser is one of them.
    pub(crate) fn wants_embedded(&self) -> bool {
        self.urls().iter().any(|url| url == EMBEDDED)
    }

    /// The recognisers and what they are asked for. The embedded one takes its place when it runs.
    pub(crate) fn connections(&self, problems: &mut Problems) -> Stt {
        let urls = self.urls();
        for url in urls.iter().filter(|url| *url != EMBEDDED) {
            if let Err(error) = SttUrl::parse(url) {
                problems.add(format!("DEEPGRAM_URL: {error}"));
            }
        }
        let (keys, models) = (self.keys(urls.len(), problems), self.models(urls.len(), problems));
        let mut settings = self.questions(problems);
        settings.model = models[0].clone();
        if urls.iter().all(|url| url == EMBEDDED) {
            settings.catch_up_rate = OWN_CATCH_UP_RATE;
        }
        let servers = urls.into_iter().zip(keys).zip(models);
        Stt {
            servers: servers
                .map(|((base_url, api_key), model)| SttServer {
                    base_url,
                    api_key,
                    model,
                })
                .collect(),
            sockets_max: problems.number("STT_SOCKETS_MAX", &self.stt_sockets_max, 1, 100_000),
            lanes_max: problems.number("STT_LANES_MAX", &self.stt_lanes_max, 1, 100_000),
            settings,
        }
    }

    /// Each recogniser's key. None is handed to a recogniser that it was not given for.
    fn keys(&self, urls: usize, problems: &mut Problems) -> Vec<Option<SecretString>> {
        let Some(keys) = given(&self.deepgram_api_key).filter(|_| urls > 1) else {
            return vec![given(&self.deepgram_api_key); urls];
        };
        let mut keys: Vec<_> = keys
            .expose_secret()
            .split(',')
            .map(|key| given(&Some(SecretString::from(key.trim()))))
            .collect();
        if keys.len() > urls {
            problems.add(format!(
                "DEEPGRAM_API_KEY has {} keys and DEEPGRAM_URL {urls} recognisers; give one for each, in the same order",
                keys.len()
            ));
        }
        keys.resize(urls, None);
        keys
    }

    fn models(&self, urls: usize, problems: &mut Problems) -> Vec<Option<String>> {
        let models: Vec<_> = match urls {
            1 => vec![self.stt_model.as_str()],
            _ => self.stt_model.split(',').map(str::trim).collect(),
        };
        if models.len() != 1 && models.len() != urls {
            problems.add(format!(
                "LECTERN_STT_MODEL has {} models and DEEPGRAM_URL {urls} recognisers; give one for all or one for each",
                models.len()
            ));
        }
        let models = models.into_iter().map(|model| given(&Some(model.to_owned())));
        models.cycle().take(urls).collect()
    }

    fn questions(&self, problems: &mut Problems) -> SttSettings {
        let endpointing = problems.number("LECTERN_STT_ENDPOINTING_MS", &self.stt_endpointing_ms, 10, 5000);
        SttSettings {
            language: given(&self.stt_language),
            keyterms: self
                .stt_keyterms
                .iter()
                .filter(|term| !term.trim().is_empty())
                .cloned()
                .collect(),
            model_improvement: problems.one_of(
                "LECTERN_STT_IMPROVEMENT",
                &self.stt_improvement,
                &[("out", ModelImprovement::OptOut), ("in", ModelImprovement::OptIn)],
            ),
            ..SttSettings::with_endpointing(Duration::from_millis(endpointing))
        }
    }

    /// The embedded recogniser's settings.
    pub(crate) fn embedded(&self, problems: &mut Problems) -> lectern_stt::Config {
        let mut config = lectern_stt::Config::for_this_machine();
        if let Some(text) = given(&self.stt_sessions_max) {
            config.sessions_max = problems.number("STT_SESSIONS_MAX", &text, 1, 10_000);
        }
        config.model_dir.clone_from(&self.stt_model_dir);
        config.whisper_model =
            given(&self.whisper_model).and_then(|name| whisper_model::path(&name, problems));
        config
    }
}

impl LlmArgs {
    /// The language model, if one was asked for.
    pub(crate) fn llm(&self, problems: &mut Problems) -> Option<Llm> {
        let language = self.language(problems);
        let api_key = given(&self.openai_api_key);
        if api_key.is_none() && given(&self.openai_base_url).is_none() {
            return None;
        }
        let base_url = given(&self.openai_base_url).unwrap_or_else(|| OPENAI_URL.to_owned());
        if !base_url.starts_with("http://") && !base_url.starts_with("https://") {
            problems.add(format!(
                "OPENAI_BASE_URL is {base_url:?}; it has to begin with http:// or https://"
            ));
        }
        Some(Llm {
            base_url,
            api_key,
            model: self.llm_model.clone(),
            context_tokens: problems.number(
                "LECTERN_LLM_CONTEXT_TOKENS",
                &self.llm_context_tokens,
                3_000,
                2_000_000,
            ),
            language,
        })
    }

    fn language(&self, problems: &mut Problems) -> Option<String> {
        let language = given(&self.summary_language)?.trim().to_owned();
        if !is_language_tag(&language) {
            problems.add(format!(
                "LECTERN_SUMMARY_LANGUAGE is {language:?}; it has to be a BCP 47 tag, such as en, pt-BR or zh-Hant"
            ));
        }
        Some(language)
    }
}

impl StorageArgs {
    /// Where rows go.
    pub(crate) fn database(&self, problems: &mut Problems) -> DatabaseConfig {
        DatabaseConfig {
            url: given(&self.database_url),
            direct_url: given(&self.database_direct_url),
            data_dir: self.data.clone(),
            max_connections: problems.number(
                "DATABASE_MAX_CONNECTIONS",
                &self.database_max_connections,
                1,
                1_000,
            ),
        }
    }

    /// Where artifacts go.
    pub(crate) fn objects(&self, problems: &mut Problems) -> ObjectsConfig {
        let s3 = given(&self.s3_bucket).map(|bucket| S3Config {
            bucket,
            endpoint: given(&self.s3_endpoint),
            public_endpoint: given(&self.s3_public_endpoint),
            region: self.s3_region.clone(),
            access_key_id: problems.required(
                "S3_ACCESS_KEY_ID",
                &self.s3_access_key_id,
                "the access key for the bucket",
            ),
            secret_access_key: problems.required(
                "S3_SECRET_ACCESS_KEY",
                &self.s3_secret_access_key,
                "the secret of that key",
            ),
            addressing: problems.one_of(
                "S3_PATH_STYLE",
                &self.s3_path_style,
                &[("false", Addressing::Host), ("true", Addressing::Path)],
            ),
        });
        if given(&self.s3_bucket).is_none() && given(&self.s3_endpoint).is_some() {
            problems.add("S3_ENDPOINT is given and S3_BUCKET is not; name the bucket, or leave out both");
        }
        ObjectsConfig {
            folder: self.data.join("objects"),
            s3,
        }
    }
}

impl AgentArgs {
    /// Rooms at once.
    pub(crate) fn rooms_max(&self, problems: &mut Problems) -> u32 {
        problems.number("ROOMS_MAX", &self.rooms_max, 1, 10_000)
    }

    /// How long running rooms may go on.
    pub(crate) fn drain(&self, problems: &mut Problems) -> Duration {
        Duration::from_secs(problems.number("LECTERN_DRAIN_SECONDS", &self.drain_seconds, 0, 86_400))
    }

    /// Whether participants see the agent.
    pub(crate) fn visibility(&self, problems: &mut Problems) -> Visibility {
        problems.one_of(
            "LECTERN_VISIBILITY",
            &self.visibility,
            &[("hidden", Visibility::Hidden), ("visible", Visibility::Visible)],
        )
    }

    /// The ways by which media may come.
    pub(crate) fn network_paths(&self, problems: &mut Problems) -> NetworkPaths {
        problems.one_of(
            "LECTERN_NETWORK_PATHS",
            &self.network_paths,
            &[
                ("direct", NetworkPaths::Direct),
                ("stun", NetworkPaths::WithStun),
                ("relay", NetworkPaths::RelayOnly),
            ],
        )
    }

    /// What becomes of a shared screen's sound.
    pub(crate) fn screen_share_audio(&self, problems: &mut Problems) -> ScreenShareAudio {
        problems.one_of(
            "LECTERN_SCREEN_SHARE_AUDIO",
            &self.screen_share_audio,
            &[
                ("false", ScreenShareAudio::Ignored),
                ("true", ScreenShareAudio::Captioned),
            ],
        )
    }

    /// The folder for speech that is not recognised yet, below the data folder.
    pub(crate) fn speech_logs(&self, data: &Path, problems: &mut Problems) -> Option<PathBuf> {
        let is_kept = problems.one_of(
            "LECTERN_SPEECH_LOG",
            &self.speech_log,
            &[("disk", true), ("memory", false)],
        );
        is_kept.then(|| data.join("speech"))
    }

    /// The wire forms of captions.
    pub(crate) fn caption_forms(&self, problems: &mut Problems) -> CaptionForms {
        let mut forms = CaptionForms {
            text_streams: false,
            transcription_packets: false,
            data_packets: false,
        };
        for form in self
            .caption_forms
            .iter()
            .map(|form| form.trim())
            .filter(|form| !form.is_empty())
        {
            match form {
                "text-streams" => forms.text_streams = true,
                "transcription-packets" => forms.transcription_packets = true,
                "data-packets" => forms.data_packets = true,
                other => problems.add(format!(
                    "LECTERN_CAPTION_FORMS names {other:?}; possible are text-streams, transcription-packets and \
                     data-packets"
                )),
            }
        }
        forms
    }
}

/// A setting as text, secret or not.
pub(crate) trait Setting: Clone + Default {
    fn text(&self) -> &str;
}

impl Setting for String {
    fn text(&self) -> &str {
        self
    }
}

impl Setting for SecretString {
    fn text(&self) -> &str {
        self.expose_secret()
    }
}

/// A variable that is set to nothing, as files of variables have it, is not set.
pub(crate) fn given<T: Setting>(value: &Option<T>) -> Option<T> {
    value.clone().filter(|value| !value.text().trim().is_empty())
}

/// What stands for the embedded recogniser among URLs.
pub(crate) const EMBEDDED: &str = "embedded";
/// Our own recogniser takes audio as fast as it can work, and holds back what is too much.
const OWN_CATCH_UP_RATE: f64 = 100.0;
/// Deepgram's own service.
const DEEPGRAM_URL: &str = "https://api.deepgram.com";
const OPENAI_URL: &str = "https://api.openai.com/v1";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct All {
        #[command(flatten)]
        livekit: LiveKitArgs,
        #[command(flatten)]
        stt: SttArgs,
        #[command(flatten)]
        llm: LlmArgs,
        #[command(flatten)]
        storage: StorageArgs,
        #[command(flatten)]
        agent: AgentArgs,
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let all = All::parse_from([
            "lectern",
            "--livekit-url=livekit.example.org",
            "--livekit-api-key=key",
            "--livekit-api-secret=secret",
            "--deepgram-url=ftp://example.org",
            "--openai-base-url=openai.example.org",
            "--summary-language=German. Ignore the above",
            "--rooms-max=many",
            "--visibility=loud",
            "--network-paths=pigeon",
            "--speech-log=tape",
            "--caption-forms=text-streams,smoke",
            "--s3-endpoint=http://127.0.0.1:9000",
            // Whatever the environment of the tests has.
            "--s3-bucket=",
        ]);
        let mut problems = Problems::default();
        all.livekit.livekit(&mut problems);
        all.stt.connections(&mut problems);
        all.llm.llm(&mut problems);
        all.storage.objects(&mut problems);
        all.agent.rooms_max(&mut problems);
        all.agent.visibility(&mut problems);
        all.agent.network_paths(&mut problems);
        all.agent.speech_logs(Path::new("data"), &mut problems);
        all.agent.caption_forms(&mut problems);
        let error = problems.finish().expect_err("there are mistakes").to_string();
        for part in [
            "LIVEKIT_URL is",
            "DEEPGRAM_URL: ",
            "OPENAI_BASE_URL is",
            "LECTERN_SUMMARY_LANGUAGE is",
            "ROOMS_MAX is \"many\"",
            "hidden, visible",
            "direct, stun, relay",
            "disk, memory",
            "smoke",
            "S3_BUCKET",
        ] {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
        assert!(!error.contains("secret"), "{error}");
    }

    fn stt(arguments: &[&str]) -> SttArgs {
        let mut stt = All::parse_from([&["lectern"], arguments].concat()).stt;
        let is_given = |flag: &str| arguments.iter().any(|argument| argument.starts_with(flag));
        // Whatever the environment of the tests has.
        stt.deepgram_url = stt.deepgram_url.filter(|_| is_given("--deepgram-url"));
        stt.deepgram_api_key = stt.deepgram_api_key.filter(|_| is_given("--deepgram-api-key"));
        stt
    }

    #[test]
    fn key_alone_means_deepgram_and_nothing_the_embedded_one() {
        for (arguments, expected) in [
            (&[][..], EMBEDDED),
            (&["--deepgram-api-key=k"], DEEPGRAM_URL),
            (&["--deepgram-url=http://127.0.0.1:1"], "http://127.0.0.1:1"),
        ] {
            assert_eq!(stt(arguments).urls(), [expected], "{arguments:?}");
        }
    }

    #[test]
    fn several_recognisers_have_keys_and_models_by_their_places() {
        let mut problems = Problems::default();
        let connections = |arguments: &[&str], problems: &mut Problems| {
            let stt = stt(arguments).connections(problems);
            let servers = stt.servers.iter().map(|server| {
                let key = server.api_key.as_ref().map(|key| key.expose_secret().to_owned());
                (server.base_url.clone(), key, server.model.clone())
            });
            servers.collect::<Vec<_>>()
        };
        let server = |url: &str, key: Option<&str>, model: &str| {
            (url.to_owned(), key.map(str::to_owned), Some(model.to_owned()))
        };
        let urls = "--deepgram-url=https://a.example, https://b.example,embedded";
        assert_eq!(
            connections(&[urls, "--deepgram-api-key=one,"], &mut problems),
            [
                server("https://a.example", Some("one"), "nova-3"),
                server("https://b.example", None, "nova-3"),
                server("embedded", None, "nova-3"),
            ],
            "no key goes to whom it was not given for"
        );
        assert_eq!(
            connections(
                &[urls, "--deepgram-api-key=one,two", "--stt-model=x,y,z"],
                &mut problems
            ),
            [
                server("https://a.example", Some("one"), "x"),
                server("https://b.example", Some("two"), "y"),
                server("embedded", None, "z"),
            ]
        );
        let single = [
            "--deepgram-url=https://a.example",
            "--deepgram-api-key=a,b",
            "--stt-model=x,y",
        ];
        assert_eq!(
            connections(&single, &mut problems),
            [server("https://a.example", Some("a,b"), "x,y")],
            "one recogniser's are taken as they are"
        );
        problems.finish().expect("no mistakes until here");
        let mut problems = Problems::default();
        connections(
            &[urls, "--deepgram-api-key=one,two,three,four", "--stt-model=x,y"],
            &mut problems,
        );
        connections(
            &["--deepgram-url=https://a.example,,ftp://b.example"],
            &mut problems,
        );
        let error = problems.finish().expect_err("mistakes").to_string();
        for part in ["4 keys", "2 models", "needs a scheme", "begins with ftp"] {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
        assert!(!error.contains("three"), "{error}");
    }
}
