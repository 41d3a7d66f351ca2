//! PocketSphinx, called through the library that the operator's distribution packages.
//!
//! The library is found when the program runs, not when it is built: whoever has a Deepgram key needs none of it.
//! Both its interfaces are known, told apart by their symbols: 0.8 "5prealpha" (Debian, Ubuntu), configured by
//! `cmd_ln`, and 5.x (Homebrew), configured by `ps_config`.

#![expect(
    unsafe_code,
    reason = "a C library loaded at run time can be called in no other way"
)]

use std::ffi::{CStr, CString, c_char, c_double, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::engine::{EngineError, Heard};

/// Analysis frames a second, as the packaged model's front end makes them.
const FRAMES_PER_SECOND: f64 = 100.0;
/// Longest cepstral mean that is copied; the packaged model's has 13 numbers.
const CEPSTRAL_MEAN_LENGTH_MAX: usize = 64;

/// Names under which the dynamic linker may know the library.
#[cfg(target_os = "macos")]
const LIBRARY_NAMES: &[&str] = &[
    "libpocketsphinx.dylib",
    "/opt/homebrew/lib/libpocketsphinx.dylib",
    "/usr/local/lib/libpocketsphinx.dylib",
];
/// Names under which the dynamic linker may know the library.
#[cfg(not(target_os = "macos"))]
const LIBRARY_NAMES: &[&str] = &[
    "libpocketsphinx.so.3",
    "libpocketsphinx.so.5",
    "libpocketsphinx.so",
];

/// Folders in which packages put the English model.
const MODEL_DIRS: &[&str] = &[
    "/usr/share/pocketsphinx/model/en-us",
    "/usr/local/share/pocketsphinx/model/en-us",
    "/opt/homebrew/share/pocketsphinx/model/en-us",
];

/// Files without which the library would end the process instead of returning an error.
const MODEL_FILES: &[&str] = &[
    "en-us/mdef",
    "en-us/means",
    "en-us/variances",
    "en-us/transition_matrices",
    "en-us/sendump",
    "en-us/noisedict",
    "en-us/feat.params",
    "en-us.lm.bin",
    "cmudict-en-us.dict",
];

/// How the search is tuned; measured in docs/adr/0003. The second, flat pass costs a quarter of the time and a
/// pause at each utterance's end, and mends nothing; 3,000 active models a frame halve the cost again.
const SEARCH: &[(&str, &str)] = &[("fwdflat", "no"), ("bestpath", "yes"), ("maxhmmpf", "3000")];

type Configuration = *mut c_void;
type RawDecoder = *mut c_void;
type RawSegment = *mut c_void;

/// The loaded library and the model it is to use.
#[derive(Debug)]
pub(crate) struct Library {
    functions: Functions,
    name: String,
    model_dir: PathBuf,
    // Last, because the functions above point into it.
    _handle: libloading::Library,
}

impl Library {
    /// Loads the library and looks for its model; nothing is decoded yet.
    pub(crate) fn load(library: Option<&Path>, model_dir: Option<&Path>) -> Result<Self, EngineError> {
        let (handle, name) = open(library)?;
        let functions = Functions::find(&handle).map_err(|error| EngineError::LibraryUnfit {
            name: name.clone(),
            reason: error.to_string(),
        })?;
        let model_dir = find_model(model_dir)?;
        // SAFETY: a null file is the documented way to turn the library's log on stderr off.
        unsafe { (functions.err_set_logfp)(ptr::null_mut()) };
        Ok(Self {
            functions,
            name,
            model_dir,
            _handle: handle,
        })
    }

    /// Which of the two interfaces was found.
    pub(crate) fn version(&self) -> &'static str {
        match self.functions.configure {
            Configure::CommandLine { .. } => "0.8",
            Configure::Keyed { .. } => "5.x",
        }
    }

    /// What the dynamic linker was asked for.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The folder of the model in use.
    pub(crate) fn model_dir(&self) -> &Path {
        &self.model_dir
    }

    /// Asks the C library for the memory back that freed decoders leave in its pools: with glibc, half of it stays
    /// there otherwise. Other C libraries have no such function and do it by themselves.
    pub(crate) fn return_memory(&self) {
        if let Some(malloc_trim) = self.functions.malloc_trim {
            // SAFETY: it may be called at any time; zero keeps no reserve.
            unsafe { malloc_trim(0) };
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let path = |part: &str| self.model_dir.join(part).to_string_lossy().into_owned();
        let mut settings = vec![
            ("hmm", path("en-us")),
            ("lm", path("en-us.lm.bin")),
            ("dict", path("cmudict-en-us.dict")),
        ];
        settings.extend(SEARCH.iter().map(|(key, value)| (*key, (*value).to_owned())));
        if let Configure::CommandLine { .. } = self.functions.configure {
            // 0.8 drops silent frames by itself, and then its times are no longer those of the audio.
            settings.push(("remove_silence", "no".to_owned()));
        }
        settings
    }
}

/// One recogniser with its own copy of the model (about 100 MB), busy with one utterance at a time.
#[derive(Debug)]
pub(crate) struct Decoder {
    raw: NonNull<c_void>,
    initial_channel: Option<Channel>,
    /// Argument strings of 0.8, which are documented to have to outlive the configuration.
    _arguments: Vec<CString>,
    library: Arc<Library>,
}

// SAFETY: a decoder has no tie to the thread that made it and shares no state with another decoder; it isn't
// `Sync`, so one thread at a time uses it.
unsafe impl Send for Decoder {}

impl Decoder {
    /// Loads the model into a new decoder: a quarter of a second and about 100 MB.
    pub(crate) fn new(library: Arc<Library>) -> Result<Self, EngineError> {
        let (configuration, arguments) = library.functions.configuration(&library.settings())?;
        // SAFETY: the configuration is live; the decoder keeps a reference of its own, so ours is given back.
        let raw = unsafe {
            let raw = (library.functions.ps_init)(configuration.as_ptr());
            library.functions.free_configuration(configuration);
            raw
        };
        let raw = NonNull::new(raw).ok_or_else(|| EngineError::ModelUnfit {
            path: library.model_dir.clone(),
        })?;
        let mut decoder = Self {
            raw,
            initial_channel: None,
            _arguments: arguments,
            library,
        };
        decoder.initial_channel = decoder.channel();
        Ok(decoder)
    }

    /// Begins an utterance in a voice that may have been heard before.
    pub(crate) fn start(&mut self, channel: Option<&Channel>) -> Result<(), EngineError> {
        if let Some(channel) = channel.or(self.initial_channel.as_ref()) {
            self.tune(channel);
        }
        // SAFETY: the decoder is live, and no utterance is open: `finish` closes each one.
        let status = unsafe { (self.functions().ps_start_utt)(self.raw.as_ptr()) };
        succeeded(status, "start an utterance")
    }

    /// Forgets the background noise of whom it listened to before.
    pub(crate) fn forget_noise(&mut self) {
        // SAFETY: the decoder is live and between utterances. The result only says whether there was noise to
        // forget.
        unsafe { (self.functions().ps_start_stream)(self.raw.as_ptr()) };
    }

    /// Listens to 16 kHz audio of the open utterance.
    pub(crate) fn audio(&mut self, samples: &[i16]) -> Result<(), EngineError> {
        let functions = self.functions();
        // SAFETY: the decoder is live, the pointer and length are one slice's, and the library copies it.
        let status =
            unsafe { (functions.ps_process_raw)(self.raw.as_ptr(), samples.as_ptr(), samples.len(), 0, 0) };
        succeeded(status, "decode audio")
    }

    /// What has been understood of the open utterance so far; confidences are not known yet.
    pub(crate) fn words(&mut self) -> Vec<Heard> {
        self.segments()
            .into_iter()
            .map(|heard| Heard {
                confidence: 0.0,
                ..heard
            })
            .collect()
    }

    /// Ends the utterance and returns its words.
    pub(crate) fn finish(&mut self) -> Result<Vec<Heard>, EngineError> {
        // SAFETY: the decoder is live.
        let status = unsafe { (self.functions().ps_end_utt)(self.raw.as_ptr()) };
        succeeded(status, "end an utterance")?;
        Ok(self.segments())
    }

    /// What the decoder has learnt of the microphone: the running mean of its cepstra.
    pub(crate) fn channel(&mut self) -> Option<Channel> {
        match self.functions().mean {
            Mean::Struct { feat, read, .. } => self.struct_mean(feat).map(|(mean, length)| {
                let mut values = vec![0_u32; length];
                // SAFETY: `length` is the mean's own length in elements of 32 bits, whatever they stand for.
                unsafe { read(mean, values.as_mut_ptr().cast()) };
                Channel::Values(values)
            }),
            Mean::Text { read, .. } => {
                // SAFETY: the decoder is live; the text is the library's and is copied before the next call.
                let text = unsafe { read(self.raw.as_ptr(), 0) };
                // SAFETY: a non-null answer is a C string.
                (!text.is_null()).then(|| Channel::Text(unsafe { CStr::from_ptr(text) }.to_owned()))
            }
            Mean::Unknown => None,
        }
    }

    fn tune(&self, channel: &Channel) {
        match (self.functions().mean, channel) {
            (Mean::Struct { feat, write, .. }, Channel::Values(values)) => {
                if let Some((mean, length)) = self.struct_mean(feat)
                    && length == values.len()
                {
                    // SAFETY: the slice is as long as the mean that is overwritten.
                    unsafe { write(mean, values.as_ptr().cast()) };
                }
            }
            (Mean::Text { write, .. }, Channel::Text(text)) => {
                // SAFETY: the decoder is live and the text is a C string. A text that it doesn't take leaves
                // the mean as it was.
                unsafe { write(self.raw.as_ptr(), text.as_ptr()) };
            }
            _ => {}
        }
    }

    fn struct_mean(
        &self,
        feat: unsafe extern "C" fn(RawDecoder) -> *mut FeaturePrefix,
    ) -> Option<(*mut c_void, usize)> {
        // SAFETY: the decoder is live; 0.8's public header fixes the layout that `FeaturePrefix` repeats.
        let (mean, length) = unsafe {
            let feature = feat(self.raw.as_ptr()).as_ref()?;
            (feature.cmn_struct, usize::try_from(feature.cepsize).ok()?)
        };
        (!mean.is_null() && (1..=CEPSTRAL_MEAN_LENGTH_MAX).contains(&length)).then_some((mean, length))
    }

    fn segments(&mut self) -> Vec<Heard> {
        let functions = self.functions();
        let mut heard = Vec::new();
        // SAFETY: the decoder is live. The iterator frees itself at its end, which is the only way out of the
        // loop; each word is copied before the iterator moves.
        unsafe {
            let scale = (functions.ps_get_logmath)(self.raw.as_ptr());
            let mut segment = (functions.ps_seg_iter)(self.raw.as_ptr());
            // Frames count from where the decoder's stream began, many utterances ago; the first segment, which is
            // the utterance's own beginning, tells where that is.
            let mut begin = None;
            while !segment.is_null() {
                let word = (functions.ps_seg_word)(segment);
                let (mut first, mut last) = (0, 0);
                (functions.ps_seg_frames)(segment, &raw mut first, &raw mut last);
                let begin = *begin.get_or_insert(first);
                if !word.is_null()
                    && let Some(text) = spoken(&CStr::from_ptr(word).to_string_lossy())
                {
                    let posterior =
                        (functions.ps_seg_prob)(segment, ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
                    heard.push(Heard {
                        text: text.to_owned(),
                        start_seconds: f64::from(first - begin) / FRAMES_PER_SECOND,
                        // The last frame is the word's own.
                        end_seconds: f64::from(last + 1 - begin) / FRAMES_PER_SECOND,
                        confidence: (functions.logmath_exp)(scale, posterior).clamp(0.0, 1.0),
                        language: None,
                    });
                }
                segment = (functions.ps_seg_next)(segment);
            }
        }
        heard
    }

    fn functions(&self) -> Functions {
        self.library.functions
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `ps_init` and is freed once.
        unsafe { (self.functions().ps_free)(self.raw.as_ptr()) };
    }
}

/// What a decoder has learnt of one microphone, to be given to the decoder that hears it next.
#[derive(Debug, Clone)]
pub(crate) enum Channel {
    /// The numbers as 0.8 keeps them: 32 bits each, never looked into.
    Values(Vec<u32>),
    /// The numbers as 5.x writes them.
    Text(CString),
}

/// The library's functions, copied out of it; valid while `Library` holds it open.
#[derive(Debug, Clone, Copy)]
struct Functions {
    configure: Configure,
    mean: Mean,
    ps_init: unsafe extern "C" fn(Configuration) -> RawDecoder,
    ps_free: unsafe extern "C" fn(RawDecoder) -> c_int,
    ps_start_stream: unsafe extern "C" fn(RawDecoder) -> c_int,
    ps_start_utt: unsafe extern "C" fn(RawDecoder) -> c_int,
    ps_process_raw: unsafe extern "C" fn(RawDecoder, *const i16, usize, c_int, c_int) -> c_int,
    ps_end_utt: unsafe extern "C" fn(RawDecoder) -> c_int,
    ps_seg_iter: unsafe extern "C" fn(RawDecoder) -> RawSegment,
    ps_seg_next: unsafe extern "C" fn(RawSegment) -> RawSegment,
    ps_seg_word: unsafe extern "C" fn(RawSegment) -> *const c_char,
    ps_seg_frames: unsafe extern "C" fn(RawSegment, *mut c_int, *mut c_int),
    ps_seg_prob: unsafe extern "C" fn(RawSegment, *mut i32, *mut i32, *mut i32) -> i32,
    ps_get_logmath: unsafe extern "C" fn(RawDecoder) -> *mut c_void,
    logmath_exp: unsafe extern "C" fn(*mut c_void, c_int) -> c_double,
    err_set_logfp: unsafe extern "C" fn(*mut c_void),
    malloc_trim: Option<unsafe extern "C" fn(usize) -> c_int>,
}

/// The two ways to make a configuration.
#[derive(Debug, Clone, Copy)]
enum Configure {
    /// 0.8: from arguments as on a command line.
    CommandLine {
        definitions: unsafe extern "C" fn() -> *const c_void,
        parse: unsafe extern "C" fn(*mut c_void, *const c_void, i32, *mut *mut c_char, i32) -> Configuration,
        free: unsafe extern "C" fn(Configuration) -> c_int,
    },
    /// 5.x: key by key.
    Keyed {
        init: unsafe extern "C" fn(*const c_void) -> Configuration,
        set: unsafe extern "C" fn(Configuration, *const c_char, *const c_char) -> *const c_void,
        free: unsafe extern "C" fn(Configuration) -> c_int,
    },
}

/// The two ways to reach the cepstral mean.
#[derive(Debug, Clone, Copy)]
enum Mean {
    /// 0.8: in a structure of its public header.
    Struct {
        feat: unsafe extern "C" fn(RawDecoder) -> *mut FeaturePrefix,
        read: unsafe extern "C" fn(*mut c_void, *mut c_void),
        write: unsafe extern "C" fn(*mut c_void, *const c_void),
    },
    /// 5.x: as text.
    Text {
        read: unsafe extern "C" fn(RawDecoder, c_int) -> *const c_char,
        write: unsafe extern "C" fn(RawDecoder, *const c_char) -> c_int,
    },
    /// Not at all: every voice starts from the decoder's last.
    Unknown,
}

/// The beginning of 0.8's `feat_t`, up to the mean.
#[repr(C)]
struct FeaturePrefix {
    refcount: c_int,
    name: *mut c_char,
    cepsize: i32,
    n_stream: i32,
    stream_len: *mut u32,
    window_size: i32,
    n_sv: i32,
    sv_len: *mut u32,
    subvecs: *mut *mut i32,
    sv_buf: *mut c_void,
    sv_dim: i32,
    cmn: c_int,
    varnorm: i32,
    agc: c_int,
    compute_feat: *mut c_void,
    cmn_struct: *mut c_void,
}

impl Functions {
    fn find(library: &libloading::Library) -> Result<Self, libloading::Error> {
        // SAFETY: each type repeats the declaration in the header of both versions.
        unsafe {
            Ok(Self {
                configure: Configure::find(library)?,
                mean: Mean::find(library),
                ps_init: *library.get("ps_init")?,
                ps_free: *library.get("ps_free")?,
                ps_start_stream: *library.get("ps_start_stream")?,
                ps_start_utt: *library.get("ps_start_utt")?,
                ps_process_raw: *library.get("ps_process_raw")?,
                ps_end_utt: *library.get("ps_end_utt")?,
                ps_seg_iter: *library.get("ps_seg_iter")?,
                ps_seg_next: *library.get("ps_seg_next")?,
                ps_seg_word: *library.get("ps_seg_word")?,
                ps_seg_frames: *library.get("ps_seg_frames")?,
                ps_seg_prob: *library.get("ps_seg_prob")?,
                ps_get_logmath: *library.get("ps_get_logmath")?,
                logmath_exp: *library.get("logmath_exp")?,
                err_set_logfp: *library.get("err_set_logfp")?,
                // Found in the C library, on which PocketSphinx depends.
                malloc_trim: library.get("malloc_trim").ok().map(|symbol| *symbol),
            })
        }
    }

    fn configuration(
        &self,
        settings: &[(&'static str, String)],
    ) -> Result<(NonNull<c_void>, Vec<CString>), EngineError> {
        match self.configure {
            Configure::CommandLine {
                definitions, parse, ..
            } => {
                let mut arguments = vec![c_string("lectern")?];
                for (key, value) in settings {
                    arguments.push(c_string(&format!("-{key}"))?);
                    arguments.push(c_string(value)?);
                }
                let mut pointers: Vec<*mut c_char> = arguments
                    .iter()
                    .map(|argument| argument.as_ptr().cast_mut())
                    .collect();
                let count = i32::try_from(pointers.len()).expect("a handful of arguments");
                // SAFETY: the pointers are to C strings that the caller keeps; the library only reads them.
                let raw = unsafe { parse(ptr::null_mut(), definitions(), count, pointers.as_mut_ptr(), 1) };
                Ok((configured(raw)?, arguments))
            }
            Configure::Keyed { init, set, .. } => {
                // SAFETY: null asks for the library's own definitions.
                let raw = configured(unsafe { init(ptr::null()) })?;
                for (key, value) in settings {
                    let (key, value) = (c_string(key)?, c_string(value)?);
                    // SAFETY: the configuration is live and both texts are C strings, which it copies.
                    unsafe { set(raw.as_ptr(), key.as_ptr(), value.as_ptr()) };
                }
                Ok((raw, Vec::new()))
            }
        }
    }

    /// # Safety
    /// The configuration must be live, and not used by the caller afterwards.
    unsafe fn free_configuration(&self, configuration: NonNull<c_void>) {
        let (Configure::CommandLine { free, .. } | Configure::Keyed { free, .. }) = self.configure;
        // SAFETY: as the caller promised.
        unsafe { free(configuration.as_ptr()) };
    }
}

impl Configure {
    fn find(library: &libloading::Library) -> Result<Self, libloading::Error> {
        // SAFETY: each type repeats the declaration in the header of the version that has the symbol.
        unsafe {
            if let Ok(init) = library.get("ps_config_init") {
                return Ok(Self::Keyed {
                    init: *init,
                    set: *library.get("ps_config_set_str")?,
                    free: *library.get("ps_config_free")?,
                });
            }
            Ok(Self::CommandLine {
                definitions: *library.get("ps_args")?,
                parse: *library.get("cmd_ln_parse_r")?,
                free: *library.get("cmd_ln_free_r")?,
            })
        }
    }
}

impl Mean {
    fn find(library: &libloading::Library) -> Self {
        // SAFETY: each type repeats the declaration in the header of the version that has the symbol.
        unsafe {
            if let (Ok(read), Ok(write)) = (library.get("ps_get_cmn"), library.get("ps_set_cmn")) {
                return Self::Text {
                    read: *read,
                    write: *write,
                };
            }
            let symbols = (
                library.get("ps_get_feat"),
                library.get("cmn_live_get"),
                library.get("cmn_live_set"),
            );
            let (Ok(feat), Ok(read), Ok(write)) = symbols else {
                return Self::Unknown;
            };
            Self::Struct {
                feat: *feat,
                read: *read,
                write: *write,
            }
        }
    }
}

fn open(library: Option<&Path>) -> Result<(libloading::Library, String), EngineError> {
    let named: Vec<String> = match library {
        Some(path) => vec![path.to_string_lossy().into_owned()],
        None => LIBRARY_NAMES.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut reason = String::new();
    for name in named {
        // SAFETY: PocketSphinx runs no code when it is loaded or unloaded.
        match unsafe { libloading::Library::new(name.as_str()) } {
            Ok(handle) => return Ok((handle, name)),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(EngineError::LibraryMissing { reason })
}

fn find_model(model_dir: Option<&Path>) -> Result<PathBuf, EngineError> {
    let places: Vec<PathBuf> = match model_dir {
        Some(path) => vec![path.to_owned()],
        None => MODEL_DIRS.iter().map(PathBuf::from).collect(),
    };
    let missing = |place: &PathBuf| MODEL_FILES.iter().find(|file| !place.join(file).is_file());
    places
        .iter()
        .find(|place| missing(place).is_none())
        .cloned()
        .ok_or_else(|| {
            let place = places.iter().find(|place| place.is_dir()).unwrap_or(&places[0]);
            EngineError::ModelMissing {
                path: place.join(missing(place).unwrap_or(&"")),
            }
        })
}

/// The word without its pronunciation's number, or nothing for a pause or a noise.
fn spoken(word: &str) -> Option<&str> {
    let filler = word.starts_with(['<', '[', '+']);
    let text = word.split_once('(').map_or(word, |(text, _)| text);
    (!filler && !text.is_empty()).then_some(text)
}

fn succeeded(status: c_int, doing: &'static str) -> Result<(), EngineError> {
    if status < 0 {
        Err(EngineError::Decoding { doing })
    } else {
        Ok(())
    }
}

fn configured(raw: Configuration) -> Result<NonNull<c_void>, EngineError> {
    NonNull::new(raw).ok_or(EngineError::Decoding {
        doing: "configure a decoder",
    })
}

fn c_string(text: &str) -> Result<CString, EngineError> {
    CString::new(text).map_err(|_| EngineError::Decoding {
        doing: "name the model: its path has a zero byte",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fillers_and_pronunciation_numbers_are_not_words() {
        assert_eq!(spoken("forward"), Some("forward"));
        assert_eq!(spoken("ten(2)"), Some("ten"));
        for filler in ["<s>", "</s>", "<sil>", "[NOISE]", "[SPEECH]", "++UM++", ""] {
            assert_eq!(spoken(filler), None, "{filler}");
        }
    }

    #[test]
    fn missing_library_says_what_to_install() {
        let error =
            Library::load(Some(Path::new("/nowhere/libpocketsphinx.so")), None).expect_err("not there");
        assert!(error.to_string().contains("libpocketsphinx3"), "{error}");
        assert!(error.to_string().contains("brew"), "{error}");
    }

    #[test]
    fn missing_model_names_the_file() {
        let error = find_model(Some(Path::new("/nowhere"))).expect_err("not there");
        assert!(error.to_string().contains("/nowhere/en-us/mdef"), "{error}");
        assert!(error.to_string().contains("pocketsphinx-en-us"), "{error}");
    }
}
