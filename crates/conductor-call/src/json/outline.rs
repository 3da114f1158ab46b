//! The first look at a request: whether the text is JSON, how deep it goes, and which operation it names.

use conductor_abi::Op;

use super::error::JsonError;
use super::{MAX_DEPTH, token};

/// The operation that a request names.
pub(super) fn operation(text: &[u8]) -> Result<Op, JsonError> {
    std::str::from_utf8(text).map_err(|error| JsonError::NotUtf8 { at: error.valid_up_to() })?;
    let mut walk = Walk { text, at: 0, depth: 0 };
    let mut found = None;
    walk.blank();
    walk.object(&mut |walk, key| {
        if unescaped(key).as_deref() != Some(b"op") {
            return walk.value();
        }
        if found.is_some() {
            return Err(JsonError::TwoOperations);
        }
        if walk.peek() != Some(b'"') {
            return Err(JsonError::field(&"`op` is the name of an operation, as text"));
        }
        found = Some(walk.string()?);
        Ok(())
    })?;
    walk.blank();
    if walk.at < text.len() {
        return Err(walk.expected("the end of the text"));
    }
    let name = found.ok_or(JsonError::NoOperation)?;
    let name = unescaped(name).unwrap_or_default();
    let name = String::from_utf8_lossy(&name);
    // Answers are fetched into a buffer of the plugin's, which JSON cannot name.
    let op = Op::from_name(&name).filter(|op| *op != Op::Fetch);
    op.ok_or_else(|| JsonError::unknown(&name))
}

/// What a text stands for; none if it has half of a surrogate pair.
fn unescaped(contents: &[u8]) -> Option<Vec<u8>> {
    let mut contents = contents.to_vec();
    let length = token::unescape(&mut contents)?;
    contents.truncate(length);
    Some(contents)
}

/// A walk through a text, which changes nothing.
struct Walk<'t> {
    text: &'t [u8],
    at: usize,
    depth: u8,
}

/// What reads the value of a member whose key it is given.
type Member<'m, 't> = dyn FnMut(&mut Walk<'t>, &'t [u8]) -> Result<(), JsonError> + 'm;

impl<'t> Walk<'t> {
    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    fn blank(&mut self) {
        self.at += token::blank(self.rest());
    }

    const fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax { at: self.at, expected }
    }

    fn punctuation(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.expected(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// A text; returns what stands between its quotation marks.
    fn string(&mut self) -> Result<&'t [u8], JsonError> {
        self.punctuation(b'"', "a text in quotation marks")?;
        let rest = self.rest();
        let length = token::text(rest).map_err(|before| {
            let expected = "the end of a text, a character of it or an escape that JSON knows";
            JsonError::Syntax { at: self.at + before, expected }
        })?;
        self.at += length + 1;
        Ok(rest.get(..length).unwrap_or_default())
    }

    fn value(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'{') => self.object(&mut |walk, _| walk.value()),
            Some(b'[') => self.items(b']', "`,` or `]`", &mut |walk| walk.value()),
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => {
                self.at += token::number(self.rest()).ok_or_else(|| self.expected("a number"))?;
                Ok(())
            }
            _ => self.literal(),
        }
    }

    fn literal(&mut self) -> Result<(), JsonError> {
        let known =
            ["true", "false", "null"].into_iter().find(|word| self.rest().starts_with(word.as_bytes()));
        self.at += known.ok_or_else(|| self.expected("a value"))?.len();
        Ok(())
    }

    /// An object, each of whose members is given its key and reads its value.
    fn object(&mut self, member: &mut Member<'_, 't>) -> Result<(), JsonError> {
        if self.peek() != Some(b'{') {
            return Err(self.expected("an object"));
        }
        self.items(b'}', "`,` or `}`", &mut |walk| {
            let key = walk.string()?;
            walk.blank();
            walk.punctuation(b':', "`:`")?;
            walk.blank();
            member(walk, key)
        })
    }

    /// What stands between two brackets, separated by commas.
    fn items(
        &mut self,
        end: u8,
        expected: &'static str,
        item: &mut dyn FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(JsonError::TooDeep { at: self.at });
        }
        self.depth += 1;
        self.at += 1;
        self.blank();
        if self.peek() != Some(end) {
            loop {
                item(self)?;
                self.blank();
                if self.peek() != Some(b',') {
                    break;
                }
                self.at += 1;
                self.blank();
            }
        }
        self.punctuation(end, expected)?;
        self.depth -= 1;
        Ok(())
    }
}
