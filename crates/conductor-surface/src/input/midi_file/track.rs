//! Reads one track of a Standard MIDI File, event by event. Damage is noted and skipped: after bytes that are not an
//! event, reading goes on at the next place from which several events can be read.

use std::{iter, vec};

use super::damage::Cause;
use super::layout::Chunk;
use crate::event::fields;
use crate::midi::{Message, Parser, data_bytes};

/// How many events without a fault show that reading may go on at a place.
const WITNESSES: usize = 3;

/// Most bytes that are left of a message with a short delta time whose last byte is cut off.
const CUT_EVENT_BYTES: usize = 3;

/// Longest delta time that is believed of an event that is cut off. A longer one counts as damage as well.
const MAX_CUT_DELTA: u32 = 0x3fff;

/// A track that is being read.
pub(super) struct Track<'b> {
    bytes: &'b [u8],
    said: usize,
    stray: usize,
    at: usize,
    tick: u64,
    running: Running,
    /// Assembles system exclusive messages, and takes F7 events apart.
    parser: Parser,
    due: Due<'b>,
    /// The notes that are on, with one bit for each note of every channel; not set before the first note.
    sounding: Option<Box<[u128; 16]>>,
    damage: Option<(u64, Cause)>,
    damaged_places: usize,
    /// The place that was last searched from for an F7, and the place of the F7 that was found, so that each byte is
    /// searched once.
    end_byte: Option<(usize, usize)>,
}

/// What reading a track gives.
#[derive(Debug)]
pub(super) enum Item {
    /// A message.
    Message(Message),
    /// From here on, a quarter note takes this many microseconds.
    Tempo(u32),
    /// The track ends.
    End,
}

/// What is due at the current tick of a track.
enum Due<'b> {
    Item(Option<Item>),
    /// MIDI bytes, and whether the message that they leave unfinished ends with them.
    Bytes(&'b [u8], bool),
    /// Note-offs for notes that a damaged track has left on, and then the track's end.
    Ending(vec::IntoIter<Message>),
    Over,
}

/// The status of events that have no status byte.
#[derive(Clone, Copy, Default)]
struct Running {
    status: Option<u8>,
    /// Whether an event since then has ended the running status.
    is_ended: bool,
}

/// An event as it stands in a track.
struct Event {
    delta: u32,
    kind: Kind,
    /// Where the next event begins.
    next: usize,
    running: Running,
    flaw: Option<Cause>,
}

enum Kind {
    Channel(Message),
    /// F0 or F7, and where the bytes begin. They go on up to the next event.
    Packet {
        status: u8,
        begin: usize,
    },
    Meta {
        kind: u8,
        begin: usize,
    },
    /// A byte that may only be in F7 events.
    System(u8),
}

impl<'b> Track<'b> {
    /// The track in a chunk of `file`.
    pub(super) fn of(file: &'b [u8], chunk: &Chunk) -> Self {
        Self {
            bytes: file.get(chunk.bytes.clone()).unwrap_or_default(),
            said: chunk.said,
            stray: chunk.stray,
            at: 0,
            tick: 0,
            running: Running::default(),
            parser: Parser::new(),
            due: Due::Item(None),
            sounding: None,
            damage: None,
            damaged_places: 0,
            end_byte: None,
        }
    }

    /// The first damage so far, with its tick, and the number of damaged places.
    pub(super) const fn damage(&self) -> (Option<(u64, Cause)>, usize) {
        (self.damage, self.damaged_places)
    }

    /// Reads the next event. Returns the tick at which it is due, or none after the end.
    pub(super) fn advance(&mut self) -> Option<u64> {
        if matches!(self.due, Due::Over) {
            return None;
        }
        match self.next_event() {
            Some(event) => {
                self.tick += u64::from(event.delta);
                if let Some(flaw) = event.flaw {
                    self.note(flaw);
                }
                self.due = self.due_of(event.kind, event.next);
                self.at = event.next;
                self.running = event.running;
            }
            None => self.due = self.end(),
        }
        Some(self.tick)
    }

