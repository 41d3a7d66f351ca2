//! Models of whisper: which there are, where they are kept, and how one is fetched that was asked for by name.

use std::{
    fs::{self, File},
    io::{self, Seek as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Client, Response, StatusCode, header};
use sha1::{Digest as _, Sha1};

use crate::config::Problems;

/// Where whisper.cpp's authors publish the files.
const SOURCE: &str = "https://huggingface.co/ggerganov/whisper.cpp/resolve/main";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for the next bytes.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How often the log tells how far it is, in percent.
const LOGGED_PERCENT: u64 = 10;
const MIB: u64 = 1 << 20;

/// A model that can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    name: &'static str,
    /// Its size, rounded.
    mib: u64,
    sha1: &'static str,
}

/// Names, sizes and sums as whisper.cpp's `models/README.md` and the page beside the files list them.
const KNOWN: &[Known] = &[
    known("tiny", 75, "bd577a113a864445d4c299885e0cb97d4ba92b5f"),
    known("tiny-q5_1", 31, "2827a03e495b1ed3048ef28a6a4620537db4ee51"),
    known("tiny.en", 75, "c78c86eb1a8faa21b369bcd33207cc90d64ae9df"),
    known("tiny.en-q5_1", 31, "3fb92ec865cbbc769f08137f22470d6b66e071b6"),
    known("base", 142, "465707469ff3a37a2b9b8d8f89f2f99de7299dac"),
    known("base-q5_1", 57, "a3733eda680ef76256db5fc5dd9de8629e62c5e7"),
    known("base.en", 142, "137c40403d78fd54d454da0f9bd998f78703390c"),
    known("base.en-q5_1", 57, "d26d7ce5a1b6e57bea5d0431b9c20ae49423c94a"),
    known("small", 466, "55356645c2b361a969dfd0ef2c5a50d530afd8d5"),
    known("small-q5_1", 181, "6fe57ddcfdd1c6b07cdcc73aaf620810ce5fc771"),
    known("small.en", 466, "db8a495a91d927739e50b3fc1cc4c6b8f6c2d022"),
    known("medium", 1_536, "fd9727b6e1217c2f614f9b698455c4ffd82463b4"),
    known("medium.en", 1_536, "8c30f0e44ce9560643ebd10bbe50cd20eafd3723"),
    known("large-v3", 2_970, "ad82bf6a9043ceed055076d0fd39f5f186ff8062"),
    known("large-v3-q5_0", 1_126, "e6e2ed78495d403bef4b7cff42ef4aaadcfea8de"),
];

const fn known(name: &'static str, mib: u64, sha1: &'static str) -> Known {
    Known { name, mib, sha1 }
}

impl Known {
    fn file_name(self) -> String {
        format!("ggml-{}.bin", self.name)
    }

    /// What the sizes' rounding allows.
    fn bytes_max(self) -> u64 {
        (self.mib + self.mib / 10 + 1) * MIB
    }
}

/// Where the model is, or will be, that somebody names by a file or as whisper.cpp does.
pub(crate) fn path(name: &str, problems: &mut Problems) -> Option<PathBuf> {
    if let Some(known) = KNOWN.iter().find(|known| known.name == name) {
        let folder = cache();
        if folder.is_none() {
            problems.add("LECTERN_WHISPER_MODEL names a model to fetch, and neither XDG_CACHE_HOME nor HOME says where to keep it");
        }
        return folder.map(|folder| folder.join(known.file_name()));
    }
    if name.contains(['/', std::path::MAIN_SEPARATOR, '.']) {
        return Some(PathBuf::from(name));
    }
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    problems.add(format!(
        "LECTERN_WHISPER_MODEL is {name:?}; it has to be a ggml file, or one of: {}",
        names.join(", ")
    ));
    None
}

/// Fetches the model that the settings name if it isn't there yet. Where it can't be fetched, that is said, and the
/// recogniser of the system's packages listens.
pub(crate) async fn provide(config: lectern_stt::Config) -> lectern_stt::Config {
    provide_from(SOURCE, config).await
}

async fn provide_from(source: &str, mut config: lectern_stt::Config) -> lectern_stt::Config {
    let Some((known, folder)) = missing(&config) else {
        return config;
    };
    tracing::info!(
        "fetching whisper's model {} ({} MiB), once, into {}",
        known.name,
        known.mib,
        folder.display()
    );
    if let Err(error) = fetch(known, source, &folder).await {
        tracing::warn!(
            "whisper's model {} can't be fetched, so PocketSphinx listens, in English only: {error:#}. \
             Or fetch {source}/{} by other means and name the file by LECTERN_WHISPER_MODEL",
            known.name,
            known.file_name()
        );
        config.whisper_model = None;
    }
    config
}

