//! What every database has to do about chat that is shared with LiveKit's own components.

use std::time::Duration;

use lectern_pipelines::{RoomName, UnixMillis};
use lectern_storage::{
    Audience, CHAT_NEWS_MAX, ChatChange, ChatMessage, ChatNews, Database, NewChatMessage, NewEvent,
    ReceivedChat, RoomChange, RoomNews,
};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    rooms::made_room,
    things::{Place, room},
};

const ADA: &str = "guest-ada";

fn by_ada(text: &str) -> NewChatMessage<'_> {
    NewChatMessage {
        identity: ADA,
        name: "Ada",
        text,
    }
}

/// As the service tells of messages.
fn told(kind: &'static str, message: &ChatMessage) -> NewEvent {
    let ChatMessage { id, text, .. } = message;
    NewEvent {
        audience: Audience::All,
        kind,
        json: format!("{{\"id\":\"{id}\",\"text\":{}}}", json!(text)),
    }
}

async fn write(database: &Database, room: &RoomName, text: &str, at: i64) -> ChatMessage {
    let tell = |message: &ChatMessage| told("chat.message", message);
    let written = database.write_message(room, by_ada(text), UnixMillis(at), tell);
    written.await.expect("stored")
}

async fn receive(database: &Database, room: &RoomName, stream: &str, text: &str, at: i64) -> ReceivedChat {
    let received = database.receive_message(room, by_ada(text), stream, UnixMillis(at), told);
    received.await.expect("stored")
}

async fn news(database: &Database, room: &RoomName, since: i64, after: u64) -> Vec<(String, Option<String>)> {
    let news = database.chat_news(room, UnixMillis(since), after).await;
    let of = |news: ChatNews| {
        assert_eq!(news.identity, ADA);
        (news.stream_id, news.text)
    };
    news.expect("readable").into_iter().map(of).collect()
}

async fn texts(database: &Database, room: &RoomName) -> Vec<Option<String>> {
    let page = database.messages(room, 200, None).await.expect("listed");
    page.items.into_iter().rev().map(|message| message.text).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(crate) async fn message_of_a_stream_is_stored_once(place: &Place) {
    let (database, id) = (&place.database, made_room(&place.database, "r").await);
    assert_eq!(
        receive(database, &id, "s1", "Hello", 10).await,
        ReceivedChat::Stored
    );
    assert_eq!(
        receive(database, &id, "s1", "Hello", 11).await,
        ReceivedChat::Known
    );
    assert_eq!(
        receive(database, &id, "s2", "there", 12).await,
        ReceivedChat::Stored
    );
    assert_eq!(
        receive(database, &id, "s1", "Hullo", 13).await,
        ReceivedChat::Stored
    );
    assert_eq!(texts(database, &id).await, [some("Hullo"), some("there")]);
    let kinds: Vec<_> = database.events_after(&id, 0).await.expect("readable");
    let kinds: Vec<_> = kinds.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["chat.message", "chat.message", "chat.edited"]);
    // The same stream's id in another room, or from somebody else, is another message.
    let other = made_room(database, "other").await;
    assert_eq!(
        receive(database, &other, "s1", "Hello", 10).await,
        ReceivedChat::Stored
    );
    // What was deleted doesn't come back.
    let page = database.messages(&id, 1, None).await.expect("listed");
    let tell = |message: &ChatMessage| told("chat.deleted", message);
    let deleted = database.change_message(&id, &page.items[0].id, ChatChange::Delete, UnixMillis(14), tell);
    assert!(deleted.await.expect("stored").is_some());
    assert_eq!(
        receive(database, &id, "s2", "again", 15).await,
        ReceivedChat::Known
    );
    assert_eq!(texts(database, &id).await, [some("Hullo"), None]);
}

