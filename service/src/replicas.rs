//! What several processes of the service share through Redis: counts of [`limit`](crate::limit), and word of what is new
//! for [`feed`](crate::feed). This file alone names `redis`.
//!
//! Nothing here has to work. While Redis is away each process counts for itself and finds what others added by looking;
//! the log says so once, `/readyz` and the metric `lectern_redis_up` all the while.

use std::{
    fmt,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use lectern_pipelines::RoomName;
use redis::{
    AsyncConnectionConfig, Client, RedisError, Script,
    aio::{MultiplexedConnection, PubSubSink, PubSubStream},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::{mpsc, watch},
    time::{interval, sleep, timeout},
};

use crate::{Check, Error, caller::hash_of_key, feed::Feeds, settings::Limit};

/// A Redis server, and how to reach it.
#[derive(Clone)]
pub struct RedisServer(Client);

impl RedisServer {
    /// Takes `redis://…`, or `rediss://…` for TLS. The error does not repeat the URL, which may hold a password.
    pub fn parse(url: &SecretString) -> Result<Self, Error> {
        let url = url.expose_secret();
        let is_known = url.starts_with("redis://") || url.starts_with("rediss://");
        match Client::open(url) {
            Ok(client) if is_known => Ok(Self(client)),
            _ => Err(Error::RedisUrl),
        }
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisServer(..)")
    }
}

/// The other processes of this service, as far as Redis leads to them.
pub(crate) struct Replicas {
    server: RedisServer,
    /// What keys and channels begin with. Processes that share a secret share counts; others may use the same Redis.
    prefix: String,
    /// What we call ourselves, so that we don't listen to our own words.
    own: String,
    /// The connection for commands, while there is one.
    link: watch::Sender<Option<MultiplexedConnection>>,
    news: mpsc::Sender<RoomName>,
    untold: Mutex<Option<mpsc::Receiver<RoomName>>>,
}

/// What is done about a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// It goes up by one, unless the limit is reached.
    Take,
    /// It stays.
    Look,
}

impl Replicas {
    pub(crate) fn new(server: RedisServer, secret: &SecretString, own: &str) -> Arc<Self> {
        let (news, untold) = mpsc::channel(NEWS_AHEAD_MAX);
        let installation = hash_of_key(&format!("redis {}", secret.expose_secret()));
        Arc::new(Self {
            server,
            // Braces keep all keys on one server of a cluster: one script counts several.
            prefix: format!("lectern:{{{}}}", &installation[..16]),
            own: own.to_owned(),
            link: watch::Sender::new(None),
            news,
            untold: Mutex::new(Some(untold)),
        })
    }

    /// Tells the others that something was added to a room's history. If they can't be told, they look by themselves.
    pub(crate) fn tell(&self, room: &RoomName) {
        self.news.try_send(room.clone()).ok();
    }

    /// Counts `keys` for all processes at once: all of them, or none if one has reached its limit; then says for how
    /// long. Nothing while Redis is away.
    pub(crate) async fn count(
        &self,
        keys: &[String],
        limit: Limit,
        counting: Counting,
    ) -> Option<Result<(), Duration>> {
        let mut connection = self.link.borrow().clone()?;
        match self.counted(&mut connection, keys, limit, counting).await {
            Ok(0) => Some(Ok(())),
            Ok(millis) => Some(Err(Duration::from_millis(millis))),
            Err(error) => {
                self.lose(&error);
                None
            }
        }
    }

    /// Whether Redis answers. The service does its work without.
    pub(crate) fn check(&self) -> Check {
        let link = self.link.subscribe();
        let check = Check::new("redis", move || {
            let answers = link.borrow().is_some();
            async move {
                answers.then_some(()).ok_or_else(|| {
                    "Redis does not answer: each process counts requests for itself, and what happens in one is seen in \
                     others a moment later"
                        .to_owned()
                })
            }
        });
        check.helpful()
    }

    /// Passes word on between the others and our feeds, for as long as it is polled.
    pub(crate) async fn run(&self, feeds: &Feeds) {
        let untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut untold = untold.expect("it is run once");
        self.switch(None);
        let mut told = Told::Nothing;
        loop {
            let ended = match self.connect().await {
                Ok((connection, asking, hearing)) => {
                    self.switch(Some(connection));
                    tracing::info!("Redis answers: limits and news are shared with other processes");
                    told = Told::Nothing;
                    // Of what came before, nobody told us.
                    feeds.wake_all();
                    self.talk(&mut untold, asking, hearing, feeds).await
                }
                Err(error) => error,
            };
            self.switch(None);
            if told == Told::Nothing {
                tracing::warn!("Redis is away, this process goes on alone until it is back: {ended}");
                told = Told::IsAway;
            }
            sleep(RETRY_AFTER).await;
        }
    }

