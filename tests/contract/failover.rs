//! A list of recognisers: while the first is away the second serves, and the first is returned to.

use std::{path::Path, thread, time::Duration};

use serde_json::Value;

use crate::{
    end_room,
    support::{
        Client, Lectern, PATIENCE, Server, free_port,
        recogniser::{Behaviour, Engine, Recogniser},
        wait_for,
    },
    wait_for_pdf,
};

const SPEECH: &str = "fixtures/long/ada.wav";

/// Each way of being away, from a word's middle on.
#[tokio::test(flavor = "multi_thread")]
async fn second_recogniser_serves_while_the_first_is_away_and_nothing_is_lost_or_doubled() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let engine = Engine::start().await;
    let first = engine.behind(Behaviour::Hearing).await;
    let second = engine.behind(Behaviour::Hearing).await;
    let lectern = Worker::start(&server, &folder.path().join("data"), &first, &second);
    let speaker = Client::told(&server, ROOM, "ada", "Ada", &[]);
    lectern.process.wait_until_listening(1);
    speaker.say(SPEECH);
    let once = lectern.heard_ms();
    assert!(once > 2_000, "of a few seconds {once} ms were heard");
    assert_eq!((first.listened_to(), second.listened_to()), (1, 0));

    let mut said = 1;
    for failure in [Behaviour::Refusing(503), Behaviour::Silent] {
        let (of_first, of_second) = (first.listened_to(), second.listened_to());
        let moment = speaker.lines().len();
        thread::scope(|scope| {
            scope.spawn(|| speaker.say(SPEECH));
            let is_amid = || speaker.lines()[moment..].iter().any(is_interim);
            wait_for("an interim", PATIENCE, is_amid);
            first.fail(failure);
        });
        wait_for("the second to be asked", PATIENCE, || {
            second.listened_to() > of_second
        });
        said += 1;
        lectern.expect_heard(said * once);

        first.fail(Behaviour::Hearing);
        lectern.wait_until_serving(1, &first);
        speaker.say(SPEECH);
        wait_for("the first to be asked again", PATIENCE, || {
            first.listened_to() > of_first
        });
        said += 1;
        lectern.expect_heard(said * once);
    }
    end_room(&server, ROOM).await;
    wait_for_pdf(&lectern.process, ROOM);
    let transcript = lectern.transcript();
    assert_eq!(transcript["gaps"], Value::Array(Vec::new()));
}

fn is_interim(line: &Value) -> bool {
    line["form"] == "data" && line["final"] == false
}

struct Worker {
    process: Lectern,
    port: u16,
}

impl Worker {
    fn start(server: &Server, data: &Path, first: &Recogniser, second: &Recogniser) -> Self {
        let port = free_port();
        let process = Lectern::agent(
            server,
            data,
            &[
                ("DEEPGRAM_URL", &format!("{},{}", first.url, second.url)),
                ("LECTERN_AGENT_HEALTH", "true"),
                ("PORT", &port.to_string()),
            ],
        );
        Self { process, port }
    }

    fn wait_until_serving(&self, position: usize, recogniser: &Recogniser) {
        let name = recogniser.url.trim_start_matches("http://");
        let metric = format!("lectern_stt_serving{{position=\"{position}\",recogniser=\"{name}\"}}");
        wait_for(&metric, PATIENCE, || {
            self.process.metric(self.port, &metric) == 1.0
        });
    }

    fn transcript(&self) -> Value {
        let json = self.process.ask(&["transcript", ROOM, "--format", "json"]);
        serde_json::from_str(&json.expect("a transcript")).expect("JSON")
    }

    /// When words were said, in milliseconds, in order.
    fn heard(&self) -> Vec<(u64, u64)> {
        let transcript = self.transcript();
        let segments = transcript["segments"].as_array().expect("segments");
        let time = |value: &Value| value.as_u64().expect("milliseconds");
        let mut heard: Vec<_> = segments
            .iter()
            .map(|segment| (time(&segment["startMs"]), time(&segment["endMs"])))
            .collect();
        heard.sort_unstable();
        heard
    }

    /// How much speech has become words, when no more does.
    fn heard_ms(&self) -> u64 {
        let total = || self.heard().iter().map(|(start, end)| end - start).sum::<u64>();
        let mut before = total();
        loop {
            thread::sleep(QUIET);
            let now = total();
            if now > 0 && now == before {
                return now;
            }
            before = now;
        }
    }

    /// Waits for so much speech; none of it may be there twice.
    fn expect_heard(&self, expected_ms: u64) {
        wait_for(&format!("{expected_ms} ms of speech"), PATIENCE, || {
            let heard: u64 = self.heard().iter().map(|(start, end)| end - start).sum();
            // The gate opens a frame sooner or later.
            heard * 100 >= expected_ms * 97
        });
        let heard = self.heard();
        let doubled = heard.windows(2).find(|pair| pair[0].1 > pair[1].0);
        assert_eq!(doubled, None, "said once, heard twice: {heard:?}");
    }
}

const ROOM: &str = "failover";
/// Words come sooner than this after they were said.
const QUIET: Duration = Duration::from_secs(2);
