//! The worker's main loop: everything that happens outside of rooms.

use std::{
    collections::HashSet,
    future::Future,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinSet},
    time::{Interval, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use lectern_pipelines::{MeetingId, RoomName, Stage, UnixMillis};
use lectern_storage::CONTINUES_WITHIN;

use crate::{
    Context, Error,
    cover::{Entry, cover, lease_times, unix_now},
    link::Link,
    reconcile::{
        Absence, Action, Depth, KnownRooms, LEASE_GRACE, LEFT_TO_DISPATCH, Observation, Standpoint, Unheld,
        observe, plan,
    },
    recovery,
    rooms::{Finished, Outcome, Rooms},
    server::{ListedRoom, Server},
    stages,
    worker::{self, Answer, Capacity, Command, Intake, JobProgress, Registration},
};

/// Works until `shutdown`: registers with LiveKit, takes rooms, and brings meetings to their artifacts.
///
/// After `shutdown` no room is taken any more, and those that run are offered to other workers. Where none takes one, it
/// may go on for [`Config::drain`](crate::Config). What runs longer, or when `at_once` comes, is left as it is: it stays
/// live in the database.
pub async fn run(
    context: Arc<Context>,
    shutdown: impl Future<Output = ()>,
    at_once: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (mut shutdown, mut at_once) = (pin!(shutdown.fuse()), pin!(at_once.fuse()));
    let mut agent = Agent::start(context);
    while agent.phase != Phase::Done {
        let event = tokio::select! {
            event = agent.next_event() => event,
            () = &mut shutdown => Event::Drain,
            () = &mut at_once => Event::HandBack,
        };
        agent.handle(event);
    }
    agent.stages_stop.cancel();
    tokio::select! {
        _ = agent.stages.join_next() => {}
        () = sleep(STAGE_STEP_MAX) => warn!("a meeting's next step takes too long; another worker begins it anew"),
        () = &mut at_once => {}
    }
    info!("the worker has stopped");
    Ok(())
}

struct Agent {
    context: Arc<Context>,
    server: Arc<Server>,
    phase: Phase,
    rooms: Rooms,
    known: KnownRooms,
    unheld: Unheld,
    /// When LiveKit last seemed to be in trouble.
    shaken: Option<Instant>,
    /// When to compare the lists next.
    look_at: Instant,
    /// When to extend the leases next.
    extend_at: Instant,
    link: Link,
    wishes: mpsc::UnboundedReceiver<worker::Event>,
    capacity: watch::Sender<Capacity>,
    tick: Interval,
    chores: JoinSet<Chore>,
    looking: Busy,
    extending: Busy,
    offering: Busy,
    stages: JoinSet<()>,
    stages_stop: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Working,
    /// Rooms may go on until then.
    Draining(Instant),
    /// Rooms have been told to stop, and may take until then.
    HandingBack(Instant),
    Done,
}

/// Whether a chore of a kind is under way; there is never a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Busy {
    No,
    Yes,
}

#[derive(Debug)]
enum Event {
    Link(worker::Event),
    Finished(Finished),
    Tick,
    LookDue,
    LookNow,
    Chore(Result<Chore, JoinError>),
    StagesEnded(Result<(), JoinError>),
    Drain,
    HandBack,
    Deadline,
}

/// What was done beside the loop.
#[derive(Debug)]
enum Chore {
    Looked(Option<Observation>),
    /// These rooms' meetings are another worker's now.
    Extended(Vec<RoomName>),
    /// Other workers hear these rooms, which we offered to them.
    Offered(Vec<RoomName>),
    /// Nobody asks for us in this room any more.
    CalledOff(RoomName),
    Done,
}

/// Leases are checked so often.
const TICK: Duration = Duration::from_millis(200);
/// And extended so often: twice before they run out.
const LEASE_RENEWAL: Duration = Duration::from_millis(400);
/// Time for whatever made them fail to pass.
const STAGES_RESTART: Duration = Duration::from_secs(1);
/// LiveKit is asked for its rooms at least so often.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// The recogniser's last words, the last commit, the goodbye.
const HAND_BACK_MAX: Duration = Duration::from_secs(20);
/// A language model may take its time over a long lecture.
const STAGE_STEP_MAX: Duration = Duration::from_secs(60);

