//! Reads the fields of a request out of a text that was found to be JSON. Texts and bytes are decoded in the place where
//! they stand, so that the request borrows them.

mod access;

use std::{fmt, mem};

use serde::Deserializer;
use serde::de::Visitor;
use serde::de::value::BorrowedStrDeserializer;
use serde::forward_to_deserialize_any;

use super::error::JsonError;
use super::{BASE64, token};
use access::{Items, Members, Variant};

/// Most items of a list that is not a field of bytes; stops a request of empty texts from becoming a list many times as
/// large. No operation takes as many.
pub const MAX_ITEMS: usize = 1_024;

/// The largest number up to which a number with a fraction or an exponent stands for one whole number.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// A text of which the beginning was read.
pub(super) struct Reader<'de> {
    rest: &'de mut [u8],
    /// Number of bytes that were read.
    at: usize,
    /// Whether nothing was read yet: the first object is the request, whose `op` was read before.
    is_request: bool,
}

impl<'de> Reader<'de> {
    pub(super) const fn new(text: &'de mut [u8]) -> Self {
        Self { rest: text, at: 0, is_request: true }
    }

    fn blank(&mut self) {
        self.take(token::blank(self.rest));
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        self.blank();
        self.rest.first().copied()
    }

    /// Takes bytes off the beginning, at most as many as there are.
    fn take(&mut self, length: usize) -> &'de mut [u8] {
        let rest = mem::take(&mut self.rest);
        let (taken, rest) = rest.split_at_mut(length.min(rest.len()));
        self.rest = rest;
        self.at += taken.len();
        taken
    }

    fn punctuation(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(JsonError::Syntax { at: self.at, expected });
        }
        self.take(1);
        Ok(())
    }

    /// Whether there is another item before the bracket that ends the list or object; takes what stands before it, or the
    /// bracket.
    fn has_item(&mut self, has_begun: &mut bool, end: u8) -> Result<bool, JsonError> {
        if self.peek() == Some(end) {
            self.take(1);
            return Ok(false);
        }
        if mem::replace(has_begun, true) {
            self.punctuation(b',', "`,`")?;
        }
        Ok(true)
    }

    fn mismatch(&mut self, expected: &str) -> JsonError {
        let found = match self.peek() {
            Some(b'"') => "text",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b't' | b'f') => "true or false",
            Some(b'n') => "null",
            Some(_) => "a number",
            None => "nothing",
        };
        JsonError::field(&format_args!("expected {expected}, found {found}"))
    }

    /// What stands between the quotation marks of a text, without escapes.
    fn contents(&mut self) -> Result<&'de mut [u8], JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.mismatch("text"));
        }
        self.take(1);
        let unended = |before: usize| JsonError::Syntax { at: before, expected: "the end of a text" };
        let length = token::text(self.rest).map_err(|before| unended(self.at + before))?;
        let contents = self.take(length);
        self.take(1);
        let length = token::unescape(contents)
            .ok_or_else(|| JsonError::field(&"a text has half of a surrogate pair"))?;
        Ok(contents.split_at_mut(length.min(contents.len())).0)
    }

    fn text(&mut self) -> Result<&'de str, JsonError> {
        let contents: &'de [u8] = self.contents()?;
        std::str::from_utf8(contents).map_err(|error| JsonError::NotUtf8 { at: error.valid_up_to() })
    }

    fn number(&mut self, expected: &str) -> Result<&'de str, JsonError> {
        self.blank();
        let Some(length) = token::number(self.rest) else { return Err(self.mismatch(expected)) };
        let digits: &'de [u8] = self.take(length);
        std::str::from_utf8(digits).map_err(|error| JsonError::NotUtf8 { at: error.valid_up_to() })
    }

    /// A number with a fraction; none of JSON is infinite.
    fn real(&mut self, largest: f64) -> Result<f64, JsonError> {
        let text = self.number("a number")?;
        let number = text.parse::<f64>().ok().filter(|number| number.abs() <= largest);
        number.ok_or_else(|| JsonError::field(&format_args!("{text} is out of range")))
    }

    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        let text = self.number("a whole number")?;
        if let Ok(number) = text.parse::<u64>() {
            return visitor.visit_u64(number);
        }
        match whole(text) {
            Some(number) => visitor.visit_i64(number),
            None => Err(JsonError::field(&format_args!("{text} is no whole number in range"))),
        }
    }

    /// A field of bytes.
    fn bytes(&mut self) -> Result<&'de [u8], JsonError> {
        match self.peek() {
            Some(b'"') => self.base64(),
            Some(b'[') => self.list_of_bytes(),
            _ => Err(self.mismatch("bytes, as a list of numbers or as text that begins with `base64:`")),
        }
    }

    fn base64(&mut self) -> Result<&'de [u8], JsonError> {
        let contents = self.contents()?;
        let Some(encoded) = contents.strip_prefix(BASE64.as_bytes()) else {
            return Err(JsonError::field(&"text stands for bytes only if it begins with `base64:`"));
        };
        let refused = |why: &dyn fmt::Display| {
            JsonError::field(&format_args!("no base64 (RFC 4648, section 4) after `base64:`: {why}"))
        };
        let padding = encoded.iter().position(|byte| *byte == b'=').unwrap_or(encoded.len());
        if encoded.len() - padding > 2 {
            return Err(refused(&format_args!("padding at {padding}, before the end")));
        }
        let decoded = data_encoding::BASE64.decode(encoded).map_err(|error| refused(&error))?;
        let (bytes, _) = contents.split_at_mut(decoded.len().min(contents.len()));
        bytes.copy_from_slice(&decoded);
        Ok(bytes)
    }

    /// Bytes as a list of numbers, each of which is written over what was read of the list: a number takes at least as
    /// much room as its byte.
    fn list_of_bytes(&mut self) -> Result<&'de [u8], JsonError> {
        self.take(1);
        let end = self.rest.iter().position(|byte| *byte == b']').unwrap_or(self.rest.len());
        let list = self.take(end);
        self.take(1);
        let (mut read, mut written) = (0, 0);
        while let Some(rest) = list.get(read..).filter(|rest| token::blank(rest) < rest.len()) {
            let length = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
            let byte = byte(rest.get(..length).unwrap_or_default())?;
            if let Some(place) = list.get_mut(written) {
                *place = byte;
            }
            (read, written) = (read + length + 1, written + 1);
        }
        Ok(list.split_at_mut(written.min(list.len())).0)
    }

    /// A list, whose visitor may leave items.
    fn items<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        if self.peek() != Some(b'[') {
            return Err(self.mismatch("a list"));
        }
        self.take(1);
        let mut items = Items::new(self);
        let value = visitor.visit_seq(&mut items)?;
        items.end()?;
        Ok(value)
    }

    fn members<V: Visitor<'de>>(
        &mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let is_request = mem::take(&mut self.is_request);
        if self.peek() != Some(b'{') {
            return Err(self.mismatch("an object"));
        }
        self.take(1);
        visitor.visit_map(Members::new(self, fields, is_request))
    }

    /// One of several: its name, or an object whose only member has that name.
    fn variant<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        if self.peek() == Some(b'"') {
            return visitor.visit_enum(BorrowedStrDeserializer::new(self.text()?));
        }
        if self.peek() != Some(b'{') {
            return Err(self.mismatch("text, or an object with one member"));
        }
        self.take(1);
        let one = || JsonError::field(&"expected an object with exactly one member");
        let mut has_begun = false;
        if !self.has_item(&mut has_begun, b'}')? {
            return Err(one());
        }
        let name = self.text()?;
        self.punctuation(b':', "`:`")?;
        let value = visitor
            .visit_enum(Variant::new(self, name))
            .map_err(|error| error.within(&format!("`{name}`")))?;
        if self.has_item(&mut has_begun, b'}')? { Err(one()) } else { Ok(value) }
    }
}

