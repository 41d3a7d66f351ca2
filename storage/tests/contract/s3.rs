//! The contract of object stores, on an S3 server.

use std::time::{Duration, Instant};

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use lectern_storage::{Addressing, LinkHeaders, ObjectKey, Objects, ObjectsConfig, S3Config};
use secrecy::{ExposeSecret, SecretString};

use crate::{objects::Store, required};

crate::objects_contract!(open);

async fn open() -> Store {
    Store::new(objects(config()), None)
}

fn objects(s3: S3Config) -> Objects {
    Objects::open(&ObjectsConfig {
        folder: "unused".into(),
        s3: Some(s3),
    })
}

fn config() -> S3Config {
    S3Config {
        endpoint: Some(required("S3_ENDPOINT")),
        public_endpoint: None,
        bucket: required("S3_BUCKET"),
        region: required("S3_REGION"),
        access_key_id: required("S3_ACCESS_KEY_ID"),
        secret_access_key: SecretString::from(required("S3_SECRET_ACCESS_KEY")),
        addressing: match required("S3_PATH_STYLE").as_str() {
            "true" => Addressing::Path,
            _ => Addressing::Host,
        },
    }
}

#[tokio::test]
async fn erased_upload_leaves_no_parts_behind() {
    let client = client(config());
    let begun = async |key: &ObjectKey| {
        let asked = client.list_multipart_uploads().bucket(required("S3_BUCKET"));
        let listed = asked.prefix(key.as_str()).send().await.expect("listed");
        listed.uploads().len()
    };
    let objects = objects(config());
    let key = ObjectKey::parse(format!("tests/{}", uuid::Uuid::now_v7())).expect("a key");
    let mut upload = objects.begin(&key).await.expect("begun");
    upload.write(&vec![7; 6_000_000]).await.expect("written");
    assert_eq!(begun(&key).await, 1);
    drop(upload);
    objects.erase(&key).await.expect("erased");
    assert_eq!(begun(&key).await, 0);
}

/// Amazon's own client, to look behind ours.
fn client(config: S3Config) -> Client {
    let secret = config.secret_access_key.expose_secret();
    let settings = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(config.region))
        .credentials_provider(Credentials::new(
            config.access_key_id,
            secret,
            None,
            None,
            "settings",
        ))
        .force_path_style(true)
        .endpoint_url(config.endpoint.expect("S3_ENDPOINT"));
    Client::from_conf(settings.build())
}

#[tokio::test]
async fn link_is_good_for_where_browsers_reach_the_server() {
    let public_endpoint = Some("https://files.example.org".to_owned());
    let objects = objects(S3Config {
        public_endpoint,
        ..config()
    });
    let key = ObjectKey::parse("files/a").expect("a key");
    let headers = LinkHeaders {
        disposition: "attachment; filename=\"a;b.pdf\"",
        media_type: "application/pdf",
    };
    let link = objects.link(&key, headers, Duration::from_secs(60)).await;
    let link = link.expect("signed").expect("S3 has links");
    assert!(link.starts_with("https://files.example.org/"), "{link}");
    assert!(
        link.contains("response-content-disposition=attachment%3B%20filename%3D%22a%3Bb.pdf%22"),
        "{link}"
    );
    assert!(!link.contains(&required("S3_SECRET_ACCESS_KEY")), "{link}");
}

#[tokio::test]
async fn missing_bucket_is_named_with_what_to_do() {
    let objects = objects(S3Config {
        bucket: "lectern-nowhere".to_owned(),
        ..config()
    });
    let key = ObjectKey::parse("a").expect("a key");
    for error in [
        objects.check().await.expect_err("no bucket"),
        objects.get(&key).await.expect_err("no bucket"),
        objects.exists(&key).await.expect_err("no bucket"),
        objects.list("").await.expect_err("no bucket"),
    ] {
        assert!(
            error
                .to_string()
                .contains("create the bucket lectern-nowhere first"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn wrong_secret_is_refused_without_being_told() {
    let secret_access_key = SecretString::from("hunter2hunter2");
    let error = objects(S3Config {
        secret_access_key,
        ..config()
    })
    .check()
    .await
    .expect_err("wrong")
    .to_string();
    assert!(
        error.contains("check S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn server_that_is_away_is_named_soon() {
    // Port 1 of this machine: nobody listens there.
    let endpoint = Some("http://127.0.0.1:1".to_owned());
    let began = Instant::now();
    let error = objects(S3Config { endpoint, ..config() })
        .check()
        .await
        .expect_err("away")
        .to_string();
    assert!(
        error.contains("http://127.0.0.1:1") && error.contains("S3_ENDPOINT"),
        "{error}"
    );
    assert!(!error.contains(&required("S3_SECRET_ACCESS_KEY")), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
