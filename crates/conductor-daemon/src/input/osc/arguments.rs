//! The arguments of an OSC message as JSON text.
//!
//! They are written straight from what was decoded into a buffer that takes only so much: a tree of JSON values would
//! be tens of times the size of the datagram.

use std::io;

use rosc::{OscTime, OscType};
use serde::{Serialize, Serializer};

/// The text of a JSON array of `arguments`; `None` if it is longer than `max` bytes.
pub(super) fn to_text(arguments: &[OscType], max: usize) -> Option<Box<str>> {
    let mut text = Bounded { bytes: Vec::new(), max };
    let arguments = Arguments(arguments);
    // Writing fails for want of room alone: every argument has a form in JSON.
    serde_json::to_writer(&mut text, &arguments).ok()?;
    String::from_utf8(text.bytes).ok().map(String::into_boxed_str)
}

/// The first number among `arguments`; infinities and what is not a number have no form in JSON and do not count.
pub(super) fn first_number(arguments: &[OscType]) -> Option<f64> {
    let numbers = arguments.iter().filter_map(|argument| match argument {
        OscType::Int(number) => Some(f64::from(*number)),
        OscType::Long(number) => Some(*number as f64),
        OscType::Float(number) => Some(f64::from(*number)),
        OscType::Double(number) => Some(*number),
        OscType::Time(time) => Some(fixed_point(*time) as f64),
        OscType::String(_)
        | OscType::Blob(_)
        | OscType::Char(_)
        | OscType::Color(_)
        | OscType::Midi(_)
        | OscType::Bool(_)
        | OscType::Array(_)
        | OscType::Nil
        | OscType::Inf => None,
    });
    let mut finite = numbers.filter(|number| number.is_finite());
    finite.next()
}

struct Arguments<'a>(&'a [OscType]);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Argument))
    }
}

struct Argument<'a>(&'a OscType);

impl Serialize for Argument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            OscType::Int(number) => serializer.serialize_i32(*number),
            OscType::Long(number) => serializer.serialize_i64(*number),
            OscType::Float(number) => serializer.serialize_f64(f64::from(*number)),
            OscType::Double(number) => serializer.serialize_f64(*number),
            OscType::String(text) => serializer.serialize_str(text),
            OscType::Char(character) => serializer.serialize_char(*character),
            OscType::Bool(boolean) => serializer.serialize_bool(*boolean),
            OscType::Blob(bytes) => serializer.collect_seq(bytes),
            OscType::Midi(midi) => serializer.collect_seq([midi.port, midi.status, midi.data1, midi.data2]),
            OscType::Color(colour) => {
                serializer.collect_seq([colour.red, colour.green, colour.blue, colour.alpha])
            }
            OscType::Time(time) => serializer.serialize_u64(fixed_point(*time)),
            OscType::Array(array) => Arguments(&array.content).serialize(serializer),
            OscType::Nil => serializer.serialize_unit(),
            OscType::Inf => serializer.serialize_str("infinitum"),
        }
    }
}

/// A time tag as the 64-bit fixed-point number that it is on the wire.
fn fixed_point(time: OscTime) -> u64 {
    (u64::from(time.seconds) << 32) | u64::from(time.fractional)
}

/// Takes at most `max` bytes, and allocates no more than twice that on the way.
struct Bounded {
    bytes: Vec<u8>,
    max: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rosc::{OscArray, OscColor, OscMidiMessage};

    use super::*;

    #[test]
    fn every_type_has_a_form() {
        let arguments = [
            OscType::Int(-1),
            OscType::Long(1 << 40),
            OscType::Float(0.5),
            OscType::Double(f64::NAN),
            OscType::String("a\"\n".into()),
            OscType::Char('x'),
            OscType::Bool(true),
            OscType::Blob(vec![0, 255]),
            OscType::Midi(OscMidiMessage { port: 1, status: 2, data1: 3, data2: 4 }),
            OscType::Color(OscColor { red: 5, green: 6, blue: 7, alpha: 8 }),
            OscType::Time(OscTime { seconds: 1, fractional: 2 }),
            OscType::Array(OscArray { content: vec![OscType::Nil, OscType::Inf] }),
        ];
        let text = to_text(&arguments, 1024).expect("fits");
        assert_eq!(
            &*text,
            r#"[-1,1099511627776,0.5,null,"a\"\n","x",true,[0,255],[1,2,3,4],[5,6,7,8],4294967298,[null,"infinitum"]]"#
        );
        assert_eq!(to_text(&arguments, text.len()).as_deref(), Some(&*text));
        assert_eq!(to_text(&arguments, text.len() - 1), None);
        assert_eq!(&*to_text(&[], 2).expect("fits"), "[]");
    }

    #[test]
    fn the_first_number_is_the_first_that_json_can_write() {
        let arguments =
            [OscType::String("1".into()), OscType::Float(f32::INFINITY), OscType::Int(3), OscType::Int(4)];
        assert_eq!(first_number(&arguments), Some(3.0));
        assert_eq!(first_number(&[OscType::Bool(true)]), None);
    }
}
