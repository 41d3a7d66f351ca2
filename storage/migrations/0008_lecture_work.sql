-- What is found by words, what was corrected, and every summary that was made. The index that words are found by is the
-- one thing that SQLite and Postgres have of their own: see the folders of their names.

-- How often the transcript was corrected: a number that tells whether something was made of it before or after.
alter table meeting add column revision bigint not null default 0;
-- By which tokens it is found; 0 for what was stored before there were any.
alter table meeting add column search_version bigint not null default 0;
create index meeting_to_index on meeting (search_version);

-- At which of the meeting's revisions it got its present form, when, and which account decided; 0 as it was heard.
alter table segment add column revision bigint not null default 0;
alter table segment add column corrected_at bigint;
alter table segment add column corrected_by text;

-- What a segment was before it was corrected.
create table segment_version (
    meeting_id text not null,
    segment_id text not null,
    revision bigint not null,
    identity text not null,
    name text not null,
    text text not null,
    words text not null,
    corrected_at bigint,
    corrected_by text,
    primary key (meeting_id, segment_id, revision),
    foreign key (meeting_id, segment_id) references segment (meeting_id, id) on delete cascade
);

-- Summaries, the newest of which is shown.
create table lecture_summary (
    meeting_id text not null references meeting (id) on delete cascade,
    -- From 1 on.
    version bigint not null,
    -- What was asked for; nothing in what is made by itself.
    language text,
    instructions text,
    asked_by text,
    asked_at bigint,
    -- Nothing while it waits to be made.
    json text,
    made_at bigint,
    -- Of the transcript that it was made from.
    revision bigint,
    primary key (meeting_id, version)
);
insert into lecture_summary (meeting_id, version, json, made_at, revision)
select meeting_id, 1, json, coalesce(ended_at, last_seen_at), 0 from summary join meeting on meeting.id = meeting_id;
drop table summary;