pub(crate) async fn rooms_without_chat_receive_none(place: &Place) {
    let (database, id) = (&place.database, made_room(&place.database, "r").await);
    assert_eq!(
        receive(database, &room("unknown"), "s1", "Hello", 10).await,
        ReceivedChat::NoChat
    );
    let off = RoomChange {
        settings: Some(r#"{"chat":false}"#),
        ..RoomChange::default()
    };
    database.change_room(&id, off).await.expect("stored");
    assert_eq!(
        receive(database, &id, "s1", "Hello", 10).await,
        ReceivedChat::NoChat
    );
    assert_eq!(texts(database, &id).await, []);
}

pub(crate) async fn components_are_told_what_they_do_not_know(place: &Place) {
    let (database, id) = (&place.database, made_room(&place.database, "r").await);
    write(database, &id, "before the meeting", 5).await;
    let first = write(database, &id, "first", 10).await;
    receive(database, &id, "s1", "from a component", 11).await;
    let last = write(database, &id, "last", 12).await;
    assert_eq!(
        news(database, &id, 10, 0).await,
        [(first.id.clone(), some("first")), (last.id.clone(), some("last"))]
    );
    let tell = |message: &ChatMessage| told("chat.edited", message);
    let edited = database.change_message(&id, &first.id, ChatChange::Edit("1st"), UnixMillis(13), tell);
    edited.await.expect("stored");
    let page = database.messages(&id, 2, None).await.expect("listed");
    let tell = |message: &ChatMessage| told("chat.deleted", message);
    let of_stream = database.change_message(&id, &page.items[1].id, ChatChange::Delete, UnixMillis(14), tell);
    of_stream.await.expect("stored");
    let position = database
        .chat_news(&id, UnixMillis(10), 0)
        .await
        .expect("readable")
        .iter()
        .find(|news| news.stream_id == last.id)
        .expect("told")
        .position;
    assert_eq!(
        news(database, &id, 10, position).await,
        [(first.id.clone(), some("1st")), ("s1".to_owned(), None)]
    );
    // Who wrote here may change it in a component.
    assert_eq!(
        receive(database, &id, &first.id, "One", 15).await,
        ReceivedChat::Stored
    );
    assert_eq!(texts(database, &id).await[1], some("One"));

    assert_eq!(database.chat_relayed(&id).await.expect("readable"), 0);
    for (set, expected) in [(7, 7), (3, 7), (9, 9)] {
        database.set_chat_relayed(&id, set).await.expect("stored");
        assert_eq!(database.chat_relayed(&id).await.expect("readable"), expected);
    }
    for number in 0..CHAT_NEWS_MAX {
        write(database, &id, &number.to_string(), 20).await;
    }
    assert_eq!(
        news(database, &id, 10, 0).await.len(),
        usize::try_from(CHAT_NEWS_MAX).expect("small")
    );
}

pub(crate) async fn watchers_of_rooms_learn_what_others_add(place: &Place) {
    let (a, b) = (
        made_room(&place.database, "a").await,
        made_room(&place.database, "b").await,
    );
    let news = RoomNews::new(place.another().await);
    let (mut of_a, mut of_b) = (news.watch(&a), news.watch(&b));
    let patience = Duration::from_secs(20);
    for round in 1..=2 {
        write(&place.database, &a, "Hello", round).await;
        let changed = timeout(
            patience,
            of_a.wait_for(|&position| position == round.unsigned_abs()),
        );
        changed.await.expect("told in time").expect("a look goes on");
        drop(of_a);
        of_a = news.watch(&a);
    }
    assert_eq!(*of_b.borrow_and_update(), 0);
    // The look ends with the last watcher, and begins again with the next.
    drop((of_a, of_b));
    tokio::time::sleep(Duration::from_millis(600)).await;
    write(&place.database, &b, "Hello", 1).await;
    let mut of_b = news.watch(&b);
    let changed = timeout(patience, of_b.wait_for(|&position| position == 1));
    changed.await.expect("told in time").expect("a look goes on");
}
