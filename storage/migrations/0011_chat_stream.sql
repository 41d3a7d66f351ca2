-- Chat that is shared with LiveKit's own components.

-- Of a message that came from them: the id of its text stream, by which they know it.
alter table chat_message add column stream_id text;
create unique index chat_message_of_stream on chat_message (room_id, identity, stream_id);
-- The position of a room's latest event of which they were told; nothing before the first.
alter table room add column chat_relayed bigint;
