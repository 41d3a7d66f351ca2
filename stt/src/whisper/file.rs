//! A look at a model file before whisper.cpp gets it: the library believes what a file says, reads past its end and
//! ends the process over some mistakes.
//!
//! The layout is that of whisper.cpp's `whisper_model_load`: little-endian 32-bit numbers; a magic, eleven sizes, the
//! mel filters, the vocabulary, then tensors until the end, each with its shape, name and type.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::engine::EngineError;

/// "ggml", as such files begin.
const MAGIC: u32 = 0x6767_6d6c;
/// Tokens of the English models; one more makes a model multilingual.
const VOCABULARY_ENGLISH: u32 = 51_864;
/// Bins of the spectrum that every model's mel filters weigh.
const SPECTRUM_BINS: u32 = 201;
/// Numbers of a tensor, more than any model has in one.
const TENSOR_LENGTH_MAX: u64 = 1 << 31;
/// Types of numbers: how ggml names them, how many are stored together, and in how many bytes.
const TYPES: [(u32, u64, u64); 12] = [
    (0, 1, 4), // 32-bit floats
    (1, 1, 2), // 16-bit floats
    (2, 32, 18),
    (3, 32, 20),
    (6, 32, 22),
    (7, 32, 24),
    (8, 32, 34),
    (10, 256, 84),
    (11, 256, 110),
    (12, 256, 144),
    (13, 256, 176),
    (14, 256, 210),
];

/// What a file says of its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    vocabulary: u32,
    encoder_layers: u32,
}

impl Facts {
    /// Whether it knows other languages than English.
    pub(crate) fn is_multilingual(self) -> bool {
        self.vocabulary > VOCABULARY_ENGLISH
    }

    /// What whisper's authors call a model of this size.
    pub(crate) fn size(self) -> &'static str {
        match self.encoder_layers {
            4 => "tiny",
            6 => "base",
            12 => "small",
            24 => "medium",
            32 => "large",
            _ => "custom",
        }
    }
}

/// What is wrong with a file.
#[derive(Debug)]
enum Fault {
    Io(io::Error),
    Unfit(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Self::Unfit("it ends too early: fetch or copy it again".to_owned())
            }
            _ => Self::Io(error),
        }
    }
}

/// Reads all of a model file but its weights, and says what is wrong with it.
pub(crate) fn look_at(path: &Path) -> Result<Facts, EngineError> {
    read(path).map_err(|fault| match fault {
        Fault::Io(error) => EngineError::WhisperModelMissing {
            path: path.to_owned(),
            reason: error.to_string(),
        },
        Fault::Unfit(reason) => EngineError::WhisperModelUnfit {
            path: path.to_owned(),
            reason,
        },
    })
}

