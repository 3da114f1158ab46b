//! The OBS plugin with a small server that speaks the protocol of OBS, obs-websocket 5, and has scenes and inputs.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use conductor_core::grant::GrantSpec;
use conductor_core::{Host, Outcome, Plugin, PluginOptions, WasmConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use super::exec::{exec, home};
use crate::wasm;

const PASSWORD: &str = "supersecretpassword";
const SALT: &str = "lM1GncleQOaCu9lT1yeUZhFYnqhsLLP1G5lAGo3ixaI=";
const CHALLENGE: &str = "+IxH4CnCiqpX1rM9scsNynZzbOe4KhDeYcTNS3PDaeY=";

/// `printf %s "$PASSWORD$SALT" | openssl dgst -sha256 -binary | base64`, and then the same for that result followed by
/// the challenge.
const PROOF: &str = "1Ct943GAT+6YQUUX47Ia/ncufilbe6+oD6lY+5kaCu4=";

/// Where the plugin expects OBS; the test puts a free port of the same length in its place.
const ADDRESS: &str = "localhost:4455";

/// Scenes in the order of OBS: from the bottom of its list.
const SCENES: [&str; 3] = ["Break", "Close-up", "Stage"];

/// The requests that the server received, and how many connections.
#[derive(Default)]
struct Seen {
    connections: usize,
    scene: String,
    muted: bool,
    volume: f64,
    recording: bool,
    requests: Vec<String>,
}

struct Obs {
    port: u16,
    seen: Arc<Mutex<Seen>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Obs {
    fn start(wants_password: bool) -> Self {
        let listener = (4500..9999)
            .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
            .expect("a free port of four digits");
        let port = listener.local_addr().expect("address").port();
        let obs = Self { port, seen: Arc::default(), open: Arc::default() };
        obs.seen.lock().expect("seen").scene = "Stage".to_owned();
        let (seen, open) = (Arc::clone(&obs.seen), Arc::clone(&obs.open));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                open.lock().expect("open").push(stream.try_clone().expect("cloned"));
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(stream, wants_password, &seen));
            }
        });
        obs
    }

    /// The plugin, changed to this server's port, in a temporary directory.
    fn plugin(&self) -> (TempDir, std::path::PathBuf) {
        let here = format!("localhost:{}", self.port);
        assert_eq!(here.len(), ADDRESS.len());
        #[expect(clippy::disallowed_methods, reason = "a module that was just built is not too large")]
        let mut module = std::fs::read(wasm::plugin("obs")).expect("module");
        let places: Vec<_> =
            (0..module.len()).filter(|at| module[*at..].starts_with(ADDRESS.as_bytes())).collect();
        assert!(places.len() >= 2, "in the manifest and in the code");
        for at in places {
            module[at..at + here.len()].copy_from_slice(here.as_bytes());
        }
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("obs.wasm");
        std::fs::write(&path, module).expect("written");
        (directory, path)
    }

    fn grant(&self) -> String {
        format!("Network=localhost:{}", self.port)
    }

    /// One call with `conductor exec`.
    fn exec(&self, action: &str, parameters: &Value) -> (Option<i32>, Value) {
        let (_directory, plugin) = self.plugin();
        let (grant, parameters) = (self.grant(), parameters.to_string());
        let arguments = ["--unsigned-ok", "--grant", &grant, "--action", action, "--params", &parameters];
        let ran = exec(home().path(), &plugin, &arguments);
        (ran.status, ran.report)
    }

    /// Loads the plugin, so that it can be called several times.
    fn load(&self) -> Box<dyn Plugin> {
        let (_directory, plugin) = self.plugin();
        let host = Host::new(WasmConfig::default()).expect("host");
        let granted: GrantSpec = self.grant().parse().expect("a grant");
        let options =
            PluginOptions { granted: vec![granted], accept_unsigned: true, ..PluginOptions::default() };
        host.load(&plugin, &options).expect("plugin loads")
    }
}