/// The name of the model that is wanted and was not fetched yet.
pub(crate) fn unfetched(config: &lectern_stt::Config) -> Option<&'static str> {
    missing(config).map(|(known, _)| known.name)
}

/// A program without whisper fetches nothing: it will say that it can't use it.
fn missing(config: &lectern_stt::Config) -> Option<(Known, PathBuf)> {
    let path = config
        .whisper_model
        .as_ref()
        .filter(|path| cfg!(feature = "whisper") && !path.exists())?;
    let folder = path
        .parent()
        .filter(|folder| cache().as_deref() == Some(folder))?;
    let known = KNOWN
        .iter()
        .find(|known| path.file_name() == Some(known.file_name().as_ref()))?;
    Some((*known, folder.to_owned()))
}

fn cache() -> Option<PathBuf> {
    let named = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let caches = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("lectern").join("whisper"))
}

/// Fetches a model into a folder. What an earlier attempt left there is gone on with; the file has its name only once
/// its sum was found right. Processes that want the same model wait for each other.
async fn fetch(known: Known, source: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join(known.file_name());
    let part = folder.join(format!("{}.part", known.file_name()));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let open = || {
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)
    };
    let file = open().with_context(|| format!("cannot write {}", part.display()))?;
    let mut file = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await??;
    if path.exists() {
        // Another process fetched it meanwhile, and what is locked here is nameless, or new and empty.
        let _ = fs::remove_file(&part);
        return Ok(path);
    }
    download(known, source, &mut file).await?;
    let mut whole = file.try_clone()?;
    let sum = tokio::task::spawn_blocking(move || sum(&mut whole)).await??;
    if sum != known.sha1 {
        fs::remove_file(&part)?;
        bail!(
            "what came has the SHA-1 {sum} instead of {}; it was deleted",
            known.sha1
        );
    }
    file.sync_all()?;
    fs::rename(&part, &path)?;
    Ok(path)
}

