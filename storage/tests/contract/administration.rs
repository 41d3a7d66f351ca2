//! What every database has to do about accounts that administrators look after.

use lectern_pipelines::{AccountId, RoomName, UnixMillis};
use lectern_storage::{AccountAccess, AccountChange, AccountRole, Database, Governed, Identity, NewAccount};
use tokio::task::JoinSet;

use crate::{rooms::held_room, things::Place};

const NOW: UnixMillis = UnixMillis(1_000);
const LATER: UnixMillis = UnixMillis(5_000);

const DISABLED: AccountChange = AccountChange {
    role: None,
    access: Some(AccountAccess::Disabled),
};
const ENABLED: AccountChange = AccountChange {
    role: None,
    access: Some(AccountAccess::Enabled),
};
const HOST: AccountChange = AccountChange {
    role: Some(AccountRole::Host),
    access: None,
};

async fn account(database: &Database, email: &str, name: &str, role: AccountRole) -> AccountId {
    let new = NewAccount {
        email,
        name,
        role,
        password_hash: Some("old"),
    };
    let made = database.create_account(new, NOW).await.expect("stored");
    made.expect("a new address").id
}

async fn changed(database: &Database, account: &AccountId, change: AccountChange) -> Governed {
    database
        .change_account(account, change, NOW)
        .await
        .expect("stored")
}

pub(crate) async fn accounts_are_found_by_name_and_address(place: &Place) {
    let database = &place.database;
    let ada = account(database, "ada@example.org", "Ada Lovelace", AccountRole::Admin).await;
    let ivan = account(database, "i_p@example.org", "Иван Петров", AccountRole::Host).await;
    let name = Identity {
        issuer: "https://login.example.org",
        subject: "eve",
    };
    let eve = NewAccount {
        email: "eve@example.org",
        name: "Eve 50%",
        role: AccountRole::Host,
        password_hash: None,
    };
    let eve = database
        .create_account_of(name, eve, NOW)
        .await
        .expect("stored")
        .expect("new")
        .id;
    let found = async |wanted: Option<&str>| {
        let page = database
            .account_overviews(wanted, 10, None)
            .await
            .expect("listed");
        let mut ids: Vec<_> = page
            .items
            .into_iter()
            .map(|overview| overview.account.id)
            .collect();
        ids.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        ids
    };
    let all = found(None).await;
    assert_eq!(all.len(), 3);
    for (wanted, expected) in [
        ("LOVE", &ada),
        ("ADA@", &ada),
        ("иван", &ivan),
        ("Петров", &ivan),
        ("i_p", &ivan),
        ("50%", &eve),
    ] {
        assert_eq!(
            found(Some(wanted)).await,
            std::slice::from_ref(expected),
            "{wanted}"
        );
    }
    for nobody in ["%", "_", "\\", "xyz"] {
        let expected = match nobody {
            "%" => vec![eve.clone()],
            "_" => vec![ivan.clone()],
            _ => Vec::new(),
        };
        assert_eq!(found(Some(nobody)).await, expected, "{nobody}");
    }

    // Page by page, each once.
    let first = database.account_overviews(None, 2, None).await.expect("listed");
    let rest = database
        .account_overviews(None, 2, first.next.as_ref())
        .await
        .expect("listed");
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (2, 1, None));

    let overview = database
        .account_overview(&eve)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(
        (overview.identities, overview.rooms, overview.last_login_at),
        (1, 0, None)
    );
    database
        .open_session(&ivan, NOW, LATER)
        .await
        .expect("stored")
        .expect("begun");
    held_room(database, "algebra", ivan.clone()).await;
    place.meeting("algebra", 500).await;
    let overview = database
        .account_overview(&ivan)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(
        (
            overview.rooms,
            overview.lectures,
            overview.identities,
            overview.last_login_at
        ),
        (1, 1, 0, Some(NOW))
    );
}

pub(crate) async fn access_ends_with_all_that_gave_it(place: &Place) {
    let database = &place.database;
    let ada = account(database, "ada@example.org", "Ada", AccountRole::Admin).await;
    let eve = account(database, "eve@example.org", "Eve", AccountRole::Admin).await;
    let session = database
        .open_session(&eve, NOW, LATER)
        .await
        .expect("stored")
        .expect("begun");
    database
        .create_api_key("hers", "hers", &eve, NOW)
        .await
        .expect("stored");
    database
        .create_api_key("others", "others", &ada, NOW)
        .await
        .expect("stored");
    assert!(
        database
            .make_password_link(&eve, "link", LATER)
            .await
            .expect("stored")
    );

    assert_eq!(changed(database, &eve, DISABLED).await, Governed::Done);
    assert_eq!(
        database
            .account_of_session(&session, NOW)
            .await
            .expect("readable"),
        None
    );
    assert_eq!(database.api_key_by_hash("hers").await.expect("readable"), None);
    assert!(
        database
            .api_key_by_hash("others")
            .await
            .expect("readable")
            .is_some()
    );
    assert_eq!(
        database
            .account_of_password_link("link", NOW)
            .await
            .expect("readable"),
        None
    );
    assert_eq!(
        database.open_session(&eve, NOW, LATER).await.expect("stored"),
        None
    );
    assert!(
        !database
            .make_password_link(&eve, "another", LATER)
            .await
            .expect("stored")
    );

    // What has ended stays so.
    assert_eq!(changed(database, &eve, ENABLED).await, Governed::Done);
    assert_eq!(
        database
            .account_of_session(&session, NOW)
            .await
            .expect("readable"),
        None
    );
    assert_eq!(database.api_key_by_hash("hers").await.expect("readable"), None);
    assert!(
        database
            .open_session(&eve, NOW, LATER)
            .await
            .expect("stored")
            .is_some()
    );
}