/// The whole number that a text stands for, if there is one: `-1`, and `60.0` or `6e1` as languages write it whose
/// numbers all have a fraction.
#[expect(clippy::cast_possible_truncation, reason = "a number without a fraction that fits")]
fn whole(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.parse().ok()?;
    (number.fract() == 0.0 && number.abs() <= MAX_WHOLE).then_some(number as i64)
}

/// One number of a list of bytes.
fn byte(text: &[u8]) -> Result<u8, JsonError> {
    let text = text.trim_ascii();
    let text = std::str::from_utf8(text).unwrap_or_default();
    let is_number = token::number(text.as_bytes()) == Some(text.len());
    let number = if is_number { whole(text) } else { None };
    number.and_then(|number| u8::try_from(number).ok()).ok_or_else(|| {
        let what = if is_number { text } else { "something" };
        JsonError::field(&format_args!(
            "{what} in a list of bytes is no byte, which is a number from 0 to 255"
        ))
    })
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, JsonError> {
        // No operation has a field of any type: its own is what it is read as.
        Err(self.mismatch("a value of a type that operations have"))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let word = match self.peek() {
            Some(b't') => "true",
            Some(b'f') => "false",
            _ => return Err(self.mismatch("true or false")),
        };
        self.take(word.len());
        visitor.visit_bool(word == "true")
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.integer(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.integer(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.integer(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.integer(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.integer(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.integer(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let number = self.real(f32::MAX.into())?;
        visitor.visit_f64(number)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let number = self.real(f64::MAX)?;
        visitor.visit_f64(number)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let text = self.text()?;
        visitor.visit_borrowed_str(text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let bytes = self.bytes()?;
        visitor.visit_borrowed_bytes(bytes)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.items(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, JsonError> {
        self.items(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.members(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.variant(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u128 char option unit unit_struct newtype_struct tuple_struct map identifier ignored_any
    }
}
