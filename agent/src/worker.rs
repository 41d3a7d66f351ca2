//! LiveKit's worker protocol: how the server learns that we take rooms, and offers them to us.
//!
//! [`Session`] is one registration without a socket or clock; `link.rs` carries it.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use livekit_protocol::{
    AvailabilityRequest, AvailabilityResponse, Job, JobAssignment, JobStatus, JobType, ParticipantPermission,
    RegisterWorkerRequest, RegisterWorkerResponse, ServerMessage, UpdateJobStatus, UpdateWorkerStatus,
    WorkerMessage, WorkerPing, WorkerStatus, server_message, worker_message,
};
use prost::Message as _;
use secrecy::SecretString;

use lectern_pipelines::{RoomName, RoomSid};

use crate::{
    Visibility,
    server::{ATTRIBUTES, IDENTITY_PREFIX, ListedRoom, PARTICIPANT_NAME},
};

/// What we tell LiveKit about ourselves when we register.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    /// Empty for automatic dispatch to every room.
    pub(crate) agent_name: String,
    /// Whether tokens for us are to say `hidden`.
    pub(crate) visibility: Visibility,
}

/// How much room there is for more rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Rooms that run or are about to.
    pub(crate) rooms: u32,
    /// Rooms that may run.
    pub(crate) rooms_max: u32,
    /// Whether more are taken at all.
    pub(crate) intake: Intake,
}

/// Whether a worker takes rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    /// As long as there is space.
    Open,
    /// None any more: it is about to stop.
    Draining,
}

/// LiveKit's id of a job (`AJ_…`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct JobId(String);

/// How a job fares, for LiveKit's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobProgress {
    /// The agent works.
    Running,
    /// The room is over, or another worker goes on with it.
    Done,
    /// It went wrong, for this reason.
    Failed(String),
}

/// An answer to [`Event::Asked`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// We take the room.
    Take,
    /// Somebody else may.
    Decline,
}

/// What we want LiveKit to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// The answer to [`Event::Asked`].
    Answer(JobId, Answer),
    /// How an assigned job fares.
    Progress(JobId, JobProgress),
}

/// What LiveKit wants of us.
#[derive(Debug)]
pub(crate) enum Event {
    /// LiveKit knows us from now on.
    Registered,
    /// The connection is gone. Running rooms go on.
    Lost,
    /// May we have this room? To be answered at once.
    Asked {
        /// The job that would be ours.
        job: JobId,
        /// The room in question.
        room: RoomName,
    },
    /// The room is ours.
    Assigned {
        /// The job that is now ours.
        job: JobId,
        /// Its room.
        room: ListedRoom,
        /// Where to join, if not where we are registered.
        url: Option<String>,
        /// What lets us in.
        token: SecretString,
    },
    /// LiveKit takes the job for over: we left, or somebody called it off.
    Terminated {
        /// The job's room.
        room: RoomName,
    },
}

/// One registration: bytes in, bytes and wishes out, time as an argument.
///
/// Feed one input, drain [`poll_output`](Self::poll_output), then wait for the next or for
/// [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub(crate) struct Session {
    began: Instant,
    heard: Instant,
    pinged: Instant,
    reported: Instant,
    phase: Phase,
    capacity: Capacity,
    reports: u64,
    assigned: HashMap<JobId, RoomName>,
    outputs: VecDeque<Output>,
}

