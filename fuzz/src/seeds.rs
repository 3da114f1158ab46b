//! Writes the inputs that fuzzing starts from: `seeds VECTORS OUT` makes a directory for each target in OUT.
//!
//! For `module` these are the attacks in `tests/vectors`, compiled; for `host_call`, requests of operations, as postcard and as JSON; for
//! `worker_frame`, frames of each form; for `manifest`, `pkcs11_uri` and `rotation_statement`, valid texts. The seeds
//! that need a signature are written by the example `sound_files` of `conductor-signing`, which is compiled without
//! counters.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Numbers of the operations, in the form in which `host_call` reads them.
const HTTP_REQUEST: [u8; 4] = 0x100_u32.to_le_bytes();
const MIDI_PORTS: [u8; 4] = 0x200_u32.to_le_bytes();
const MIDI_SEND: [u8; 4] = 0x201_u32.to_le_bytes();

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [vectors, out] = arguments.as_slice() else { return Err("usage: seeds VECTORS OUT".into()) };
    let modules = out.join("module");
    fs::create_dir_all(&modules)?;
    write_modules(vectors, vectors, &modules)?;
    write_all(&out.join("host_call"), host_calls())?;
    write_all(&out.join("worker_frame"), worker_frames())?;
    write_all(&out.join("manifest"), manifests())?;
    write_all(&out.join("pkcs11_uri"), token_uris())?;
    write_all(&out.join("rotation_statement"), rotation_statements())?;
    Ok(())
}

fn write_all(directory: &Path, seeds: Vec<(&str, Vec<u8>)>) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    seeds.into_iter().try_for_each(|(name, bytes)| fs::write(directory.join(name), bytes))
}

/// Compiles every `.wat` below `directory`. The name of the result is made from the file's path below `root`.
fn write_modules(root: &Path, directory: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            write_modules(root, &path, out)?;
        } else if path.extension().is_some_and(|extension| extension == "wat") {
            let name = path.strip_prefix(root)?.with_extension("wasm");
            let name: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
            fs::write(out.join(name.join("-")), wat::parse_file(&path)?)?;
        }
    }
    Ok(())
}

/// Requests as `conductor-abi` encodes them: in postcard, a list is its length and then its items.
fn host_calls() -> Vec<(&'static str, Vec<u8>)> {
    let http = |method: &str, url: &str, header: Option<(&str, &str)>, body: &[u8]| {
        let mut bytes = [&HTTP_REQUEST[..], &list(method.as_bytes()), &list(url.as_bytes())].concat();
        bytes.push(u8::from(header.is_some()));
        if let Some((name, value)) = header {
            bytes.extend([list(name.as_bytes()), list(value.as_bytes())].concat());
        }
        bytes.extend(list(body));
        bytes
    };
    let midi = |port: &str, message: &[u8]| [&MIDI_SEND[..], &list(port.as_bytes()), &list(message)].concat();
    vec![
        ("http-granted", http("GET", "http://127.0.0.1:1/path?query", None, b"")),
        ("http-header", http("POST", "http://127.0.0.1:1/", Some(("accept", "text/plain")), b"body")),
        ("http-public", http("GET", "https://example.com/", None, b"")),
        ("http-private", http("GET", "http://[::ffff:169.254.169.254]/", None, b"")),
        ("midi-ports", MIDI_PORTS.to_vec()),
        ("midi-note", midi("synth", &[0x90, 60, 100, 0x80, 60, 0])),
        ("midi-sysex", midi("synth", &[0xf0, 0x7d, 1, 2, 0xf7])),
        ("unknown", 0x999_u32.to_le_bytes().to_vec()),
    ]
    .into_iter()
    .chain(host_calls_in_json().map(|(name, text)| (name, text.as_bytes().to_vec())))
    .collect()
}

