//! Operations of the `conductor.call` import and the packed value it returns.

/// What a guest asks the host to do. The numbers are part of the ABI and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum Op {
    /// Copy the answer of the previous operation into the given buffer; the result's length is the bytes copied.
    Fetch = 0,
    /// Set the reply of the running action to the given bytes. A later reply replaces an earlier one.
    Reply = 1,
    /// Append a [`LogRecord`](crate::LogRecord) to the plugin's log.
    Log = 2,
    /// Send an [`HttpRequest`](crate::HttpRequest), answered by an [`HttpResponse`](crate::HttpResponse).
    HttpRequest = 0x100,
    /// Send an [`HttpRequest`](crate::HttpRequest), answered by an [`HttpOpened`](crate::HttpOpened) as soon as the header
    /// fields are there.
    HttpOpen = 0x101,
    /// Read more of a body with an [`HttpRead`](crate::HttpRead), answered by an [`HttpPiece`](crate::HttpPiece).
    HttpRead = 0x102,
    /// Close a body with its number; the answer is empty.
    HttpClose = 0x103,
    /// Open a WebSocket with a [`WebSocketOpen`](crate::WebSocketOpen), answered by a
    /// [`WebSocketOpened`](crate::WebSocketOpened).
    WebSocketOpen = 0x110,
    /// Send a [`WebSocketSend`](crate::WebSocketSend); the answer is empty.
    WebSocketSend = 0x111,
    /// Wait for a message with a [`WebSocketReceive`](crate::WebSocketReceive), answered by a
    /// [`WebSocketEvent`](crate::WebSocketEvent).
    WebSocketReceive = 0x112,
    /// Close a WebSocket with its number; the answer is empty.
    WebSocketClose = 0x113,
    /// List MIDI output ports, answered by a [`MidiPortList`](crate::MidiPortList).
    MidiPorts = 0x200,
    /// Send a [`MidiSend`](crate::MidiSend); the answer is empty.
    MidiSend = 0x201,
    /// List MIDI inputs, answered by a [`MidiPortList`](crate::MidiPortList).
    MidiInputs = 0x202,
    /// Subscribe to a MIDI input, the request being its name; answered by the number of the subscription, a `u32`.
    MidiSubscribe = 0x203,
    /// Wait for messages with a [`MidiReceive`](crate::MidiReceive), answered by a
    /// [`MidiReceived`](crate::MidiReceived).
    MidiReceive = 0x204,
    /// End a subscription, by its number; the answer is empty.
    MidiUnsubscribe = 0x205,
    /// List audio outputs, answered by an [`AudioOutputList`](crate::AudioOutputList).
    AudioOutputs = 0x300,
    /// Begin a sound with an [`AudioOpen`](crate::AudioOpen), answered by an [`AudioOpened`](crate::AudioOpened).
    AudioOpen = 0x301,
    /// Append to a sound with an [`AudioWrite`](crate::AudioWrite), answered by the number of bytes that were taken, a `u32`.
    AudioWrite = 0x302,
    /// Let a sound, by its number, end after what was written; the answer is empty.
    AudioFinish = 0x303,
    /// End a sound, by its number, at once; the answer is empty.
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
    /// Open a URL, the request as it is, in the user's browser; the answer is empty.
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
}

/// How an operation ended. Everything but [`Status::Ok`] is answered with a UTF-8 message that says why.
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
    /// A part that the operation needs is missing on this machine.
    Unavailable = 4,
    /// The operation was tried and failed.
    Failed = 5,
    /// The operation took longer than it may.
    TimedOut = 6,
    /// The plugin makes more calls per second than it may.
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
}

/// The value of one `conductor.call`: status in the upper 32 bits, length of the waiting answer in the lower.
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
}
