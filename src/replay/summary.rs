//! The summary of what was replayed: a language model's, as one was recorded, or the built-in one.

use std::{fmt::Write as _, fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use lectern_agent::{Exchange, Replies, SUMMARY_PATIENCE, Summariser, Wishes};
use lectern_pipelines::{Lecture, Prompt, ReplyForm, Summary, SummaryPlanner, SummarySettings, extractive};

use super::model::ModelRecording;

/// Who summarises.
pub(crate) enum Author {
    /// The language model of the settings, or ourselves.
    Live {
        summariser: Box<Summariser>,
        /// To be filled with what the model answers.
        recording: ModelRecording,
    },
    /// A model that was recorded, and how it is asked.
    Recorded(ModelRecording, SummarySettings),
}

/// A summary and how it came about.
pub(crate) struct Summarised {
    pub(crate) summary: Summary,
    /// Why it is the built-in one, where a model was asked.
    pub(crate) failure: Option<String>,
    /// What a live model answered.
    pub(crate) recording: Option<ModelRecording>,
}

/// Every prompt that was asked, for people to read.
#[derive(Default)]
pub(crate) struct Prompts(String);

impl Author {
    /// Summarises; a model that fails leaves the built-in summary. Fails where a recording is not of these prompts.
    pub(crate) async fn summarise(
        self,
        lecture: &Arc<Lecture>,
        prompts: &mut Prompts,
    ) -> anyhow::Result<Summarised> {
        match self {
            Self::Live {
                summariser,
                recording,
            } => ask(&summariser, recording, lecture, prompts).await,
            Self::Recorded(recording, settings) => play(recording, settings, lecture, prompts),
        }
    }
}

async fn ask(
    summariser: &Summariser,
    mut recording: ModelRecording,
    lecture: &Arc<Lecture>,
    prompts: &mut Prompts,
) -> anyhow::Result<Summarised> {
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {msg}  {elapsed}")
            .expect("the template's names are indicatif's"),
    );
    bar.enable_steady_tick(SPINNER_TICK);
    bar.set_message(format!("{} summarises", recording.model));
    let mut answered = 0;
    let watch = |exchange: Exchange<'_>| {
        answered += 1;
        bar.set_message(format!(
            "{} summarises: {answered} questions answered, {} open",
            recording.model, exchange.open
        ));
        prompts.note(exchange.prompt);
        recording.note(exchange.prompt, exchange.reply);
    };
    let made = summariser
        .summarise(
            Arc::clone(lecture),
            Wishes::default(),
            SUMMARY_PATIENCE,
            &mut Replies::default(),
            watch,
        )
        .await;
    bar.finish_and_clear();
    let made = made?;
    Ok(Summarised {
        summary: made.summary,
        failure: made.failure.map(|error| error.to_string()),
        recording: Some(recording),
    })
}

/// Every prompt is answered at once, so that the same comes of it every time.
fn play(
    mut recording: ModelRecording,
    settings: SummarySettings,
    lecture: &Lecture,
    prompts: &mut Prompts,
) -> anyhow::Result<Summarised> {
    let mut planner = SummaryPlanner::new(lecture, settings);
    while let Some(prompt) = planner.poll_prompt() {
        prompts.note(&prompt);
        let reply = recording.answer(&prompt).map_err(unfit)?;
        planner.handle_reply(prompt.id, reply.as_deref().map_err(Clone::clone));
    }
    let unasked = recording.unasked();
    if !unasked.is_empty() {
        return Err(unfit(format!(
            "nobody asked for the recorded replies to {unasked:?}"
        )));
    }
    let outcome = planner
        .outcome()
        .context("the planner waits for a reply that it has")?;
    Ok(match outcome {
        Ok(summary) => Summarised {
            summary: summary.clone(),
            failure: None,
            recording: None,
        },
        Err(error) => Summarised {
            summary: extractive(lecture).instead_of_model(error.failure()),
            failure: Some(error.to_string()),
            recording: None,
        },
    })
}

impl Prompts {
    /// Writes them, if a model was asked at all.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let path = folder.join("prompts.txt");
        fs::write(&path, &self.0).with_context(|| format!("cannot write {}", path.display()))
    }

    fn note(&mut self, prompt: &Prompt) {
        let form = match prompt.reply {
            ReplyForm::JsonSchema(_) => "JSON of a schema",
            ReplyForm::JsonObject => "a JSON object",
            ReplyForm::Text => "text",
        };
        let Prompt { name, max_tokens, .. } = prompt;
        let mut add = |line: std::fmt::Arguments<'_>| self.0.write_fmt(line).expect("a string takes all");
        add(format_args!(
            "== {name}, to be answered by {form} of at most {max_tokens} tokens\n"
        ));
        for message in &prompt.messages {
            add(format_args!("-- {}\n{}\n\n", message.role.as_str(), message.text));
        }
    }
}

fn unfit(reason: String) -> anyhow::Error {
    anyhow!(
        "llm.jsonl: {reason}; prompts.txt says what is asked, and a live model answers anew with: \
         make record WHAT=llm FIXTURE=fixtures/NAME"
    )
}

const SPINNER_TICK: Duration = Duration::from_millis(100);
