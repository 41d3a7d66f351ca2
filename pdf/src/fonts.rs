//! The fonts there are: those built in, those of the system, and those the settings name.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use typst::{
    foundations::Bytes,
    text::{Font, FontBook, FontInfo},
    utils::LazyHash,
};

use crate::Error;

/// Fonts to set pages in.
///
/// Libertinus Serif is built in and sets Latin, Greek and Cyrillic alike on every machine; other scripts are
/// taken from the first font that has them: named folders first, then the system's, each in the order of their
/// file names.
pub struct Fonts {
    book: LazyHash<FontBook>,
    slots: Vec<Slot>,
}

/// A font that is read when it is first used.
struct Slot {
    origin: Origin,
    font: OnceLock<Option<Font>>,
}

enum Origin {
    BuiltIn(Font),
    File { path: PathBuf, index: u32 },
}

impl Fonts {
    /// Built-in fonts, then those in `extra` (folders or files), then the system's.
    ///
    /// A path in `extra` that can't be read is an error: somebody asked for it. Files that are no fonts, and what
    /// can't be read of the system's, are passed over.
    pub fn load(extra: &[PathBuf]) -> Result<Self, Error> {
        let mut fonts = Self::built_in();
        for path in extra {
            let files = files_under(path).map_err(|source| Error::Fonts {
                path: path.clone(),
                source,
            })?;
            fonts.add_files(files);
        }
        for folder in system_folders() {
            // Most machines have only some of them.
            fonts.add_files(files_under(&folder).unwrap_or_default());
        }
        Ok(fonts)
    }

    /// The built-in fonts alone: pages that come out the same on every machine.
    pub fn built_in() -> Self {
        let mut fonts = Self {
            book: LazyHash::new(FontBook::new()),
            slots: Vec::new(),
        };
        for font in typst_assets::fonts().flat_map(|data| Font::iter(Bytes::new(data))) {
            fonts.push(font.info().clone(), Origin::BuiltIn(font));
        }
        fonts
    }

    /// Whether a font has a glyph for `c`.
    pub fn covers(&self, c: char) -> bool {
        (0..self.slots.len())
            .filter_map(|index| self.book.info(index))
            .any(|info| !info.is_last_resort() && info.coverage.contains(u32::from(c)))
    }

    pub(crate) fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    pub(crate) fn font(&self, index: usize) -> Option<Font> {
        let slot = self.slots.get(index)?;
        slot.font.get_or_init(|| slot.origin.load()).clone()
    }

    fn add_files(&mut self, files: Vec<PathBuf>) {
        for path in files {
            let Ok(data) = fs::read(&path) else { continue };
            for (index, info) in (0..).zip(FontInfo::iter(&data)) {
                self.push(
                    info,
                    Origin::File {
                        path: path.clone(),
                        index,
                    },
                );
            }
        }
    }

    fn push(&mut self, info: FontInfo, origin: Origin) {
        self.book.push(info);
        self.slots.push(Slot {
            origin,
            font: OnceLock::new(),
        });
    }
}

impl Origin {
    fn load(&self) -> Option<Font> {
        match self {
            Self::BuiltIn(font) => Some(font.clone()),
            // It was readable when the fonts were listed; should it have gone since, another font takes its place.
            Self::File { path, index } => Font::new(Bytes::new(fs::read(path).ok()?), *index),
        }
    }
}

/// Files of fonts at or under `path`, sorted, so that the same folder always gives the same pages.
fn files_under(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let mut folders = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                if depth < FOLDER_DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            } else if is_font(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Deeper than any font package; ends circles of links.
const FOLDER_DEPTH_MAX: usize = 8;

fn is_font(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| {
            ["ttf", "otf", "ttc", "otc"].contains(&extension.to_ascii_lowercase().as_str())
        })
}

/// Where Linux and macOS keep fonts.
fn system_folders() -> Vec<PathBuf> {
    [
        "/usr/local/share/fonts",
        "/usr/share/fonts",
        "/Library/Fonts",
        "/System/Library/Fonts",
    ]
    .map(PathBuf::from)
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_fonts_have_latin_greek_and_cyrillic() {
        let fonts = Fonts::built_in();
        for c in "Az éß Ωλ Жюї …–“”".chars() {
            assert!(fonts.covers(c), "{c}");
        }
        assert!(!fonts.covers('王'), "no built-in font is Chinese");
    }

    #[test]
    fn folder_that_is_asked_for_must_be_there() {
        let Err(error) = Fonts::load(&[PathBuf::from("no/such/folder")]) else {
            panic!("a missing folder is accepted");
        };
        assert!(
            error.to_string().starts_with("reading fonts from no/such/folder"),
            "{error}"
        );
    }
}
