//! A whisper model of 2 MB that says one sentence, whatever it hears: made for tests, in the layout of real ones.
//!
//! Its layers add nothing, so that the decoder's answer at a position depends on the position's embedding alone. Each
//! position points to one direction, and so does the token that is to be said there.

use std::io::Write as _;

use tempfile::NamedTempFile;

/// Tokens of the English models; one more makes a model multilingual.
const VOCABULARY_ENGLISH: u32 = 51_864;

/// Numbers in which the model thinks; more than there are tokens to say.
const WIDTH: u32 = 32;
const MELS: u32 = 80;
const AUDIO_POSITIONS: u32 = 1_500;
const TEXT_POSITIONS: u32 = 64;
/// Tokens that are written out; the library makes up the names of the others.
const WRITTEN_TOKENS: u32 = 50_257;

/// The sentence that it says from 0.00 s to 1.00 s, token by token.
pub(crate) const SENTENCE: [&str; 5] = [" Good", " mor", "ning", ",", " all."];
/// The language that a multilingual one finds, and its number among whisper's.
pub(crate) const LANGUAGE: (&str, u32) = ("de", 2);

/// What a model is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TinyModel {
    vocabulary: u32,
}

/// A file with these bytes, which is gone with the value.
pub(crate) fn written(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("room for it");
    file
}

impl TinyModel {
    /// One with whisper's language tokens.
    pub(crate) fn multilingual() -> Self {
        Self {
            vocabulary: VOCABULARY_ENGLISH + 1,
        }
    }

    /// One that knows English only.
    pub(crate) fn english() -> Self {
        Self {
            vocabulary: VOCABULARY_ENGLISH,
        }
    }

    /// It as a file.
    pub(crate) fn written(self) -> NamedTempFile {
        written(&self.bytes())
    }

    /// It as a file's content.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let sizes = [
            0x6767_6d6c,
            self.vocabulary,
            AUDIO_POSITIONS,
            WIDTH,
            2,
            1,
            TEXT_POSITIONS,
            WIDTH,
            2,
            1,
            MELS,
            1, // 16-bit floats
            MELS,
            201,
        ];
        numbers(&mut bytes, &sizes);
        floats(&mut bytes, (MELS * 201) as usize, |_| 0.01);
        numbers(&mut bytes, &[WRITTEN_TOKENS]);
        for token in 0..WRITTEN_TOKENS {
            let text = match token {
                999 => " ".to_owned(),
                _ => SENTENCE
                    .get(token.wrapping_sub(1_000) as usize)
                    .map_or_else(|| format!(" t{token}"), |text| (*text).to_owned()),
            };
            numbers(&mut bytes, &[text.len() as u32]);
            bytes.extend_from_slice(text.as_bytes());
        }
        self.encoder(&mut bytes);
        self.decoder(&mut bytes);
        bytes
    }

    /// The tokens that are to be said at the decoder's positions.
    fn script(self) -> Vec<(usize, u32)> {
        let multilingual = u32::from(self.vocabulary > VOCABULARY_ENGLISH);
        let (end, begin) = (50_256 + multilingual, 50_363 + multilingual);
        // The prompt is one token, or three with the language and the task.
        let prompt = if multilingual == 1 { 3 } else { 1 };
        let first_language = 50_257 + multilingual + 1;
        let mut said = vec![begin];
        said.extend((0..SENTENCE.len() as u32).map(|index| 1_000 + index));
        said.extend([begin + 50, end]);
        let mut script: Vec<(usize, u32)> = said
            .into_iter()
            .enumerate()
            .map(|(index, token)| (prompt - 1 + index, token))
            .collect();
        if multilingual == 1 {
            script.push((0, first_language + LANGUAGE.1));
        }
        script
    }

    fn encoder(self, bytes: &mut Vec<u8>) {
        tensor(
            bytes,
            "encoder.positional_embedding",
            &[WIDTH, AUDIO_POSITIONS],
            |_| 0.0,
        );
        half_tensor(bytes, "encoder.conv1.weight", &[3, MELS, WIDTH], |_| 0.0);
        tensor(bytes, "encoder.conv1.bias", &[1, WIDTH], |_| 0.0);
        half_tensor(bytes, "encoder.conv2.weight", &[3, WIDTH, WIDTH], |_| 0.0);
        tensor(bytes, "encoder.conv2.bias", &[1, WIDTH], |_| 0.0);
        norm(bytes, "encoder.ln_post");
        block(bytes, "encoder.blocks.0", &["attn"]);
    }

    fn decoder(self, bytes: &mut Vec<u8>) {
        let script = self.script();
        let width = WIDTH as usize;
        // A direction for each position: the token that was said there weighs little beside it.
        let position = |index: usize| match index % width == index / width {
            true => 100.0,
            false => 0.0,
        };
        tensor(
            bytes,
            "decoder.positional_embedding",
            &[WIDTH, TEXT_POSITIONS],
            position,
        );
        let token = |index: usize| {
            let (token, direction) = ((index / width) as u32, index % width);
            match script.contains(&(direction, token)) {
                true => 10.0,
                false => 0.0,
            }
        };
        half_tensor(
            bytes,
            "decoder.token_embedding.weight",
            &[WIDTH, self.vocabulary],
            token,
        );
        norm(bytes, "decoder.ln");
        block(bytes, "decoder.blocks.0", &["attn", "cross_attn"]);
    }
}

