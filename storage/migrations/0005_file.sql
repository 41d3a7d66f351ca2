-- Files that people share, and what calendars are told of a room.

create table room_file (
    id text primary key,
    room_id text not null references room (id) on delete cascade,
    -- Of the event that told of it: the order in which everybody heard of it.
    position bigint not null,
    -- Random: nothing of the name is in it.
    object_key text not null unique,
    name text not null,
    -- As who shared it said.
    media_type text not null,
    bytes bigint not null,
    identity text not null,
    shared_by text not null,
    at bigint not null
);
create unique index room_file_of_room on room_file (room_id, position);

-- Objects that no row names: of files that were deleted, and of files that are on their way. An object is noted here
-- before its first byte is written, and stays until it belongs to a row or is gone: whatever dies in between, somebody
-- finds it here.
create table object_erasure (
    object_key text primary key,
    erase_at bigint not null
);
create index object_erasure_due on object_erasure (erase_at, object_key);

-- How often what calendars have of a room has changed, and when it did last.
alter table room add column revision bigint not null default 0;
alter table room add column revised_at bigint;
