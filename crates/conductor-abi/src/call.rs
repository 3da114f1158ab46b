//! Operations of the imports `conductor.call` and `conductor.request`, and the packed value that both return.

/// What a guest asks the host to do. The numbers are part of the ABI and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum Op {
    /// Copy the answer of the previous operation into the given buffer; the length in the result is the number of bytes
    /// copied.
    Fetch = 0,
    /// Set the reply of the running action to the given bytes. A later reply replaces an earlier one.
    Reply = 1,
    /// Append a [`LogRecord`](crate::LogRecord) to the plugin's log.
    Log = 2,
    /// Send an [`HttpRequest`](crate::HttpRequest), answered by an [`HttpResponse`](crate::HttpResponse).
    HttpRequest = 0x100,
    /// Send an [`HttpRequest`](crate::HttpRequest), answered by an [`HttpOpened`](crate::HttpOpened) as soon as the
    /// header fields of the response have arrived.
    HttpOpen = 0x101,
    /// Read more of the body of a response with an [`HttpRead`](crate::HttpRead), answered by an
    /// [`HttpPiece`](crate::HttpPiece).
    HttpRead = 0x102,
    /// Close the body of a response; the request is the number of the body, the answer is empty.
    HttpClose = 0x103,
    /// Open a WebSocket with a [`WebSocketOpen`](crate::WebSocketOpen), answered by a
    /// [`WebSocketOpened`](crate::WebSocketOpened).
    WebSocketOpen = 0x110,
    /// Send a [`WebSocketSend`](crate::WebSocketSend); the answer is empty.
    WebSocketSend = 0x111,
    /// Wait for a message with a [`WebSocketReceive`](crate::WebSocketReceive), answered by a
    /// [`WebSocketEvent`](crate::WebSocketEvent).
    WebSocketReceive = 0x112,
    /// Close a WebSocket; the request is the number of the WebSocket, the answer is empty.
    WebSocketClose = 0x113,
    /// List MIDI output ports, answered by a [`MidiPortList`](crate::MidiPortList).
    MidiPorts = 0x200,
    /// Send a [`MidiSend`](crate::MidiSend); the answer is empty.
    MidiSend = 0x201,
    /// List MIDI inputs, answered by a [`MidiPortList`](crate::MidiPortList).
    MidiInputs = 0x202,
    /// Subscribe to a MIDI input; the request is the name of the input, the answer is the number of the subscription, a
    /// `u32`.
    MidiSubscribe = 0x203,
    /// Wait for messages with a [`MidiReceive`](crate::MidiReceive), answered by a
    /// [`MidiReceived`](crate::MidiReceived).
    MidiReceive = 0x204,
    /// End a subscription; the request is the number of the subscription, the answer is empty.
    MidiUnsubscribe = 0x205,
    /// List audio outputs, answered by an [`AudioOutputList`](crate::AudioOutputList).
    AudioOutputs = 0x300,
    /// Begin a sound with an [`AudioOpen`](crate::AudioOpen), answered by an [`AudioOpened`](crate::AudioOpened).
    AudioOpen = 0x301,
    /// Append samples to a sound with an [`AudioWrite`](crate::AudioWrite), answered by the number of bytes taken, a
    /// `u32`.
    AudioWrite = 0x302,
    /// Let a sound end once all written samples are played; the request is the number of the sound, the answer is
    /// empty.
    AudioFinish = 0x303,
    /// End a sound at once; the request is the number of the sound, the answer is empty.
    AudioClose = 0x304,
    /// Run a [`ProgramRun`](crate::ProgramRun) to its end, answered by a [`ProgramOutput`](crate::ProgramOutput).
    ProgramRun = 0x400,
    /// Read or set the volume of the output with a [`VolumeChange`](crate::VolumeChange), answered by a
    /// [`VolumeState`](crate::VolumeState).
    Volume = 0x500,
    /// Mute or unmute the output with a [`MuteChange`](crate::MuteChange), answered by a
    /// [`VolumeState`](crate::VolumeState).
    Mute = 0x501,
    /// Press a key of a media player with a [`MediaPress`](crate::MediaPress), answered by the player's name.
    MediaKey = 0x502,
    /// Show a [`Notification`](crate::Notification); the answer is empty.
    Notify = 0x503,
    /// Lock the screen; request and answer are empty.
    LockScreen = 0x504,
    /// Open a URL in the user's browser; the request is the URL itself, the answer is empty.
    OpenUrl = 0x505,
}

