//! The grammar of JSON (RFC 8259): how far a token goes, and what an escaped text stands for.

/// Number of bytes of white space that the text begins with.
pub(super) fn blank(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// Number of bytes of the number that the text begins with (section 6).
pub(super) fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let count = text.get(from..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(from + count)
    };
    let sign = usize::from(text.first() == Some(&b'-'));
    let mut end = if text.get(sign) == Some(&b'0') { sign + 1 } else { digits(sign)? };
    if text.get(end) == Some(&b'.') {
        end = digits(end + 1)?;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = digits(end + 1 + sign)?;
    }
    Some(end)
}

/// Number of bytes between the quotation marks of a text whose first mark was just before (section 7). If the text does
/// not end, or has a character that must be escaped or an unknown escape, the number of bytes before the fault.
pub(super) fn text(text: &[u8]) -> Result<usize, usize> {
    let mut at = 0;
    loop {
        at += match text.get(at) {
            Some(b'"') => return Ok(at),
            Some(b'\\') => match text.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                Some(b'u') if unit(text.get(at..).unwrap_or_default(), 2).is_some() => 6,
                Some(_) | None => return Err(at),
            },
            Some(0x20..) => 1,
            Some(_) | None => return Err(at),
        };
    }
}

/// Replaces the escapes between the quotation marks of a text by what they stand for, which is never longer. Returns the
/// new number of bytes; none if an escape is not known or stands for half of a surrogate pair.
pub(super) fn unescape(contents: &mut [u8]) -> Option<usize> {
    let Some(first) = contents.iter().position(|byte| *byte == b'\\') else { return Some(contents.len()) };
    let (mut read, mut written) = (first, first);
    while let Some(byte) = contents.get(read).copied() {
        if byte == b'\\' {
            let (char, length) = escape(contents.get(read..)?)?;
            let mut buffer = [0; 4];
            let encoded = char.encode_utf8(&mut buffer).as_bytes();
            contents.get_mut(written..written + encoded.len())?.copy_from_slice(encoded);
            (read, written) = (read + length, written + encoded.len());
        } else {
            *contents.get_mut(written)? = byte;
            (read, written) = (read + 1, written + 1);
        }
    }
    Some(written)
}

/// The character that the escape at the beginning of a text stands for, and the length of the escape.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let char = match text.get(1)? {
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = unit(text, 2)?;
            if !matches!(first, 0xd800..=0xdbff) {
                return Some((char::from_u32(first.into())?, 6));
            }
            let second = unit(text, 8).filter(|_| text.get(6..8) == Some(br"\u"))?;
            return Some((char::decode_utf16([first, second]).next()?.ok()?, 12));
        }
        _ => return None,
    };
    Some((char, 2))
}

/// The number that four hexadecimal digits stand for.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 4)?;
    digits.iter().try_fold(0, |sum, digit| Some((sum << 4) | char::from(*digit).to_digit(16)? as u16))
}
