-- Who may do what: accounts, their sessions and servers' keys; rooms, the people who wait at their doors, and all that
-- happened in them.

create table account (
    id text primary key,
    -- In lower case.
    email text not null unique,
    name text not null,
    role text not null,
    -- Argon2id with its parameters, as PHC has it; nothing for who logs in elsewhere.
    password_hash text,
    created_at bigint not null
);

create table session (
    id text primary key,
    account_id text not null references account (id) on delete cascade,
    expires_at bigint not null
);
create index session_of_account on session (account_id);

create table api_key (
    id text primary key,
    name text not null,
    -- SHA-256 of the key in hexadecimal digits: the key is random, so that nothing slower is needed.
    hash text not null unique,
    created_at bigint not null,
    revoked_at bigint
);

create table room (
    -- What LiveKit calls the room.
    id text primary key,
    code text not null unique,
    title text not null,
    owner_id text not null references account (id) on delete cascade,
    status text not null,
    -- 1 while nobody new comes in.
    locked bigint not null default 0,
    -- JSON, as the service has it.
    settings text not null,
    starts_at bigint,
    created_at bigint not null,
    -- The position of its latest event.
    last_event bigint not null default 0
);
create index room_of_owner on room (owner_id, created_at, id);
create index room_by_creation on room (created_at, id);

create table guest (
    id text primary key,
    room_id text not null references room (id) on delete cascade,
    name text not null,
    -- How a browser is known again, and where it called from.
    fingerprint text not null,
    address text not null,
    state text not null,
    asked_at bigint not null,
    decided_at bigint,
    -- Who let them in or sent them away; nothing where nobody had to.
    decided_by text
);
create index guest_of_room on guest (room_id, state, asked_at, id);
create index guest_waiting on guest (asked_at) where state = 'waiting';

-- Everything that people in a room are told about, in the order in which it happened.
create table room_event (
    room_id text not null references room (id) on delete cascade,
    position bigint not null,
    -- 'all', 'hosts', or the id of the one guest it is for.
    audience text not null,
    kind text not null,
    json text not null,
    at bigint not null,
    primary key (room_id, position)
);

-- Who did what, for those who have to answer for it.
create table audit (
    id text primary key,
    at bigint not null,
    -- An account's or a key's id; nothing for ourselves.
    actor text,
    action text not null,
    room_id text,
    target text
);
create index audit_by_time on audit (at, id);
create index audit_of_room on audit (room_id, at, id);
