//! What pages and exports say themselves, beside what was said: headings, dates, why words are missing.
//!
//! One table for each language, in a file of its own. All are of one type, so none can lack a text. `{}` stands for what
//! only the lecture knows.

mod arabic;
mod chinese;
mod english;
mod german;
mod hebrew;
mod russian;

use serde::Serialize;

use crate::{GapReason, ModelFailure};

/// The texts of pages and exports in one language.
///
/// Its fields are what the template of the PDF calls them by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// Language and, where the script depends on it, region: BCP 47.
    pub language: &'static str,
    /// Between a label and what it labels.
    pub(crate) colon: &'static str,
    /// Between two sentences.
    pub(crate) sentence_space: &'static str,
    pub(crate) decimal_mark: &'static str,

    pub(crate) lecture_notes: &'static str,
    pub(crate) contents: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) chapters: &'static str,
    pub(crate) key_terms: &'static str,
    pub(crate) action_items: &'static str,
    pub(crate) questions: &'static str,
    pub(crate) answers: &'static str,
    pub(crate) participants: &'static str,
    pub(crate) files: &'static str,
    pub(crate) chat: &'static str,
    pub(crate) transcript: &'static str,

    pub(crate) date: &'static str,
    /// With `{day}`, `{month}`, `{year}` and `{time}`.
    pub(crate) date_form: &'static str,
    /// As they stand in a date.
    pub(crate) months: [&'static str; 12],
    pub(crate) date_unknown: &'static str,
    pub(crate) duration: &'static str,
    pub(crate) room: &'static str,

    /// Of a chapter: when it ends.
    pub(crate) until: &'static str,
    /// Of a person: how long.
    pub(crate) spoke_for: &'static str,
    /// Before the names of who said nothing.
    pub(crate) also_there: &'static str,
    /// Between a file's size and a name.
    pub(crate) shared_by: &'static str,
    /// Bytes, thousands, millions and milliards of them.
    pub(crate) bytes: [&'static str; 4],
    /// How many more places there are where something was said.
    pub(crate) and_more: &'static str,
    pub(crate) nothing_to_sum_up: &'static str,
    pub(crate) nobody_spoke: &'static str,
    /// Before which ones and what has them.
    pub(crate) characters_missing: &'static str,

    pub(crate) not_recorded: &'static str,
    pub(crate) recogniser_away: &'static str,
    pub(crate) recogniser_refused: &'static str,
    pub(crate) recogniser_silent: &'static str,

    /// Who made the summary: nobody.
    pub(crate) extractive: &'static str,
    /// Who made the summary: the model of this name.
    pub(crate) written_by: &'static str,
    /// Why a summary is not a language model's that was to write it, and whether its own is still to come.
    pub(crate) model_away: &'static str,
    pub(crate) model_refused: &'static str,
    pub(crate) model_unusable: &'static str,
    pub(crate) model_awaited: &'static str,
    /// Percent.
    pub(crate) covers: &'static str,
    pub(crate) outdated: &'static str,
    pub(crate) one_line_left_out: &'static str,
    pub(crate) lines_left_out: &'static str,
}

impl Labels {
    /// The table for a language (BCP 47); the English one where there is none for it, or it isn't known.
    pub fn of(language: Option<&str>) -> &'static Self {
        let tag = language.unwrap_or_default().to_ascii_lowercase();
        let mut subtags = tag.split(['-', '_']);
        let language = subtags.next().unwrap_or_default();
        match language {
            "ar" => &arabic::LABELS,
            "de" => &german::LABELS,
            "he" => &hebrew::LABELS,
            "ru" => &russian::LABELS,
            "zh" if subtags.any(|subtag| TRADITIONAL.contains(&subtag)) => &chinese::TRADITIONAL,
            "zh" => &chinese::SIMPLIFIED,
            _ => Self::english(),
        }
    }

    /// The table that every font has the letters of.
    pub fn english() -> &'static Self {
        &english::LABELS
    }

    /// What went wrong with a language model, in words.
    pub(crate) fn model_failure(&self, failure: ModelFailure) -> &'static str {
        match failure {
            ModelFailure::Away => self.model_away,
            ModelFailure::Refused => self.model_refused,
            ModelFailure::Unusable => self.model_unusable,
        }
    }

    /// Why speech is missing, in words.
    pub(crate) fn gap_reason(&self, reason: GapReason) -> &'static str {
        match reason {
            GapReason::RecogniserAway => self.recogniser_away,
            GapReason::RecogniserRefused => self.recogniser_refused,
            GapReason::RecogniserSilent => self.recogniser_silent,
        }
    }

    /// `312 bytes`, `4.0 kB`, `1.4 MB`.
    pub(crate) fn size(&self, bytes: u64) -> String {
        let [one, thousand, million, milliard] = self.bytes;
        let (divisor, unit) = match bytes {
            0..1000 => return format!("{bytes} {one}"),
            1000..1_000_000 => (1e3, thousand),
            1_000_000..1_000_000_000 => (1e6, million),
            _ => (1e9, milliard),
        };
        let number = format!("{:.1}", bytes as f64 / divisor);
        format!("{} {unit}", number.replace('.', self.decimal_mark))
    }
}

