//! The language that somebody speaks, told to LiveKit about people who are really in a room.

use reqwest::Method;
use serde_json::json;

use crate::{
    person::{Person, until},
    world::{Place, Proof, World, code, text},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_another_language_says_so_and_takes_it_back() {
    let world = World::at(Place::Sqlite, |_| {}).await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let (_, joined) = world.join(&room, "Olena", json!({ "captions": false })).await;
    let (identity, olena) = (
        text(&joined["identity"]),
        Proof::Token(text(&joined["guestToken"])),
    );
    let path = format!("/api/rooms/{room}/spoken-language");
    let says = async |language| {
        let body = json!({ "language": language });
        world.call(Method::PUT, &path, &olena, Some(body)).await
    };
    // Who has not come yet speaks nothing.
    assert_eq!(says(Some("uk")).await.0, 204);
    let _inside = Person::enter(&text(&joined["token"])).await;
    assert_eq!(says(Some("uk")).await.0, 204);
    until(&room, &identity, |person| {
        // What else is known of them stays.
        person.attributes["lectern.captions"] == "off"
            && person.name == "Olena"
            && person
                .attributes
                .get("lectern.language")
                .is_some_and(|tag| tag == "uk")
    })
    .await;

    let (status, body) = says(Some("my own")).await;
    assert_eq!((status, code(&body)), (422, "VALIDATION_FAILED"));
    assert_eq!(says(None).await.0, 204);
    until(&room, &identity, |person| {
        !person.attributes.contains_key("lectern.language")
    })
    .await;
    world.end().await;
}
