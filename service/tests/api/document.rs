//! The OpenAPI document.

use crate::world::{Proof, World};

#[tokio::test]
async fn document_is_served_as_it_is_kept() {
    let world = World::new().await;
    let (status, served) = world.get("/api/openapi.json", &Proof::Nothing).await;
    assert_eq!(status, 200);
    let made = serde_json::to_value(lectern_service::open_api()).expect("JSON");
    assert_eq!(served, made);
    // What changes here changes for everybody who calls us: read the difference.
    insta::assert_json_snapshot!("openapi", made);
    world.end().await;
}
