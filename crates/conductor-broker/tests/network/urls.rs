//! Where a request goes whose URL is in the table `tests/vectors/url/hosts.toml`, and whether a grant lets it.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use conductor_abi::Status;
use conductor_broker::devices::{Devices, NameResolver};
use conductor_broker::{Broker, Session};
use serde::Deserialize;

use crate::{get, grants, limits, table, text};

/// A URL with its verdict; what a scope covers beside that is judged by the tests of `conductor-policy`.
#[derive(Deserialize)]
struct Vector {
    name: String,
    url: String,
    host: Option<String>,
    #[serde(default)]
    covers: Vec<String>,
    #[serde(default)]
    misses: Vec<String>,
    #[serde(default)]
    userinfo: bool,
}

impl table::Named for Vector {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Whether a host is a name and no address.
fn is_name(host: &str) -> bool {
    !host.starts_with('[') && host.parse::<IpAddr>().is_err()
}

/// Remembers which names are asked for, and knows none.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl NameResolver for Asked {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Asks for a URL under a grant; the status, the text, and the names that were asked for.
struct Judge {
    broker: Broker,
    asked: Arc<Asked>,
}

impl Judge {
    fn session(&self, scope: &str) -> Arc<Session> {
        self.broker.session("test", grants(None, &[&format!("Network={scope}")]), &limits())
    }

    fn ask(&self, scope: &str, url: &str) -> (Status, String, Vec<String>) {
        let answer = get(&self.session(scope), url);
        let asked = std::mem::take(&mut *self.asked.0.lock().unwrap_or_else(PoisonError::into_inner));
        (answer.status, text(&answer), asked)
    }
}

#[test]
fn a_request_goes_to_the_host_that_the_standard_says_if_a_grant_covers_it() {
    let asked = Arc::new(Asked::default());
    let names: Arc<dyn NameResolver> = Arc::clone(&asked) as Arc<dyn NameResolver>;
    let judge = Judge { broker: Broker::new(Devices { names, ..Devices::default() }), asked };
    let mut wrong = Vec::new();
    for vector in table::read::<Vector>("url/hosts.toml", 200) {
        let Vector { name, url, host, covers, misses, userinfo } = &vector;
        let mut expect = |scope: &str, expected: Status, host: Option<&str>| {
            let (status, said, asked) = judge.ask(scope, url);
            if status != expected || !asked.iter().map(String::as_str).eq(host) {
                wrong.push(format!(
                    "{name}: {url:?} under `{scope}`: {status:?} {said:?}, asked for {asked:?}"
                ));
            }
        };
        let Some(host) = host.as_ref().filter(|_| !userinfo) else {
            expect("*:*", Status::Invalid, None);
            continue;
        };
        for scope in misses {
            expect(scope, Status::Denied, None);
        }
        // An address would be connected to.
        for scope in covers.iter().filter(|_| is_name(host)) {
            expect(scope, Status::Failed, Some(host.strip_suffix('.').unwrap_or(host)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
