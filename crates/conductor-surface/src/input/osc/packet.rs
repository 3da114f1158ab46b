//! Reads the messages in the bytes of a packet (Open Sound Control 1.0, "OSC Packets"), including packets of senders
//! that do not keep to the specification in every point.

use super::arguments::{self, string};
use super::flaw::{Flaw, MAX_DEPTH, MAX_MESSAGES};
use crate::event::{Body, MAX_METADATA_BYTES};
use crate::osc_address::{Address, MAX_ADDRESS_BYTES};

/// The content of a packet.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Packet {
    /// The messages, in their order.
    pub(super) messages: Vec<Body>,
    /// Why parts of the packet are dropped; at most as many as a packet may have messages.
    pub(super) flaws: Vec<Flaw>,
}

impl Packet {
    /// Reads a packet. A message that cannot be read does not affect the others. A packet beyond a limit is dropped as
    /// a whole.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut packet = Self::default();
        match packet.element(bytes, MAX_DEPTH) {
            Ok(()) => packet,
            Err(flaw) => Self { messages: Vec::new(), flaws: vec![flaw] },
        }
    }

    fn element(&mut self, bytes: &[u8], depth: usize) -> Result<(), Flaw> {
        let Some(bundle) = bytes.strip_prefix(b"#bundle\0") else {
            return self.add(message(bytes));
        };
        let depth = depth.checked_sub(1).ok_or(Flaw::TooDeep)?;
        // The time tag is ignored.
        let mut elements = bundle.get(8..).ok_or(Flaw::BrokenBundle);
        while let Ok([_, ..]) = elements {
            let element = elements.and_then(first_element);
            elements = element.map(|(_, rest)| rest);
            if let Ok((element, _)) = element {
                self.element(element, depth)?;
            }
        }
        elements.map(|_| ()).or_else(|flaw| self.add(Err(flaw)))
    }

    fn add(&mut self, message: Result<Body, Flaw>) -> Result<(), Flaw> {
        match message {
            Ok(message) => self.messages.push(message),
            Err(Flaw::TooDeep) => return Err(Flaw::TooDeep),
            Err(flaw) => self.flaws.push(flaw),
        }
        let count = self.messages.len() + self.flaws.len();
        if count > MAX_MESSAGES { Err(Flaw::TooMany) } else { Ok(()) }
    }
}

/// The first of the elements, and the others.
fn first_element(elements: &[u8]) -> Result<(&[u8], &[u8]), Flaw> {
    let (size, rest) = elements.split_first_chunk().ok_or(Flaw::BrokenBundle)?;
    let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
    rest.split_at_checked(size).ok_or(Flaw::BrokenBundle)
}

fn message(bytes: &[u8]) -> Result<Body, Flaw> {
    if bytes.is_empty() {
        return Err(Flaw::Empty);
    }
    let (address, rest) = string(bytes).ok_or(Flaw::NoAddress)?;
    if address.len() > MAX_ADDRESS_BYTES {
        return Err(Flaw::AddressTooLong);
    }
    if address.is_empty() || address.iter().any(u8::is_ascii_control) {
        return Err(Flaw::NoAddress);
    }
    let address = Address::new(&String::from_utf8_lossy(address)).ok_or(Flaw::AddressTooLong)?;
    let arguments = if rest.starts_with(b",") {
        let (tags, data) = string(rest).ok_or(Flaw::CutOff)?;
        arguments::read(tags.get(1..).unwrap_or_default(), data, MAX_METADATA_BYTES)?
    } else {
        arguments::untyped(rest, MAX_METADATA_BYTES)
    };
    Ok(Body::Osc { address, arguments: arguments.text, value: arguments.value })
}
