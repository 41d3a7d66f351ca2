-- Links by which somebody without an account reads a lecture; one each. They end with their lecture.
create table lecture_share (
    meeting_id text primary key references meeting (id) on delete cascade,
    -- SHA-256 of its token in hexadecimal digits: the token is random, so that nothing slower is needed.
    hash text not null,
    made_at bigint not null,
    -- Nothing for one that lasts until it is taken back.
    expires_at bigint
);