    /// The next item that is due at the current tick.
    pub(super) fn take(&mut self) -> Option<Item> {
        let item = match &mut self.due {
            Due::Item(item) => item.take()?,
            Due::Bytes(bytes, is_last) => loop {
                let byte = match bytes.split_first() {
                    Some((byte, rest)) => {
                        *bytes = rest;
                        *byte
                    }
                    None if std::mem::take(is_last) => 0xf7,
                    None => return None,
                };
                if let Some(message) = self.parser.push(byte) {
                    break Item::Message(message);
                }
            },
            Due::Ending(messages) => match messages.next() {
                Some(message) => Item::Message(message),
                None => {
                    self.due = Due::Over;
                    Item::End
                }
            },
            Due::Over => return None,
        };
        if let Item::Message(message) = &item {
            self.hear(message);
        }
        Some(item)
    }

    /// The next event that can be read; none at the end of the bytes, or if the last event is cut off.
    fn next_event(&mut self) -> Option<Event> {
        let event = Event::at(self.bytes, self.at, self.running);
        let end = event.as_ref().map_or(0, |event| event.next);
        let is_believed = |event: &Event| match event.flaw {
            None => true,
            Some(_) => {
                self.reads_on(event.next, event.running) || self.reads_to_end(event.next, event.running)
            }
        };
        if let Some(event) = event.filter(is_believed).and_then(|event| self.mended(event)) {
            return Some(event);
        }
        if (self.bytes.len() + 1..=self.said).contains(&end) {
            return None;
        }
        // Reading goes on at an event that has its own status byte, and a delta time that does not belong to the
        // damage.
        let is_readable = |at: &usize| {
            self.bytes.get(*at).is_some_and(|delta| *delta < 0x80) && self.reads_on(*at, Running::default())
        };
        let next = (self.at + 1..self.bytes.len()).find(is_readable)?;
        self.note(Cause::Unreadable(next - self.at));
        self.at = next;
        self.running = Running::default();
        Event::at(self.bytes, next, self.running).and_then(|event| self.mended(event))
    }

    /// Whether several events without a fault can be read from `at` on, or events without a fault up to End-of-Track.
    fn reads_on(&self, at: usize, running: Running) -> bool {
        let mut events = self.faultless(at, running).take(WITNESSES);
        let is_end = |event: &Event| matches!(event.kind, Kind::Meta { kind: END_OF_TRACK, .. });
        let mut count = 0;
        events.any(|event| {
            count += 1;
            count == WITNESSES || is_end(&event)
        })
    }

    /// Whether the bytes from `at` on end before several events do, and what can be read of them has no fault.
    fn reads_to_end(&self, at: usize, running: Running) -> bool {
        let last = self.faultless(at, running).take(WITNESSES).last();
        last.map_or(at, |event| event.next) + CUT_EVENT_BYTES >= self.bytes.len()
    }

    /// The events from `at` on, up to the first that has a fault.
    fn faultless(&self, mut at: usize, mut running: Running) -> impl Iterator<Item = Event> {
        iter::from_fn(move || {
            let event = Event::at(self.bytes, at, running)?;
            let bytes = self.bytes.get(..event.next)?;
            let is_whole = match event.kind {
                Kind::Packet { status: 0xf0, .. } => {
                    bytes.ends_with(&[0xf7]) || self.is_packet_at(event.next)
                }
                Kind::Packet { .. } | Kind::Channel(_) | Kind::Meta { .. } => true,
                Kind::System(_) => false,
            };
            (at, running) = (event.next, event.running);
            Some(event).filter(|event| is_whole && matches!(event.flaw, None | Some(Cause::RunningStatus)))
        })
    }

    /// The event, if it ends within the track. If the event is part of a system exclusive message, its length is
    /// corrected by the F7 that ends the message.
    fn mended(&mut self, mut event: Event) -> Option<Event> {
        let (end, length) = (event.next, self.bytes.len());
        let begin = match event.kind {
            Kind::Packet { status, begin } if status == 0xf0 || self.parser.is_in_sysex() => begin,
            Kind::Packet { .. } | Kind::Channel(_) | Kind::Meta { .. } | Kind::System(_) => {
                return (end <= length).then_some(event);
            }
        };
        let found = self.end_byte_from(begin);
        let after = found + 1;
        let is_right = if end > length {
            false
        } else if found < end {
            let goes_on = self.bytes.get(after).is_some_and(|byte| matches!(byte, 0xf0 | 0xf8..));
            let is_next = |at| self.reads_on(at, event.running);
            after == end || goes_on || (is_next(end) && !is_next(after))
        } else {
            // The bytes are a packet, unless an F7 stands just behind them, where it cannot be the delta time of a next
            // packet.
            found > end || self.is_packet_at(end)
        };
        if is_right {
            return Some(event);
        }
        if found == length {
            return None;
        }
        event.next = after;
        event.flaw = event.flaw.or(Some(Cause::ExclusiveLength));
        Some(event)
    }

