-- What administrators do with accounts.

-- Since when nobody can log in to it; nothing while somebody can.
alter table account add column disabled_at bigint;
alter table account add column last_login_at bigint;

-- The administrator who made it; nothing for keys that are older than this column.
alter table api_key add column made_by text;
create index api_key_of_maker on api_key (made_by) where revoked_at is null;

-- By which somebody sets a new password, once; one each.
create table password_link (
    account_id text primary key references account (id) on delete cascade,
    -- SHA-256 of its token in hexadecimal digits.
    hash text not null unique,
    expires_at bigint not null
);

-- One row, which is written by whoever takes an administrator away: of two who do so at once, one waits, and sees who is
-- left.
create table administration (
    id bigint primary key,
    changes bigint not null
);
insert into administration (id, changes) values (1, 0);
