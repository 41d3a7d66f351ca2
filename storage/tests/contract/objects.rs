//! What every object store has to do.

use lectern_storage::{ObjectKey, Objects};
use tokio::{io::AsyncReadExt, task::JoinSet};

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
    let bytes = noise(12_000_000);
    store.put("large", &bytes).await;
    assert!(
        store.get("large").await.expect("there") == bytes,
        "12 MB as they were"
    );
}

fn noise(length: u32) -> Vec<u8> {
    (0..length)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

pub(crate) async fn pieces_make_one_object_once_they_are_all_there(store: &Store) {
    const PART: u32 = 5 * 1024 * 1024;
    for (length, piece) in [
        (1, 1),
        (PART, 1_000_000),
        (PART + 1, PART as usize),
        (2 * PART, 2 * PART as usize),
        (12_000_000, 777_777),
    ] {
        let (key, bytes) = (store.key(&format!("pieces-of-{length}")), noise(length));
        let mut upload = store.objects.begin(&key).await.expect("begun");
        for piece in bytes.chunks(piece) {
            upload.write(piece).await.expect("written");
        }
        assert!(!store.objects.exists(&key).await.expect("an answer"), "{length}");
        assert_eq!(
            store.objects.list(key.as_str()).await.expect("listed"),
            [],
            "{length}"
        );
        upload.finish().await.expect("finished");
        let read = store.objects.get(&key).await.expect("readable");
        assert!(read.as_ref() == Some(&bytes), "{length} bytes as they were");
    }
}

pub(crate) async fn parts_of_an_object_are_read(store: &Store) {
    store.put("ten", b"0123456789").await;
    for (start, length, part) in [(0, 10, "0123456789"), (0, 1, "0"), (3, 4, "3456"), (9, 1, "9")] {
        let reader = store.objects.read(&store.key("ten"), start, length).await;
        let mut read = String::new();
        let mut reader = reader.expect("readable").expect("there");
        reader.read_to_string(&mut read).await.expect("whole");
        assert_eq!(read, part);
    }
    let missing = store.objects.read(&store.key("nothing"), 0, 1).await;
    assert!(missing.expect("an answer").is_none());
}

pub(crate) async fn what_was_never_finished_is_erased(store: &Store) {
    let key = store.key("unfinished");
    let mut upload = store.objects.begin(&key).await.expect("begun");
    upload.write(&noise(12_000_000)).await.expect("written");
    drop(upload);
    store.put("unfinished-not", b"x").await;
    for _ in 0..2 {
        store.objects.erase(&key).await.expect("erased");
    }
    if let Some(folder) = &store.folder {
        let folder = folder.path().join("not/there/yet").join(&store.prefix);
        let left = std::fs::read_dir(folder).expect("a folder").count();
        assert_eq!(left, 1, "the other one");
    }
    store.put("unfinished", b"x").await;
    store.objects.erase(&key).await.expect("erased");
    assert_eq!(store.get("unfinished").await, None);
    assert_eq!(store.get("unfinished-not").await.as_deref(), Some(&b"x"[..]));
}

pub(crate) async fn check_leaves_nothing_behind(store: &Store) {
    let before = store.objects.list("checks").await.expect("listed").len();
    store.objects.check().await.expect("a store that works");
    assert_eq!(store.objects.list("checks").await.expect("listed").len(), before);
}
