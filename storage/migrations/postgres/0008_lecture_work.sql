
-- What a text of a lecture is found by. `kind` is 'title', 'summary' or 'segment'.
create table search_text (
    meeting_id text not null references meeting (id) on delete cascade,
    kind text not null,
    -- Of a segment; else empty.
    segment_id text not null,
    tokens tsvector not null,
    primary key (meeting_id, kind, segment_id)
);
create index search_text_tokens on search_text using gin (tokens);
