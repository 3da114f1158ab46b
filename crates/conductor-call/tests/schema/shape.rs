//! The shape of a type, as the type tells a deserializer while it is read from nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

/// What a type looks like in JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Text,
    Bytes,
    Bool,
    Number,
    Integer { min: i64, max: u64 },
    List(Box<Self>),
    Tuple(Vec<Self>),
    Object(Object),
    OneOf { name: &'static str, variants: Vec<(&'static str, Option<Self>)> },
}

/// A structure with its fields.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) name: &'static str,
    pub(crate) fields: Vec<(&'static str, Shape)>,
}

/// Why a type could not be read: what was left out is needed.
#[derive(Debug)]
pub(crate) struct Lacking(String);

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lacking {}

impl serde::de::Error for Lacking {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self(reason.to_string())
    }
}

/// A reader of types.
pub(crate) type Read<'r> = &'r dyn Fn(Tracer<'_>) -> Result<(), Lacking>;

/// The shape of the structure that `read` reads.
pub(crate) fn object(read: Read<'_>) -> Object {
    let mut variant = 0;
    let mut found: Option<Object> = None;
    loop {
        let trace = Trace { variant, most: RefCell::default(), omitted: None };
        let object = trace.run(read).unwrap_or_else(|error| panic!("{error}"));
        match &mut found {
            None => found = Some(object),
            Some(found) => merge(found, object),
        }
        variant += 1;
        if variant >= trace.most.take() {
            return found.expect("an object");
        }
    }
}

/// Whether the structure can be read without a field.
pub(crate) fn may_lack(read: Read<'_>, field: &'static str) -> bool {
    Trace { variant: 0, most: RefCell::default(), omitted: Some(field) }.run(read).is_ok()
}

/// Adds the variants that another reading met.
fn merge(into: &mut Object, from: Object) {
    for ((_, into), (_, from)) in into.fields.iter_mut().zip(from.fields) {
        if let (Shape::OneOf { variants: known, .. }, Shape::OneOf { variants: more, .. }) = (into, from) {
            let new: BTreeMap<_, _> = more.into_iter().filter(|(_, shape)| shape.is_some()).collect();
            for (name, shape) in known {
                if let Some(met) = new.get(name) {
                    shape.clone_from(met);
                }
            }
        }
    }
}

/// One reading of a type.
struct Trace {
    /// Which of several variants is read.
    variant: usize,
    /// The largest number of variants.
    most: RefCell<usize>,
    /// The field of the outermost structure that is left out.
    omitted: Option<&'static str>,
}

impl Trace {
    fn run(&self, read: Read<'_>) -> Result<Object, Lacking> {
        let mut shape = None;
        read(Tracer { trace: self, is_outermost: true, shape: &mut shape })?;
        match shape {
            Some(Shape::Object(object)) => Ok(object),
            other => panic!("{other:?} is no object"),
        }
    }
}

/// Reads one value, and writes down what it is.
pub(crate) struct Tracer<'t> {
    trace: &'t Trace,
    is_outermost: bool,
    shape: &'t mut Option<Shape>,
}

impl Tracer<'_> {
    fn integer(self, min: i64, max: u64) {
        *self.shape = Some(Shape::Integer { min, max });
    }
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Lacking;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Lacking> {
        Err(Lacking("a field of a type that JSON of operations does not have".to_owned()))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        *self.shape = Some(Shape::Bool);
        visitor.visit_bool(false)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        self.integer(0, u8::MAX.into());
        visitor.visit_u8(0)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        self.integer(0, u16::MAX.into());
        visitor.visit_u16(0)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        self.integer(0, u32::MAX.into());
        visitor.visit_u32(0)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        self.integer(0, u64::MAX);
        visitor.visit_u64(0)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        self.integer(i32::MIN.into(), i32::MAX.unsigned_abs().into());
        visitor.visit_i32(0)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        *self.shape = Some(Shape::Number);
        visitor.visit_f32(0.0)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        *self.shape = Some(Shape::Text);
        visitor.visit_borrowed_str("")
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        *self.shape = Some(Shape::Bytes);
        visitor.visit_borrowed_bytes(&[])
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Lacking> {
        let mut items = Items { trace: self.trace, left: 1, shapes: Vec::new() };
        let value = visitor.visit_seq(&mut items)?;
        *self.shape = items.shapes.pop().map(|item| Shape::List(Box::new(item)));
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Lacking> {
        let mut items = Items { trace: self.trace, left: length, shapes: Vec::new() };
        let value = visitor.visit_seq(&mut items)?;
        *self.shape = Some(Shape::Tuple(items.shapes));
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Lacking> {
        let omitted = self.trace.omitted.filter(|_| self.is_outermost);
        let left = fields.iter().copied().filter(|field| Some(*field) != omitted).rev().collect();
        let mut members = Members { trace: self.trace, left, field: "", fields: Vec::new() };
        let value = visitor.visit_map(&mut members)?;
        *self.shape = Some(Shape::Object(Object { name, fields: members.fields }));
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Lacking> {
        let most = (*self.trace.most.borrow()).max(variants.len());
        self.trace.most.replace(most);
        let chosen = self.trace.variant.min(variants.len() - 1);
        let mut content = None;
        let variant = Variant { trace: self.trace, name: variants[chosen], content: &mut content };
        let value = visitor.visit_enum(variant)?;
        let content = |index| if index == chosen { content.clone() } else { None };
        let variants = variants.iter().enumerate().map(|(index, name)| (*name, content(index)));
        *self.shape = Some(Shape::OneOf { name, variants: variants.collect() });
        Ok(value)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i64 i128 u128 f64 char option unit unit_struct newtype_struct tuple_struct map identifier ignored_any
    }
}

struct Items<'t> {
    trace: &'t Trace,
    left: usize,
    shapes: Vec<Shape>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Lacking;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Lacking> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let mut shape = None;
        let value = seed.deserialize(Tracer { trace: self.trace, is_outermost: false, shape: &mut shape })?;
        self.shapes.extend(shape);
        Ok(Some(value))
    }
}

struct Members<'t> {
    trace: &'t Trace,
    /// Fields that were not read yet, the last one first.
    left: Vec<&'static str>,
    field: &'static str,
    fields: Vec<(&'static str, Shape)>,
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Lacking;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Lacking> {
        let Some(field) = self.left.pop() else { return Ok(None) };
        self.field = field;
        seed.deserialize(BorrowedStrDeserializer::new(field)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Lacking> {
        let mut shape = None;
        let value = seed.deserialize(Tracer { trace: self.trace, is_outermost: false, shape: &mut shape })?;
        self.fields.push((self.field, shape.expect("a shape")));
        Ok(value)
    }
}

struct Variant<'t> {
    trace: &'t Trace,
    name: &'static str,
    content: &'t mut Option<Shape>,
}

impl<'t> Variant<'t> {
    fn content(self) -> Tracer<'t> {
        Tracer { trace: self.trace, is_outermost: false, shape: self.content }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Lacking;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Lacking> {
        Ok((seed.deserialize(BorrowedStrDeserializer::<Lacking>::new(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Lacking;

    fn unit_variant(self) -> Result<(), Lacking> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Lacking> {
        seed.deserialize(self.content())
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Lacking> {
        self.content().deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Lacking> {
        let name = self.name;
        self.content().deserialize_struct(name, fields, visitor)
    }
}
