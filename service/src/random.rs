//! Random texts that nobody guesses.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::SecretString;

/// 32 random bytes as text, for whatever nobody may guess.
pub fn secret() -> SecretString {
    BASE64_URL_SAFE_NO_PAD.encode(bytes::<32>()).into()
}

/// A room's code: ten letters in three groups (`abc-defg-hij`), 44 bits, without those that look alike.
pub(crate) fn room_code() -> String {
    let letters = bytes::<10>().map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
    let letters: String = letters.iter().collect();
    format!("{}-{}-{}", &letters[..3], &letters[3..7], &letters[7..])
}

/// 22 letters, so that 256 is nearly a multiple: the first 14 are a tenth likelier, which costs less than a bit.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxy";

/// Random bytes of the system.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_can_be_read_aloud() {
        let code = room_code();
        assert_eq!(code.len(), 12);
        assert!(
            code.bytes().all(|byte| byte == b'-' || LETTERS.contains(&byte)),
            "{code}"
        );
        assert_ne!(code, room_code());
    }
}
