//! The request and the answer of each operation as JSON objects.
//!
//! Where `conductor.call` takes or answers one value that is no structure, the object here has that value as its only
//! field: on the wire, a structure of one field is that field.

use conductor_abi::{
    AudioOpen, AudioOpened, AudioOutputList, AudioWrite, HttpOpened, HttpPiece, HttpRead, HttpRequest,
    HttpResponse, LogRecord, MediaPress, MidiPortList, MidiReceive, MidiReceived, MidiSend, MuteChange,
    Notification, Op, ProgramOutput, ProgramRun, VolumeChange, VolumeState, WebSocketEvent, WebSocketOpen,
    WebSocketOpened, WebSocketReceive, WebSocketSend,
};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An object without fields.
#[derive(Serialize, Deserialize)]
struct Nothing {}

/// The reply of the running action.
#[derive(Deserialize)]
struct Reply<'a> {
    /// The reply.
    bytes: &'a [u8],
}

/// The body of a response that is read in pieces.
#[derive(Serialize, Deserialize)]
struct Body {
    /// Number of the body.
    body: u32,
}

/// An open WebSocket.
#[derive(Serialize, Deserialize)]
struct Socket {
    /// Number of the WebSocket.
    socket: u32,
}

/// What came through a WebSocket.
#[derive(Serialize, Deserialize)]
struct Received {
    /// What arrived.
    event: WebSocketEvent,
}

/// A MIDI input to subscribe to.
#[derive(Deserialize)]
struct Input<'a> {
    /// Name of the input.
    input: &'a str,
}

/// A subscription to a MIDI input.
#[derive(Serialize, Deserialize)]
struct Subscription {
    /// Number of the subscription.
    subscription: u32,
}

/// A sound that was begun.
#[derive(Serialize, Deserialize)]
struct Sound {
    /// Number of the sound.
    sound: u32,
}

/// How much of the samples was taken.
#[derive(Serialize, Deserialize)]
struct Taken {
    /// Number of bytes that were taken.
    taken: u32,
}

/// What to do with the volume.
#[derive(Serialize, Deserialize)]
struct Volume {
    /// The change.
    change: VolumeChange,
}

/// Whether the output is to be muted.
#[derive(Serialize, Deserialize)]
struct Mute {
    /// The change.
    change: MuteChange,
}

/// The player whose key was pressed.
#[derive(Serialize, Deserialize)]
struct Pressed {
    /// Name of the player.
    player: String,
}

/// A page of the web to open.
#[derive(Deserialize)]
struct Page<'a> {
    /// The URL of the page.
    url: &'a str,
}

/// A request that `conductor.call` takes as it is, without encoding.
trait AsItIs {
    fn as_it_is(&self) -> &[u8];
}

impl AsItIs for Reply<'_> {
    fn as_it_is(&self) -> &[u8] {
        self.bytes
    }
}

impl AsItIs for Input<'_> {
    fn as_it_is(&self) -> &[u8] {
        self.input.as_bytes()
    }
}

impl AsItIs for Page<'_> {
    fn as_it_is(&self) -> &[u8] {
        self.url.as_bytes()
    }
}

fn raw<E: Error>(request: &impl AsItIs) -> Result<Vec<u8>, E> {
    Ok(request.as_it_is().to_vec())
}

fn wire<E: Error>(request: &impl Serialize) -> Result<Vec<u8>, E> {
    postcard::to_allocvec(request).map_err(E::custom)
}

/// The table of all forms: for each operation how `conductor.call` takes its request, the request, and the answer.
macro_rules! forms {
    ($($op:ident: $way:ident $request:ty => $answer:ty;)*) => {
        /// Reads the fields of an operation's request, and returns the request as `conductor.call` takes it.
        ///
        /// # Errors
        ///
        /// Fails if the deserializer does, and for [`Op::Fetch`], which has no form.
        pub fn request<'de, D: Deserializer<'de>>(op: Op, from: D) -> Result<Vec<u8>, D::Error> {
            match op {
                $(Op::$op => $way(&<$request>::deserialize(from)?),)*
                Op::Fetch | _ => Err(D::Error::custom("this operation has no form as JSON")),
            }
        }

        /// Reads the answer of an operation, and writes it as an object. The inner result is that of writing.
        ///
        /// # Errors
        ///
        /// Fails if the deserializer does, and for [`Op::Fetch`], which has no form.
        pub fn answer<'de, D: Deserializer<'de>, S: Serializer>(
            op: Op,
            from: D,
            to: S,
        ) -> Result<Result<S::Ok, S::Error>, D::Error> {
            match op {
                $(Op::$op => Ok(<$answer>::deserialize(from)?.serialize(to)),)*
                Op::Fetch | _ => Err(D::Error::custom("this operation has no form as JSON")),
            }
        }
    };
}

forms! {
    Reply: raw Reply<'_> => Nothing;
    Log: wire LogRecord<'_> => Nothing;
    HttpRequest: wire HttpRequest<'_> => HttpResponse;
    HttpOpen: wire HttpRequest<'_> => HttpOpened;
    HttpRead: wire HttpRead => HttpPiece;
    HttpClose: wire Body => Nothing;
    WebSocketOpen: wire WebSocketOpen<'_> => WebSocketOpened;
    WebSocketSend: wire WebSocketSend<'_> => Nothing;
    WebSocketReceive: wire WebSocketReceive => Received;
    WebSocketClose: wire Socket => Nothing;
    MidiPorts: wire Nothing => MidiPortList;
    MidiSend: wire MidiSend<'_> => Nothing;
    MidiInputs: wire Nothing => MidiPortList;
    MidiSubscribe: raw Input<'_> => Subscription;
    MidiReceive: wire MidiReceive => MidiReceived;
    MidiUnsubscribe: wire Subscription => Nothing;
    AudioOutputs: wire Nothing => AudioOutputList;
    AudioOpen: wire AudioOpen<'_> => AudioOpened;
    AudioWrite: wire AudioWrite<'_> => Taken;
    AudioFinish: wire Sound => Nothing;
    AudioClose: wire Sound => Nothing;
    ProgramRun: wire ProgramRun<'_> => ProgramOutput;
    Volume: wire Volume => VolumeState;
    Mute: wire Mute => VolumeState;
    MediaKey: wire MediaPress<'_> => Pressed;
    Notify: wire Notification<'_> => Nothing;
    LockScreen: wire Nothing => Nothing;
    OpenUrl: raw Page<'_> => Nothing;
}