pub(crate) async fn last_administrator_stays(place: &Place) {
    let database = &place.database;
    let ada = account(database, "ada@example.org", "Ada", AccountRole::Admin).await;
    let eve = account(database, "eve@example.org", "Eve", AccountRole::Admin).await;
    assert_eq!(changed(database, &eve, DISABLED).await, Governed::Done);
    // Who can't log in is none who is left.
    for change in [HOST, DISABLED] {
        assert_eq!(changed(database, &ada, change).await, Governed::LastAdministrator);
    }
    let deleted = database.delete_account(&ada, None, NOW).await.expect("stored");
    assert_eq!(deleted, Governed::LastAdministrator);
    let kept = database
        .account_overview(&ada)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!((kept.account.role, kept.disabled_at), (AccountRole::Admin, None));
    let nobody = AccountId::parse("nobody").expect("an id");
    assert_eq!(changed(database, &nobody, HOST).await, Governed::NoAccount);
}

pub(crate) async fn of_two_administrators_taken_away_at_once_one_stays(place: &Place) {
    let database = &place.database;
    let mut administrators = Vec::new();
    for number in 0..6 {
        let email = format!("{number}@example.org");
        administrators.push(account(database, &email, "Admin", AccountRole::Admin).await);
    }
    let mut tasks = JoinSet::new();
    for (number, admin) in administrators.into_iter().enumerate() {
        let database = place.another().await;
        tasks.spawn(async move {
            let done = match number % 3 {
                0 => database.change_account(&admin, HOST, NOW).await,
                1 => database.change_account(&admin, DISABLED, NOW).await,
                _ => database.delete_account(&admin, None, NOW).await,
            };
            database.close().await;
            done.expect("stored")
        });
    }
    let done = tasks.join_all().await;
    let refused = done
        .iter()
        .filter(|done| **done == Governed::LastAdministrator)
        .count();
    assert_eq!(refused, 1, "{done:?}");
    assert!(database.has_administrator().await.expect("readable"));
}

pub(crate) async fn account_with_rooms_goes_when_somebody_takes_them(place: &Place) {
    let database = &place.database;
    let ada = account(database, "ada@example.org", "Ada", AccountRole::Admin).await;
    let bob = account(database, "bob@example.org", "Bob", AccountRole::Host).await;
    let eve = account(database, "eve@example.org", "Eve", AccountRole::Host).await;
    held_room(database, "algebra", bob.clone()).await;
    place.meeting("algebra", 500).await;
    changed(database, &eve, DISABLED).await;
    let deleted = async |heir| database.delete_account(&bob, heir, NOW).await.expect("stored");
    let holds = Governed::HoldsRooms {
        rooms: 1,
        lectures: 1,
    };
    assert_eq!(deleted(None).await, holds);
    let nobody = AccountId::parse("nobody").expect("an id");
    for heir in [&bob, &eve, &nobody] {
        assert_eq!(deleted(Some(heir)).await, Governed::NoHeir, "{heir}");
    }
    assert_eq!(deleted(Some(&ada)).await, Governed::Done);
    let name = RoomName::parse("algebra").expect("a name");
    let kept = database.room(&name).await.expect("readable").expect("there");
    assert_eq!(kept.owner, ada);
    assert_eq!(database.account(&bob).await.expect("readable"), None);
    assert_eq!(deleted(None).await, Governed::NoAccount);
    // Who holds nothing needs nobody.
    let gone = database.delete_account(&eve, None, NOW).await.expect("stored");
    assert_eq!(gone, Governed::Done);
}

pub(crate) async fn password_link_works_once(place: &Place) {
    let database = &place.database;
    let bob = account(database, "bob@example.org", "Bob", AccountRole::Host).await;
    let session = database
        .open_session(&bob, NOW, LATER)
        .await
        .expect("stored")
        .expect("begun");
    for link in ["first", "second"] {
        assert!(
            database
                .make_password_link(&bob, link, LATER)
                .await
                .expect("stored")
        );
    }
    let known = async |link, now| {
        let found = database.account_of_password_link(link, now).await;
        found.expect("readable").map(|account| account.id)
    };
    let used = async |link, now| {
        database
            .use_password_link(link, "new", now)
            .await
            .expect("stored")
    };
    assert_eq!(known("first", NOW).await, None);
    assert_eq!(known("second", LATER).await, None);
    assert_eq!(known("second", NOW).await, Some(bob.clone()));
    assert!(!used("first", NOW).await && !used("second", LATER).await);
    assert!(used("second", NOW).await);
    assert!(!used("second", NOW).await);
    let stored = database
        .account_by_email("bob@example.org")
        .await
        .expect("readable");
    assert_eq!(stored.and_then(|(_, hash)| hash).as_deref(), Some("new"));
    assert_eq!(
        database
            .account_of_session(&session, NOW)
            .await
            .expect("readable"),
        None
    );
    // Who changed it themselves needs no link any more.
    assert!(
        database
            .make_password_link(&bob, "fourth", LATER)
            .await
            .expect("stored")
    );
    database.set_password_hash(&bob, "own").await.expect("stored");
    assert!(!used("fourth", NOW).await);
    let nobody = AccountId::parse("nobody").expect("an id");
    assert!(
        !database
            .make_password_link(&nobody, "third", LATER)
            .await
            .expect("stored")
    );
}
