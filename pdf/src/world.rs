//! All that Typst gets to see: one template, the fonts and the minutes. No file, no network, no clock.

use typst::{
    Library, LibraryExt, World,
    diag::{FileError, FileResult},
    foundations::{Bytes, Datetime, Dict, Duration, IntoValue, Str},
    syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot},
    text::{Font, FontBook},
    utils::LazyHash,
};

use crate::Fonts;

/// The template and what goes into it.
pub(crate) struct Page<'a> {
    library: LazyHash<Library>,
    template: Source,
    fonts: &'a Fonts,
}

impl<'a> Page<'a> {
    /// Everything in `inputs` that is there.
    pub(crate) fn new(inputs: Inputs, fonts: &'a Fonts) -> Self {
        let Inputs {
            minutes,
            labels,
            missing,
            page_locale,
            spoken_locale,
            labels_locale,
        } = inputs;
        let given = [
            ("minutes", Some(minutes)),
            ("labels", Some(labels)),
            ("missing", missing),
            ("language", Some(page_locale.language)),
            ("region", page_locale.region),
            ("spoken-language", Some(spoken_locale.language)),
            ("spoken-region", spoken_locale.region),
            ("labels-language", Some(labels_locale.language)),
            ("labels-region", labels_locale.region),
        ];
        let inputs: Dict = given
            .into_iter()
            .filter_map(|(name, value)| Some((Str::from(name), value?.into_value())))
            .collect();
        let path = VirtualPath::new("minutes.typ").expect("a plain file name is a path");
        let id = FileId::new(RootedPath::new(VirtualRoot::Project, path));
        Self {
            library: LazyHash::new(Library::builder().with_inputs(inputs).build()),
            template: Source::new(id, include_str!("minutes.typ").to_owned()),
            fonts,
        }
    }
}

/// What goes into the template.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// The minutes, as JSON.
    pub(crate) minutes: String,
    /// What the page says itself, as JSON.
    pub(crate) labels: String,
    /// Which characters are printed by number and what font has them, if there are any.
    pub(crate) missing: Option<String>,
    /// The summary's.
    pub(crate) page_locale: Locale,
    /// The transcript's.
    pub(crate) spoken_locale: Locale,
    pub(crate) labels_locale: Locale,
}

/// A language as Typst takes it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Locale {
    pub(crate) language: String,
    pub(crate) region: Option<String>,
}

impl Locale {
    /// Language and region of a BCP 47 tag; English where it names none (`multi`, say). Traditional Chinese is Taiwan's where
    /// no region is named: fonts choose their glyphs by that.
    pub(crate) fn of(tag: Option<&str>) -> Self {
        let mut subtags = tag.unwrap_or_default().split(['-', '_']);
        let is_letters = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
        let language = subtags
            .next()
            .filter(is_letters)
            .filter(|text| (2..=3).contains(&text.len()));
        let subtags: Vec<&str> = subtags.filter(is_letters).collect();
        let region = subtags.iter().copied().find(|text| text.len() == 2);
        let is_traditional = subtags.iter().any(|text| text.eq_ignore_ascii_case("hant"));
        let region = region.or(is_traditional.then_some("TW"));
        match language {
            Some(language) => Self {
                language: language.to_ascii_lowercase(),
                region: region.map(str::to_ascii_uppercase),
            },
            None => Self {
                language: "en".to_owned(),
                region: None,
            },
        }
    }
}

impl World for Page<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        self.fonts.book()
    }

    fn main(&self) -> FileId {
        self.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        match id == self.template.id() {
            true => Ok(self.template.clone()),
            false => Err(FileError::AccessDenied),
        }
    }

    fn file(&self, _id: FileId) -> FileResult<Bytes> {
        Err(FileError::AccessDenied)
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.font(index)
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_locales_that_typst_takes() {
        let locale = |tag| {
            let Locale { language, region } = Locale::of(tag);
            (language, region)
        };
        assert_eq!(locale(Some("pt-br")), ("pt".to_owned(), Some("BR".to_owned())));
        assert_eq!(
            locale(Some("zh-Hant-TW")),
            ("zh".to_owned(), Some("TW".to_owned()))
        );
        assert_eq!(locale(Some("zh-Hant")), locale(Some("zh-Hant-TW")));
        assert_eq!(
            locale(Some("zh-Hant-HK")),
            ("zh".to_owned(), Some("HK".to_owned()))
        );
        assert_eq!(locale(Some("ru")), ("ru".to_owned(), None));
        for odd in [None, Some("multi"), Some(""), Some("#panic()"), Some("e")] {
            assert_eq!(locale(odd), ("en".to_owned(), None), "{odd:?}");
        }
    }
}