/// A layer that adds nothing to what passes through it.
fn block(bytes: &mut Vec<u8>, name: &str, attentions: &[&str]) {
    norm(bytes, &format!("{name}.mlp_ln"));
    linear(bytes, &format!("{name}.mlp.0"), WIDTH, 4 * WIDTH);
    linear(bytes, &format!("{name}.mlp.2"), 4 * WIDTH, WIDTH);
    for attention in attentions {
        norm(bytes, &format!("{name}.{attention}_ln"));
        linear(bytes, &format!("{name}.{attention}.query"), WIDTH, WIDTH);
        half_tensor(
            bytes,
            &format!("{name}.{attention}.key.weight"),
            &[WIDTH, WIDTH],
            |_| 0.0,
        );
        linear(bytes, &format!("{name}.{attention}.value"), WIDTH, WIDTH);
        linear(bytes, &format!("{name}.{attention}.out"), WIDTH, WIDTH);
    }
}

fn linear(bytes: &mut Vec<u8>, name: &str, from: u32, to: u32) {
    half_tensor(bytes, &format!("{name}.weight"), &[from, to], |_| 0.0);
    tensor(bytes, &format!("{name}.bias"), &[to], |_| 0.0);
}

fn norm(bytes: &mut Vec<u8>, name: &str) {
    tensor(bytes, &format!("{name}.weight"), &[WIDTH], |_| 1.0);
    tensor(bytes, &format!("{name}.bias"), &[WIDTH], |_| 0.0);
}

fn tensor(bytes: &mut Vec<u8>, name: &str, shape: &[u32], value: impl Fn(usize) -> f32) {
    describe(bytes, name, shape, 0);
    floats(bytes, length(shape), value);
}

/// In 16 bits, of which these tests need 0 and 10 only.
fn half_tensor(bytes: &mut Vec<u8>, name: &str, shape: &[u32], value: impl Fn(usize) -> f32) {
    describe(bytes, name, shape, 1);
    for index in 0..length(shape) {
        let half: u16 = if value(index) == 10.0 { 0x4900 } else { 0 };
        bytes.extend_from_slice(&half.to_le_bytes());
    }
}

fn describe(bytes: &mut Vec<u8>, name: &str, shape: &[u32], kind: u32) {
    numbers(bytes, &[shape.len() as u32, name.len() as u32, kind]);
    numbers(bytes, shape);
    bytes.extend_from_slice(name.as_bytes());
}

fn length(shape: &[u32]) -> usize {
    shape.iter().product::<u32>() as usize
}

fn floats(bytes: &mut Vec<u8>, count: usize, value: impl Fn(usize) -> f32) {
    (0..count).for_each(|index| bytes.extend_from_slice(&value(index).to_le_bytes()));
}

fn numbers(bytes: &mut Vec<u8>, values: &[u32]) {
    values
        .iter()
        .for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
}
