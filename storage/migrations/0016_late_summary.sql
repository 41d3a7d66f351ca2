-- When a language model is asked again that gave no summary; nothing where none is awaited.
alter table meeting add column ask_again_at bigint;
create index meeting_to_ask_again on meeting (ask_again_at) where ask_again_at is not null;