fn read(path: &Path) -> Result<Facts, Fault> {
    if path.is_dir() {
        return Err(unfit("it is a folder; name the file in it"));
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut file = Layout {
        file: BufReader::new(file),
        length,
        at: 0,
    };
    if length < 4 || file.number()? != MAGIC {
        return Err(unfit(
            "it doesn't begin as ggml's whisper files do; GGUF, PyTorch and safetensors files are other formats",
        ));
    }
    let facts_and_tensors = file.header()?;
    file.vocabulary(facts_and_tensors.0.vocabulary)?;
    let (facts, expected) = facts_and_tensors;
    let tensors = file.tensors()?;
    if tensors != expected {
        return Err(unfit(format!(
            "it has {tensors} tensors, and its sizes ask for {expected}"
        )));
    }
    Ok(facts)
}

/// A file on its way through the layout.
struct Layout {
    file: BufReader<File>,
    length: u64,
    at: u64,
}

impl Layout {
    /// The sizes, and the number of tensors that follow from them.
    fn header(&mut self) -> Result<(Facts, u64), Fault> {
        let vocabulary = self.size("tokens", VOCABULARY_ENGLISH..=60_000)?;
        self.size("audio positions", 1_500..=1_500)?;
        let width = self.size("the encoder's width", 1..=8_192)?;
        self.size("the encoder's heads", 1..=width)?;
        let encoder_layers = self.size("the encoder's layers", 1..=128)?;
        self.size("text positions", 8..=4_096)?;
        // The library takes for granted that both halves are of one width.
        self.size("the decoder's width", width..=width)?;
        self.size("the decoder's heads", 1..=width)?;
        let decoder_layers = self.size("the decoder's layers", 1..=128)?;
        let mels = self.size("mel bands", 80..=128)?;
        self.size("the kind of numbers", 0..=4_000)?;
        self.size("mel filters", mels..=mels)?;
        self.size("bins of the spectrum", SPECTRUM_BINS..=SPECTRUM_BINS)?;
        self.skip(u64::from(mels) * u64::from(SPECTRUM_BINS) * 4)?;
        let facts = Facts {
            vocabulary,
            encoder_layers,
        };
        Ok((
            facts,
            11 + 15 * u64::from(encoder_layers) + 24 * u64::from(decoder_layers),
        ))
    }

    fn vocabulary(&mut self, most: u32) -> Result<(), Fault> {
        let mut has_space = false;
        for _ in 0..self.size("written tokens", 1..=most)? {
            let length = self.size("the bytes of a token", 0..=1_024)?;
            if length == 1 {
                let mut byte = [0];
                self.file.read_exact(&mut byte)?;
                self.at += 1;
                has_space |= byte == *b" ";
            } else {
                self.skip(u64::from(length))?;
            }
        }
        // Each decoding looks it up, and ends the process where it isn't.
        if has_space {
            Ok(())
        } else {
            Err(unfit("its vocabulary has no space"))
        }
    }

    /// Counts the tensors.
    fn tensors(&mut self) -> Result<u64, Fault> {
        let mut count = 0;
        while self.at < self.length {
            let dimensions = self.size("a tensor's dimensions", 1..=4)?;
            let name = self.size("the bytes of a tensor's name", 1..=256)?;
            let kind = self.number()?;
            let mut numbers = 1_u64;
            for _ in 0..dimensions {
                numbers = numbers.saturating_mul(u64::from(self.number()?));
            }
            let (_, together, bytes) = TYPES
                .into_iter()
                .find(|(known, ..)| *known == kind)
                .ok_or_else(|| unfit(format!("it has numbers of the unknown kind {kind}")))?;
            if numbers == 0 || numbers > TENSOR_LENGTH_MAX || !numbers.is_multiple_of(together) {
                return Err(unfit(format!("it has a tensor of {numbers} numbers")));
            }
            self.skip(u64::from(name) + numbers / together * bytes)?;
            count += 1;
        }
        Ok(count)
    }

    fn size(&mut self, what: &str, allowed: std::ops::RangeInclusive<u32>) -> Result<u32, Fault> {
        let number = self.number()?;
        if allowed.contains(&number) {
            return Ok(number);
        }
        let (least, most) = (allowed.start(), allowed.end());
        Err(unfit(format!(
            "{what}: {number}, which should be {least} to {most}"
        )))
    }

    fn number(&mut self) -> Result<u32, Fault> {
        let mut bytes = [0; 4];
        self.file.read_exact(&mut bytes)?;
        self.at += 4;
        Ok(u32::from_le_bytes(bytes))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Fault> {
        self.at += bytes;
        if self.at > self.length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if bytes <= 1_024 {
            // Within the buffer, as tokens are.
            let offset = i64::try_from(bytes).expect("few");
            self.file.seek_relative(offset)?;
        } else {
            self.file.seek(SeekFrom::Start(self.at))?;
        }
        Ok(())
    }
}

fn unfit(reason: impl Into<String>) -> Fault {
    Fault::Unfit(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whisper::tiny::{TinyModel, written};

    fn refused(bytes: &[u8]) -> String {
        let file = written(bytes);
        let error = look_at(file.path()).expect_err("no model");
        assert!(error.to_string().contains("LECTERN_WHISPER_MODEL"), "{error}");
        error.to_string()
    }

    #[test]
    fn a_whole_file_is_known_by_its_sizes() {
        let file = TinyModel::multilingual().written();
        let facts = look_at(file.path()).expect("a model");
        assert!(facts.is_multilingual());
        assert_eq!(facts.size(), "custom");
        let file = TinyModel::english().written();
        assert!(!look_at(file.path()).expect("a model").is_multilingual());
    }

    #[test]
    fn what_is_no_model_is_named() {
        assert!(refused(b"").contains("ggml"));
        assert!(refused(b"GGUF\x03\0\0\0").contains("GGUF"));
        assert!(refused(&[0; 4_096]).contains("ggml"));
        let missing = look_at(Path::new("/nowhere/ggml-base.bin")).expect_err("not there");
        assert!(
            missing.to_string().contains("/nowhere/ggml-base.bin"),
            "{missing}"
        );
        let folder = look_at(&std::env::temp_dir()).expect_err("a folder");
        assert!(folder.to_string().contains("folder"), "{folder}");
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_refused() {
        let bytes = TinyModel::multilingual().bytes();
        let ends = [
            5,
            40,
            60,
            5_000,
            100_000,
            bytes.len() / 2,
            bytes.len() - 4_000,
            bytes.len() - 1,
        ];
        for end in ends {
            let reason = refused(&bytes[..end]);
            assert!(
                reason.contains("ends too early") || reason.contains("tensors"),
                "{end}: {reason}"
            );
        }
        let mut longer = bytes.clone();
        longer.extend_from_slice(&[7; 12]);
        assert!(refused(&longer).contains("dimensions"));
    }

    #[test]
    fn sizes_that_would_break_the_library_are_refused() {
        let bytes = TinyModel::multilingual().bytes();
        for (place, value, what) in [
            (1, 1_000, "tokens"),
            (1, u32::MAX, "tokens"),
            (2, 3_000, "audio positions"),
            (5, 4_000_000_000, "layers"),
            (7, 64, "width"),
            (9, 2, "tensors"),
            (10, 90, "mel"),
        ] {
            let mut broken = bytes.clone();
            broken[place * 4..place * 4 + 4].copy_from_slice(&value.to_le_bytes());
            let reason = refused(&broken);
            assert!(reason.contains(what), "{place}: {reason}");
        }
    }

    #[test]
    fn a_vocabulary_without_a_space_is_refused() {
        let bytes = TinyModel::english().bytes();
        let space = b"\x01\0\0\0 \x05\0\0\0 Good";
        let at = bytes
            .windows(10)
            .position(|window| window == &space[..10])
            .expect("the space");
        let mut without = bytes.clone();
        without[at + 4] = b'x';
        assert!(refused(&without).contains("no space"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let mut file = MAGIC.to_le_bytes().to_vec();
            file.extend(bytes);
            proptest::prop_assert!(look_at(written(&file).path()).is_err());
        }
    }
}
