-- Who logs in by another's account.

-- What a provider calls somebody. One account has at most one name with each provider: whoever gets an address that was
-- somebody else's there gets no account with it.
create table identity (
    issuer text not null,
    subject text not null,
    account_id text not null references account (id) on delete cascade,
    linked_at bigint not null,
    primary key (issuer, subject),
    unique (account_id, issuer)
);

-- Attempts that came to an end, until nobody can come back by them.
create table login_flow (
    id text primary key,
    expires_at bigint not null
);
create index login_flow_by_expiry on login_flow (expires_at);
