//! What every database has to do about people who log in by another's account.

use lectern_pipelines::UnixMillis;
use lectern_storage::{Account, AccountChange, AccountRole, Database, Governed, Identity, NewAccount};
use tokio::task::JoinSet;

use crate::things::Place;

const NOW: UnixMillis = UnixMillis(1_000);

const ADA: Identity<'static> = Identity {
    issuer: "https://login.example.org",
    subject: "ada",
};

fn new<'a>(email: &'a str, password_hash: Option<&'a str>) -> NewAccount<'a> {
    NewAccount {
        email,
        name: "Ада",
        role: AccountRole::Host,
        password_hash,
    }
}

async fn with_password(database: &Database, email: &str) -> Account {
    let made = database.create_account(new(email, Some("$argon2id$")), NOW).await;
    made.expect("stored").expect("a new address")
}

async fn found(database: &Database, identity: Identity<'_>) -> Option<Account> {
    database.account_of_identity(identity).await.expect("readable")
}

pub(crate) async fn account_is_found_by_issuer_and_subject_alone(place: &Place) {
    let database = &place.database;
    assert_eq!(found(database, ADA).await, None);
    let made = database
        .create_account_of(ADA, new("ada@example.org", None), NOW)
        .await;
    let account = made.expect("stored").expect("a new person");
    assert_eq!(found(database, ADA).await, Some(account.clone()));
    assert_eq!(
        database.account(&account.id).await.expect("readable"),
        Some(account)
    );
    for other in [
        Identity {
            subject: "Ada",
            ..ADA
        },
        Identity {
            issuer: "https://login.example.org/",
            ..ADA
        },
    ] {
        assert_eq!(found(database, other).await, None, "{other:?}");
    }
    // Neither the address nor the person is there twice, and nothing is left of the attempt.
    let other = Identity {
        subject: "eve",
        ..ADA
    };
    for (identity, email) in [(other, "ada@example.org"), (ADA, "eve@example.org")] {
        let again = database.create_account_of(identity, new(email, None), NOW).await;
        assert_eq!(again.expect("stored"), None, "{identity:?}");
    }
    assert_eq!(found(database, other).await, None);
    let eve = database.account_by_email("eve@example.org").await;
    assert_eq!(eve.expect("readable"), None);
}

pub(crate) async fn eight_first_logins_make_one_account(place: &Place) {
    let mut logins = JoinSet::new();
    for _ in 0..8 {
        let database = place.database.clone();
        logins.spawn(async move {
            database
                .create_account_of(ADA, new("ada@example.org", None), NOW)
                .await
        });
    }
    let mut made = 0;
    while let Some(login) = logins.join_next().await {
        made += usize::from(login.expect("no panic").expect("stored").is_some());
    }
    assert_eq!(made, 1);
    assert!(found(&place.database, ADA).await.is_some());
}

pub(crate) async fn linked_account_has_one_way_in(place: &Place) {
    let database = &place.database;
    let account = with_password(database, "ada@example.org").await;
    let session = database.open_session(&account.id, NOW, UnixMillis(5_000)).await;
    let session = session.expect("stored").expect("somebody may log in");
    let link = async |identity| {
        let linked = database.link_identity(&account.id, identity, NOW).await;
        linked.expect("stored")
    };
    assert!(link(ADA).await);
    assert_eq!(found(database, ADA).await, Some(account.clone()));
    let (_, hash) = database
        .account_by_email("ada@example.org")
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(hash, None);
    let ended = database.account_of_session(&session, NOW).await;
    assert_eq!(ended.expect("readable"), None);
    assert!(!link(ADA).await, "twice");
    assert!(
        !link(Identity {
            subject: "eve",
            ..ADA
        })
        .await,
        "another of the same provider"
    );
    assert!(
        link(Identity {
            issuer: "https://other.example.org",
            ..ADA
        })
        .await
    );
    let other = with_password(database, "eve@example.org").await;
    let taken = database.link_identity(&other.id, ADA, NOW).await;
    assert!(!taken.expect("stored"), "hers is linked already");
    let (_, hash) = database
        .account_by_email("eve@example.org")
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(hash.as_deref(), Some("$argon2id$"));
}

pub(crate) async fn linked_administrator_keeps_their_password(place: &Place) {
    let database = &place.database;
    let account = with_password(database, "ada@example.org").await;
    let change = AccountChange {
        role: Some(AccountRole::Admin),
        ..AccountChange::default()
    };
    let changed = database.change_account(&account.id, change, NOW).await;
    assert_eq!(changed.expect("stored"), Governed::Done);
    assert!(
        database
            .link_identity(&account.id, ADA, NOW)
            .await
            .expect("stored")
    );
    let (account, hash) = database
        .account_by_email("ada@example.org")
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(
        (account.role, hash.as_deref()),
        (AccountRole::Admin, Some("$argon2id$"))
    );
}

pub(crate) async fn login_flow_ends_once(place: &Place) {
    let end = async |id: &str, now: i64| {
        let ended = place
            .database
            .end_login_flow(id, UnixMillis(now), UnixMillis(5_000))
            .await;
        ended.expect("stored")
    };
    assert!(end("a", 1_000).await);
    assert!(!end("a", 4_999).await);
    assert!(end("b", 4_999).await);
    // Nobody can come back to it; its row is gone.
    assert!(end("a", 5_000).await);
}
