-- Lectures that are to be erased, and what LiveKit told us already.

-- Nobody sees these any more. They are gone once no worker works on them and their objects are removed.
create table erasure (
    meeting_id text primary key references meeting (id) on delete cascade,
    asked_at bigint not null
);

-- LiveKit sends an event again until it is answered; each counts once.
create table webhook_event (
    id text primary key,
    at bigint not null
);