impl Agent {
    fn start(context: Arc<Context>) -> Self {
        let server = Arc::new(Server::new(context.config.livekit.clone()));
        let registration = Registration {
            agent_name: context.config.agent_name.clone(),
            visibility: context.config.visibility,
        };
        let capacity = watch::Sender::new(Capacity {
            rooms: 0,
            rooms_max: context.config.rooms_max,
            intake: Intake::Open,
        });
        let (link, wishes) = Link::start(Arc::clone(&server), registration, capacity.subscribe());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut agent = Self {
            server,
            phase: Phase::Working,
            rooms: Rooms::default(),
            known: KnownRooms::default(),
            unheld: Unheld::default(),
            shaken: None,
            look_at: Instant::now() + LOOK_INTERVAL,
            extend_at: Instant::now(),
            link,
            wishes,
            capacity,
            tick,
            chores: JoinSet::new(),
            looking: Busy::No,
            extending: Busy::No,
            offering: Busy::No,
            stages: JoinSet::new(),
            stages_stop: CancellationToken::new(),
            context,
        };
        agent.start_stages(Duration::ZERO);
        agent
    }

    async fn next_event(&mut self) -> Event {
        let deadline = match self.phase {
            Phase::Draining(deadline) | Phase::HandingBack(deadline) => Some(deadline),
            Phase::Working | Phase::Done => None,
        };
        tokio::select! {
            Some(wish) = self.wishes.recv() => Event::Link(wish),
            finished = self.rooms.next_finished() => Event::Finished(finished),
            Some(chore) = self.chores.join_next() => Event::Chore(chore),
            _ = self.tick.tick() => Event::Tick,
            () = sleep_until(self.look_at.into()) => Event::LookDue,
            () = self.context.reconcile_wake.notified() => Event::LookNow,
            Some(ended) = self.stages.join_next() => Event::StagesEnded(ended),
            () = sleep_until(deadline.unwrap_or_else(Instant::now).into()), if deadline.is_some() => Event::Deadline,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Link(wish) => self.handle_link(wish),
            Event::Finished(finished) => self.finished(finished),
            Event::Tick => self.tick(),
            Event::LookDue => self.look(Depth::Rooms),
            Event::LookNow => self.look_soon(Instant::now()),
            Event::Chore(chore) => self.chore_done(chore),
            Event::StagesEnded(ended) => self.stages_ended(ended),
            Event::Drain => self.drain(),
            Event::HandBack | Event::Deadline => self.hand_back(),
        }
        if self.phase != Phase::Working && self.rooms.running() == 0 {
            self.phase = Phase::Done;
        }
        self.publish_capacity();
    }

    fn handle_link(&mut self, wish: worker::Event) {
        let now = Instant::now();
        match wish {
            worker::Event::Registered => {
                self.context.registered.send_replace(true);
                self.look_soon(now);
            }
            worker::Event::Lost => {
                self.context.registered.send_replace(false);
                self.shaken = Some(now);
            }
            worker::Event::Asked { job, room } => {
                let answer = match self.takes_more() && !self.rooms.covers(&room, now) {
                    true => Answer::Take,
                    false => Answer::Decline,
                };
                if answer == Answer::Take {
                    self.rooms.promise(room, now);
                }
                self.link.tell(Command::Answer(job, answer));
            }
            worker::Event::Assigned {
                job,
                room,
                url,
                token,
            } => {
                let progress = match self.start_room(room, Some(job.clone()), Entry::Assigned { url, token })
                {
                    Ok(()) => JobProgress::Running,
                    Err(_) => JobProgress::Done,
                };
                self.link.tell(Command::Progress(job, progress));
            }
            worker::Event::Terminated { room } => self.check_whether_called_off(room),
        }
    }

    fn start_room(
        &mut self,
        room: ListedRoom,
        job: Option<worker::JobId>,
        entry: Entry,
    ) -> Result<(), crate::rooms::AlreadyRunning> {
        let (context, server) = (Arc::clone(&self.context), Arc::clone(&self.server));
        let name = room.name.clone();
        self.rooms.start(&name, job, Instant::now(), |orders| {
            cover(context, server, room, entry, orders)
        })
    }

    fn finished(&mut self, finished: Finished) {
        let Finished { room, job, outcome } = finished;
        match &outcome {
            Outcome::Ended => info!(room.name = %room, "room {room} is over"),
            Outcome::HandedBack => info!(room.name = %room, "room {room} is left to other workers"),
            Outcome::Taken => info!(room.name = %room, "another worker is in room {room}"),
            Outcome::NotOurs => debug!(room.name = %room, "room {room} is gone, or asks for other agents"),
            Outcome::Interrupted(reason) => {
                warn!(room.name = %room, "room {room} was interrupted: {reason}");
                self.shaken = Some(Instant::now());
            }
            Outcome::Failed(reason) => error!(room.name = %room, "work on room {room} failed: {reason}"),
        }
        metrics::counter!("lectern_rooms_finished_total", "outcome" => outcome.label()).increment(1);
        if let Some(job) = job {
            self.link.tell(Command::Progress(job, progress_of(outcome)));
        }
        if let Some(retry) = self.rooms.next_retry(Instant::now()) {
            self.look_soon(retry);
        }
    }

