//! Names and words made fit to be printed: one line, nothing invisible that changes its neighbours.

use unicode_segmentation::UnicodeSegmentation;

use crate::Participant;

/// `text` in one line: white space becomes single spaces; control characters and bidirectional overrides go.
pub(crate) fn plain(text: &str) -> String {
    let visible: String = text
        .chars()
        .filter(|&c| c.is_whitespace() || !is_hidden(c))
        .collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What to call somebody: the name, or the identity where no letter of the name is left.
pub(crate) fn name_of(participant: &Participant) -> String {
    match plain(&participant.name) {
        name if name.is_empty() => plain(participant.identity.as_str()),
        name => name,
    }
}

/// Characters that aren't seen and change how others are: controls, bidirectional embeddings, overrides and
/// isolates, byte order marks, interlinear annotations.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// How many columns `text` takes where a Latin letter takes one and an ideograph two.
pub(super) fn columns(text: &str) -> usize {
    text.graphemes(true)
        .map(|grapheme| if grapheme.starts_with(is_wide) { 2 } else { 1 })
        .sum()
}

/// Whether `c` is of a script that is set in squares and without spaces, or an emoji.
pub(super) fn is_wide(c: char) -> bool {
    matches!(u32::from(c),
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x2_0000..=0x3_FFFD)
}

/// What stands between two pieces of text: a space, or nothing between ideographs.
pub(super) fn joint(left: &str, right: &str) -> &'static str {
    match left.is_empty() || (left.ends_with(is_wide) && right.starts_with(is_wide)) {
        true => "",
        false => " ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParticipantIdentity;

    #[test]
    fn text_becomes_one_line_of_visible_characters() {
        assert_eq!(
            plain(" a\r\nb\tc\u{0}\u{1b}[31m \u{202e}d\u{2066}\u{2028}e "),
            "a b c[31m d e"
        );
        assert_eq!(plain("שלום, мир, 世界"), "שלום, мир, 世界");
    }

    #[test]
    fn somebody_without_a_visible_name_goes_by_identity() {
        let participant = Participant {
            identity: ParticipantIdentity::parse("ada").expect("a good identity"),
            name: "\u{202e}\n".to_owned(),
        };
        assert_eq!(name_of(&participant), "ada");
    }

    #[test]
    fn ideographs_take_two_columns_and_no_space() {
        assert_eq!(columns("a世é"), 4);
        assert_eq!(joint("世", "界"), "");
        assert_eq!(joint("a", "b"), " ");
    }
}
