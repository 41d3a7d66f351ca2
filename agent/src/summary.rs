//! A lecture's summary: by the language model if there is one, else by counting words.

use std::{sync::Arc, time::Duration};

use tokio::task::spawn_blocking;

use lectern_pipelines::{Lecture, Summary, extractive};

use crate::{
    Error, Llm, Replies,
    llm::{Exchange, LanguageModel},
    rooms::words_of,
};

/// Whoever writes summaries: a language model, or nobody but ourselves.
#[derive(Debug, Default)]
pub struct Summariser {
    model: Option<LanguageModel>,
}

/// What somebody wants of a summary besides the settings; an extractive one can't follow it.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The language to write in, BCP 47; else that of the settings.
    pub language: Option<String>,
    /// In their own words.
    pub wish: Option<String>,
}

/// How long a summary may take that nothing else waits for: thousands of tokens take a small machine minutes.
pub const SUMMARY_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// A summary, and why it is not the language model's if one was asked.
#[derive(Debug)]
pub struct Summarised {
    /// Says itself who made it, and what kept a language model from it.
    pub summary: Summary,
    /// What went wrong with the language model, and what to do.
    pub failure: Option<Error>,
}

impl Summariser {
    /// Makes ready to ask this language model; nothing is sent yet.
    pub fn new(llm: Option<&Llm>) -> Result<Self, Error> {
        let model = llm.map(LanguageModel::new).transpose()?;
        Ok(Self { model })
    }

    /// What says nothing needs no model. A model that fails, or takes longer than `patience`, leaves the built-in summary:
    /// pages come in any case.
    ///
    /// A question whose answer is among the `replies` isn't asked. Each other one is told to `watch` once nothing more is
    /// to be expected of it. Fails only by a panic.
    pub async fn summarise(
        &self,
        lecture: Arc<Lecture>,
        wishes: Wishes,
        patience: Duration,
        replies: &mut Replies,
        watch: impl FnMut(Exchange<'_>),
    ) -> Result<Summarised, Error> {
        let mut failure = None;
        if let Some(model) = self.model.as_ref().filter(|_| !lecture.segments.is_empty()) {
            match model.summarise(&lecture, wishes, patience, replies, watch).await {
                Ok(summary) => {
                    return Ok(Summarised {
                        summary,
                        failure: None,
                    });
                }
                Err(error) => failure = Some(error),
            }
        }
        let mut summary = compute(move || extractive(&lecture)).await?;
        if let Some(Error::Llm { failure, .. }) = failure {
            summary = summary.instead_of_model(failure);
        }
        Ok(Summarised { summary, failure })
    }
}

/// Runs what takes a while on a thread that no room waits for.
pub(crate) async fn compute<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work)
        .await
        .map_err(|error| match error.try_into_panic() {
            Ok(panic) => Error::Panicked(words_of(&*panic).to_owned()),
            Err(error) => Error::Panicked(error.to_string()),
        })
}
