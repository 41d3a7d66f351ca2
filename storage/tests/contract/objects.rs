//! What every object store has to do.

use lectern_storage::{ObjectKey, Objects};
use tokio::task::JoinSet;

/// An object store, and a prefix of its own for one test.
pub(crate) struct Store {
    pub(crate) objects: Objects,
    pub(crate) prefix: String,
    pub(crate) folder: Option<tempfile::TempDir>,
}

impl Store {
    pub(crate) fn new(objects: Objects, folder: Option<tempfile::TempDir>) -> Self {
        Self {
            objects,
            prefix: format!("tests/{}", uuid::Uuid::now_v7()),
            folder,
        }
    }

    pub(crate) async fn remove(self) {
        for key in self.objects.list(&self.prefix).await.expect("listed") {
            self.objects.delete(&key).await.expect("deleted");
        }
        assert_eq!(self.objects.list(&self.prefix).await.expect("listed"), []);
        if let Some(folder) = self.folder {
            folder.close().expect("a folder that can be removed");
        }
    }

    fn key(&self, name: &str) -> ObjectKey {
        ObjectKey::parse(format!("{}/{name}", self.prefix)).expect("a key")
    }

    async fn put(&self, name: &str, bytes: &[u8]) {
        self.objects
            .put(&self.key(name), "application/pdf", bytes.to_vec())
            .await
            .expect("written");
    }

    async fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.objects.get(&self.key(name)).await.expect("readable")
    }
}

pub(crate) async fn object_comes_back_as_it_was_put(store: &Store) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for (name, bytes) in [
        ("a.bin", &every_byte[..]),
        ("empty", b""),
        ("Vorlesung Größe 何+%20 & 'x'.pdf", b"%PDF-"),
    ] {
        store.put(name, bytes).await;
        assert_eq!(store.get(name).await.as_deref(), Some(bytes), "{name}");
        assert!(
            store.objects.exists(&store.key(name)).await.expect("an answer"),
            "{name}"
        );
        assert!(store.objects.locate(&store.key(name)).ends_with(name), "{name}");
    }
}

pub(crate) async fn missing_object_is_absent_and_deleted_twice(store: &Store) {
    assert_eq!(store.get("nothing").await, None);
    assert!(
        !store
            .objects
            .exists(&store.key("nothing"))
            .await
            .expect("an answer")
    );
    store.put("something", b"x").await;
    for _ in 0..2 {
        store.objects.delete(&store.key("something")).await.expect("gone");
        assert_eq!(store.get("something").await, None);
    }
    // A file where a folder would have to be.
    store.put("file", b"x").await;
    assert_eq!(store.get("file/below").await, None);
}

pub(crate) async fn second_put_replaces_the_first(store: &Store) {
    store.put("a", b"first and longer").await;
    store.put("a", b"second").await;
    assert_eq!(store.get("a").await.as_deref(), Some(&b"second"[..]));
    assert_eq!(
        store.objects.list(&store.prefix).await.expect("listed"),
        [store.key("a")]
    );
}

pub(crate) async fn keys_are_listed_by_prefix_in_order(store: &Store) {
    for name in ["b/2", "a/1", "b/1", "bb", "b/deep/er"] {
        store.put(name, b"x").await;
    }
    let listed = async |prefix: &str| {
        store
            .objects
            .list(&format!("{}/{prefix}", store.prefix))
            .await
            .expect("listed")
    };
    let keys = |names: &[&str]| names.iter().map(|name| store.key(name)).collect::<Vec<_>>();
    assert_eq!(listed("").await, keys(&["a/1", "b/1", "b/2", "b/deep/er", "bb"]));
    assert_eq!(listed("b/").await, keys(&["b/1", "b/2", "b/deep/er"]));
    assert_eq!(listed("b").await, keys(&["b/1", "b/2", "b/deep/er", "bb"]));
    assert_eq!(listed("b/de").await, keys(&["b/deep/er"]));
    assert_eq!(listed("c").await, []);
}

pub(crate) async fn writers_at_once_leave_one_whole_object(store: &Store) {
    let mut writers = JoinSet::new();
    for letter in b'a'..b'i' {
        let (objects, key) = (store.objects.clone(), store.key("shared"));
        writers.spawn(async move { objects.put(&key, "text/plain", vec![letter; 100_000]).await });
    }
    for written in writers.join_all().await {
        written.expect("written");
    }
    let bytes = store.get("shared").await.expect("there");
    assert_eq!(bytes.len(), 100_000);
    assert!(bytes.iter().all(|byte| *byte == bytes[0]), "one writer's, whole");
}

pub(crate) async fn large_object_survives(store: &Store) {
    let bytes: Vec<u8> = (0..12_000_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    store.put("large", &bytes).await;
    assert!(
        store.get("large").await.expect("there") == bytes,
        "12 MB as they were"
    );
}

pub(crate) async fn check_leaves_nothing_behind(store: &Store) {
    let before = store.objects.list("checks").await.expect("listed").len();
    store.objects.check().await.expect("a store that works");
    assert_eq!(store.objects.list("checks").await.expect("listed").len(), before);
}