/// What a session wants done.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send this binary message.
    Send(Vec<u8>),
    /// We are registered; the names are LiveKit's, for the log.
    Registered {
        /// What LiveKit calls us.
        worker_id: String,
        /// The server's version.
        server_version: String,
    },
    /// Pass this on.
    Event(Event),
    /// Something came in that makes no sense; to be counted and logged.
    Rejected(&'static str),
    /// The connection is of no use any more, for this reason.
    Lost(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Registering,
    Registered,
}

/// LiveKit hangs up on whoever hasn't registered within 10 s, so it answers sooner.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(10);
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// A server that has said nothing for so long, though pinged, is gone.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(15);
/// The load is reported at least so often.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);
/// LiveKit's affinity is `max(0, 0.7 - load)`: whoever reports more gets no jobs.
const LOAD_WHEN_NEARLY_FULL: f32 = 0.69;

impl Session {
    /// Begins with the wish to register.
    pub(crate) fn new(registration: &Registration, capacity: Capacity, now: Instant) -> Self {
        let mut session = Self {
            began: now,
            heard: now,
            pinged: now,
            reported: now,
            phase: Phase::Registering,
            capacity,
            reports: 0,
            assigned: HashMap::new(),
            outputs: VecDeque::new(),
        };
        session.send(worker_message::Message::Register(RegisterWorkerRequest {
            r#type: JobType::JtRoom.into(),
            agent_name: registration.agent_name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ping_interval: u32::try_from(PING_INTERVAL.as_secs()).expect("a few seconds fit"),
            allowed_permissions: Some(permissions(registration.visibility)),
            ..Default::default()
        }));
        session
    }

    /// Takes a binary message of the server; anything at all.
    pub(crate) fn handle_message(&mut self, bytes: &[u8], now: Instant) {
        self.heard = now;
        let Ok(ServerMessage {
            message: Some(message),
        }) = ServerMessage::decode(bytes)
        else {
            return self
                .outputs
                .push_back(Output::Rejected("a message that is no ServerMessage"));
        };
        match message {
            server_message::Message::Register(response) => self.registered(response, now),
            server_message::Message::Availability(request) => self.asked(request),
            server_message::Message::Assignment(assignment) => self.assigned(assignment),
            server_message::Message::Termination(termination) => self.terminated(JobId(termination.job_id)),
            server_message::Message::Pong(_) => {}
            server_message::Message::GoAway(_) => {
                self.outputs
                    .push_back(Output::Lost("the server asks us to register elsewhere"));
            }
        }
    }

    /// Takes a wish of ours.
    pub(crate) fn handle_command(&mut self, command: Command) {
        match command {
            Command::Answer(job, answer) => self.answer(job, answer),
            Command::Progress(job, progress) => self.progress(job, progress),
        }
    }

    /// Takes a new capacity, and tells the server.
    pub(crate) fn handle_capacity(&mut self, capacity: Capacity, now: Instant) {
        if self.capacity != capacity {
            self.capacity = capacity;
            self.report(now);
        }
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let silence_max = match self.phase {
            Phase::Registering => REGISTER_TIMEOUT,
            Phase::Registered => SILENCE_MAX,
        };
        if now >= self.heard + silence_max {
            return self.outputs.push_back(Output::Lost("the server has gone silent"));
        }
        if self.phase == Phase::Registering {
            return;
        }
        if now >= self.pinged + PING_INTERVAL {
            self.pinged = now;
            let timestamp = i64::try_from((now - self.began).as_millis()).unwrap_or(i64::MAX);
            self.send(worker_message::Message::Ping(WorkerPing { timestamp }));
        }
        if now >= self.reported + REPORT_INTERVAL {
            self.report(now);
        }
    }

    /// Takes the news that the connection is over.
    pub(crate) fn handle_close(&mut self) {
        self.outputs.push_back(Output::Lost("the server closed it"));
    }

    /// Whether LiveKit has accepted us.
    pub(crate) fn is_registered(&self) -> bool {
        self.phase == Phase::Registered
    }

    /// What to do next, if anything.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn poll_timeout(&self) -> Instant {
        match self.phase {
            Phase::Registering => self.heard + REGISTER_TIMEOUT,
            Phase::Registered => (self.heard + SILENCE_MAX)
                .min(self.pinged + PING_INTERVAL)
                .min(self.reported + REPORT_INTERVAL),
        }
    }

    fn registered(&mut self, response: RegisterWorkerResponse, now: Instant) {
        self.phase = Phase::Registered;
        self.outputs.push_back(Output::Registered {
            worker_id: response.worker_id,
            server_version: response.server_info.map(|info| info.version).unwrap_or_default(),
        });
        self.outputs.push_back(Output::Event(Event::Registered));
        self.report(now);
    }

    fn asked(&mut self, request: AvailabilityRequest) {
        let Some(job) = request.job else {
            return self
                .outputs
                .push_back(Output::Rejected("a question about no job"));
        };
        match room_of(&job) {
            Some(room) => {
                self.outputs.push_back(Output::Event(Event::Asked {
                    job: JobId(job.id),
                    room: room.name,
                }));
            }
            None => {
                self.outputs
                    .push_back(Output::Rejected("a question about a job that is no room's"));
                self.answer(JobId(job.id), Answer::Decline);
            }
        }
    }

    fn assigned(&mut self, assignment: JobAssignment) {
        let Some((job, room)) = assignment
            .job
            .and_then(|job| room_of(&job).map(|room| (JobId(job.id), room)))
        else {
            return self
                .outputs
                .push_back(Output::Rejected("an assignment without a room"));
        };
        self.assigned.insert(job.clone(), room.name.clone());
        self.outputs.push_back(Output::Event(Event::Assigned {
            job,
            room,
            url: assignment.url.filter(|url| !url.is_empty()),
            token: assignment.token.into(),
        }));
    }

    fn terminated(&mut self, job: JobId) {
        // What we ended ourselves is terminated too; that is no news.
        if let Some(room) = self.assigned.remove(&job) {
            self.outputs.push_back(Output::Event(Event::Terminated { room }));
        }
    }

    fn answer(&mut self, job: JobId, answer: Answer) {
        let taken = answer == Answer::Take;
        self.send(worker_message::Message::Availability(AvailabilityResponse {
            available: taken,
            participant_identity: format!("{IDENTITY_PREFIX}{}", job.0),
            participant_name: PARTICIPANT_NAME.to_owned(),
            participant_attributes: ATTRIBUTES
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            job_id: job.0,
            ..Default::default()
        }));
    }

    fn progress(&mut self, job: JobId, progress: JobProgress) {
        // A server that was restarted, or has terminated the job, doesn't know it.
        if !self.assigned.contains_key(&job) {
            return;
        }
        let (status, error) = match progress {
            JobProgress::Running => (JobStatus::JsRunning, String::new()),
            JobProgress::Done => (JobStatus::JsSuccess, String::new()),
            JobProgress::Failed(reason) => (JobStatus::JsFailed, reason),
        };
        if status != JobStatus::JsRunning {
            self.assigned.remove(&job);
        }
        self.send(worker_message::Message::UpdateJob(UpdateJobStatus {
            job_id: job.0,
            status: status.into(),
            error,
        }));
    }

    fn report(&mut self, now: Instant) {
        if self.phase == Phase::Registering {
            return;
        }
        self.reported = now;
        self.reports += 1;
        let report = UpdateWorkerStatus {
            status: Some(self.capacity.status().into()),
            load: self.capacity.load(),
            job_count: self.capacity.rooms,
            draining: self.capacity.intake == Intake::Draining,
            seq: self.reports,
        };
        self.send(worker_message::Message::UpdateWorker(report));
    }

    fn send(&mut self, message: worker_message::Message) {
        let message = WorkerMessage {
            message: Some(message),
        };
        self.outputs.push_back(Output::Send(message.encode_to_vec()));
    }
}

