//! Opening the page.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::net::{AddressFamily, SocketType};
use rustix::process::geteuid;
use serde_json::json;

use super::browser::{Page, SILENT, ctl, invite, written};
use crate::scratch::{Scratch, run};

/// The user `nobody` of most systems.
const OTHER_USER: u32 = 65_534;

#[test]
fn a_link_opens_the_page_once() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let (port, token) = invite(&scratch);
    assert_eq!(port, page.port);
    // A one-time token is not the token of a session.
    assert_eq!(
        page.send("GET", "/api/status", &[("authorization", &format!("Bearer {token}"))], b"").status,
        401
    );
    let opened = page.redeem(&token);
    assert_eq!(opened.status, 200, "{opened:?}");
    let again = page.redeem(&token);
    assert_eq!((again.status, again.cause().as_str()), (401, "no-session"));
    for wrong in ["", "x", &"A".repeat(43), &"A".repeat(900)] {
        assert_eq!(page.redeem(wrong).status, 401, "{wrong}");
    }
    let session = opened.json()["token"].as_str().expect("a token").to_owned();
    assert_ne!(session, page.token, "each page has a session of its own");
    for token in [&session, &page.token] {
        let head = [("authorization", &*format!("Bearer {token}"))];
        assert_eq!(page.send("GET", "/api/status", &head, b"").status, 200);
    }
    page.daemon.stop();
}

/// A token is on the command line of the browser that it opens, and other users can read command lines.
#[test]
fn a_link_is_of_no_use_to_another_user() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let (_, token) = invite(&scratch);
    let body = json!({ "token": token }).to_string();
    let (host, length) = (page.host(), body.len().to_string());
    let head = [("host", &*host), ("content-type", "application/json"), ("content-length", &*length)];
    let request = written("POST", "/api/session", &head, body.as_bytes());
    // Only root can become another user for the test; for other users, unit tests cover the check.
    if geteuid().is_root() {
        let script = "exec 3<>/dev/tcp/127.0.0.1/$0; cat >&3; cat <&3";
        let mut shell = Command::new("bash");
        shell.args(["-c", script, &page.port.to_string()]).uid(OTHER_USER).gid(OTHER_USER).current_dir("/");
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash starts");
        shell.stdin.take().expect("standard input").write_all(&request).expect("sent");
        let said = shell.wait_with_output().expect("bash ends").stdout;
        let said = String::from_utf8_lossy(&said);
        assert!(said.starts_with("HTTP/1.1 403 ") && said.contains("another user"), "{said}");
    }
    // The other user's attempt did not use the token up.
    assert_eq!(page.exchange(&request).status, 200);
    page.daemon.stop();
}

#[test]
fn what_is_no_exchange_is_refused() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let (_, token) = invite(&scratch);
    let json = ("content-type", "application/json");
    let body = json!({ "token": token }).to_string();
    assert_eq!(page.send("GET", "/api/session", &[json], b"").status, 405);
    assert_eq!(
        page.send("POST", "/api/session", &[("content-type", "text/plain")], body.as_bytes()).status,
        415
    );
    for (body, status) in [
        ("", 400),
        ("{}", 400),
        ("[]", 400),
        (r#"{"token":1}"#, 400),
        (r#"{"token":"x","more":1}"#, 400),
        (&format!(r#"{{"token":"{}"}}"#, "x".repeat(2000)), 413),
    ] {
        assert_eq!(page.send("POST", "/api/session", &[json], body.as_bytes()).status, status, "{body}");
    }
    // None of these attempts used the token up.
    assert_eq!(page.redeem(&token).status, 200);
    page.daemon.stop();
}

#[test]
fn a_daemon_without_a_page_says_so() {
    let scratch = Scratch::new();
    scratch.config(&SILENT.replace("port = 0", "enabled = false"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    let refused = ctl(&scratch, &["ui", "--print"]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("does not serve the Plugin Manager") && refused.stderr.contains("[ui]"));
    let (_, log) = daemon.stop();
    assert!(!log.contains("http://"), "{log}");
}

#[test]
fn a_port_that_is_taken_is_no_hindrance() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("address").port();
    let scratch = Scratch::new();
    let mut page = Page::open(&scratch, &SILENT.replace("port = 0", &format!("port = {port}")));
    assert_ne!(page.port, port);
    page.daemon.wait_for_log("taken");
    assert_eq!(page.get("/api/status").status, 200);
    page.daemon.stop();
}

#[test]
fn where_there_is_a_display_the_page_is_opened() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    std::fs::create_dir(scratch.path("bin")).expect("directory");
    let opener = scratch.path("bin/xdg-open");
    let open = |script: &str| {
        // Another process writes the program: a test beside this one could pass a file that this process has open for
        // writing on to a child, and a program that is open for writing cannot be started.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
        run("sh", &["-c", write, opener.to_str().expect("text"), script], "dash");
        let mut ctl = scratch.program(env!("CARGO_BIN_EXE_conductorctl"), &["ui"]);
        ctl.env("DISPLAY", ":7").env("PATH", scratch.path("bin"));
        let output = ctl.output().expect("conductorctl starts");
        assert!(output.status.success(), "{output:?}");
        let (said, noted) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
        (said.expect("text").trim().to_owned(), noted.expect("text"))
    };
    let (address, noted) = open("echo \"$1\" > opened");
    assert_eq!(std::fs::read_to_string(scratch.path("opened")).expect("opened").trim(), address);
    assert_eq!(noted, "");
    let (_, noted) = open("exit 3");
    assert!(noted.contains("xdg-open did not open it"), "{noted}");
    page.daemon.stop();
}

#[test]
fn the_address_is_printed_for_programs_too_and_for_nobody_else() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let printed = ctl(&scratch, &["ui", "--json"]);
    let printed: serde_json::Value = serde_json::from_str(&printed.stdout).expect("JSON");
    let url = printed["url"].as_str().expect("an address");
    assert!(url.starts_with(&format!("http://127.0.0.1:{}/#token=", page.port)), "{url}");
    let without_display = ctl(&scratch, &["ui"]);
    assert_eq!(without_display.code, 0, "{without_display:?}");
    assert!(without_display.stderr.contains("there is no display here"), "{without_display:?}");
    let (_, token) = invite(&scratch);
    let session = page.token.clone();
    let (_, log) = page.daemon.stop();
    let audit = std::fs::read_to_string(scratch.path("state/audit.jsonl")).expect("read");
    for secret in [token, session] {
        assert!(!log.contains(&secret) && !audit.contains(&secret));
    }
}

/// The whole of 127.0.0.0/8 leads to this machine. A client at another of its addresses could have the same port as
/// another user's connection, and would be mistaken for that user.
#[test]
fn only_the_usual_loopback_address_is_served() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let (_, token) = invite(&scratch);
    let open = page.connect();
    let port = open.local_addr().expect("address").port();
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), port)).expect("bound");
    rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, page.port)).expect("connected");
    let mut stream = TcpStream::from(socket);
    let body = json!({ "token": token }).to_string();
    let (host, length) = (page.host(), body.len().to_string());
    let head = [("host", &*host), ("content-type", "application/json"), ("content-length", &length)];
    let mut answer = Vec::new();
    // The connection may be closed before anything was sent.
    let _ = stream.write_all(&written("POST", "/api/session", &head, body.as_bytes()));
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(String::from_utf8_lossy(&answer), "");
    assert_eq!(page.redeem(&token).status, 200, "the link still works");
    page.daemon.stop();
}
