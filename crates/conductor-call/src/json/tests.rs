//! What plugins write and read as JSON, and what is refused.

use conductor_abi::{
    AudioOpen, AudioWrite, HttpRead, HttpRequest, HttpResponse, LogLevel, LogRecord, MediaKey, MediaPress,
    MidiMessage, MidiReceive, MidiReceived, MidiSend, MuteChange, Notification, Op, ProgramEnd,
    ProgramOutput, ProgramRun, Status, VolumeChange, VolumeState, WebSocketEvent, WebSocketMessage,
    WebSocketOpen, WebSocketReceive, WebSocketSend,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::JSON_BYTES_PER_MESSAGE_BYTE;

use super::reader::Reader;
use super::{AnswerError, JsonError, MAX_DEPTH, MAX_ITEMS, decode, encode_answer, encode_error};

#[path = "../../../../tests/vectors/json/texts.rs"]
mod texts;

/// Room for every answer here.
const MAX: usize = 1024;

fn decoded(text: &str) -> Result<(Op, Vec<u8>), JsonError> {
    #[expect(clippy::disallowed_methods, reason = "what is tested")]
    decode(&mut text.as_bytes().to_vec())
}

/// Why a request is refused.
fn refused(text: &str) -> String {
    decoded(text).expect_err(text).to_string()
}

fn wire(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("encodes")
}

fn answer(op: Op, value: &impl Serialize) -> String {
    String::from_utf8(encode_answer(op, &wire(value), MAX).expect("written")).expect("UTF-8")
}

#[test]
fn every_operation_is_what_call_takes() {
    let http = HttpRequest {
        method: "POST",
        url: "https://example.org/",
        headers: vec![("accept", "a"), ("accept", "b")],
        body: b"hi",
    };
    let socket = WebSocketOpen { url: "wss://a.example/", protocols: "", headers: Vec::new() };
    let text = WebSocketSend { socket: 7, message: WebSocketMessage::Text("hi") };
    let binary = WebSocketSend { socket: 7, message: WebSocketMessage::Binary(&[0, 255]) };
    let audio = AudioOpen { output: "", rate: 48_000, channels: 2, gain: 0.5 };
    let program = ProgramRun { program: "/bin/true", arguments: vec!["-a", ""], input: b"" };
    let media = MediaPress { key: MediaKey::PlayPause, player: "" };
    let notification = Notification { summary: "S", body: "" };
    let log = LogRecord { level: LogLevel::Warn, message: "m" };
    let cases = [
        (r#""op":"reply","bytes":[123,125]"#, Op::Reply, b"{}".to_vec()),
        (r#""op":"log","level":"warn","message":"m""#, Op::Log, wire(&log)),
        (
            r#""op":"http-request","method":"POST","url":"https://example.org/",
               "headers":[["accept","a"],["accept","b"]],"body":"base64:aGk=""#,
            Op::HttpRequest,
            wire(&http),
        ),
        (
            r#""headers":[["accept","a"],["accept","b"]],"body":[104,105],"url":"https://example.org/",
               "method":"POST","op":"http-open""#,
            Op::HttpOpen,
            wire(&http),
        ),
        (r#""op":"http-read","body":3,"max":300"#, Op::HttpRead, wire(&HttpRead { body: 3, max: 300 })),
        (r#""op":"http-close","body":300"#, Op::HttpClose, wire(&300_u32)),
        (r#""op":"websocket-open","url":"wss://a.example/""#, Op::WebSocketOpen, wire(&socket)),
        (r#""op":"websocket-send","socket":7,"message":{"text":"hi"}"#, Op::WebSocketSend, wire(&text)),
        (
            r#""op":"websocket-send","message":{"binary":[0,255]},"socket":7"#,
            Op::WebSocketSend,
            wire(&binary),
        ),
        (
            r#""op":"websocket-receive","socket":7,"wait_ms":0"#,
            Op::WebSocketReceive,
            wire(&WebSocketReceive { socket: 7, wait_ms: 0 }),
        ),
        (r#""op":"websocket-close","socket":7"#, Op::WebSocketClose, wire(&7_u32)),
        (r#""op":"midi-ports""#, Op::MidiPorts, Vec::new()),
        (
            r#""op": "midi-send", "port": "synth", "bytes": [144, 60, 100]"#,
            Op::MidiSend,
            wire(&MidiSend { port: "synth", bytes: &[144, 60, 100] }),
        ),
        (r#""op":"midi-inputs""#, Op::MidiInputs, Vec::new()),
        (r#""op":"midi-subscribe","input":"keys""#, Op::MidiSubscribe, b"keys".to_vec()),
        (
            r#""op":"midi-receive","subscription":1,"wait_ms":4294967295"#,
            Op::MidiReceive,
            wire(&MidiReceive { subscription: 1, wait_ms: u32::MAX }),
        ),
        (r#""op":"midi-unsubscribe","subscription":1"#, Op::MidiUnsubscribe, wire(&1_u32)),
        (r#""op":"audio-outputs""#, Op::AudioOutputs, Vec::new()),
        (r#""op":"audio-open","rate":48e3,"channels":2.0,"gain":0.5"#, Op::AudioOpen, wire(&audio)),
        (
            r#""op":"audio-write","sound":9,"samples":"base64:AAD/fw==""#,
            Op::AudioWrite,
            wire(&AudioWrite { sound: 9, samples: &[0, 0, 0xff, 0x7f] }),
        ),
        (r#""op":"audio-finish","sound":9"#, Op::AudioFinish, wire(&9_u32)),
        (r#""op":"audio-close","sound":9"#, Op::AudioClose, wire(&9_u32)),
        (r#""op":"program-run","program":"/bin/true","arguments":["-a",""]"#, Op::ProgramRun, wire(&program)),
        (r#""op":"volume","change":"read""#, Op::Volume, wire(&VolumeChange::Read)),
        (r#""op":"volume","change":{"by":-0.25}"#, Op::Volume, wire(&VolumeChange::By(-0.25))),
        (r#""op":"mute","change":"toggle""#, Op::Mute, wire(&MuteChange::Toggle)),
        (r#""op":"media-key","key":"play-pause""#, Op::MediaKey, wire(&media)),
        (r#""op":"notify","summary":"S""#, Op::Notify, wire(&notification)),
        (r#""op":"lock-screen""#, Op::LockScreen, Vec::new()),
        (r#""op":"open-url","url":"https://a.example/é""#, Op::OpenUrl, "https://a.example/é".into()),
    ];
    for (members, op, request) in &cases {
        assert_eq!(decoded(&format!("{{{members}}}")), Ok((*op, request.clone())), "{members}");
        assert_eq!(decoded(&format!(" {{\n\t{members} }}\r\n")), Ok((*op, request.clone())), "{members}");
    }
    for op in Op::ALL.into_iter().filter(|op| *op != Op::Fetch) {
        assert!(cases.iter().any(|(_, found, _)| *found == op), "{op:?}");
    }
}

#[test]
fn texts_are_what_their_escapes_stand_for() {
    let subscribed = |text: &str| decoded(&format!(r#"{{"op":"midi-subscribe","input":"{text}"}}"#));
    for (text, meant) in [
        ("", ""),
        (r#"a\"\\\/\b\f\n\r\tz"#, "a\"\\/\u{8}\u{c}\n\r\tz"),
        (r"\u0041\u00e9\u20ac\u0000", "Aé€\0"),
        (r"x\ud834\udd1ey", "x𝄞y"),
        ("𝄞é", "𝄞é"),
    ] {
        assert_eq!(subscribed(text), Ok((Op::MidiSubscribe, meant.into())), "{text}");
    }
    for half in [r"\ud834", r"\ud834\u0041", r"\udd1e", r"\ud834x\udd1e", r"\ud834\ud834"] {
        assert_eq!(
            refused(&format!(r#"{{"op":"open-url","url":"{half}"}}"#)),
            "open-url: `url`: a text has half of a surrogate pair"
        );
    }
    // Names are texts as well.
    let escaped = r#"{"\u006fp":"midi\u002dsubscribe","\u0069nput":"keys"}"#;
    assert_eq!(decoded(escaped), Ok((Op::MidiSubscribe, b"keys".to_vec())));
    assert_eq!(refused(r#"{"op":"midi-ports","\u006fp":"midi-ports"}"#), "the request has `op` twice");
}

#[test]
fn bytes_have_two_forms_and_no_third() {
    let sent = |bytes: &str| decoded(&format!(r#"{{"op":"reply","bytes":{bytes}}}"#));
    for (text, bytes) in [
        ("[]", &[][..]),
        ("[ ]", &[]),
        ("[0]", &[0]),
        ("[ 255 ,\n1.0, 2e0, -0 ]", &[255, 1, 2, 0]),
        (r#""base64:""#, &[]),
        (r#""base64:/+8=""#, &[0xff, 0xef]),
        (r#""base64:\u0041AAA""#, &[0, 0, 0]),
    ] {
        assert_eq!(sent(text), Ok((Op::Reply, bytes.to_vec())), "{text}");
    }
    let no_byte = |what: &str| {
        format!("reply: `bytes`: {what} in a list of bytes is no byte, which is a number from 0 to 255")
    };
    for (text, why) in [
        ("[256]", no_byte("256")),
        ("[-1]", no_byte("-1")),
        ("[1.5]", no_byte("1.5")),
        ("[1e400]", no_byte("1e400")),
        ("[1,null]", no_byte("something")),
        (r#"["1"]"#, no_byte("something")),
        ("[[1]]", no_byte("something")),
        (r#""text""#, "reply: `bytes`: text stands for bytes only if it begins with `base64:`".to_owned()),
        ("1", "reply: `bytes`: expected bytes, as a list of numbers or as text that begins with `base64:`, found a number".to_owned()),
    ] {
        assert_eq!(sent(text).expect_err(text).to_string(), why, "{text}");
    }
    // One sequence of bytes has one form in base64: padded, and without bits that say nothing.
    for text in ["base64:AA", "base64:AB==", "base64:A A=", "base64:AA==AA==", "base64:_-8="] {
        let why = sent(&format!("\"{text}\"")).expect_err(text).to_string();
        assert!(
            why.starts_with("reply: `bytes`: no base64 (RFC 4648, section 4) after `base64:`: "),
            "{why}"
        );
    }
}

#[test]
fn what_is_no_request_is_refused_with_its_place() {
    let json = |at, expected: &str| format!("the request is not JSON: expected {expected} at byte {at}");
    for (text, why) in [
        ("", json(0, "an object")),
        ("[]", json(0, "an object")),
        (r#""midi-ports""#, json(0, "an object")),
        ("\u{feff}{}", json(0, "an object")),
        ("{", json(1, "a text in quotation marks")),
        (r#"{"op""#, json(5, "`:`")),
        (r#"{"op":"midi-ports""#, json(18, "`,` or `}`")),
        (r#"{"op":"midi-ports",}"#, json(19, "a text in quotation marks")),
        (r#"{"op":"midi-ports"} x"#, json(20, "the end of the text")),
        (r#"{"op":"midi-ports"}{}"#, json(19, "the end of the text")),
        ("{'op':1}", json(1, "a text in quotation marks")),
        (r#"{"a":01}"#, json(6, "`,` or `}`")),
        (r#"{"a":.5}"#, json(5, "a value")),
        (r#"{"a":1.}"#, json(5, "a number")),
        (r#"{"a":+1}"#, json(5, "a value")),
        (r#"{"a":NaN}"#, json(5, "a value")),
        (r#"{"a":[1,]}"#, json(8, "a value")),
        (r#"{"a":tru}"#, json(5, "a value")),
        ("{\"a\n\":1}", json(3, "the end of a text, a character of it or an escape that JSON knows")),
        (r#"{"\x":1}"#, json(2, "the end of a text, a character of it or an escape that JSON knows")),
        (r#"{"\u+123":1}"#, json(2, "the end of a text, a character of it or an escape that JSON knows")),
        ("{}", "the request names no operation: it has no `op`".to_owned()),
        (r#"{"op":1}"#, "`op` is the name of an operation, as text".to_owned()),
        (r#"{"op":"midi-ports","op":"log"}"#, "the request has `op` twice".to_owned()),
    ] {
        let error = decoded(text).expect_err(text);
        assert_eq!((error.to_string(), error.status()), (why, Status::Invalid), "{text}");
    }
    for name in ["fetch", "", "Midi-Ports", "midi_ports", "513"] {
        let error = decoded(&format!(r#"{{"op":"{name}"}}"#)).expect_err(name);
        assert_eq!(error.to_string(), format!("this host has no operation `{name}`"));
        assert_eq!(error.status(), Status::UnknownOp);
    }
    #[expect(clippy::disallowed_methods, reason = "what is tested")]
    let error = decode(&mut b"{\"op\":\"\xff\"}".to_vec());
    assert_eq!(error, Err(JsonError::NotUtf8 { at: 7 }));
}

#[test]
fn fields_are_those_of_the_operation_once_each_and_of_their_types() {
    for (members, why) in [
        (r#""op":"midi-send","port":"a""#, "midi-send: missing field `bytes`"),
        (
            r#""op":"midi-send","port":"a","bytes":[],"Port":"b""#,
            "midi-send: unknown field; known are `port`, `bytes`; found `Port`",
        ),
        (r#""op":"midi-ports","port":"a""#, "midi-ports: unknown field; there is none; found `port`"),
        (r#""op":"midi-send","port":"a","bytes":[],"p\u006frt":"b""#, "midi-send: duplicate field `port`"),
        (r#""op":"midi-send","port":1,"bytes":[]"#, "midi-send: `port`: expected text, found a number"),
        (r#""op":"midi-send","port":null,"bytes":[]"#, "midi-send: `port`: expected text, found null"),
        (r#""op":"http-close","body":"1""#, "http-close: `body`: expected a whole number, found text"),
        (r#""op":"http-close","body":1.5"#, "http-close: `body`: 1.5 is no whole number in range"),
        (
            r#""op":"http-close","body":4294967296"#,
            "http-close: `body`: invalid value: integer `4294967296`, expected u32",
        ),
        (r#""op":"http-close","body":-1"#, "http-close: `body`: invalid value: integer `-1`, expected u32"),
        (
            r#""op":"http-close","body":99999999999999999999"#,
            "http-close: `body`: 99999999999999999999 is no whole number in range",
        ),
        (
            r#""op":"audio-open","rate":1,"channels":256,"gain":1"#,
            "audio-open: `channels`: invalid value: integer `256`, expected u8",
        ),
        (
            r#""op":"audio-open","rate":1,"channels":1,"gain":1e39"#,
            "audio-open: `gain`: 1e39 is out of range",
        ),
        (
            r#""op":"volume","change":"louder""#,
            "volume: `change`: unknown variant `louder`, expected one of `read`, `set`, `by`",
        ),
        (
            r#""op":"volume","change":{"read":null}"#,
            "volume: `change`: `read`: this one stands alone, as text",
        ),
        (r#""op":"volume","change":{}"#, "volume: `change`: expected an object with exactly one member"),
        (
            r#""op":"volume","change":{"set":1,"by":1}"#,
            "volume: `change`: expected an object with exactly one member",
        ),
        (
            r#""op":"volume","change":1"#,
            "volume: `change`: expected text, or an object with one member, found a number",
        ),
        (
            r#""op":"http-request","method":"GET","url":"u","headers":[["a"]]"#,
            "http-request: `headers`: invalid length 1, expected a tuple of size 2",
        ),
        (
            r#""op":"http-request","method":"GET","url":"u","headers":[["a","b","c"]]"#,
            "http-request: `headers`: the list has more than 2 items",
        ),
        (
            r#""op":"http-request","method":"GET","url":"u","headers":{"a":"b"}"#,
            "http-request: `headers`: expected a list, found an object",
        ),
    ] {
        assert_eq!(refused(&format!("{{{members}}}")), why, "{members}");
    }
    let without_set = decoded(r#"{"op":"volume","change":"set"}"#).expect_err("no level");
    assert_eq!(without_set.status(), Status::Invalid, "{without_set}");
}

#[test]
fn depth_lists_and_messages_are_bounded() {
    let nested =
        |depth: usize| format!(r#"{{"op":"midi-ports","a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let deepest = usize::from(MAX_DEPTH) - 1;
    assert_eq!(refused(&nested(deepest)), "midi-ports: unknown field; there is none; found `a`");
    for depth in [deepest + 1, 100_000] {
        let why = "the request has more than 8 lists and objects inside one another at byte 30";
        assert_eq!(refused(&nested(depth)), why);
    }
    assert_eq!(
        refused(&r#"{"a":"#.repeat(100_000)),
        "the request has more than 8 lists and objects inside one another at byte 40"
    );

    let run = |arguments: usize| {
        let arguments = vec![r#""""#; arguments].join(",");
        decoded(&format!(r#"{{"op":"program-run","program":"/p","arguments":[{arguments}]}}"#))
    };
    assert!(run(MAX_ITEMS).is_ok());
    let why = run(MAX_ITEMS + 1).expect_err("too many").to_string();
    assert_eq!(why, "program-run: `arguments`: the list has more than 1024 items");
    // The items of a list of bytes are no values of their own.
    let bytes = format!(r#"{{"op":"reply","bytes":[{}]}}"#, vec!["7"; 100_000].join(","));
    assert_eq!(decoded(&bytes), Ok((Op::Reply, vec![7; 100_000])));

    let long = "x".repeat(100_000);
    for text in [
        format!(r#"{{"op":"{long}"}}"#),
        format!(r#"{{"op":"midi-ports","{long}":1}}"#),
        format!(r#"{{"op":"mute","change":"{long}"}}"#),
        format!(r#"{{"op":"http-close","body":{}}}"#, "9".repeat(100_000)),
    ] {
        let why = refused(&text);
        assert!(why.len() < 512, "{} bytes", why.len());
    }
}

#[test]
fn answers_are_objects() {
    let response =
        HttpResponse { status: 200, headers: vec![("a".to_owned(), "b\"".to_owned())], body: vec![0, 0xff] };
    let received =
        MidiReceived { messages: vec![MidiMessage { timestamp: 5, bytes: vec![0x90, 60, 100] }], missed: 1 };
    let output = ProgramOutput {
        end: ProgramEnd::Exited { code: -1 },
        stdout: b"out".to_vec(),
        stderr: Vec::new(),
        cut: false,
    };
    let closed = WebSocketEvent::Closed { code: 1000, reason: "bye".to_owned() };
    for (found, expected) in [
        (
            answer(Op::HttpRequest, &response),
            r#"{"status":200,"headers":[["a","b\""]],"body":"base64:AP8="}"#,
        ),
        (
            answer(Op::MidiReceive, &received),
            r#"{"messages":[{"timestamp":5,"bytes":"base64:kDxk"}],"missed":1}"#,
        ),
        (
            answer(Op::ProgramRun, &output),
            r#"{"end":{"exited":{"code":-1}},"stdout":"base64:b3V0","stderr":"base64:","cut":false}"#,
        ),
        (answer(Op::WebSocketReceive, &WebSocketEvent::Nothing), r#"{"event":"nothing"}"#),
        (answer(Op::WebSocketReceive, &WebSocketEvent::Text("a\n".into())), r#"{"event":{"text":"a\n"}}"#),
        (
            answer(Op::WebSocketReceive, &WebSocketEvent::Binary(vec![1])),
            r#"{"event":{"binary":"base64:AQ=="}}"#,
        ),
        (answer(Op::WebSocketReceive, &closed), r#"{"event":{"closed":{"code":1000,"reason":"bye"}}}"#),
        (answer(Op::MidiSubscribe, &3_u32), r#"{"subscription":3}"#),
        (answer(Op::AudioWrite, &300_u32), r#"{"taken":300}"#),
        (answer(Op::MediaKey, &"mpv"), r#"{"player":"mpv"}"#),
        (answer(Op::Volume, &VolumeState { level: 0.5, muted: true }), r#"{"level":0.5,"muted":true}"#),
        (answer(Op::MidiSend, &()), "{}"),
    ] {
        assert_eq!(found, expected);
    }
    let error = String::from_utf8(encode_error(Status::TimedOut, "a \"b\"\n")).expect("UTF-8");
    assert_eq!(error, r#"{"error":{"status":"timed-out","message":"a \"b\"\n"}}"#);
}

#[test]
fn answers_are_bounded_and_of_their_operation() {
    let wire = wire(&WebSocketEvent::Text("\u{1}".repeat(100)));
    let length = r#"{"event":{"text":""}}"#.len() + 600;
    let written = encode_answer(Op::WebSocketReceive, &wire, length).map(|bytes| bytes.len());
    assert_eq!(written, Ok(length));
    let refused = encode_answer(Op::WebSocketReceive, &wire, length - 1);
    assert_eq!(refused, Err(AnswerError::TooLarge { max: length - 1 }));
    for (op, answer) in [(Op::HttpRequest, &b""[..]), (Op::MidiSubscribe, &[0xff]), (Op::Fetch, b"")] {
        let refused = encode_answer(op, answer, MAX);
        assert!(matches!(refused, Err(AnswerError::Malformed { .. })), "{op:?}: {refused:?}");
    }
}

/// What the standard says of JSON, section by section. Texts and numbers are read as fields are.
#[test]
fn json_is_read_as_the_standard_says() {
    texts::judge(false, |text| {
        let mut request = [br#"{"op":"midi-ports","a":"#, text, b"}"].concat();
        #[expect(clippy::disallowed_methods, reason = "what is tested")]
        let error = decode(&mut request).expect_err("an unknown field");
        // The one text in the table that is deeper than a request can be and that every other reader takes.
        let may_be_deep = text == ["[".repeat(100), "]".repeat(100)].concat().as_bytes();
        let is_too_deep = matches!(error, JsonError::TooDeep { .. });
        let is_read = matches!(error, JsonError::Field { .. }) || (is_too_deep && may_be_deep);
        if !is_read {
            return None;
        }
        let mut text = text.to_vec();
        match text.trim_ascii_start().first() {
            Some(b'"') => String::deserialize(&mut Reader::new(&mut text)).ok().map(Value::from),
            Some(b'-' | b'0'..=b'9') => f64::deserialize(&mut Reader::new(&mut text)).ok().map(Value::from),
            _ => Some(Value::Null),
        }
    });
}

#[test]
fn the_manual_shows_requests_of_every_operation() {
    let manual = include_str!("../../../../docs/src/host-calls.md");
    let shown: Vec<Op> = manual
        .lines()
        .filter(|line| line.starts_with(r#"{"op""#))
        .map(|line| decoded(line).unwrap_or_else(|error| panic!("{line}: {error}")).0)
        .collect();
    for op in Op::ALL.into_iter().filter(|op| *op != Op::Fetch) {
        assert!(shown.contains(&op), "{op:?}");
    }
    assert!(manual.contains(&format!("| lists and objects inside one another | {MAX_DEPTH} |")));
    assert!(manual.contains("| items of a list, other than bytes | 1,024 |") && MAX_ITEMS == 1_024);
    assert!(
        manual.contains("| 8 bytes for each byte of `max_message_bytes`") && JSON_BYTES_PER_MESSAGE_BYTE == 8
    );
}