    fn tick(&mut self) {
        if self.extending == Busy::No && self.extend_at <= Instant::now() {
            self.extending = Busy::Yes;
            self.extend_at = Instant::now() + LEASE_RENEWAL;
            let context = Arc::clone(&self.context);
            self.chores
                .spawn(async move { Chore::Extended(context.held.extend(&context).await) });
        }
        self.offer_rooms();
        self.look(Depth::Leases);
    }

    /// Before we stop, others may have our rooms.
    fn offer_rooms(&mut self) {
        if !matches!(self.phase, Phase::Draining(_)) || self.offering == Busy::Yes {
            return;
        }
        self.offering = Busy::Yes;
        let context = Arc::clone(&self.context);
        self.chores.spawn(async move {
            let heard = context.database.offer_meetings(&context.holder, unix_now()).await;
            let heard = heard.unwrap_or_else(|error| {
                warn!("can't offer rooms to other workers: {error}");
                Vec::new()
            });
            Chore::Offered(context.held.rooms_of(&heard))
        });
    }

    /// Starts to compare the lists, unless that is under way or no room is taken any more.
    fn look(&mut self, depth: Depth) {
        if depth == Depth::Rooms {
            self.look_at = Instant::now() + LOOK_INTERVAL;
        }
        if self.phase != Phase::Working {
            return;
        }
        if self.looking == Busy::Yes {
            // What is being looked at may be older than the reason to look.
            return if depth == Depth::Rooms {
                self.look_soon(Instant::now() + TICK / 2)
            };
        }
        self.looking = Busy::Yes;
        let (context, server) = (Arc::clone(&self.context), Arc::clone(&self.server));
        self.chores.spawn(async move {
            let observation = observe(&context, &server, depth, unix_now()).await;
            Chore::Looked(observation.unwrap_or_else(|error| {
                warn!("can't compare rooms with meetings: {error}");
                None
            }))
        });
    }

    fn look_soon(&mut self, at: Instant) {
        self.look_at = self.look_at.min(at);
    }

    /// Rooms that are nothing to be thought about now.
    fn mine(&self) -> HashSet<RoomName> {
        self.rooms.engaged(Instant::now())
    }

    fn chore_done(&mut self, chore: Result<Chore, JoinError>) {
        match chore {
            Ok(Chore::Looked(observation)) => {
                self.looking = Busy::No;
                if let Some(observation) = observation {
                    self.reconcile(&observation);
                }
            }
            Ok(Chore::Extended(lost)) => {
                self.extending = Busy::No;
                for room in lost {
                    warn!(room.name = %room, "another worker has taken room {room} over");
                    self.rooms.hand_over(&room);
                    self.rooms.stop(&room);
                }
            }
            Ok(Chore::Offered(heard)) => {
                self.offering = Busy::No;
                for room in &heard {
                    self.rooms.hand_over(room);
                }
            }
            Ok(Chore::CalledOff(room)) => {
                info!(room.name = %room, "room {room} doesn't ask for us any more");
                self.rooms.stop(&room);
            }
            Ok(Chore::Done) => {}
            Err(error) => {
                error!("a chore failed: {error}");
                (self.looking, self.extending, self.offering) = (Busy::No, Busy::No, Busy::No);
            }
        }
    }

    fn reconcile(&mut self, observation: &Observation) {
        let (now, unix_now) = (Instant::now(), unix_now());
        self.known.update(&observation.rooms, unix_now);
        self.unheld.update(&observation.meetings, unix_now);
        let listed: HashSet<&RoomName> = observation.rooms.iter().map(|room| &room.name).collect();
        self.rooms.forget(|room| listed.contains(room), now);
        let mine = self.mine();
        let standpoint = Standpoint {
            is_mine: |room: &RoomName| mine.contains(room),
            known: &self.known,
            unheld: &self.unheld,
            absence: self.absence(now),
            now: unix_now,
        };
        let actions = plan(observation, &standpoint);
        if self.known.any_new(unix_now) {
            self.look_soon(now + LEFT_TO_DISPATCH);
        }
        if self.unheld.any_new(unix_now) {
            self.look_soon(now + LEASE_GRACE);
        }
        for action in actions {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Join(room) if self.takes_more() => {
                debug!(room.name = %room.name, "room {} has no agent", room.name);
                self.start_room(room, None, Entry::Unasked)
                    .expect("the plan leaves our own rooms alone");
            }
            Action::Join(_) => {}
            Action::End {
                meeting,
                room,
                last_seen_at,
            } => {
                info!(room.name = %room, meeting.id = %meeting, "room {room} is gone: meeting {meeting} is over");
                let context = Arc::clone(&self.context);
                self.chores.spawn(async move {
                    if let Err(error) = end(&context, &meeting, last_seen_at).await {
                        warn!(meeting.id = %meeting, "can't end meeting {meeting}: {error}");
                    }
                    Chore::Done
                });
            }
        }
    }

