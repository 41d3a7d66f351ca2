//! The OpenAPI document.

use std::path::Path;

use reqwest::Method;
use tokio::process::Command;

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

#[tokio::test]
async fn typed_client_is_up_to_date_and_calls_the_service() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let document = folder.path().join("openapi.json");
    let made = serde_json::to_string(&lectern_service::open_api()).expect("JSON");
    std::fs::write(&document, made).expect("written");
    let fresh = folder.path().join("schema.ts");
    let (document, fresh_path) = (document.to_string_lossy(), fresh.to_string_lossy());
    node(&[
        "node_modules/openapi-typescript/bin/cli.js",
        &document,
        "-o",
        &fresh_path,
    ])
    .await;
    let fresh = std::fs::read_to_string(&fresh).expect("a schema");
    let kept = Path::new(WEB).join("src/api/schema.ts");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&kept, &fresh).expect("written");
    }
    assert!(
        std::fs::read_to_string(&kept).expect("readable") == fresh,
        "web/src/api/schema.ts is of another document: INSTA_UPDATE=always cargo test --test api document"
    );
    // Where the client finds its library.
    let out = "node_modules/.tests";
    node(&[
        "node_modules/typescript/bin/tsc",
        "--project",
        ".",
        "--outDir",
        out,
    ])
    .await;
    let call = format!(
        "import {{ holdMeeting }} from './{out}/tests/client.js'; console.log(...(await holdMeeting('{}')))",
        world.base
    );
    let said = node(&["--input-type=module", "--eval", &call]).await;
    assert_eq!(said.trim(), "Algebra hello 0 UNAUTHENTICATED 422");
    world.end().await;
}

/// What Node.js says when it runs in the front end's folder.
async fn node(arguments: &[&str]) -> String {
    let output = Command::new("node")
        .args(arguments)
        .current_dir(WEB)
        .output()
        .await;
    let output = output.expect("Node.js is installed: scripts/setup test");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let problems = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{arguments:?} failed (is web/node_modules there? scripts/setup test): {said}{problems}"
    );
    said
}

const WEB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web");

#[tokio::test]
async fn document_can_be_read_as_a_page_without_scripts_or_other_hosts() {
    let world = World::new().await;
    let fetched = async |path: &str| {
        let response = world.request(Method::GET, path, &Proof::Nothing).send().await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        let header = |name| response.headers()[name].to_str().expect("text").to_owned();
        let (kind, policy) = (header("content-type"), header("content-security-policy"));
        (kind, policy, response.text().await.expect("text"))
    };
    let (kind, policy, page) = fetched("/api/docs").await;
    assert_eq!(kind, "text/html; charset=utf-8");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self';"),
        "{policy}"
    );
    for elsewhere in ["<script", "style=", "src=", "href=\"http", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere} is in: {page}");
    }
    let (kind, ..) = fetched("/api/docs/style.css").await;
    assert_eq!(kind, "text/css; charset=utf-8");
    // All of it is there, and every link leads somewhere.
    let document = serde_json::to_value(lectern_service::open_api()).expect("JSON");
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("methods").keys() {
            let id = format!("id=\"{}-{path}\"", method.to_uppercase());
            assert!(page.contains(&id), "{id} is missing");
        }
    }
    for name in document["components"]["schemas"]
        .as_object()
        .expect("schemas")
        .keys()
    {
        assert!(
            page.contains(&format!("id=\"schema-{name}\"")),
            "{name} is missing"
        );
    }
    for link in page.split("href=\"#").skip(1) {
        let id = link.split('"').next().expect("a link");
        assert!(page.contains(&format!("id=\"{id}\"")), "#{id} leads nowhere");
    }
    world.end().await;
}
