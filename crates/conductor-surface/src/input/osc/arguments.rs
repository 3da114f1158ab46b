//! The arguments of an OSC message as JSON text.
//!
//! The text is written straight from the packet into a buffer of bounded size. A tree of values would take tens of
//! times the size of the packet.

use std::io;

use serde::Serialize;

use super::flaw::{Flaw, MAX_DEPTH};

/// The arguments of a message.
#[derive(Debug, PartialEq)]
pub(super) struct Arguments {
    /// The arguments as the text of a JSON array; `None` if the text is too long.
    pub(super) text: Option<Box<str>>,
    /// The first number among the arguments that JSON can represent.
    pub(super) value: Option<f64>,
}

/// Reads arguments of the types `tags` from `data`. Their text has at most `max` bytes.
pub(super) fn read(tags: &[u8], data: &[u8], max: usize) -> Result<Arguments, Flaw> {
    let mut arguments = Writer::new(max);
    let mut data = Data(data);
    for tag in tags {
        match tag {
            b'[' if arguments.depth == MAX_DEPTH => return Err(Flaw::TooDeep),
            b'[' => arguments.open(),
            b']' => arguments.close()?,
            b'i' => {
                let number = i32::from_be_bytes(data.take()?);
                arguments.write_number(&number, number.into());
            }
            b'h' => {
                let number = i64::from_be_bytes(data.take()?);
                arguments.write_number(&number, number as f64);
            }
            b'f' => {
                let number = f64::from(f32::from_be_bytes(data.take()?));
                arguments.write_number(&number, number);
            }
            b'd' => {
                let number = f64::from_be_bytes(data.take()?);
                arguments.write_number(&number, number);
            }
            // A time stays the 64-bit fixed-point number of the packet.
            b't' => {
                let time = u64::from_be_bytes(data.take()?);
                arguments.write_number(&time, time as f64);
            }
            b's' | b'S' => arguments.write(&String::from_utf8_lossy(data.string()?)),
            b'c' => {
                let code = u32::from_be_bytes(data.take()?);
                arguments.write(&char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            b'b' => arguments.write(data.blob()?),
            // Port, status and two data bytes of MIDI; or red, green, blue and alpha.
            b'm' | b'r' => arguments.write(&data.take::<4>()?),
            b'T' => arguments.write(&true),
            b'F' => arguments.write(&false),
            b'N' => arguments.write(&()),
            b'I' => arguments.write("infinitum"),
            other => return Err(Flaw::UnknownType(*other)),
        }
    }
    arguments.finish()
}

/// Arguments without type tags, as one blob; none if there are no bytes.
pub(super) fn untyped(data: &[u8], max: usize) -> Arguments {
    let mut arguments = Writer::new(max);
    if !data.is_empty() {
        arguments.write(data);
    }
    let value = arguments.value;
    Arguments { text: arguments.finish().ok().and_then(|arguments| arguments.text), value }
}

/// The text up to the first zero byte, and the bytes after the zeros that pad it to a multiple of four bytes. At the
/// end of a packet, all zeros but the first may be missing.
pub(super) fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end / 4 * 4 + 4..).unwrap_or_default()))
}

/// The remaining bytes of the arguments.
struct Data<'p>(&'p [u8]);

impl<'p> Data<'p> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Flaw::CutOff)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn string(&mut self) -> Result<&'p [u8], Flaw> {
        let (text, rest) = string(self.0).ok_or(Flaw::CutOff)?;
        self.0 = rest;
        Ok(text)
    }

    /// The bytes of a blob. The zeros that pad it may be missing at the end of a packet.
    fn blob(&mut self) -> Result<&'p [u8], Flaw> {
        let length = usize::try_from(u32::from_be_bytes(self.take()?)).unwrap_or(usize::MAX);
        let blob = self.0.get(..length).ok_or(Flaw::CutOff)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Ok(blob)
    }
}

/// Writes arguments one after the other.
struct Writer {
    text: Bounded,
    value: Option<f64>,
    depth: usize,
    is_first: bool,
    is_full: bool,
}

impl Writer {
    fn new(max: usize) -> Self {
        // Room for the closing bracket is reserved from the beginning.
        let text = Bounded { bytes: vec![b'['], max: max.saturating_sub(1) };
        Self { text, value: None, depth: 0, is_first: true, is_full: false }
    }

