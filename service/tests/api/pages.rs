//! The front end's pages, as the service serves them.

use lectern_service::open_api;
use reqwest::{Method, Response};

use crate::world::{Proof, World, code};

async fn fetched(world: &World, path: &str, headers: &[(&'static str, &str)]) -> Response {
    let mut request = world.request(Method::GET, path, &Proof::Nothing);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer")
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

/// What the page asks for: its scripts and styles.
fn assets_of(page: &str) -> Vec<String> {
    let quoted = page.split('"').filter(|text| text.starts_with("/assets/"));
    quoted.map(str::to_owned).collect()
}

#[tokio::test]
async fn pages_are_built_in_and_answer_at_their_paths() {
    let world = World::new().await;
    for path in [
        "/",
        "/live",
        "/login",
        "/register",
        "/setup",
        "/lectures",
        "/lectures/x",
        "/join/x",
        "/room/x",
        "/admin",
    ] {
        let page = fetched(&world, path, &[]).await;
        assert_eq!(page.status(), 200, "{path}");
        assert_eq!(
            header(&page, "content-type"),
            "text/html; charset=utf-8",
            "{path}: is web/dist there? scripts/setup test"
        );
        assert_eq!(header(&page, "cache-control"), "no-cache");
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        let page = page.text().await.expect("text");
        assert!(page.contains("id=\"root\""), "{page}");
    }
    let head = world
        .request(Method::HEAD, "/login", &Proof::Nothing)
        .send()
        .await
        .expect("an answer");
    assert_eq!(head.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn assets_are_sent_compressed_and_kept_for_good() {
    let world = World::new().await;
    let page = fetched(&world, "/", &[]).await.text().await.expect("text");
    let assets = assets_of(&page);
    let has = |ending: &str| assets.iter().any(|asset| asset.ends_with(ending));
    assert!(has(".js") && has(".css"), "{assets:?}");
    for asset in &assets {
        let plain = fetched(&world, asset, &[]).await;
        assert_eq!(plain.status(), 200, "{asset}");
        assert_eq!(header(&plain, "content-encoding"), "");
        assert_eq!(
            header(&plain, "cache-control"),
            "public, max-age=31536000, immutable"
        );
        let kind = if asset.ends_with(".js") {
            "text/javascript; charset=utf-8"
        } else {
            "text/css; charset=utf-8"
        };
        assert_eq!(header(&plain, "content-type"), kind);
        let whole = plain.bytes().await.expect("bytes").len();
        for (accepted, encoding) in [
            ("gzip, deflate, br, zstd", "br"),
            ("gzip", "gzip"),
            ("br;q=0, gzip", "gzip"),
        ] {
            let packed = fetched(&world, asset, &[("accept-encoding", accepted)]).await;
            assert_eq!(header(&packed, "content-encoding"), encoding, "{asset}");
            assert_eq!(header(&packed, "vary"), "accept-encoding");
            assert_eq!(header(&packed, "content-type"), kind);
            assert!(packed.bytes().await.expect("bytes").len() < whole, "{asset}");
        }
    }
    world.end().await;
}

/// Nobody but a browser asks for it, and it is ten megabytes: the program has no other form of it.
#[tokio::test]
async fn web_assembly_is_sent_compressed_to_everybody() {
    let world = World::new().await;
    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/dist/assets");
    let names = std::fs::read_dir(assets).expect("built pages: scripts/setup test");
    let names = names.map(|entry| entry.expect("a file").file_name().into_string().expect("text"));
    let runtime = names
        .filter_map(|name| name.strip_suffix(".gz").map(str::to_owned))
        .find(|name| name.ends_with(".wasm"))
        .expect("WebAssembly");
    let path = format!("/assets/{runtime}");
    for (accepted, encoding) in [("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("", "gzip")] {
        let packed = fetched(&world, &path, &[("accept-encoding", accepted)]).await;
        assert_eq!(packed.status(), 200, "{accepted}");
        assert_eq!(header(&packed, "content-encoding"), encoding);
        assert_eq!(header(&packed, "content-type"), "application/wasm");
        let size = packed.bytes().await.expect("bytes").len();
        assert!((1_000_000..4_000_000).contains(&size), "{encoding}: {size}");
    }
    world.end().await;
}

#[tokio::test]
async fn notices_of_what_others_wrote_go_out_with_it() {
    let world = World::new().await;
    let page = fetched(&world, "/", &[]).await.text().await.expect("text");
    assert!(
        page.contains(r#"<link rel="license" href="/licenses.txt""#),
        "{page}"
    );
    let notices = fetched(&world, "/licenses.txt", &[]).await;
    assert_eq!(header(&notices, "content-type"), "text/plain; charset=utf-8");
    let notices = notices.text().await.expect("text");
    for package in ["livekit-client", "react-dom", "@mediapipe/selfie_segmentation"] {
        assert!(
            notices.contains(&format!("## {package} - ")),
            "{package}: {notices}"
        );
    }
    world.end().await;
}

#[tokio::test]
async fn pages_run_no_scripts_but_ours_and_reach_livekit() {
    let world = World::new().await;
    let page = fetched(&world, "/room/x", &[]).await;
    let policy = header(&page, "content-security-policy").to_owned();
    for part in [
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval';",
        "worker-src blob:;",
        "style-src 'self';",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{part} is not in {policy}");
    }
    let livekit = std::env::var("LIVEKIT_URL").expect("a LiveKit server");
    assert!(policy.contains(&format!(" {livekit} ")), "{policy}");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
    assert!(!policy.contains("'unsafe-eval'"), "{policy}");
    let page = page.text().await.expect("text");
    // What such a policy forbids must not be there.
    for inline in ["<style", "style=", "onload=", "src=\"http", "href=\"http"] {
        assert!(!page.contains(inline), "{inline} is in {page}");
    }
    assert_eq!(
        page.matches("<script").count(),
        page.matches(" src=\"/assets/").count(),
        "{page}"
    );
    world.end().await;
}

#[tokio::test]
async fn what_is_not_there_is_told_to_people_by_a_page_and_to_programs_in_our_form() {
    let world = World::new().await;
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let page = fetched(&world, "/nowhere/at/all", &browser).await;
    assert_eq!(
        (page.status().as_u16(), header(&page, "content-type")),
        (404, "text/html; charset=utf-8")
    );
    for path in [
        "/nowhere",
        "/assets/nothing.js",
        "/assets/../index.html.br",
        "/api/nowhere",
        "/api",
    ] {
        let (status, body) = world.get(path, &Proof::Nothing).await;
        assert_eq!((status, code(&body)), (404, "NOT_FOUND"), "{path}");
    }
    for path in ["/api/nowhere", "/assets/nothing.js"] {
        let answer = fetched(&world, path, &browser).await;
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "content-type")),
            (404, "application/json"),
            "{path}"
        );
    }
    let posted = world
        .request(Method::POST, "/login", &Proof::Nothing)
        .send()
        .await
        .expect("an answer");
    assert_eq!(posted.status(), 404);
    world.end().await;
}

#[tokio::test]
async fn no_path_of_the_api_is_taken_for_a_page() {
    let world = World::new().await;
    let document = serde_json::to_value(open_api()).expect("JSON");
    for (path, item) in document["paths"].as_object().expect("paths") {
        if item.get("get").is_some() && !path.contains("stream") {
            let path = path.replace(['{', '}'], "");
            let answer = fetched(&world, &path, &[("accept", "text/html")]).await;
            // A login by a provider sends browsers back to a page when it fails.
            let is_answer = answer.url().path() == path;
            let is_page = header(&answer, "content-type").starts_with("text/html");
            assert!(!(is_answer && is_page), "{path}");
        }
    }
    world.end().await;
}
