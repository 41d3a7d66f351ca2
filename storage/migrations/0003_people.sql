-- Who is in rooms together: which account a guest has, who may not come back, whose hand is up, and what people write.

-- Of a guest who was logged in when they came: they can hold the room later.
alter table guest add column account_id text;
-- 1 for who called from where somebody banned called from: a host decides, whatever the room's settings say.
alter table guest add column address_banned bigint not null default 0;
create index guest_of_account on guest (room_id, account_id, asked_at) where account_id is not null;
create index guest_removed on guest (decided_at) where state = 'removed';

-- Who may not be in a room, whatever token they hold.
create table kept_out (
    room_id text not null references room (id) on delete cascade,
    -- What LiveKit calls them.
    identity text not null,
    -- How their browser is known again, and where they called from; nothing for who was sent out and may ask again.
    fingerprint text,
    address text,
    at bigint not null,
    -- The account that decided.
    decided_by text not null,
    primary key (room_id, identity)
);
create index kept_out_since on kept_out (at);

create table hand (
    room_id text not null references room (id) on delete cascade,
    -- What LiveKit calls who raised it.
    identity text not null,
    name text not null,
    raised_at bigint not null,
    primary key (room_id, identity)
);

create table chat_message (
    id text primary key,
    room_id text not null references room (id) on delete cascade,
    -- Of the event that told of it: the order in which everybody read it.
    position bigint not null,
    identity text not null,
    name text not null,
    -- Nothing once it was deleted.
    text text,
    at bigint not null,
    edited_at bigint,
    deleted_at bigint
);
create unique index chat_message_of_room on chat_message (room_id, position);

create table chat_reaction (
    message_id text not null references chat_message (id) on delete cascade,
    identity text not null,
    emoji text not null,
    at bigint not null,
    primary key (message_id, identity, emoji)
);