impl Op {
    /// The operation with this number, if this version of the ABI has one.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Fetch),
            1 => Some(Self::Reply),
            2 => Some(Self::Log),
            0x100 => Some(Self::HttpRequest),
            0x101 => Some(Self::HttpOpen),
            0x102 => Some(Self::HttpRead),
            0x103 => Some(Self::HttpClose),
            0x110 => Some(Self::WebSocketOpen),
            0x111 => Some(Self::WebSocketSend),
            0x112 => Some(Self::WebSocketReceive),
            0x113 => Some(Self::WebSocketClose),
            0x200 => Some(Self::MidiPorts),
            0x201 => Some(Self::MidiSend),
            0x202 => Some(Self::MidiInputs),
            0x203 => Some(Self::MidiSubscribe),
            0x204 => Some(Self::MidiReceive),
            0x205 => Some(Self::MidiUnsubscribe),
            0x300 => Some(Self::AudioOutputs),
            0x301 => Some(Self::AudioOpen),
            0x302 => Some(Self::AudioWrite),
            0x303 => Some(Self::AudioFinish),
            0x304 => Some(Self::AudioClose),
            0x400 => Some(Self::ProgramRun),
            0x500 => Some(Self::Volume),
            0x501 => Some(Self::Mute),
            0x502 => Some(Self::MediaKey),
            0x503 => Some(Self::Notify),
            0x504 => Some(Self::LockScreen),
            0x505 => Some(Self::OpenUrl),
            _ => None,
        }
    }

    /// The number that stands for the operation on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Every operation, in the order of the numbers.
    pub const ALL: [Self; 29] = [
        Self::Fetch,
        Self::Reply,
        Self::Log,
        Self::HttpRequest,
        Self::HttpOpen,
        Self::HttpRead,
        Self::HttpClose,
        Self::WebSocketOpen,
        Self::WebSocketSend,
        Self::WebSocketReceive,
        Self::WebSocketClose,
        Self::MidiPorts,
        Self::MidiSend,
        Self::MidiInputs,
        Self::MidiSubscribe,
        Self::MidiReceive,
        Self::MidiUnsubscribe,
        Self::AudioOutputs,
        Self::AudioOpen,
        Self::AudioWrite,
        Self::AudioFinish,
        Self::AudioClose,
        Self::ProgramRun,
        Self::Volume,
        Self::Mute,
        Self::MediaKey,
        Self::Notify,
        Self::LockScreen,
        Self::OpenUrl,
    ];

    /// The name that stands for the operation in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Reply => "reply",
            Self::Log => "log",
            Self::HttpRequest => "http-request",
            Self::HttpOpen => "http-open",
            Self::HttpRead => "http-read",
            Self::HttpClose => "http-close",
            Self::WebSocketOpen => "websocket-open",
            Self::WebSocketSend => "websocket-send",
            Self::WebSocketReceive => "websocket-receive",
            Self::WebSocketClose => "websocket-close",
            Self::MidiPorts => "midi-ports",
            Self::MidiSend => "midi-send",
            Self::MidiInputs => "midi-inputs",
            Self::MidiSubscribe => "midi-subscribe",
            Self::MidiReceive => "midi-receive",
            Self::MidiUnsubscribe => "midi-unsubscribe",
            Self::AudioOutputs => "audio-outputs",
            Self::AudioOpen => "audio-open",
            Self::AudioWrite => "audio-write",
            Self::AudioFinish => "audio-finish",
            Self::AudioClose => "audio-close",
            Self::ProgramRun => "program-run",
            Self::Volume => "volume",
            Self::Mute => "mute",
            Self::MediaKey => "media-key",
            Self::Notify => "notify",
            Self::LockScreen => "lock-screen",
            Self::OpenUrl => "open-url",
        }
    }

    /// The operation with this name, if this version of the ABI has one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }
}