/// Script and regions in which Chinese is written in traditional characters, in small letters.
const TRADITIONAL: [&str; 4] = ["hant", "hk", "mo", "tw"];

/// `label` with `value` in its place.
pub(crate) fn filled(label: &str, value: &str) -> String {
    label.replacen("{}", value, 1)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const TAGS: [&str; 7] = ["en", "de", "ru", "zh-CN", "zh-TW", "ar", "he"];

    fn tables() -> impl Iterator<Item = Value> {
        TAGS.iter().map(|tag| {
            let table = Labels::of(Some(tag));
            assert_eq!(table.language, *tag);
            serde_json::to_value(table).expect("texts")
        })
    }

    #[test]
    fn language_of_a_lecture_has_its_labels() {
        for (tag, summary) in [
            (Some("ru-RU"), "Краткое изложение"),
            (Some("zh"), "摘要"),
            (Some("AR-eg"), "الملخص"),
            (Some("fi"), "Summary"),
            (Some("multi"), "Summary"),
            (None, "Summary"),
        ] {
            assert_eq!(Labels::of(tag).summary, summary, "{tag:?}");
        }
        for tag in ["zh-Hant", "zh-hant-HK", "zh_TW", "zh-MO"] {
            assert_eq!(Labels::of(Some(tag)).language, "zh-TW", "{tag}");
        }
    }

    #[test]
    fn each_text_has_the_places_that_the_english_one_has() {
        let places = |text: &Value| {
            let text = text.to_string();
            let mut places: Vec<String> = text
                .split('{')
                .skip(1)
                .map(|rest| rest.split('}').next().unwrap_or_default().to_owned())
                .collect();
            places.sort();
            places
        };
        let english = serde_json::to_value(Labels::english()).expect("texts");
        for table in tables() {
            for (field, text) in table.as_object().expect("a table") {
                assert_eq!(
                    places(text),
                    places(&english[field]),
                    "{field} in {}",
                    table["language"]
                );
                let is_empty = text.as_str().is_some_and(str::is_empty);
                assert!(
                    !is_empty || field == "sentence_space",
                    "{field} in {}",
                    table["language"]
                );
            }
        }
    }

    #[test]
    fn sizes_are_read_at_a_glance() {
        let sizes = [312, 4000, 1_449_000, 2_000_000_000];
        assert_eq!(
            sizes.map(|bytes| Labels::english().size(bytes)),
            ["312 bytes", "4.0 kB", "1.4 MB", "2.0 GB"]
        );
        assert_eq!(Labels::of(Some("ru")).size(1_449_000), "1,4 МБ");
    }
}
