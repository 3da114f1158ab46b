//! The events of inputs, in one form for all kinds of input.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use conductor_abi::Context;
use conductor_signing::escape::terminal;

use crate::midi::Message;
use crate::osc_address::Address;

/// Longest piece of an event that plugins get as text (OSC arguments, system exclusive bytes). Stops a datagram from
/// becoming an event in a queue, or a request, of many times its size.
pub(crate) const MAX_METADATA_BYTES: usize = 16 * 1024;

/// Something that happened at an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Name of the input.
    pub input: Arc<str>,
    /// Milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// What happened.
    pub body: Body,
}

/// What kind of event happened, with its values.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A MIDI message came.
    Midi(Message),
    /// An OSC message came.
    Osc {
        /// The address of the message.
        address: Address,
        /// The arguments as the text of a JSON array, in which form plugins get them; `None` if that text is too long.
        arguments: Option<Box<str>>,
        /// The first number among the arguments.
        value: Option<f64>,
    },
    /// An interval passed.
    Tick {
        /// How many intervals have passed before this one.
        count: u64,
    },
    /// The user made a call by hand.
    ByHand,
}

/// The kinds of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// [`Message::NoteOn`]
    NoteOn,
    /// [`Message::NoteOff`]
    NoteOff,
    /// [`Message::KeyPressure`]
    KeyPressure,
    /// [`Message::ControlChange`]
    ControlChange,
    /// [`Message::ProgramChange`]
    ProgramChange,
    /// [`Message::ChannelPressure`]
    ChannelPressure,
    /// [`Message::PitchBend`]
    PitchBend,
    /// [`Message::SystemExclusive`]
    SystemExclusive,
    /// [`Message::Clock`]
    Clock,
    /// [`Message::Start`]
    Start,
    /// [`Message::Continue`]
    Continue,
    /// [`Message::Stop`]
    Stop,
    /// [`Body::Osc`]
    Osc,
    /// [`Body::Tick`]
    Interval,
    /// [`Body::ByHand`], which needs no trigger.
    ByHand,
}

impl EventKind {
    /// Every kind that a trigger can name.
    pub const ALL: [Self; 14] = [
        Self::NoteOn,
        Self::NoteOff,
        Self::KeyPressure,
        Self::ControlChange,
        Self::ProgramChange,
        Self::ChannelPressure,
        Self::PitchBend,
        Self::SystemExclusive,
        Self::Clock,
        Self::Start,
        Self::Continue,
        Self::Stop,
        Self::Osc,
        Self::Interval,
    ];

    /// The word that triggers use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoteOn => "note-on",
            Self::NoteOff => "note-off",
            Self::KeyPressure => "key-pressure",
            Self::ControlChange => "control-change",
            Self::ProgramChange => "program-change",
            Self::ChannelPressure => "channel-pressure",
            Self::PitchBend => "pitch-bend",
            Self::SystemExclusive => "sysex",
            Self::Clock => "clock",
            Self::Start => "start",
            Self::Continue => "continue",
            Self::Stop => "stop",
            Self::Osc => "osc",
            Self::Interval => "interval",
            Self::ByHand => "by-hand",
        }
    }
}

/// A continuous controller of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Controller {
    kind: EventKind,
    channel: u8,
    number: u8,
}

impl Event {
    /// An event that happens now.
    #[must_use]
    pub fn now(input: Arc<str>, body: Body) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { input, timestamp: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX), body }
    }

    /// The event in the form in which plugins get it.
    #[must_use]
    pub fn context(&self, mode: &str) -> Context {
        let mut context = Context {
            current_mode: Some(mode.to_owned()),
            timestamp: self.timestamp,
            value: self.body.value(),
            ..Context::default()
        };
        let mut metadata = |key: &str, value: String| context.metadata.insert(key.to_owned(), value);
        metadata("input", self.input.to_string());
        metadata("event", self.body.kind().name().to_owned());
        match &self.body {
            Body::Midi(Message::SystemExclusive(sysex)) => {
                let bytes = sysex.bytes();
                metadata("bytes", hex(bytes.get(..MAX_METADATA_BYTES / 2).unwrap_or(bytes)));
            }
            Body::Midi(message) => {
                (context.channel, context.note, context.velocity, context.cc) = fields(message)
            }
            Body::Osc { address, arguments, .. } => {
                metadata("address", address.as_str().to_owned());
                match arguments {
                    Some(arguments) => metadata("arguments", arguments.to_string()),
                    None => metadata("arguments_too_long", "true".to_owned()),
                };
            }
            Body::Tick { count } => {
                metadata("count", count.to_string());
            }
            Body::ByHand => {}
        }
        context
    }
}

