//! That a record of the audit log says what happened, whatever characters are in it, and is harmless to whoever looks
//! at it.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use conductor_broker::audit::{AuditRecord, AuditText, MAX_TEXT_BYTES};
use conductor_signing::{RevocationKind, SigningKey};

/// So many of any characters are never cut: each is at most two escapes of six bytes.
const UNCUT: usize = MAX_TEXT_BYTES / 12 - 1;

/// Whether a character drives a terminal, ends a line, cannot be seen, or reorders what is around it (Unicode 15, chapter 23).
fn is_harmful(character: char) -> bool {
    let unseen = ['\u{ad}', '\u{61c}', '\u{180e}', '\u{2028}', '\u{2029}', '\u{feff}'];
    let ranges = [
        '\u{200b}'..='\u{200f}',
        '\u{202a}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{e0000}'..='\u{e007f}',
    ];
    character.is_control()
        || unseen.contains(&character)
        || ranges.iter().any(|range| range.contains(&character))
}

/// The reason in the record's line, which has to be one line of harmless characters.
fn read(record: &AuditRecord) -> String {
    let line = record.to_line();
    let text = line.strip_suffix('\n').expect("a line has an end");
    let harm = text.chars().find(|character| is_harmful(*character));
    assert_eq!(harm, None, "{}", text.escape_debug());
    let json: serde_json::Value = serde_json::from_str(text).expect("a line is JSON");
    json["reason"].as_str().expect("it has the reason").to_owned()
}

/// Every character of Unicode, with others on both sides of it.
#[test]
fn every_character_is_read_as_it_was_written() {
    let key = SigningKey::from_seed(&[7; 32]).public_key();
    let mut all = (0..=u32::from(char::MAX)).filter_map(char::from_u32);
    let mut characters = 0;
    loop {
        let reason: String = all.by_ref().take(UNCUT).collect();
        if reason.is_empty() {
            break;
        }
        characters += reason.chars().count();
        let record = AuditRecord::key_revoked(&key, RevocationKind::Compromised, &reason);
        assert_eq!(read(&record), reason);
    }
    assert_eq!(characters, 0x11_0000 - 0x800, "all but the surrogates");
}

/// A text that is too long is cut to a beginning of itself with a mark, wherever the cut falls.
#[test]
fn a_long_text_is_cut_to_its_beginning() {
    let key = SigningKey::from_seed(&[7; 32]).public_key();
    for character in
        ['x', '"', '\\', '\n', '\u{e9}', '\u{6771}', '\u{1b}', '\u{202e}', '\u{1d11e}', '\u{e0041}']
    {
        for before in 0..14 {
            for length in (UNCUT..MAX_TEXT_BYTES + 20).step_by(9) {
                let text = format!("{}{}", "-".repeat(before), character.to_string().repeat(length));
                let record = AuditRecord::key_revoked(&key, RevocationKind::Superseded, &text);
                let kept = read(&record);
                assert_eq!(kept, AuditText::of(&text).as_str(), "what is kept is what is written");
                let is_whole = kept == text;
                let is_cut = kept.strip_suffix('\u{2026}').is_some_and(|kept| text.starts_with(kept));
                assert!(is_whole || is_cut, "{character:?} {before} {length}: {kept}");
            }
        }
    }
}
