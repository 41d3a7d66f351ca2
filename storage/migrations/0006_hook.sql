-- Webhooks: who wants to be told of what, what they are to be told, and what became of it.

create table hook (
    id text primary key,
    url text not null,
    description text not null,
    -- Signs what is sent, as it is: docs/webhooks.md says why.
    secret text not null,
    -- The one room it is about; nothing for all.
    room_id text references room (id) on delete cascade,
    created_at bigint not null,
    -- Since when nothing is sent, and why.
    off_at bigint,
    off_reason text,
    -- How many attempts in a row have failed, and since when.
    failures bigint not null default 0,
    failing_since bigint,
    -- How much was left out because too much waited already, and when last.
    dropped bigint not null default 0,
    dropped_at bigint,
    -- Who sends, and until when nobody else may.
    lease_holder text,
    lease_until bigint
);
create index hook_of_room on hook (room_id);
create index hook_by_creation on hook (created_at, id);

create table hook_topic (
    hook_id text not null references hook (id) on delete cascade,
    topic text not null,
    primary key (hook_id, topic)
);
create index hook_topic_by_topic on hook_topic (topic);

-- What is told, once for everybody who is told of it. It goes with its lecture.
create table hook_event (
    id text primary key,
    topic text not null,
    room text,
    meeting_id text references meeting (id) on delete cascade,
    at bigint not null,
    -- JSON: what is told besides the columns.
    data text not null
);
create index hook_event_of_meeting on hook_event (meeting_id);
create index hook_event_by_time on hook_event (at);

create table hook_delivery (
    hook_id text not null references hook (id) on delete cascade,
    -- The event's id, or one of its own where it is told again.
    id text not null,
    event_id text not null references hook_event (id) on delete cascade,
    -- What is of one room is sent in the order of its positions: microseconds since 1970, as fine as is known.
    room text not null,
    position bigint not null,
    -- 'waiting', 'delivered' or 'given-up'
    state text not null,
    attempts bigint not null default 0,
    first_attempt_at bigint,
    last_attempt_at bigint,
    next_at bigint not null,
    -- What the last answer was, if there was one, and what was wrong with it.
    status bigint,
    failure text,
    primary key (hook_id, id)
);
create index hook_delivery_waiting on hook_delivery (hook_id, position, id) where state = 'waiting';
create index hook_delivery_put_off on hook_delivery (hook_id, room, position) where state = 'waiting' and attempts > 0;
create index hook_delivery_by_position on hook_delivery (hook_id, position, id);
create index hook_delivery_of_event on hook_delivery (event_id);

-- What came of it, where that is not what was wanted: the error's code.
alter table audit add column outcome text;

-- What is too old is found by these.
create index chat_message_by_time on chat_message (room_id, at);
create index room_event_by_time on room_event (room_id, at);
