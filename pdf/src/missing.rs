//! Which font would have what no font here has.

use std::{collections::BTreeMap, fmt::Write};

/// The characters by number, each kind with the Debian package of a font that has it: `U+738B: fonts-noto-cjk`.
///
/// Elsewhere the same fonts are called otherwise; their files may as well lie in a folder of `LECTERN_FONTS`.
pub fn fonts_wanted(missing: &[char]) -> String {
    let mut packages: BTreeMap<&str, Vec<char>> = BTreeMap::new();
    for &c in missing {
        packages.entry(package_with(c)).or_default().push(c);
    }
    let mut wanted = String::new();
    for (package, characters) in packages {
        let separator = if wanted.is_empty() { "" } else { "; " };
        let shown: Vec<String> = characters.iter().take(SHOWN_MAX).map(number_of).collect();
        write!(wanted, "{separator}{}", shown.join(" ")).expect("a string takes everything");
        if characters.len() > SHOWN_MAX {
            write!(wanted, " and {} more", characters.len() - SHOWN_MAX).expect("a string takes everything");
        }
        match package {
            "" => wanted.push_str(": no font that we know of"),
            package => write!(wanted, ": install {package}").expect("a string takes everything"),
        }
    }
    wanted
}

/// Of each package.
const SHOWN_MAX: usize = 8;

fn number_of(c: &char) -> String {
    format!("U+{:04X}", u32::from(*c))
}

/// Nothing for what has no meaning of its own: private use, and numbers that nobody has assigned.
fn package_with(c: char) -> &'static str {
    match u32::from(c) {
        0xE000..=0xF8FF | 0xE_0000.. => "",
        0x2E80..=0x31FF
        | 0x3200..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xA960..=0xA97F
        | 0xAC00..=0xD7FF
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE4F
        | 0xFF00..=0xFFEF
        | 0x1100..=0x11FF => "fonts-noto-cjk",
        0x2_0000..=0x3_FFFF => "fonts-noto-cjk-extra",
        0x1F000..=0x1FAFF | 0x2600..=0x27BF | 0x2B00..=0x2BFF => "fonts-noto-color-emoji",
        0xFFF0..=0xFFFF => "",
        // Arabic, Hebrew, Devanagari and its neighbours, Thai, Georgian, Ethiopic and many more.
        _ => "fonts-noto-core",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_has_its_package() {
        let wanted = fonts_wanted(&['न', '王', '小', '\u{E123}', '\u{1F600}']);
        assert_eq!(
            wanted,
            "U+E123: no font that we know of; U+738B U+5C0F: install fonts-noto-cjk; \
             U+1F600: install fonts-noto-color-emoji; U+0928: install fonts-noto-core"
        );
    }

    #[test]
    fn long_lists_are_counted() {
        let many: Vec<char> = ('一'..'丏').collect();
        assert!(fonts_wanted(&many).ends_with("U+4E07 and 7 more: install fonts-noto-cjk"));
    }
}