impl Capacity {
    /// Whether one more room is welcome.
    pub(crate) fn takes_more(self) -> bool {
        self.intake == Intake::Open && self.rooms < self.rooms_max
    }

    fn status(self) -> WorkerStatus {
        if self.takes_more() {
            WorkerStatus::WsAvailable
        } else {
            WorkerStatus::WsFull
        }
    }

    /// Our own rooms, not what else the machine does: that isn't ours to say.
    fn load(self) -> f32 {
        if self.takes_more() {
            LOAD_WHEN_NEARLY_FULL * self.rooms as f32 / self.rooms_max as f32
        } else {
            1.0
        }
    }
}

fn permissions(visibility: Visibility) -> ParticipantPermission {
    ParticipantPermission {
        can_subscribe: true,
        can_publish: false,
        can_publish_data: true,
        can_update_metadata: true,
        hidden: visibility == Visibility::Hidden,
        #[expect(
            deprecated,
            reason = "servers before 1.10 make the participant an agent by it"
        )]
        agent: true,
        ..Default::default()
    }
}

fn room_of(job: &Job) -> Option<ListedRoom> {
    if job.r#type != i32::from(JobType::JtRoom) || job.id.is_empty() {
        return None;
    }
    let room = job.room.as_ref()?;
    Some(ListedRoom {
        name: RoomName::parse(&*room.name).ok()?,
        sid: RoomSid::parse(&*room.sid).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use livekit_protocol::{JobTermination, Room, ServerInfo, WorkerPong};
    use secrecy::ExposeSecret;

    use super::*;

    const EMPTY: Capacity = Capacity {
        rooms: 0,
        rooms_max: 4,
        intake: Intake::Open,
    };

    fn registration() -> Registration {
        Registration {
            agent_name: "notes".to_owned(),
            visibility: Visibility::Hidden,
        }
    }

    fn registered(now: Instant) -> Session {
        let mut session = Session::new(&registration(), EMPTY, now);
        let server_info = Some(ServerInfo {
            version: "1.13.5".to_owned(),
            ..Default::default()
        });
        let response = RegisterWorkerResponse {
            worker_id: "AW_1".to_owned(),
            server_info,
            ..Default::default()
        };
        session.handle_message(&server(server_message::Message::Register(response)), now);
        drain(&mut session);
        session
    }

    fn server(message: server_message::Message) -> Vec<u8> {
        ServerMessage {
            message: Some(message),
        }
        .encode_to_vec()
    }

    fn job(id: &str, room: &str) -> Job {
        Job {
            id: id.to_owned(),
            room: Some(Room {
                name: room.to_owned(),
                sid: "RM_1".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn assignment(id: &str, room: &str) -> Vec<u8> {
        server(server_message::Message::Assignment(JobAssignment {
            job: Some(job(id, room)),
            url: Some(String::new()),
            token: "token-of-tests".to_owned(),
        }))
    }

    fn drain(session: &mut Session) -> Vec<Output> {
        std::iter::from_fn(|| session.poll_output()).collect()
    }

    /// What goes to the server, decoded.
    fn sent(outputs: &[Output]) -> Vec<worker_message::Message> {
        outputs
            .iter()
            .filter_map(|output| match output {
                Output::Send(bytes) => {
                    WorkerMessage::decode(bytes.as_slice())
                        .expect("our own message")
                        .message
                }
                _ => None,
            })
            .collect()
    }

    fn report(outputs: &[Output]) -> UpdateWorkerStatus {
        match sent(outputs).as_slice() {
            [worker_message::Message::UpdateWorker(report)] => *report,
            other => panic!("expected one report, got {other:?}"),
        }
    }

    #[test]
    fn registration_asks_for_the_least_rights_an_agent_needs() {
        let mut session = Session::new(&registration(), EMPTY, Instant::now());
        let outputs = drain(&mut session);
        let messages = sent(&outputs);
        let [worker_message::Message::Register(request)] = messages.as_slice() else {
            panic!("expected a registration, got {messages:?}");
        };
        assert_eq!(
            (request.agent_name.as_str(), request.r#type()),
            ("notes", JobType::JtRoom)
        );
        let permissions = request.allowed_permissions.as_ref().expect("permissions");
        assert!(permissions.hidden && permissions.can_subscribe && permissions.can_publish_data);
        assert!(!permissions.can_publish);
    }

    #[test]
    fn registered_worker_reports_at_once_and_every_two_seconds() {
        let now = Instant::now();
        let mut session = Session::new(&registration(), EMPTY, now);
        drain(&mut session);
        let response = RegisterWorkerResponse {
            worker_id: "AW_1".to_owned(),
            ..Default::default()
        };
        session.handle_message(&server(server_message::Message::Register(response)), now);
        let outputs = drain(&mut session);
        assert!(
            matches!(outputs.first(), Some(Output::Registered { worker_id, .. }) if worker_id == "AW_1"),
            "{outputs:?}"
        );
        assert_eq!(
            (report(&outputs).status(), report(&outputs).seq),
            (WorkerStatus::WsAvailable, 1)
        );
        assert_eq!(session.poll_timeout(), now + REPORT_INTERVAL);
        session.handle_timeout(now + REPORT_INTERVAL);
        assert_eq!(report(&drain(&mut session)).seq, 2);
    }

    #[test]
    fn load_stays_below_the_server_s_limit_until_the_last_room() {
        let now = Instant::now();
        let mut session = registered(now);
        session.handle_capacity(Capacity { rooms: 3, ..EMPTY }, now);
        let busy = report(&drain(&mut session));
        assert!(busy.load > 0.5 && busy.load < 0.7, "{busy:?}");
        assert_eq!((busy.status(), busy.job_count), (WorkerStatus::WsAvailable, 3));
        session.handle_capacity(Capacity { rooms: 4, ..EMPTY }, now);
        assert_eq!(report(&drain(&mut session)).status(), WorkerStatus::WsFull);
        session.handle_capacity(Capacity { rooms: 4, ..EMPTY }, now);
        assert!(
            drain(&mut session).is_empty(),
            "what hasn't changed is not reported early"
        );
    }

    #[test]
    fn draining_worker_is_full_however_empty_it_is() {
        let now = Instant::now();
        let mut session = registered(now);
        session.handle_capacity(
            Capacity {
                intake: Intake::Draining,
                ..EMPTY
            },
            now,
        );
        let report = report(&drain(&mut session));
        assert_eq!((report.status(), report.draining), (WorkerStatus::WsFull, true));
    }

    #[test]
    fn a_room_is_asked_for_assigned_and_ended() {
        let now = Instant::now();
        let mut session = registered(now);
        let question = AvailabilityRequest {
            job: Some(job("AJ_1", "physics")),
            resuming: false,
        };
        session.handle_message(&server(server_message::Message::Availability(question)), now);
        let outputs = drain(&mut session);
        let [Output::Event(Event::Asked { job, room })] = outputs.as_slice() else {
            panic!("expected a question, got {outputs:?}");
        };
        assert_eq!(room.as_str(), "physics");

        session.handle_command(Command::Answer(job.clone(), Answer::Take));
        let messages = sent(&drain(&mut session));
        let [worker_message::Message::Availability(answer)] = messages.as_slice() else {
            panic!("expected an answer, got {messages:?}");
        };
        assert!(answer.available);
        assert_eq!(answer.participant_identity, "agent-AJ_1");
        assert_eq!(answer.participant_attributes["lk.agent.state"], "initializing");

        session.handle_message(&assignment("AJ_1", "physics"), now);
        let outputs = drain(&mut session);
        let [
            Output::Event(Event::Assigned {
                job,
                url: None,
                token,
                ..
            }),
        ] = outputs.as_slice()
        else {
            panic!("expected an assignment, got {outputs:?}");
        };
        assert_eq!(token.expose_secret(), "token-of-tests");

        session.handle_command(Command::Progress(job.clone(), JobProgress::Running));
        session.handle_command(Command::Progress(
            job.clone(),
            JobProgress::Failed("out of luck".to_owned()),
        ));
        session.handle_command(Command::Progress(job.clone(), JobProgress::Done));
        let statuses: Vec<(JobStatus, String)> = sent(&drain(&mut session))
            .into_iter()
            .map(|message| match message {
                worker_message::Message::UpdateJob(update) => (update.status(), update.error),
                other => panic!("expected progress, got {other:?}"),
            })
            .collect();
        let expected = [
            (JobStatus::JsRunning, String::new()),
            (JobStatus::JsFailed, "out of luck".to_owned()),
        ];
        assert_eq!(statuses, expected, "an ended job is not heard of again");
    }

    #[test]
    fn termination_of_our_own_job_is_passed_on_and_of_another_s_is_not() {
        let now = Instant::now();
        let mut session = registered(now);
        session.handle_message(&assignment("AJ_1", "physics"), now);
        drain(&mut session);
        for id in ["AJ_2", "AJ_1", "AJ_1"] {
            let termination = JobTermination {
                job_id: id.to_owned(),
            };
            session.handle_message(&server(server_message::Message::Termination(termination)), now);
        }
        let outputs = drain(&mut session);
        assert!(
            matches!(outputs.as_slice(), [Output::Event(Event::Terminated { room, .. })] if room.as_str() == "physics"),
            "{outputs:?}"
        );
    }

    #[test]
    fn jobs_that_are_no_room_s_are_declined() {
        let now = Instant::now();
        let mut session = registered(now);
        let jobs = [
            Job {
                r#type: JobType::JtPublisher.into(),
                ..job("AJ_1", "physics")
            },
            Job {
                room: None,
                ..job("AJ_2", "physics")
            },
            job("AJ_3", ""),
        ];
        for job in jobs {
            let question = AvailabilityRequest {
                job: Some(job),
                resuming: false,
            };
            session.handle_message(&server(server_message::Message::Availability(question)), now);
            let outputs = drain(&mut session);
            assert!(
                matches!(outputs.first(), Some(Output::Rejected(_))),
                "{outputs:?}"
            );
            let answers = sent(&outputs);
            let [worker_message::Message::Availability(answer)] = answers.as_slice() else {
                panic!("expected an answer, got {answers:?}");
            };
            assert!(!answer.available);
        }
    }

    #[test]
    fn garbage_is_rejected_and_the_session_goes_on() {
        let now = Instant::now();
        let mut session = registered(now);
        for bytes in [
            &b""[..],
            b"\xff\xff\xff\xff",
            b"{\"register\":{}}",
            &[0x0a, 0x7f, 0x01],
        ] {
            session.handle_message(bytes, now);
            assert!(
                matches!(drain(&mut session).as_slice(), [Output::Rejected(_)]),
                "{bytes:?}"
            );
        }
        session.handle_message(&assignment("AJ_1", "physics"), now);
        assert!(matches!(
            drain(&mut session).as_slice(),
            [Output::Event(Event::Assigned { .. })]
        ));
    }

    #[test]
    fn a_silent_server_is_pinged_and_given_up() {
        let start = Instant::now();
        let mut session = registered(start);
        let mut pings = 0;
        let lost_at = loop {
            let now = session.poll_timeout();
            session.handle_timeout(now);
            let outputs = drain(&mut session);
            pings += sent(&outputs)
                .iter()
                .filter(|sent| matches!(sent, worker_message::Message::Ping(_)))
                .count();
            if outputs.iter().any(|output| matches!(output, Output::Lost(_))) {
                break now;
            }
        };
        assert_eq!((lost_at - start, pings), (SILENCE_MAX, 2));

        let mut session = registered(start);
        let pong = WorkerPong {
            last_timestamp: 0,
            timestamp: 0,
        };
        session.handle_message(
            &server(server_message::Message::Pong(pong)),
            start + PING_INTERVAL,
        );
        session.handle_timeout(start + SILENCE_MAX);
        assert!(
            !drain(&mut session)
                .iter()
                .any(|output| matches!(output, Output::Lost(_)))
        );
    }

    #[test]
    fn a_server_that_never_registers_us_is_given_up() {
        let now = Instant::now();
        let mut session = Session::new(&registration(), EMPTY, now);
        drain(&mut session);
        assert_eq!(session.poll_timeout(), now + REGISTER_TIMEOUT);
        session.handle_timeout(now + REGISTER_TIMEOUT);
        assert!(matches!(drain(&mut session).as_slice(), [Output::Lost(_)]));
    }
}
