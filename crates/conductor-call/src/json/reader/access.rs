//! The items of a list, the members of an object, and one of several variants, as serde asks for them.

use serde::Deserializer;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{JsonError, MAX_ITEMS, Reader};

/// The items of a list whose first bracket was read.
pub(super) struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    has_begun: bool,
    has_ended: bool,
    count: usize,
}

impl<'r, 'de> Items<'r, 'de> {
    pub(super) const fn new(reader: &'r mut Reader<'de>) -> Self {
        Self { reader, has_begun: false, has_ended: false, count: 0 }
    }

    /// Fails if items are left.
    pub(super) fn end(mut self) -> Result<(), JsonError> {
        if self.has_item()? {
            return Err(JsonError::field(&format_args!("the list has more than {} items", self.count)));
        }
        Ok(())
    }

    fn has_item(&mut self) -> Result<bool, JsonError> {
        if !self.has_ended {
            self.has_ended = !self.reader.has_item(&mut self.has_begun, b']')?;
        }
        Ok(!self.has_ended)
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = JsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, JsonError> {
        if !self.has_item()? {
            return Ok(None);
        }
        if self.count == MAX_ITEMS {
            return Err(JsonError::field(&format_args!("the list has more than {MAX_ITEMS} items")));
        }
        self.count += 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

/// The members of an object whose first bracket was read.
pub(super) struct Members<'r, 'de> {
    reader: &'r mut Reader<'de>,
    fields: &'static [&'static str],
    is_request: bool,
    has_begun: bool,
    /// The field whose key was read last.
    field: &'static str,
}

impl<'r, 'de> Members<'r, 'de> {
    pub(super) const fn new(
        reader: &'r mut Reader<'de>,
        fields: &'static [&'static str],
        is_request: bool,
    ) -> Self {
        Self { reader, fields, is_request, has_begun: false, field: "" }
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        while self.reader.has_item(&mut self.has_begun, b'}')? {
            let key = self.reader.text()?;
            self.reader.punctuation(b':', "`:`")?;
            if self.is_request && key == "op" {
                self.reader.text()?;
                continue;
            }
            let Some(field) = self.fields.iter().find(|field| **field == key) else {
                return Err(unknown(key, self.fields));
            };
            self.field = field;
            return seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        let field = self.field;
        seed.deserialize(&mut *self.reader).map_err(|error| error.within(&format!("`{field}`")))
    }
}

fn unknown(key: &str, fields: &[&str]) -> JsonError {
    let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    let known = if fields.is_empty() {
        "there is none".to_owned()
    } else {
        format!("known are {}", fields.join(", "))
    };
    // The known fields come first, because a message ends after a number of characters.
    JsonError::field(&format_args!("unknown field; {known}; found `{key}`"))
}

/// One of several, whose name was read, and whose value was not.
pub(super) struct Variant<'r, 'de> {
    reader: &'r mut Reader<'de>,
    name: &'de str,
}

impl<'r, 'de> Variant<'r, 'de> {
    pub(super) const fn new(reader: &'r mut Reader<'de>, name: &'de str) -> Self {
        Self { reader, name }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = JsonError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), JsonError> {
        let variant = seed.deserialize(BorrowedStrDeserializer::<JsonError>::new(self.name))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = JsonError;

    fn unit_variant(self) -> Result<(), JsonError> {
        Err(JsonError::field(&"this one stands alone, as text"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, JsonError> {
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, JsonError> {
        self.reader.items(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.reader.deserialize_struct("", fields, visitor)
    }
}