/// Requests as JSON, of each form that a field can have.
const fn host_calls_in_json() -> [(&'static str, &'static str); 9] {
    [
        (
            "json-http",
            r#"{"op":"http-request","method":"POST","url":"http://127.0.0.1:1/","headers":[["a","b"]],"body":"base64:aGk="}"#,
        ),
        ("json-midi", r#"{"op":"midi-send","port":"synth","bytes":[144,60,100]}"#),
        ("json-midi-ports", r#"{"op":"midi-ports"}"#),
        ("json-last", r#"{ "bytes" : "base64:8H0BAvc=" , "port":"s\u0079nth", "op" : "midi-send" }"#),
        ("json-volume", r#"{"op":"volume","change":{"by":-2.5e-1}}"#),
        ("json-socket", r#"{"op":"websocket-send","socket":0,"message":{"text":"\ud834\udd1e\n"}}"#),
        ("json-program", r#"{"op":"program-run","program":"/bin/true","arguments":["-a",""],"input":[]}"#),
        ("json-log", r#"{"op":"log","level":"info","message":"m"}"#),
        ("json-deep", r#"{"op":"mute","change":{"a":[[{"b":[true,false,null,1e9]}]]}}"#),
    ]
}

/// Heads of frames in postcard: the number of the variant, then its fields. Some heads are followed by further bytes.
fn worker_frames() -> Vec<(&'static str, Vec<u8>)> {
    let done = |end: &[u8]| {
        // Replied, fuel, memory, one log line (source and text), nothing dropped, and one limit that refused something.
        [&[7][..], end, &[1, 0x90, 0x4e, 0x80, 0x80, 0x04, 1, 0, 3], b"log", &[0, 1, 5], b"\"reply\""]
            .concat()
    };
    vec![
        ("locked", vec![0, 7, 1, 1, 1, 1]),
        ("compiled", vec![1, 0]),
        ("not-compiled", [&[2, 0][..], &list(b"why")].concat()),
        ("started", [&[3, 1][..], &list(br#"{"name":"a"}"#), &[0]].concat()),
        ("not-started", vec![4, 2, 0]),
        ("not-set-up", [&[5][..], &list(b"why")].concat()),
        ("host-call", [&[6, 0x81, 0x04][..], b"request"].concat()),
        ("done", done(&[0])),
        ("failed", done(&[1, 14])),
        ("trapped", done(&[&[3][..], &list(b"unreachable")].concat())),
    ]
}

fn manifests() -> Vec<(&'static str, Vec<u8>)> {
    let toml = "name = \"chord\"\nversion = \"1.0.0\"\ndescription = \"d\"\n[[actions]]\nname = \"play\"\n\
                [[capabilities]]\nname = \"Midi\"\nscope = \"synth\"\nreason = \"to play\"\n";
    let json = br#"{"name":"chord","version":"1","capabilities":[{"name":"Midi","scope":"synth"}],"abi":1}"#;
    vec![("toml", toml.as_bytes().to_vec()), ("json", json.to_vec())]
}

fn token_uris() -> Vec<(&'static str, Vec<u8>)> {
    let path = "pkcs11:module-path=/m.so;token=t%20t;object=o;id=%01%FF;type=private;pin-source=/p";
    let query =
        "pkcs11:token=t;slot-id=7;serial=1;model=m;manufacturer=x?module-path=/m.so&pin-value=1&x-v=2";
    vec![("path", path.as_bytes().to_vec()), ("query", query.as_bytes().to_vec())]
}

/// Links, one on each line, whose keys are digits.
fn rotation_statements() -> Vec<(&'static str, Vec<u8>)> {
    let link = |old: u8, sequence: u8, day: u8, keeps: &str| {
        let new = old + 1;
        format!(
            "{old}{new}{{\"old_key\":\"@{old}\",\"new_key\":\"@{new}\",\"sequence\":{sequence},\
             \"rotated_at\":\"2025-01-01T00:00:00Z\",\"valid_from\":\"2025-01-0{day}T00:00:00Z\"{keeps}}}\n"
        )
    };
    let both = ",\"keeps\":[\"sign\",\"revoke\"]";
    vec![
        ("one", link(0, 1, 1, "").into_bytes()),
        ("keeps", link(0, 1, 1, both).into_bytes()),
        ("three", [link(0, 1, 1, ""), link(1, 2, 2, both), link(2, 3, 3, "")].concat().into_bytes()),
        ("gap", [link(0, 1, 1, ""), link(1, 3, 1, "")].concat().into_bytes()),
    ]
}

fn list(bytes: &[u8]) -> Vec<u8> {
    // One byte of a length holds numbers up to 127.
    [&[bytes.len().min(127) as u8][..], bytes].concat()
}