async fn download(known: Known, source: &str, file: &mut File) -> anyhow::Result<()> {
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()?;
    let have = file.metadata()?.len();
    let mut request = client.get(format!("{source}/{}", known.file_name()));
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let mut response = request.send().await?;
    let mut done = match response.status() {
        // All of it was there already; its sum tells.
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(()),
        StatusCode::PARTIAL_CONTENT if begins_at(&response, have) => have,
        StatusCode::OK => 0,
        status => bail!("{} answered {status}", response.url()),
    };
    file.set_len(done)?;
    file.seek(io::SeekFrom::End(0))?;
    let total = done + response.content_length().unwrap_or(0);
    let bar = ProgressBar::new(total).with_style(
        ProgressStyle::with_template("{msg}  {bar:40} {bytes}/{total_bytes}  {bytes_per_sec}, {eta} left")
            .expect("the template's names are indicatif's"),
    );
    bar.set_message(format!("whisper's {}", known.name));
    let mut logged = 0;
    while let Some(bytes) = response.chunk().await? {
        done += bytes.len() as u64;
        ensure!(
            done <= known.bytes_max(),
            "more than {} MiB came",
            known.bytes_max() / MIB
        );
        file.write_all(&bytes)?;
        bar.set_position(done);
        let percent = (done * 100).checked_div(total).unwrap_or(0);
        // A terminal has the bar.
        if bar.is_hidden() && percent >= logged + LOGGED_PERCENT {
            logged = percent;
            tracing::info!("fetched {percent} % of whisper's model {}", known.name);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn begins_at(response: &Response, start: u64) -> bool {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)
        .and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {start}-")))
}

fn sum(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = io::Read::read(file, &mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const CONTENT: &[u8] = b"0123456789 and so on, as models are";
    /// The SHA-1 of that.
    const SHA1: &str = "49fd80f1c91cb0a81b1074a84d58e89e92575ac0";
    const MODEL: Known = known("tiny", 1, SHA1);

    /// An HTTP server on this machine that knows ranges; tells which were asked for.
    async fn serve(
        content: &'static [u8],
        cut_at: Option<usize>,
    ) -> (String, Arc<Mutex<Vec<Option<usize>>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let source = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(socket.read_u8().await.expect("a request"));
                }
                let request = String::from_utf8_lossy(&request).to_lowercase();
                assert!(request.starts_with("get /ggml-tiny.bin "), "{request}");
                let start = request.lines().find_map(|line| {
                    line.strip_prefix("range: bytes=")?
                        .strip_suffix('-')?
                        .parse::<usize>()
                        .ok()
                });
                noted.lock().expect("no panic").push(start);
                let from = start.unwrap_or(0);
                let head = match start {
                    Some(start) if start >= content.len() => {
                        "HTTP/1.1 416 Range Not Satisfiable\r\ncontent-length: 0\r\n\r\n".to_owned()
                    }
                    Some(start) => format!(
                        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {start}-{}/{}\r\ncontent-length: {}\r\n\r\n",
                        content.len() - 1,
                        content.len(),
                        content.len() - start
                    ),
                    None => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", content.len()),
                };
                let end = cut_at.unwrap_or(content.len()).max(from.min(content.len()));
                socket.write_all(head.as_bytes()).await.expect("sent");
                socket
                    .write_all(&content[from.min(content.len())..end])
                    .await
                    .expect("sent");
            }
        });
        (source, asked)
    }

    #[tokio::test]
    async fn a_model_is_fetched_whole_and_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, asked) = serve(CONTENT, None).await;
        let path = fetch(MODEL, &source, folder.path()).await.expect("fetched");
        assert_eq!(fs::read(&path).expect("there"), CONTENT);
        assert_eq!(fetch(MODEL, &source, folder.path()).await.expect("there"), path);
        assert_eq!(*asked.lock().expect("no panic"), [None]);
        let files: Vec<_> = fs::read_dir(folder.path()).expect("there").collect();
        assert_eq!(files.len(), 1, "nothing else is left: {files:?}");
    }

    #[tokio::test]
    async fn what_was_broken_off_is_gone_on_with() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, _) = serve(CONTENT, Some(12)).await;
        fetch(MODEL, &source, folder.path())
            .await
            .expect_err("broken off");
        assert!(!folder.path().join("ggml-tiny.bin").exists());
        let (source, asked) = serve(CONTENT, None).await;
        let path = fetch(MODEL, &source, folder.path()).await.expect("fetched");
        assert_eq!(fs::read(&path).expect("there"), CONTENT);
        assert_eq!(*asked.lock().expect("no panic"), [Some(12)]);
    }

    #[tokio::test]
    async fn two_that_fetch_at_once_fetch_it_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, asked) = serve(CONTENT, None).await;
        let (one, other) = tokio::join!(
            fetch(MODEL, &source, folder.path()),
            fetch(MODEL, &source, folder.path())
        );
        assert_eq!(one.expect("fetched"), other.expect("fetched"));
        assert_eq!(asked.lock().expect("no panic").len(), 1);
    }

    #[tokio::test]
    async fn a_wrong_sum_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, _) = serve(b"something else", None).await;
        let error = fetch(MODEL, &source, folder.path())
            .await
            .expect_err("a wrong sum");
        assert!(error.to_string().contains(SHA1), "{error}");
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
    }

    #[tokio::test]
    async fn more_than_a_model_can_have_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, _) = serve(vec![0; 3 << 20].leak(), None).await;
        let error = fetch(MODEL, &source, folder.path()).await.expect_err("too much");
        assert!(error.to_string().contains("more than 2 MiB"), "{error}");
    }

    #[cfg(feature = "whisper")]
    #[tokio::test]
    async fn where_the_source_is_away_the_other_recogniser_listens() {
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let source = format!("http://{}", closed.local_addr().expect("bound"));
        drop(closed);
        let folder = cache().expect("tests have a home");
        let config = |name: &str| lectern_stt::Config {
            whisper_model: Some(folder.join(name)),
            ..lectern_stt::Config::for_this_machine()
        };
        // The largest: nobody who tests this has it in his cache.
        let wanted = config("ggml-large-v3-q5_0.bin");
        assert_eq!(unfetched(&wanted), Some("large-v3-q5_0"));
        assert_eq!(provide_from(&source, wanted).await.whisper_model, None);
        // A file that somebody named himself is never fetched, and its absence is an error.
        let own = config("my.bin");
        assert_eq!(unfetched(&own), None);
        assert!(provide_from(&source, own).await.whisper_model.is_some());
    }

    #[test]
    fn models_are_named_by_name_or_file() {
        let mut problems = Problems::default();
        let base = path("base", &mut problems).expect("a known one");
        assert!(
            base.ends_with("lectern/whisper/ggml-base.bin"),
            "{}",
            base.display()
        );
        assert_eq!(
            path("/srv/my.bin", &mut problems),
            Some(PathBuf::from("/srv/my.bin"))
        );
        assert_eq!(path("my.bin", &mut problems), Some(PathBuf::from("my.bin")));
        problems.finish().expect("all is well");
        let mut problems = Problems::default();
        assert_eq!(path("enormous", &mut problems), None);
        let error = problems.finish().expect_err("unknown").to_string();
        assert!(
            error.contains("enormous") && error.contains("large-v3"),
            "{error}"
        );
    }

    #[test]
    fn sums_are_sums() {
        for known in KNOWN {
            assert_eq!(known.sha1.len(), 40, "{}", known.name);
            assert!(
                known.sha1.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{}",
                known.name
            );
        }
    }
}