    fn open(&mut self) {
        self.separate();
        self.put(b'[');
        self.depth += 1;
        self.is_first = true;
    }

    fn close(&mut self) -> Result<(), Flaw> {
        self.depth = self.depth.checked_sub(1).ok_or(Flaw::Brackets)?;
        self.put(b']');
        self.is_first = false;
        Ok(())
    }

    /// Writes a number. `value` counts as the message's value, unless it is an infinity or not a number, which JSON
    /// cannot represent.
    fn write_number(&mut self, number: &impl Serialize, value: f64) {
        self.write(number);
        if self.depth == 0 && value.is_finite() {
            self.value.get_or_insert(value);
        }
    }

    fn write(&mut self, argument: &(impl Serialize + ?Sized)) {
        self.separate();
        // Writing fails only for lack of room: every argument has a form in JSON.
        self.is_full |= serde_json::to_writer(&mut self.text, argument).is_err();
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.put(b',');
        }
    }

    fn put(&mut self, byte: u8) {
        self.is_full |= io::Write::write_all(&mut self.text, &[byte]).is_err();
    }

    fn finish(mut self) -> Result<Arguments, Flaw> {
        if self.depth > 0 {
            return Err(Flaw::Brackets);
        }
        self.text.bytes.push(b']');
        let text = String::from_utf8(self.text.bytes).ok().filter(|_| !self.is_full);
        Ok(Arguments { text: text.map(String::into_boxed_str), value: self.value })
    }
}

/// Takes at most `max` bytes, and allocates at most twice as many.
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
    use super::*;

    #[test]
    fn every_type_has_a_form() {
        let tags = b"ihfdsSccTbmrt[NI[]F]";
        let data = [
            &(-1_i32).to_be_bytes()[..],
            &(1_i64 << 40).to_be_bytes(),
            &0.5_f32.to_be_bytes(),
            &f64::NAN.to_be_bytes(),
            b"a\"\n\0sy\xff\0",
            &u32::from('x').to_be_bytes(),
            &0x11_0000_u32.to_be_bytes(),
            &[0, 0, 0, 2, 0, 255, 0, 0],
            &[1, 0x90, 60, 100],
            &[5, 6, 7, 8],
            &4_294_967_298_u64.to_be_bytes(),
        ]
        .concat();
        let expected = concat!(
            r#"[-1,1099511627776,0.5,null,"a\"\n","sy"#,
            "\u{fffd}\",\"x\",\"\u{fffd}\",",
            r#"true,[0,255],[1,144,60,100],[5,6,7,8],4294967298,[null,"infinitum",[],false]]"#
        );
        let text = |max| read(tags, &data, max).expect("arguments").text;
        assert_eq!(text(1024).as_deref(), Some(expected));
        assert_eq!(text(expected.len()).as_deref(), Some(expected));
        assert_eq!(text(expected.len() - 1), None);
        for length in 0..data.len() {
            assert_eq!(read(tags, &data[..length], 1024), Err(Flaw::CutOff), "{length} bytes");
        }
    }

    #[test]
    fn no_argument_is_an_array_too() {
        assert_eq!(read(b"", b"", 2).expect("arguments").text.as_deref(), Some("[]"));
        assert_eq!(untyped(b"", 2).text.as_deref(), Some("[]"));
        let untyped = untyped(&[0, 0, 0, 5], 1024);
        assert_eq!((untyped.text.as_deref(), untyped.value), (Some("[[0,0,0,5]]"), None));
    }

    #[test]
    fn the_first_number_is_the_first_that_json_can_write() {
        let infinite_then_3 = [f32::INFINITY.to_be_bytes(), 3_i32.to_be_bytes()].concat();
        assert_eq!(read(b"fTi", &infinite_then_3, 64).expect("arguments").value, Some(3.0));
        assert_eq!(read(b"T", b"", 64).expect("arguments").value, None);
    }

    #[test]
    fn arrays_that_are_not_opened_or_closed_are_none() {
        for tags in [&b"]"[..], b"[", b"[]]", b"[[]"] {
            assert_eq!(read(tags, b"", 64), Err(Flaw::Brackets));
        }
        assert_eq!(read(&[b'['; MAX_DEPTH + 1], b"", 64), Err(Flaw::TooDeep));
        assert_eq!(read(b"iZ", &[0; 4], 64), Err(Flaw::UnknownType(b'Z')));
    }
}