impl Body {
    /// The kind of the event, which triggers name.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Midi(message) => match message {
                Message::NoteOff { .. } => EventKind::NoteOff,
                Message::NoteOn { .. } => EventKind::NoteOn,
                Message::KeyPressure { .. } => EventKind::KeyPressure,
                Message::ControlChange { .. } => EventKind::ControlChange,
                Message::ProgramChange { .. } => EventKind::ProgramChange,
                Message::ChannelPressure { .. } => EventKind::ChannelPressure,
                Message::PitchBend { .. } => EventKind::PitchBend,
                Message::SystemExclusive(_) => EventKind::SystemExclusive,
                Message::Clock => EventKind::Clock,
                Message::Start => EventKind::Start,
                Message::Continue => EventKind::Continue,
                Message::Stop => EventKind::Stop,
            },
            Self::Osc { .. } => EventKind::Osc,
            Self::Tick { .. } => EventKind::Interval,
            Self::ByHand => EventKind::ByHand,
        }
    }

    /// The value that the event carries beside note, velocity and controller number: a controller's value, a program, a
    /// pressure, a bend, or the first number of an OSC message.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Midi(message) => match message {
                Message::KeyPressure { value, .. }
                | Message::ControlChange { value, .. }
                | Message::ProgramChange { program: value, .. }
                | Message::ChannelPressure { value, .. } => Some(f64::from(*value)),
                Message::PitchBend { value, .. } => Some(f64::from(*value)),
                Message::NoteOff { .. }
                | Message::NoteOn { .. }
                | Message::SystemExclusive(_)
                | Message::Clock
                | Message::Start
                | Message::Continue
                | Message::Stop => None,
            },
            Self::Osc { value, .. } => *value,
            Self::Tick { .. } | Self::ByHand => None,
        }
    }

    /// The continuous controller whose value the event is, if it is one. A later value of that controller makes this
    /// one obsolete, unless an event in between depends on it.
    #[must_use]
    pub const fn controller(&self) -> Option<Controller> {
        let kind = self.kind();
        match self {
            Self::Midi(message) => match message {
                Message::ControlChange { channel, cc, .. } if is_continuous(*cc) => {
                    Some(Controller { kind, channel: *channel, number: *cc })
                }
                Message::KeyPressure { channel, note, .. } => {
                    Some(Controller { kind, channel: *channel, number: *note })
                }
                Message::ChannelPressure { channel, .. } | Message::PitchBend { channel, .. } => {
                    Some(Controller { kind, channel: *channel, number: 0 })
                }
                Message::ControlChange { .. }
                | Message::NoteOff { .. }
                | Message::NoteOn { .. }
                | Message::ProgramChange { .. }
                | Message::SystemExclusive(_)
                | Message::Clock
                | Message::Start
                | Message::Continue
                | Message::Stop => None,
            },
            Self::Osc { .. } | Self::Tick { .. } | Self::ByHand => None,
        }
    }

    /// Whether the event ends something that would go on without it, such as a note, or is a call by hand. A full queue
    /// drops other events for these.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        match self {
            Self::Midi(message) => match message {
                Message::NoteOff { .. } | Message::Stop => true,
                Message::ControlChange { cc, value, .. } => match cc {
                    // Pedals and switches that are released.
                    64..=69 | 80..=83 => *value < 64,
                    // All sound off, reset all controllers, all notes off, and the messages that imply all notes off.
                    120..=121 | 123..=127 => true,
                    _ => false,
                },
                Message::NoteOn { .. }
                | Message::KeyPressure { .. }
                | Message::ProgramChange { .. }
                | Message::ChannelPressure { .. }
                | Message::PitchBend { .. }
                | Message::SystemExclusive(_)
                | Message::Clock
                | Message::Start
                | Message::Continue => false,
            },
            Self::ByHand => true,
            Self::Osc { .. } | Self::Tick { .. } => false,
        }
    }
}