    /// LiveKit also terminates the job of an agent that has lost its connection, and may be back in a moment.
    fn check_whether_called_off(&mut self, room: RoomName) {
        if !self.rooms.covers(&room, Instant::now()) {
            return;
        }
        let (context, server) = (Arc::clone(&self.context), Arc::clone(&self.server));
        self.chores.spawn(async move {
            match server.dispatches(&room).await {
                Ok(Some(names)) if !names.contains(&context.config.agent_name) => Chore::CalledOff(room),
                // A room that is gone tells its agent so itself; cutting in would cut the last words.
                Ok(_) => Chore::Done,
                Err(error) => {
                    warn!(room.name = %room, "can't ask why the job in room {room} was terminated: {error}");
                    Chore::Done
                }
            }
        });
    }

    fn absence(&self, now: Instant) -> Absence {
        let connected = *self.context.registered.borrow();
        match self.shaken {
            Some(shaken) if now - shaken <= CONTINUES_WITHIN => Absence::MayBeARestart,
            _ if !connected => Absence::MayBeARestart,
            _ => Absence::IsTheEnd,
        }
    }

    fn takes_more(&self) -> bool {
        self.phase == Phase::Working && self.rooms.count(Instant::now()) < self.context.config.rooms_max
    }

    fn publish_capacity(&self) {
        let rooms = self.rooms.count(Instant::now());
        let intake = if self.phase == Phase::Working {
            Intake::Open
        } else {
            Intake::Draining
        };
        let capacity = Capacity {
            rooms,
            rooms_max: self.context.config.rooms_max,
            intake,
        };
        self.capacity
            .send_if_modified(|present| std::mem::replace(present, capacity) != capacity);
        metrics::gauge!("lectern_rooms").set(rooms);
    }

    fn drain(&mut self) {
        if self.phase == Phase::Working {
            let (rooms, drain) = (self.rooms.running(), self.context.config.drain);
            info!(
                "stopping: no room is taken any more; {rooms} are offered to other workers, and may go on here for {} s",
                drain.as_secs()
            );
            self.phase = Phase::Draining(Instant::now() + drain);
            self.offer_rooms();
        }
    }

    fn hand_back(&mut self) {
        match self.phase {
            Phase::Working | Phase::Draining(_) => {
                info!(
                    "stopping: {} rooms are left to other workers",
                    self.rooms.running()
                );
                self.rooms.stop_all();
                self.phase = Phase::HandingBack(Instant::now() + HAND_BACK_MAX);
            }
            Phase::HandingBack(_) | Phase::Done => {
                warn!(
                    "{} rooms did not stop in time; their leases run out by themselves",
                    self.rooms.running()
                );
                self.phase = Phase::Done;
            }
        }
    }

    fn start_stages(&mut self, delay: Duration) {
        let (context, stop) = (Arc::clone(&self.context), self.stages_stop.clone());
        self.stages.spawn(async move {
            sleep(delay).await;
            tokio::join!(
                recovery::run(Arc::clone(&context), stop.clone()),
                stages::run(context, stop)
            );
        });
    }

    /// They end only when told to, or by a panic; a meeting that caused it is tried again when its lease has run out.
    fn stages_ended(&mut self, ended: Result<(), JoinError>) {
        match ended {
            Ok(()) => error!("the work on meetings that are over has ended by itself; starting it again"),
            Err(error) => error!("the work on meetings that are over has failed: {error}; starting it again"),
        }
        self.start_stages(STAGES_RESTART);
    }
}

/// Ends a meeting whose room is gone, unless somebody takes it at this very moment.
async fn end(context: &Context, meeting: &MeetingId, last_seen_at: UnixMillis) -> Result<(), Error> {
    let (now, until) = lease_times();
    if context
        .database
        .claim_meeting(meeting, &context.holder, now, until)
        .await?
    {
        context
            .database
            .advance(meeting, Stage::Live, Stage::Ended, last_seen_at)
            .await?;
        context.database.release_meeting(meeting, &context.holder).await?;
        context.stages_wake.notify_one();
    }
    Ok(())
}

fn progress_of(outcome: Outcome) -> JobProgress {
    match outcome {
        Outcome::Ended | Outcome::HandedBack | Outcome::Taken | Outcome::NotOurs => JobProgress::Done,
        Outcome::Interrupted(reason) | Outcome::Failed(reason) => JobProgress::Failed(reason),
    }
}
