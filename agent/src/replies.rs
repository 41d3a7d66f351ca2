//! What a language model has answered about a meeting so far, so that nobody asks it twice.
//!
//! A summary of a long lecture takes many questions and minutes. Whoever makes it may die meanwhile; who takes over asks the
//! same questions in the same words, and finds the answers here.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use lectern_pipelines::{MeetingId, Prompt};
use lectern_storage::{ObjectKey, Objects, object_key};
use tracing::warn;

/// Answers by the digest of what was asked.
#[derive(Debug, Default)]
pub struct Replies {
    known: BTreeMap<String, String>,
    place: Option<(Objects, ObjectKey)>,
}

impl Replies {
    /// Those about a meeting; an object that can't be read is as good as none.
    pub(crate) async fn of(meeting: &MeetingId, objects: &Objects) -> Self {
        let key = object_key(meeting, "summary.replies.json");
        let known = match objects.get(&key).await {
            Ok(bytes) => bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            Err(error) => {
                warn!(meeting.id = %meeting, "can't read what was answered about meeting {meeting}: {error}");
                None
            }
        };
        Self {
            known: known.unwrap_or_default(),
            place: Some((objects.clone(), key)),
        }
    }

    /// What this model answered to this prompt.
    pub(crate) fn to(&self, model: &str, prompt: &Prompt) -> Option<String> {
        self.known.get(&digest(model, prompt)).cloned()
    }

    /// Keeps an answer. If it can't be stored, the question is asked again after a crash.
    pub(crate) async fn keep(&mut self, model: &str, prompt: &Prompt, reply: &str) {
        self.known.insert(digest(model, prompt), reply.to_owned());
        let Some((objects, key)) = &self.place else { return };
        let bytes = serde_json::to_vec(&self.known).expect("texts are JSON");
        if let Err(error) = objects.put(key, "application/json", bytes).await {
            warn!("can't store what a language model answered: {error}");
        }
    }

    /// Erases them: the summary is stored.
    pub(crate) async fn forget(self) {
        let Some((objects, key)) = self.place.filter(|_| !self.known.is_empty()) else {
            return;
        };
        if let Err(error) = objects.delete(&key).await {
            // They go with the meeting.
            warn!("can't erase what a language model answered: {error}");
        }
    }
}

/// The same for every process of this version; another one asks anew at worst.
fn digest(model: &str, prompt: &Prompt) -> String {
    let mut hasher = DefaultHasher::new();
    model.hash(&mut hasher);
    prompt.max_tokens.hash(&mut hasher);
    for message in &prompt.messages {
        (message.role.as_str(), &message.text).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}