fn call(plugin: &mut dyn Plugin, action: &str, context: Value, parameters: Value) -> Value {
    let request = json!({ "action": action, "context": context, "parameters": parameters });
    let report = plugin.execute(request.to_string().as_bytes());
    assert_eq!(report.outcome, Outcome::Ok, "{request}: {:?}", report.log);
    report.reply.map_or(Value::Null, |reply| serde_json::from_slice(&reply).expect("JSON"))
}

fn serve(stream: TcpStream, wants_password: bool, seen: &Mutex<Seen>) {
    seen.lock().expect("seen").connections += 1;
    let choose = |request: &Request, mut response: Response| {
        assert_eq!(request.headers()["sec-websocket-protocol"], "obswebsocket.json");
        let chosen = "obswebsocket.json".parse().expect("a value");
        response.headers_mut().insert("sec-websocket-protocol", chosen);
        Ok(response)
    };
    let Ok(mut peer) = tungstenite::accept_hdr(stream, choose) else { return };
    let mut hello = json!({ "obsWebSocketVersion": "5.5.2", "rpcVersion": 1 });
    if wants_password {
        hello["authentication"] = json!({ "challenge": CHALLENGE, "salt": SALT });
    }
    say(&mut peer, 0, &hello);
    let identify = hear(&mut peer, 1).expect("the plugin says who it is");
    assert_eq!((&identify["rpcVersion"], &identify["eventSubscriptions"]), (&json!(1), &json!(0)));
    if wants_password && identify["authentication"] != PROOF {
        let frame = CloseFrame { code: CloseCode::Library(4009), reason: "Authentication failed.".into() };
        peer.close(Some(frame)).expect("closed");
        while peer.read().is_ok() {}
        return;
    }
    say(&mut peer, 2, &json!({ "negotiatedRpcVersion": 1 }));
    while let Some(request) = hear(&mut peer, 6) {
        // An event that nobody asked for, as OBS sends it.
        say(&mut peer, 5, &json!({ "eventType": "ExitStarted", "eventIntent": 1 }));
        let (status, data) = match carry_out(&request, &mut seen.lock().expect("seen")) {
            Ok(data) => (json!({ "result": true, "code": 100 }), data),
            Err(comment) => (json!({ "result": false, "code": 600, "comment": comment }), Value::Null),
        };
        let response = json!({
            "requestType": request["requestType"], "requestId": request["requestId"],
            "requestStatus": status, "responseData": data,
        });
        say(&mut peer, 7, &response);
    }
}

fn carry_out(request: &Value, seen: &mut Seen) -> Result<Value, String> {
    let (name, data) = (request["requestType"].as_str().expect("a name"), &request["requestData"]);
    seen.requests.push(name.to_owned());
    let is_known = |input: &Value| input == "Mic";
    match name {
        "GetSceneList" => {
            let scenes: Vec<_> = SCENES
                .iter()
                .enumerate()
                .map(|(index, name)| json!({ "sceneIndex": index, "sceneName": name }))
                .collect();
            Ok(json!({ "currentProgramSceneName": seen.scene, "scenes": scenes }))
        }
        "SetCurrentProgramScene" => {
            let name = data["sceneName"].as_str().expect("a name");
            if !SCENES.contains(&name) {
                return Err(format!("No source was found by the name of `{name}`."));
            }
            seen.scene = name.to_owned();
            Ok(Value::Null)
        }
        "ToggleInputMute" if is_known(&data["inputName"]) => {
            seen.muted = !seen.muted;
            Ok(json!({ "inputMuted": seen.muted }))
        }
        "SetInputMute" if is_known(&data["inputName"]) => {
            seen.muted = data["inputMuted"].as_bool().expect("a truth value");
            Ok(Value::Null)
        }
        "SetInputVolume" if is_known(&data["inputName"]) => {
            seen.volume = data["inputVolumeMul"].as_f64().expect("a number");
            Ok(Value::Null)
        }
        "ToggleRecord" => {
            seen.recording = !seen.recording;
            Ok(json!({ "outputActive": seen.recording }))
        }
        _ => Err("no".to_owned()),
    }
}

