//! The contract of object stores, on an S3 server.

use std::time::{Duration, Instant};

use lectern_storage::{Addressing, ObjectKey, Objects, ObjectsConfig, S3Config};
use secrecy::SecretString;

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
