-- Meetings that a worker which is about to stop offers to others, so that there is always one who listens.
create table handover (
    meeting_id text primary key references meeting (id) on delete cascade,
    -- Who offers it. An offer counts only while they hold the meeting's lease.
    giver text not null,
    offered_at bigint not null,
    -- Who takes it, and until when nobody else may.
    heir text,
    heir_until bigint,
    -- Since when the heir hears the room.
    heard_at bigint,
    -- What was said from then on is the heir's to recognise.
    cut_at bigint
);