fn say(peer: &mut WebSocket<TcpStream>, op: u32, data: &Value) {
    // The plugin may have ended.
    let _ = peer.send(Message::text(json!({ "op": op, "d": data }).to_string()));
}

fn hear(peer: &mut WebSocket<TcpStream>, op: u32) -> Option<Value> {
    let mut message: Value = serde_json::from_str(peer.read().ok()?.to_text().ok()?).ok()?;
    assert_eq!(message["op"], op, "{message}");
    Some(message["d"].take())
}

#[test]
fn a_scene_is_switched_with_the_password() {
    let obs = Obs::start(true);
    let (status, report) = obs.exec("scene", &json!({ "name": "Break", "password": PASSWORD }));
    assert_eq!(status, Some(0), "{report}");
    assert_eq!(obs.seen.lock().expect("seen").scene, "Break");
    for (parameters, reason) in [
        (json!({ "name": "Stage", "password": "wrong" }), "4009: Authentication failed."),
        (json!({ "name": "Stage" }), "OBS wants a password"),
        (json!({ "name": "Nowhere", "password": PASSWORD }), "No source was found by the name of `Nowhere`."),
    ] {
        let (status, report) = obs.exec("scene", &parameters);
        assert_eq!(status, Some(1), "{report}");
        assert!(report.to_string().contains(reason), "{report}");
        assert!(!report.to_string().contains(PASSWORD), "{report}");
    }
    assert_eq!(obs.seen.lock().expect("seen").scene, "Break");
}

#[test]
fn calls_share_a_connection_and_open_another_when_it_is_lost() {
    let obs = Obs::start(false);
    let mut plugin = obs.load();
    let scenes = call(&mut *plugin, "scenes", json!({}), Value::Null);
    assert_eq!(scenes, json!({ "scenes": ["Stage", "Close-up", "Break"], "current": "Stage" }));
    for expected in ["Close-up", "Break", "Stage"] {
        let stepped = call(&mut *plugin, "step", json!({}), Value::Null);
        assert_eq!(stepped, json!({ "scene": expected }));
        assert_eq!(obs.seen.lock().expect("seen").scene, expected);
    }
    assert_eq!(call(&mut *plugin, "step", json!({}), json!({ "by": -1 }))["scene"], "Break");
    let muted = call(&mut *plugin, "mute", json!({}), json!({ "input": "Mic" }));
    assert_eq!(muted, json!({ "inputMuted": true }));
    call(&mut *plugin, "mute", json!({}), json!({ "input": "Mic", "muted": false }));
    call(&mut *plugin, "volume", json!({ "value": 127 }), json!({ "input": "Mic" }));
    {
        let seen = obs.seen.lock().expect("seen");
        assert!(!seen.muted && (seen.volume - 1.0).abs() < 1e-9);
        assert_eq!(seen.connections, 1);
    }
    obs.open.lock().expect("open").drain(..).for_each(|stream| {
        stream.shutdown(std::net::Shutdown::Both).expect("shut down");
    });
    thread::sleep(Duration::from_millis(100));
    let recording = call(&mut *plugin, "record", json!({}), Value::Null);
    assert_eq!(recording, json!({ "outputActive": true }));
    assert_eq!(obs.seen.lock().expect("seen").connections, 2);
}

#[test]
fn without_a_grant_that_names_it_nobody_connects() {
    let obs = Obs::start(false);
    let (_directory, plugin) = obs.plugin();
    let grants = [vec![], vec!["--grant", "Network=127.0.0.1"], vec!["--grant", "Network=localhost:4454"]];
    for grant in grants {
        let arguments = [&["--unsigned-ok", "--action", "scenes"], &grant[..]].concat();
        let refused = exec(home().path(), &plugin, &arguments);
        assert_eq!(refused.status, Some(1), "{}", refused.report);
    }
    assert_eq!(obs.seen.lock().expect("seen").connections, 0);
}
