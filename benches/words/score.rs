//! Word errors: how what was heard differs from what was said.

/// What it takes to make what was heard of what was said, in as few steps as there can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Score {
    /// Words that were said.
    pub(crate) words: usize,
    /// Words that were taken for others.
    pub(crate) substitutions: usize,
    /// Words that were missed.
    pub(crate) deletions: usize,
    /// Words that nobody said.
    pub(crate) insertions: usize,
}

impl Score {
    /// Compares two texts by their words alone, in small letters and without anything that isn't spoken.
    pub(crate) fn of(said: &str, heard: &str) -> Self {
        let (said, heard) = (words(said), words(heard));
        let mut row = vec![Self::NONE];
        for at in 0..heard.len() {
            row.push(row[at] + Self::ADDED);
        }
        for word in &said {
            let mut next = vec![row[0] + Self::MISSED];
            for (at, other) in heard.iter().enumerate() {
                let both = match word == other {
                    true => Self::RIGHT,
                    false => Self::WRONG,
                };
                let ways = [row[at] + both, row[at + 1] + Self::MISSED, next[at] + Self::ADDED];
                next.extend(ways.into_iter().min_by_key(Self::errors));
            }
            row = next;
        }
        row[heard.len()]
    }

    const NONE: Self = Self {
        words: 0,
        substitutions: 0,
        deletions: 0,
        insertions: 0,
    };
    const RIGHT: Self = Self {
        words: 1,
        ..Self::NONE
    };
    const WRONG: Self = Self {
        substitutions: 1,
        ..Self::RIGHT
    };
    const MISSED: Self = Self {
        deletions: 1,
        ..Self::RIGHT
    };
    const ADDED: Self = Self {
        insertions: 1,
        ..Self::NONE
    };

    pub(crate) fn errors(&self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }

    /// Errors in a hundred words; more than 100 where more was heard than said.
    pub(crate) fn percent(&self) -> f64 {
        100.0 * self.errors() as f64 / self.words.max(1) as f64
    }
}

impl std::ops::Add for Score {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            words: self.words + other.words,
            substitutions: self.substitutions + other.substitutions,
            deletions: self.deletions + other.deletions,
            insertions: self.insertions + other.insertions,
        }
    }
}

fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('’', "'");
    text.split(|character: char| !character.is_alphabetic() && character != '\'')
        .map(|word| word.trim_matches('\'').to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}
