//! What becomes of a secret whose placeholder is in the table `tests/vectors/secrets/placeholders.toml`.

use conductor_abi::{HttpRequest, Op, Status, WebSocketOpen};
use serde::Deserialize;

use crate::world::{SECRET, World, ask, text};
use crate::{log, table};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    #[serde(rename = "clause")]
    _clause: String,
    #[serde(rename = "why")]
    _why: Option<String>,
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    protocols: String,
    verdict: Verdict,
    elsewhere: Option<Elsewhere>,
    says: Option<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Filled,
    Plain,
    Refused,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Elsewhere {
    Plain,
    Nothing,
}

impl table::Named for Vector {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Vector {
    fn headers(&self) -> Vec<(String, String)> {
        let many = "{secret:token}".repeat(1100);
        let headers = self.headers.iter();
        headers.map(|(name, value)| (name.clone(), value.replace("MANY", &many))).collect()
    }
}

/// What is wrong with what became of a vector.
fn judge(world: &World, vector: &Vector) -> Vec<String> {
    let before: Vec<usize> = world.servers().iter().map(|server| server.requests().len()).collect();
    world.records.take();
    let session = world.session();
    let (url, headers) = (world.with_ports(&vector.url), vector.headers());
    let fields: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let is_socket = vector.url.starts_with("ws");
    let answer = if is_socket {
        let request = WebSocketOpen { url: &url, protocols: &vector.protocols, headers: fields };
        ask(&session, Op::WebSocketOpen, &request)
    } else {
        let method = vector.method.as_deref().unwrap_or("GET");
        let request = HttpRequest { method, url: &url, headers: fields, body: vector.body.as_bytes() };
        ask(&session, Op::HttpRequest, &request)
    };
    drop(session);
    let (records, said) = (world.records.take(), text(&answer));
    let arrived: Vec<Vec<String>> = world
        .servers()
        .iter()
        .zip(&before)
        .map(|(server, before)| server.requests().split_off(*before))
        .collect();
    let all: Vec<&String> = arrived.iter().flatten().collect();

    let mut wrong = Vec::new();
    let mut expect = |is_so: bool, what: &str| {
        if !is_so {
            wrong.push(format!("{}: {what}: {said:?}, arrived {all:?}", vector.name));
        }
    };
    expect(!said.contains(SECRET), "the secret is in the answer");
    expect(!records.contains(SECRET), "the secret is in the audit");
    expect(!log::holds(SECRET), "the secret is in the log");
    if let Some(says) = &vector.says {
        expect(said.contains(says), "it says something else");
    }
    let has_first = arrived.iter().filter(|requests| !requests.is_empty()).count();
    match vector.verdict {
        Verdict::Refused => {
            expect(answer.status != Status::Ok, "it is not refused");
            expect(all.is_empty(), "something arrived");
        }
        Verdict::Plain => {
            expect(answer.status == Status::Ok && all.len() == 1, "it did not arrive once");
            expect(all.iter().all(|request| !request.contains(SECRET)), "the secret arrived");
            expect(all.iter().all(|request| request.ends_with(&vector.body)), "the body did not arrive");
        }
        Verdict::Filled => {
            let is_answered = answer.status == Status::Ok || is_socket || vector.says.is_some();
            expect(is_answered, "it is not answered");
            let full = |request: &String| {
                headers.iter().all(|(name, value)| {
                    let line = format!("{name}: {}\r\n", value.replace("{secret:token}", SECRET));
                    request.contains(&line)
                })
            };
            expect(all.iter().any(|request| full(request)), "the secret did not arrive");
            expect(records.contains("with the secret `token`"), "the audit does not name it");
            let elsewhere = all.iter().filter(|request| !full(request)).count();
            match vector.elsewhere {
                Some(Elsewhere::Plain) => expect(elsewhere == 1, "nothing arrived elsewhere"),
                Some(Elsewhere::Nothing) | None => expect(elsewhere == 0, "something else arrived"),
            }
            expect(
                all.iter().filter(|request| !full(request)).all(|request| !request.contains(SECRET)),
                "the secret arrived elsewhere",
            );
            expect(has_first == 1 + elsewhere, "it arrived at another server");
        }
    }
    let is_literal = |request: &&String| request.to_ascii_lowercase().contains("{secret:token");
    expect(!all.iter().any(is_literal), "a placeholder arrived as it is");
    wrong
}

#[test]
fn a_secret_goes_to_its_hosts_and_nowhere_else() {
    let world = World::new();
    let vectors = table::read::<Vector>("secrets/placeholders.toml", 50);
    let wrong: Vec<String> = vectors.iter().flat_map(|vector| judge(&world, vector)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
