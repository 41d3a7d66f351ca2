-- 0 for a guest who does not want what they say to be captioned, whichever token they get later.
alter table guest add column captions bigint not null default 1;