    fn switch(&self, link: Option<MultiplexedConnection>) {
        metrics::gauge!("lectern_redis_up").set(f64::from(u8::from(link.is_some())));
        self.link.send_replace(link);
    }

    /// Two connections: one for commands, one to listen. Whether a server can count is tried before it is relied on.
    async fn connect(&self) -> Result<(MultiplexedConnection, PubSubSink, PubSubStream), RedisError> {
        // Where several providers of TLS are linked, as here, somebody has to choose one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let connecting = async {
            let mut connection = self
                .server
                .0
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            let probe = Limit {
                times: u32::MAX,
                within: Duration::from_secs(1),
            };
            self.counted(&mut connection, &["probe".to_owned()], probe, Counting::Take)
                .await?;
            let (mut asking, hearing) = self.server.0.get_async_pubsub().await?.split();
            asking.subscribe(self.channel()).await?;
            Ok((connection, asking, hearing))
        };
        timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| Err(silence()))
    }

    /// Passes word on until Redis is away; returns why.
    async fn talk(
        &self,
        untold: &mut mpsc::Receiver<RoomName>,
        mut asking: PubSubSink,
        mut hearing: PubSubStream,
        feeds: &Feeds,
    ) -> RedisError {
        let mut link = self.link.subscribe();
        let mut ticks = interval(PING_EVERY);
        loop {
            let done = tokio::select! {
                heard = hearing.next() => match heard {
                    Some(message) => {
                        self.hear(message.get_payload().unwrap_or_default(), feeds);
                        Ok(())
                    }
                    None => Err(silence()),
                },
                Some(room) = untold.recv() => self.publish(&room).await,
                // A connection that was cut without a word is found out by this alone.
                _ = ticks.tick() => match timeout(ANSWER_TIMEOUT, asking.ping::<redis::Value>()).await {
                    Ok(answer) => answer.map(drop),
                    Err(_) => Err(silence()),
                },
                () = async { drop(link.wait_for(Option::is_none).await) } => Err(silence()),
            };
            if let Err(error) = done {
                return error;
            }
        }
    }

    fn hear(&self, message: String, feeds: &Feeds) {
        let Some((sender, room)) = message.split_once(' ') else {
            return;
        };
        if let Ok(room) = RoomName::parse(room)
            && sender != self.own
        {
            feeds.wake(&room);
        }
    }

    async fn publish(&self, room: &RoomName) -> Result<(), RedisError> {
        let connection = self.link.borrow().clone();
        let mut connection = connection.ok_or_else(silence)?;
        let message = format!("{} {room}", self.own);
        redis::cmd("PUBLISH")
            .arg(self.channel())
            .arg(message)
            .query_async(&mut connection)
            .await
    }

    /// Milliseconds until the fullest of `keys` may be counted again; 0 if none is full.
    async fn counted(
        &self,
        connection: &mut MultiplexedConnection,
        keys: &[String],
        limit: Limit,
        counting: Counting,
    ) -> Result<u64, RedisError> {
        let mut call = COUNT.prepare_invoke();
        for key in keys {
            // Of people's addresses, Redis learns nothing.
            call.key(format!("{}:count:{}", self.prefix, hash_of_key(key)));
        }
        let within = u64::try_from(limit.within.as_millis()).unwrap_or(u64::MAX);
        let more = match counting {
            Counting::Take => 1,
            Counting::Look => 0,
        };
        call.arg(limit.times).arg(within).arg(more);
        call.invoke_async(connection).await
    }

    /// Asks no more of Redis until it was reached anew: others needn't wait for what this call waited for.
    fn lose(&self, error: &RedisError) {
        tracing::debug!("Redis does not answer: {error}");
        self.link.send_replace(None);
    }

    fn channel(&self) -> String {
        format!("{}:news", self.prefix)
    }
}

/// What the log was told since Redis answered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    IsAway,
}

fn silence() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// Windows as in `limit.rs`: they begin with a key's first count. What was refused is not counted.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local limit, within, more = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
        local wait = 0
        for _, key in ipairs(KEYS) do
            if tonumber(redis.call('get', key) or 0) >= limit then
                wait = math.max(wait, redis.call('pttl', key), 1)
            end
        end
        if wait == 0 and more > 0 then
            for _, key in ipairs(KEYS) do
                if redis.call('incr', key) == 1 then
                    redis.call('pexpire', key, within)
                end
            end
        end
        return wait",
    )
});

/// A caller is kept waiting no longer by a server that hangs, and once.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const RETRY_AFTER: Duration = Duration::from_secs(1);
const PING_EVERY: Duration = Duration::from_secs(5);
/// Rooms of which the others are yet to be told. When it is full they find out by looking.
const NEWS_AHEAD_MAX: usize = 1_024;
