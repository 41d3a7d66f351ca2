//! A language model as it was recorded, and the recorder.
//!
//! The first line of `llm.jsonl` names the model, each further one is a prompt's name and what was answered. A recorded
//! reply also has a digest of its prompt, so that it is never taken for the answer to another wording. A reply that was
//! written by hand has none: it stands for whatever is asked under that name.

use std::{fs, path::Path};

use anyhow::Context as _;
use lectern_pipelines::{Prompt, PromptFailure, ReplyForm};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything a language model answered about a meeting, in order.
#[derive(Debug)]
pub(crate) struct ModelRecording {
    /// As the summary is to name its author.
    pub(crate) model: String,
    answers: Vec<Answer>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heading {
    model: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// The prompt's name.
    prompt: String,
    /// The prompt's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    #[serde(flatten)]
    act: Act,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    /// A text; JSON that stands here as it is means its text.
    Reply(Value),
    /// No reply: what the server did not take.
    Refuse(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Refusal {
    /// The form that the reply was to have.
    Form,
    /// The prompt's length.
    Length,
}

impl ModelRecording {
    /// Nothing was answered yet.
    pub(crate) fn of(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            answers: Vec::new(),
        }
    }

    /// Reads a `llm.jsonl`.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut lines = (1..)
            .zip(text.lines())
            .filter(|(_, line)| !line.trim().is_empty());
        let (_, heading) = lines
            .next()
            .with_context(|| format!("{} is empty", path.display()))?;
        let Heading { model } = serde_json::from_str(heading)
            .with_context(|| format!("{} does not begin with the model's name", path.display()))?;
        let answers = lines
            .map(|(number, line)| {
                serde_json::from_str(line)
                    .with_context(|| format!("{}, line {number}, is no recorded answer", path.display()))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { model, answers })
    }

    /// The text of a `llm.jsonl`.
    pub(crate) fn to_text(&self) -> String {
        let heading = Heading {
            model: self.model.clone(),
        };
        let answers = self.answers.iter().map(as_line);
        std::iter::once(as_line(&heading)).chain(answers).collect()
    }

    /// Writes down what a live model answered. What ends a summary is not kept.
    pub(crate) fn note(&mut self, prompt: &Prompt, reply: Result<&str, &PromptFailure>) {
        let act = match reply {
            Ok(text) => Act::Reply(text.into()),
            Err(PromptFailure::FormRefused) => Act::Refuse(Refusal::Form),
            Err(PromptFailure::TooLong) => Act::Refuse(Refusal::Length),
            Err(PromptFailure::Failed { .. }) => return,
        };
        self.answers.push(Answer {
            prompt: prompt.name.clone(),
            asked: Some(digest(prompt)),
            act,
        });
    }

    /// What was answered to this prompt, each answer once; or why no answer is known.
    pub(crate) fn answer(&mut self, prompt: &Prompt) -> Result<Result<String, PromptFailure>, String> {
        let asked = digest(prompt);
        let is_answer = |answer: &Answer| {
            answer.prompt == prompt.name && answer.asked.as_ref().is_none_or(|known| *known == asked)
        };
        let at = self.answers.iter().position(is_answer);
        let at = at.ok_or_else(|| self.why_unseen(prompt))?;
        Ok(match self.answers.remove(at).act {
            Act::Reply(Value::String(text)) => Ok(text),
            Act::Reply(value) => Ok(value.to_string()),
            Act::Refuse(Refusal::Form) => Err(PromptFailure::FormRefused),
            Act::Refuse(Refusal::Length) => Err(PromptFailure::TooLong),
        })
    }

    /// The prompts of recorded answers that nobody asked for.
    pub(crate) fn unasked(&self) -> Vec<&str> {
        self.answers.iter().map(|answer| answer.prompt.as_str()).collect()
    }

    fn why_unseen(&self, prompt: &Prompt) -> String {
        let is_known = self.answers.iter().any(|answer| answer.prompt == prompt.name);
        let name = &prompt.name;
        match is_known {
            true => format!("the prompt {name:?} reads otherwise than when its reply was recorded"),
            false => format!("no reply to the prompt {name:?} is recorded"),
        }
    }
}

fn as_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings become JSON") + "\n"
}

/// 64 bits of FNV-1a over everything that a reply may depend on: enough to tell whether a text was changed.
fn digest(prompt: &Prompt) -> String {
    let form = match &prompt.reply {
        ReplyForm::JsonSchema(schema) => schema.to_string(),
        ReplyForm::JsonObject => "object".to_owned(),
        ReplyForm::Text => "text".to_owned(),
    };
    let messages = prompt
        .messages
        .iter()
        .flat_map(|message| [message.role.as_str(), &message.text]);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for text in messages.chain([form.as_str()]) {
        // 0xff is in no UTF-8: it keeps texts apart.
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}