    /// Whether the track ends at `at`, or a further packet of a system exclusive message stands there.
    fn is_packet_at(&self, at: usize) -> bool {
        at == self.bytes.len()
            || Event::at(self.bytes, at, Running::default())
                .is_some_and(|event| matches!(event.kind, Kind::Packet { status: 0xf7, .. }))
    }

    /// The place of the first F7 at or after `at`; the length of the track if there is none.
    fn end_byte_from(&mut self, at: usize) -> usize {
        if let Some((_, found)) = self.end_byte.filter(|(from, found)| (*from..=*found).contains(&at)) {
            return found;
        }
        let rest = self.bytes.get(at..).unwrap_or_default();
        let found = at + rest.iter().position(|byte| *byte == 0xf7).unwrap_or(rest.len());
        self.end_byte = Some((at, found));
        found
    }

    fn due_of(&mut self, kind: Kind, next: usize) -> Due<'b> {
        match kind {
            Kind::Channel(message) => Due::Item(Some(Item::Message(message))),
            Kind::Packet { status, begin } => self.packet(status, begin, next),
            Kind::Meta { kind: END_OF_TRACK, .. } => {
                if next != self.said {
                    self.note(Cause::Length { said: self.said, is: next });
                } else if self.stray > 0 {
                    self.note(Cause::Stray(self.stray));
                }
                self.ending()
            }
            Kind::Meta { kind: TEMPO, begin } => {
                match self.bytes.get(begin..next).and_then(<[u8]>::first_chunk) {
                    Some([0, 0, 0]) | None => {
                        self.note(Cause::Tempo);
                        Due::Item(None)
                    }
                    Some([high, middle, low]) => {
                        Due::Item(Some(Item::Tempo(u32::from_be_bytes([0, *high, *middle, *low]))))
                    }
                }
            }
            Kind::Meta { .. } => Due::Item(None),
            // Real-time messages mean the same wherever they stand.
            Kind::System(status @ 0xf8..) => Due::Item(self.parser.push(status).map(Item::Message)),
            Kind::System(_) => Due::Item(None),
        }
    }

    fn packet(&mut self, status: u8, begin: usize, next: usize) -> Due<'b> {
        if status == 0xf0 {
            self.expect_ended();
            self.parser = Parser::new();
            self.parser.push(status);
        } else if !self.parser.is_in_sysex() {
            self.parser = Parser::new();
        }
        let bytes = self.bytes.get(begin..next).unwrap_or_default();
        // A packet that begins with a real-time byte is not part of the message that it stands in.
        let is_part = self.parser.is_in_sysex() && !matches!(bytes, [0xf8..=0xff, ..]);
        let is_last = is_part && !bytes.contains(&0xf7) && self.is_last_packet(next);
        if is_last {
            self.note(Cause::Unended);
        }
        Due::Bytes(bytes, is_last)
    }

    /// Whether another message or End-of-Track comes before the next packet, from `at` on.
    fn is_last_packet(&self, mut at: usize) -> bool {
        let mut running = self.running;
        while let Some(event) =
            Event::at(self.bytes, at, running).filter(|event| event.next <= self.bytes.len())
        {
            match event.kind {
                Kind::Packet { status: 0xf0, .. } | Kind::Meta { kind: END_OF_TRACK, .. } => return true,
                Kind::Packet { begin, .. } if matches!(self.bytes.get(begin), Some(0..=0x7f | 0xf7)) => {
                    return false;
                }
                Kind::Packet { .. } | Kind::Channel(_) | Kind::Meta { .. } | Kind::System(_) => {}
            }
            (at, running) = (event.next, event.running);
        }
        false
    }

    /// What is due when the bytes of a track end.
    fn end(&mut self) -> Due<'b> {
        if self.at < self.bytes.len() {
            let delta = variable_length(self.bytes, self.at).map_or(0, |(delta, _)| delta);
            self.tick += u64::from(if delta > MAX_CUT_DELTA { 0 } else { delta });
            self.note(Cause::Cut);
        } else {
            self.note(Cause::NoEnd);
        }
        self.ending()
    }

    fn ending(&mut self) -> Due<'b> {
        self.expect_ended();
        let sounding = self.sounding.take().filter(|_| self.damage.is_some());
        let channels = (0..).zip(sounding.into_iter().flat_map(|channels| *channels));
        let of_channel = |(channel, notes): (u8, u128)| {
            let notes = (0..128).filter(move |note| notes >> note & 1 == 1);
            notes.map(move |note| Message::NoteOff { channel, note, velocity: 0 })
        };
        Due::Ending(channels.flat_map(of_channel).collect::<Vec<_>>().into_iter())
    }

    /// Notes damage if a system exclusive message lacks its end.
    fn expect_ended(&mut self) {
        if self.parser.is_in_sysex() {
            self.note(Cause::Unended);
        }
    }

    fn note(&mut self, cause: Cause) {
        self.damage.get_or_insert((self.tick, cause));
        self.damaged_places += 1;
    }

    fn hear(&mut self, message: &Message) {
        let (is_on, (channel, note, ..)) = (matches!(message, Message::NoteOn { .. }), fields(message));
        let is_off = matches!(message, Message::NoteOff { .. });
        if let (true, Some(channel), Some(note)) = (is_on || is_off, channel, note)
            && let Some(notes) = self.sounding.get_or_insert_default().get_mut(usize::from(channel))
        {
            let bit = 1 << (note & 0x7f);
            *notes = if is_on { *notes | bit } else { *notes & !bit };
        }
    }
}

