
-- What a text of a lecture is found by. `kind` is 'title', 'summary' or 'segment'.
create table search_text (
    id integer primary key,
    meeting_id text not null references meeting (id) on delete cascade,
    kind text not null,
    -- Of a segment; else empty.
    segment_id text not null,
    unique (meeting_id, kind, segment_id)
);
-- Tokens are made by ourselves: only spaces are between them.
create virtual table search_index using fts5 (
    tokens, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'"
);
create trigger search_text_deleted after delete on search_text begin
    delete from search_index where rowid = old.id;
end;
