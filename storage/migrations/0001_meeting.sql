-- One text for SQLite and Postgres. Ids are text, times are milliseconds in bigint: since 1970 where a column ends
-- in _at or _until, since the meeting began where it ends in _ms.

-- A worker writes its room's row before it looks for a meeting to continue, so that of two workers one waits.
create table meeting_room (
    name text primary key
);

create table meeting (
    id text primary key,
    room text not null references meeting_room (name),
    stage text not null,
    started_at bigint not null,
    last_seen_at bigint not null,
    ended_at bigint,
    -- Who works on the meeting, and until when nobody else may.
    lease_holder text,
    lease_until bigint,
    -- How often the present stage failed, why it did last, and when to try again.
    attempts bigint not null default 0,
    failure text,
    next_attempt_at bigint not null default 0,
    title text,
    language text
);
create unique index meeting_one_live_per_room on meeting (room) where stage = 'live';
create index meeting_of_room on meeting (room, started_at);
create index meeting_by_start on meeting (started_at, id);
create index meeting_to_do on meeting (next_attempt_at) where stage <> 'live' and stage <> 'rendered';

-- LiveKit's ids of the room while the meeting lasted: several where its server restarted.
create table meeting_sid (
    sid text not null,
    meeting_id text not null references meeting (id) on delete cascade,
    primary key (meeting_id, sid)
);

create table participant (
    meeting_id text not null references meeting (id) on delete cascade,
    identity text not null,
    name text not null,
    -- Who came first has 0.
    position bigint not null,
    primary key (meeting_id, identity)
);

create table segment (
    meeting_id text not null references meeting (id) on delete cascade,
    id text not null,
    track text not null,
    identity text not null,
    -- The speaker's name when this was said.
    name text not null,
    start_ms bigint not null,
    end_ms bigint not null,
    text text not null,
    language text,
    -- JSON: [["word", start, end, confidence], …]
    words text not null,
    utterance bigint not null,
    primary key (meeting_id, id)
);
create index segment_by_start on segment (meeting_id, start_ms, id);

create table gap (
    meeting_id text not null references meeting (id) on delete cascade,
    track text not null,
    identity text not null,
    name text not null,
    start_ms bigint not null,
    end_ms bigint not null,
    reason text not null,
    primary key (meeting_id, track, start_ms)
);

create table summary (
    meeting_id text primary key references meeting (id) on delete cascade,
    json text not null
);

create table artifact (
    meeting_id text not null references meeting (id) on delete cascade,
    kind text not null,
    object_key text not null,
    media_type text not null,
    bytes bigint not null,
    primary key (meeting_id, kind)
);
