//! Bytes as the tables of vectors write them, as `README.md` says. The tests that judge bytes include this file.

/// Reads hex digits, between which white space has no meaning, and texts in single quotes, of which `'x'*9` is nine.
pub(crate) fn bytes(notation: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut text = "";
    for (index, piece) in notation.split('\'').enumerate() {
        if index % 2 == 1 {
            text = piece;
            bytes.extend(text.bytes());
            continue;
        }
        let hex = match piece.strip_prefix('*') {
            None => piece,
            Some(repeated) => {
                let (times, hex) = repeated.split_once(char::is_whitespace).unwrap_or((repeated, ""));
                let times: usize = times.parse().unwrap_or_else(|_| panic!("{notation}: {times}"));
                bytes.extend(text.repeat(times - 1).bytes());
                hex
            }
        };
        let digits: Vec<u8> = hex
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .map(|digit| digit.unwrap_or_else(|| panic!("{notation}: not hex")))
            .collect();
        for pair in digits.chunks(2) {
            let [high, low] = pair else { panic!("{notation}: half a byte") };
            bytes.push(high << 4 | low);
        }
    }
    bytes
}