const END_OF_TRACK: u8 = 0x2f;
const TEMPO: u8 = 0x51;

impl Event {
    /// The event at `at`; none if the bytes there are not an event. The end of an event with a length is not checked,
    /// and may be beyond the track.
    fn at(bytes: &[u8], at: usize, running: Running) -> Option<Self> {
        let (delta, at) = variable_length(bytes, at)?;
        let first = *bytes.get(at)?;
        let ended = Running { is_ended: true, ..running };
        let event = |kind, next, running| Some(Self { delta, kind, next, running, flaw: None });
        match first {
            0x00..=0x7f => {
                let status = running.status?;
                let flaw = running.is_ended.then_some(Cause::RunningStatus);
                Self::of_channel(bytes, at, delta, status, flaw)
            }
            0x80..=0xef => Self::of_channel(bytes, at + 1, delta, first, None),
            0xf0 | 0xf7 => {
                let (length, begin) = variable_length(bytes, at + 1)?;
                event(Kind::Packet { status: first, begin }, begin + length as usize, ended)
            }
            0xff => {
                let kind = *bytes.get(at + 1).filter(|kind| **kind < 0x80)?;
                let (length, begin) = variable_length(bytes, at + 2)?;
                event(Kind::Meta { kind, begin }, begin + length as usize, ended)
            }
            0xf1..=0xf6 | 0xf8..=0xfe => {
                let next = at + 1 + data_bytes(first).unwrap_or_default();
                let flaw = Some(Cause::System(first));
                (next <= bytes.len()).then_some(Self {
                    delta,
                    kind: Kind::System(first),
                    next,
                    running,
                    flaw,
                })
            }
        }
    }

    /// The event of a channel message whose data begin at `at`.
    fn of_channel(bytes: &[u8], at: usize, delta: u32, status: u8, flaw: Option<Cause>) -> Option<Self> {
        let next = at + data_bytes(status)?;
        let data = bytes.get(at..next)?;
        let flaw = match flaw {
            _ if data.iter().all(|byte| *byte < 0x80) => flaw,
            None => Some(Cause::DataByte),
            // With two faults at once, the bytes are not a message.
            Some(_) => return None,
        };
        let byte = |index: usize| data.get(index).map_or(0, |byte| byte & 0x7f);
        let message = Message::channel_message(status, byte(0), byte(1))?;
        let running = Running { status: Some(status), is_ended: false };
        Some(Self { delta, kind: Kind::Channel(message), next, running, flaw })
    }
}

/// The number of variable length at `at`, which has at most four bytes, and the place after it.
fn variable_length(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let mut number = 0;
    for (count, byte) in (1..=4).zip(bytes.get(at..)?) {
        number = number << 7 | u32::from(byte & 0x7f);
        if *byte < 0x80 {
            return Some((number, at + count));
        }
    }
    None
}