/// Whether the MIDI 1.0 specification (table 3) defines a controller as continuous, and its values mean the same
/// whatever came before. Excluded are banks, data entry and parameter numbers, whose order matters; the fine halves of
/// 14-bit controllers, which refine the coarse value before them; pedals, switches and modes; and controllers that the
/// specification leaves undefined, which may be buttons.
const fn is_continuous(cc: u8) -> bool {
    matches!(
        cc,
        // Modulation, breath, foot, portamento time.
        1 | 2 | 4 | 5
        // Volume, balance, pan, expression, effects.
        | 7 | 8 | 10..=13
        // General purpose, sound controllers, depths of effects.
        | 16..=19 | 70..=79 | 91..=95
    )
}

/// Channel, note, velocity and controller number of a message.
pub const fn fields(message: &Message) -> (Option<u8>, Option<u8>, Option<u8>, Option<u8>) {
    match message {
        Message::NoteOff { channel, note, velocity } | Message::NoteOn { channel, note, velocity } => {
            (Some(*channel), Some(*note), Some(*velocity), None)
        }
        Message::KeyPressure { channel, note, .. } => (Some(*channel), Some(*note), None, None),
        Message::ControlChange { channel, cc, .. } => (Some(*channel), None, None, Some(*cc)),
        Message::ProgramChange { channel, .. }
        | Message::ChannelPressure { channel, .. }
        | Message::PitchBend { channel, .. } => (Some(*channel), None, None, None),
        Message::SystemExclusive(_) | Message::Clock | Message::Start | Message::Continue | Message::Stop => {
            (None, None, None, None)
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Event {
    /// About how many bytes the event takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let body = match &self.body {
            Body::Midi(Message::SystemExclusive(sysex)) => sysex.bytes().len(),
            Body::Osc { address, arguments, .. } => {
                address.as_str().len() + arguments.as_ref().map_or(0, |arguments| arguments.len())
            }
            Body::Midi(_) | Body::Tick { .. } | Body::ByHand => 0,
        };
        size_of::<Self>() + body
    }

    /// The event as one line for people. Texts from outside are escaped, and at most their first `max` bytes are looked
    /// at.
    #[must_use]
    pub fn in_words(&self, max: usize) -> String {
        match &self.body {
            Body::Midi(message) => format!("{}: {message}", self.input),
            Body::Osc { address, arguments, .. } => {
                let beginning = |text: &str| {
                    let shown = text.get(..text.floor_char_boundary(max)).unwrap_or(text);
                    let more = if shown.len() < text.len() { "…" } else { "" };
                    format!("{}{more}", terminal(shown))
                };
                let arguments = arguments.as_deref().unwrap_or("[too long]");
                format!("{}: {} {}", self.input, beginning(address.as_str()), beginning(arguments))
            }
            Body::Tick { count } => format!("{}: tick {count}", self.input),
            Body::ByHand => format!("{}: by hand", self.input),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_see_the_fields_that_apply() {
        let body = Body::Midi(Message::ControlChange { channel: 2, cc: 7, value: 64 });
        let context = Event { input: "keys".into(), timestamp: 5, body }.context("live");
        assert_eq!((context.channel, context.cc, context.value), (Some(2), Some(7), Some(64.0)));
        assert_eq!((context.note, context.velocity, context.timestamp), (None, None, 5));
        assert_eq!(context.current_mode.as_deref(), Some("live"));
        assert_eq!(context.metadata.get("event").map(String::as_str), Some("control-change"));
        assert_eq!(context.metadata.get("input").map(String::as_str), Some("keys"));
    }

    #[test]
    fn plugins_see_the_arguments_of_an_osc_message_or_that_they_are_too_long() {
        let context = |arguments: Option<&str>| {
            let body = Body::Osc {
                address: Address::new("/fader").expect("short"),
                arguments: arguments.map(Into::into),
                value: Some(0.5),
            };
            Event { input: "osc".into(), timestamp: 0, body }.context("default")
        };
        let whole = context(Some(r#"["a",0.5]"#));
        assert_eq!(whole.value, Some(0.5));
        assert_eq!(whole.metadata.get("address").map(String::as_str), Some("/fader"));
        assert_eq!(whole.metadata.get("arguments").map(String::as_str), Some(r#"["a",0.5]"#));
        assert_eq!(whole.metadata.get("arguments_too_long"), None);
        let flagged = context(None);
        assert_eq!(flagged.metadata.get("arguments"), None);
        assert_eq!(flagged.metadata.get("arguments_too_long").map(String::as_str), Some("true"));
    }
}