/// How an operation ended. The answer to every status but [`Status::Ok`] is a UTF-8 message that gives the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// The plugin lacks the capability, or its scope does not cover this request.
    Denied = 1,
    /// The request could not be decoded or breaks a rule of its operation.
    Invalid = 2,
    /// The request or the answer is larger than the host allows.
    TooLarge = 3,
    /// A device or service that the operation needs is missing on this machine.
    Unavailable = 4,
    /// The operation was tried and failed.
    Failed = 5,
    /// The operation took longer than it is allowed to.
    TimedOut = 6,
    /// The plugin makes more host calls per second than it is allowed to.
    RateLimited = 7,
    /// This host does not know the operation.
    UnknownOp = 8,
}

impl Status {
    /// The status with this number, if this version of the ABI has one.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Ok),
            1 => Some(Self::Denied),
            2 => Some(Self::Invalid),
            3 => Some(Self::TooLarge),
            4 => Some(Self::Unavailable),
            5 => Some(Self::Failed),
            6 => Some(Self::TimedOut),
            7 => Some(Self::RateLimited),
            8 => Some(Self::UnknownOp),
            _ => None,
        }
    }

    /// The name that stands for the status in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::TooLarge => "too-large",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::RateLimited => "rate-limited",
            Self::UnknownOp => "unknown-op",
        }
    }
}

/// The return value of both imports: the status in the upper 32 bits, the length of the answer to fetch in the
/// lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallResult {
    /// How the operation ended.
    pub status: Status,
    /// Bytes that [`Op::Fetch`] will copy.
    pub len: u32,
}

impl CallResult {
    /// Packs the result into the import's return value.
    #[must_use]
    pub const fn pack(self) -> u64 {
        ((self.status as u64) << 32) | self.len as u64
    }

    /// Unpacks the import's return value; `None` for a status that this version does not know.
    #[must_use]
    pub const fn unpack(packed: u64) -> Option<Self> {
        match Status::from_number((packed >> 32) as u32) {
            Some(status) => Some(Self { status, len: packed as u32 }),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn results_survive_packing() {
        for number in 0..=8 {
            let status = Status::from_number(number).expect("a known status");
            for len in [0, 1, u32::MAX] {
                let result = CallResult { status, len };
                assert_eq!(CallResult::unpack(result.pack()), Some(result));
            }
        }
        assert_eq!(CallResult::unpack(9 << 32), None);
    }

    #[test]
    fn operation_numbers_are_stable() {
        let numbers = (0..0x1000).filter_map(|number| Op::from_number(number).map(|op| (number, op)));
        numbers.for_each(|(number, op)| assert_eq!(op.number(), number));
        assert_eq!(Op::from_number(0x100), Some(Op::HttpRequest));
        assert_eq!(Op::from_number(0x201), Some(Op::MidiSend));
        assert_eq!(Op::from_number(3), None);
    }

    #[test]
    fn every_operation_and_every_status_has_a_name_of_its_own() {
        let known: Vec<Op> = (0..0x1000).filter_map(Op::from_number).collect();
        assert_eq!(known, Op::ALL);
        known.iter().for_each(|op| assert_eq!(Op::from_name(op.name()), Some(*op)));
        assert_eq!(Op::MidiSend.name(), "midi-send");
        for unknown in ["", "Midi-Send", "midi_send", "midi-send ", "513"] {
            assert_eq!(Op::from_name(unknown), None, "{unknown:?}");
        }
        let names: BTreeSet<&str> = (0..=8).filter_map(Status::from_number).map(Status::name).collect();
        assert_eq!(names.len(), 9);
    }
}
