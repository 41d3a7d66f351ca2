//! The contract of object stores, on a folder.

use lectern_storage::{Objects, ObjectsConfig};

use crate::objects::Store;

crate::objects_contract!(open);

async fn open() -> Store {
    let folder = tempfile::tempdir().expect("a folder");
    let objects = Objects::open(&ObjectsConfig {
        folder: folder.path().join("not/there/yet"),
        s3: None,
    });
    Store::new(objects, Some(folder))
}

#[tokio::test]
async fn folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "in the way").expect("written");
    let objects = Objects::open(&ObjectsConfig {
        folder: folder.path().join("file/objects"),
        s3: None,
    });
    let error = objects
        .check()
        .await
        .expect_err("a file is in the way")
        .to_string();
    assert!(
        error.starts_with("can't write") && error.contains("file/objects"),
        "{error}"
    );
}
