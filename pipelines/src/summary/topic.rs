//! Where the subject changes: the words before a place differ from the words after it.
//!
//! After TextTiling (Hearst, 1997): the likeness of the text on both sides of every gap between sentences, and as
//! boundaries the deepest valleys of that line, far enough from each other to be chapters.

use std::{ops::Range, time::Duration};

use super::{sentence::Sentence, terms::Weights};

/// Ranges of sentences, together all of them; none where there are no sentences.
pub(super) fn topics(sentences: &[Sentence], weights: &Weights) -> Vec<Range<usize>> {
    if sentences.is_empty() {
        return Vec::new();
    }
    let depths = depths(&likenesses(sentences, weights));
    let mut starts = vec![0];
    let wanted = (length(sentences, 0..sentences.len()).as_secs_f64() / CHAPTER_USUAL.as_secs_f64()).round();
    let mut by_depth: Vec<usize> = (1..sentences.len()).collect();
    by_depth.sort_by(|&left, &right| depths[right].total_cmp(&depths[left]).then(left.cmp(&right)));
    for &gap in &by_depth {
        if starts.len() as f64 >= wanted {
            break;
        }
        if depths[gap] > 0.0 && leaves_chapters(sentences, &starts, gap) {
            starts.push(gap);
        }
    }
    // A subject that never changes is still a long time to look through.
    for &gap in &by_depth {
        if length(sentences, around(&starts, gap, sentences.len())) > CHAPTER_MAX
            && leaves_chapters(sentences, &starts, gap)
        {
            starts.push(gap);
        }
    }
    starts.sort_unstable();
    let ends = starts.iter().copied().skip(1).chain([sentences.len()]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(start, end)| start..end)
        .collect()
}

/// How long a chapter is if the subject lets us choose.
const CHAPTER_USUAL: Duration = Duration::from_secs(7 * 60);
/// Nothing shorter is a chapter, except a whole meeting.
const CHAPTER_MIN: Duration = Duration::from_secs(3 * 60);
/// What is longer is divided where it is least coherent.
const CHAPTER_MAX: Duration = Duration::from_secs(12 * 60);
/// Terms compared on each side of a gap: about a minute of speech.
const WINDOW_TERMS: usize = 130;
/// A pause of a minute says as much as a whole change of words.
const PAUSE_WEIGHT_PER_SECOND: f64 = 1.0 / 60.0;

fn length(sentences: &[Sentence], range: Range<usize>) -> Duration {
    let end = sentences[range.clone()].iter().map(|sentence| sentence.end).max();
    end.map_or(Duration::ZERO, |end| end.since(sentences[range.start].start))
}

/// The chapter that a gap lies in.
fn around(starts: &[usize], gap: usize, sentences: usize) -> Range<usize> {
    let start = starts
        .iter()
        .copied()
        .filter(|&start| start <= gap)
        .max()
        .unwrap_or(0);
    let end = starts
        .iter()
        .copied()
        .filter(|&start| start > gap)
        .min()
        .unwrap_or(sentences);
    start..end
}

fn leaves_chapters(sentences: &[Sentence], starts: &[usize], gap: usize) -> bool {
    let whole = around(starts, gap, sentences.len());
    whole.start < gap
        && sentences[gap].start.since(sentences[whole.start].start) >= CHAPTER_MIN
        && length(sentences, gap..whole.end) >= CHAPTER_MIN
}

/// For each gap (before the sentence of that number) how alike both sides are, less for a pause.
fn likenesses(sentences: &[Sentence], weights: &Weights) -> Vec<f64> {
    let terms = sentences
        .iter()
        .flat_map(|sentence| &sentence.terms)
        .map(|term| term.index() + 1)
        .max();
    let mut both = Scratch::new(terms.unwrap_or(0));
    (0..sentences.len())
        .map(|gap| {
            let before = sentences[..gap]
                .iter()
                .rev()
                .flat_map(|sentence| sentence.terms.iter().rev());
            let after = sentences[gap..].iter().flat_map(|sentence| &sentence.terms);
            for &term in before.take(WINDOW_TERMS) {
                both.add(term.index(), [weights.weight(term), 0.0]);
            }
            for &term in after.take(WINDOW_TERMS) {
                both.add(term.index(), [0.0, weights.weight(term)]);
            }
            let pause = gap.checked_sub(1).map_or(Duration::ZERO, |last| {
                sentences[gap].start.since(sentences[last].end)
            });
            both.take_cosine() - (pause.as_secs_f64() * PAUSE_WEIGHT_PER_SECOND).min(1.0)
        })
        .collect()
}

/// Two sparse vectors in one dense array, so that thousands of gaps need no allocation.
struct Scratch {
    sums: Vec<[f64; 2]>,
    touched: Vec<usize>,
}

impl Scratch {
    fn new(terms: usize) -> Self {
        Self {
            sums: vec![[0.0; 2]; terms],
            touched: Vec::new(),
        }
    }

    fn add(&mut self, term: usize, [left, right]: [f64; 2]) {
        let sums = &mut self.sums[term];
        if *sums == [0.0; 2] {
            self.touched.push(term);
        }
        sums[0] += left;
        sums[1] += right;
    }

    fn take_cosine(&mut self) -> f64 {
        let [mut product, mut left_square, mut right_square] = [0.0; 3];
        for term in self.touched.drain(..) {
            let [left, right] = std::mem::take(&mut self.sums[term]);
            product += left * right;
            left_square += left * left;
            right_square += right * right;
        }
        match left_square * right_square {
            0.0 => 0.0,
            squares => product / squares.sqrt(),
        }
    }
}

/// How far each gap lies below the heights on both its sides.
fn depths(likenesses: &[f64]) -> Vec<f64> {
    let smooth: Vec<f64> = (0..likenesses.len())
        .map(|at| {
            let near = &likenesses[at.saturating_sub(1)..(at + 2).min(likenesses.len())];
            near.iter().sum::<f64>() / near.len() as f64
        })
        .collect();
    let climb = |heights: &mut dyn Iterator<Item = f64>, from: f64| {
        let mut top = from;
        for height in heights {
            if height < top {
                break;
            }
            top = height;
        }
        top - from
    };
    (0..smooth.len())
        .map(|at| {
            let left = climb(&mut smooth[..at].iter().rev().copied(), smooth[at]);
            let right = climb(&mut smooth[at + 1..].iter().copied(), smooth[at]);
            left + right
        })
        .collect()
}
