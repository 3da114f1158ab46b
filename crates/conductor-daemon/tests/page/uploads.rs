//! Files that a page uploads before they are installed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::browser::{Answer, Page, SILENT};
use crate::scratch::{LENIENT, Scratch};
use crate::wasm;

fn upload(page: &Page, path: &str, bytes: &[u8]) -> Answer {
    page.send("POST", path, &[("authorization", &page.bearer())], bytes)
}

#[test]
fn an_upload_is_looked_at_installed_and_gone() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, &format!("{LENIENT}{SILENT}"));
    #[expect(clippy::disallowed_methods, reason = "a module that was just built is not too large")]
    let module = std::fs::read(wasm::fixture("hostile")).expect("read");
    let staged = upload(&page, "/api/uploads", &module);
    assert_eq!(staged.status, 201, "{staged:?}");
    let (id, path) = (staged.json()["upload"].clone(), staged.json()["path"].clone());
    let (id, path) = (id.as_str().expect("an id"), path.as_str().expect("a path"));
    assert!(path.starts_with(scratch.path("state/uploads").to_str().expect("text")), "{path}");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(Path::new(path)), mode(&scratch.path("state/uploads"))), (0o600, 0o700));
    assert_eq!(upload(&page, &format!("/api/uploads/{id}/signature"), b"{}").status, 204);
    assert_eq!(upload(&page, &format!("/api/uploads/{id}/signature"), &[b' '; 70_000]).status, 413);

    let request = json!({ "plugin": "mine", "path": path });
    let preview = page.ask(&json!({ "plugin-preview": request }));
    let preview = preview.response()["plugin-preview"].clone();
    assert_eq!(
        (&preview["trust_level"], &preview["accepted"]),
        (&json!("invalid"), &json!(true)),
        "{preview}"
    );
    assert_eq!(preview["bytes"].as_u64(), Some(module.len() as u64));
    assert_eq!(page.get("/api/plugins").response()["plugin-list"]["plugins"], json!([]), "nothing of it ran");

    let (plugin, shown) = (&request["plugin"], &preview["id"]);
    let install = json!({ "plugin": plugin, "path": request["path"], "shown": shown });
    let installed = page.ask(&json!({ "plugin-install": install }));
    assert_eq!(installed.response()["plugin-install"]["started"], json!(["mine"]), "{installed:?}");
    let delete = |id: &str| {
        page.send("DELETE", &format!("/api/uploads/{id}"), &[("authorization", &page.bearer())], b"").status
    };
    assert_eq!((delete(id), delete(id), delete(".."), delete("")), (204, 404, 404, 404));
    assert!(!Path::new(path).exists());
    for path in ["/api/uploads/x/signature", "/api/uploads/../signature", "/api/uploads/x/y/z"] {
        assert_eq!(upload(&page, path, b"x").status, 404, "{path}");
    }
    upload(&page, "/api/uploads", b"left behind");
    page.daemon.stop();
    assert!(!scratch.path("state/uploads").exists(), "nothing is left behind");
}

#[test]
fn uploads_are_bounded_in_size_and_number() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.path("state/uploads/old")).expect("directory");
    let page = Page::open(&scratch, &format!("[wasm]\nmax_module_bytes = 5000\n{SILENT}"));
    let count = || std::fs::read_dir(scratch.path("state/uploads")).map_or(0, Iterator::count);
    assert_eq!(count(), 0, "what an earlier run left behind is gone");
    let refused = upload(&page, "/api/uploads", &[0; 5001]);
    assert_eq!((refused.status, refused.cause().as_str(), count()), (413, "too-large", 0));
    for _ in 0..9 {
        assert_eq!(upload(&page, "/api/uploads", &[0; 5000]).status, 201);
    }
    assert_eq!(count(), 4);
    // An upload that breaks off leaves no file, and gives up its place soon.
    let (host, bearer) = (page.host(), page.bearer());
    let head = [("host", host.as_str()), ("authorization", bearer.as_str()), ("content-length", "4000")];
    let mut stream = page.connect();
    std::io::Write::write_all(&mut stream, &super::browser::written("POST", "/api/uploads", &head, b"x"))
        .expect("sent");
    drop(stream);
    let deadline = std::time::Instant::now() + crate::scratch::PATIENCE;
    while count() != 3 {
        assert!(std::time::Instant::now() < deadline, "{} uploads", count());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    page.daemon.stop();
}

#[test]
fn what_is_being_uploaded_is_not_ended_by_another() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let (host, bearer) = (page.host(), page.bearer());
    let head = [("host", host.as_str()), ("authorization", bearer.as_str()), ("content-length", "4000")];
    let begun = super::browser::written("POST", "/api/uploads", &head, b"x");
    let mut streams: Vec<_> = (0..4).map(|_| page.connect()).collect();
    for stream in &mut streams {
        std::io::Write::write_all(stream, &begun).expect("sent");
    }
    let count = || std::fs::read_dir(scratch.path("state/uploads")).map_or(0, Iterator::count);
    let deadline = std::time::Instant::now() + crate::scratch::PATIENCE;
    while count() != 4 {
        assert!(std::time::Instant::now() < deadline, "{} uploads", count());
    }
    let refused = upload(&page, "/api/uploads", b"one more");
    assert_eq!(refused.cause(), "not-called", "{refused:?}");
    assert_eq!(count(), 4);
    drop(streams);
    page.daemon.stop();
}

#[test]
fn what_is_installed_is_what_was_looked_at() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, &format!("{LENIENT}{SILENT}"));
    let path = scratch.path("plugin.wasm");
    std::fs::copy(wasm::fixture("hostile"), &path).expect("copied");
    let preview = page.ask(&json!({ "plugin-preview": { "plugin": "mine", "path": path } })).response();
    let shown = preview["plugin-preview"]["id"].clone();
    std::fs::copy(wasm::fixture("legacy"), &path).expect("swapped");
    let install = json!({ "plugin-install": { "plugin": "mine", "path": path, "shown": shown } });
    let refused = page.ask(&install);
    assert_eq!(refused.cause(), "not-as-shown", "{refused:?}");
    std::fs::copy(wasm::fixture("hostile"), &path).expect("back");
    // A signer who signs the file after the preview is not the signer whom the preview showed.
    scratch.conductor_sign(&["generate-key", "key"]);
    scratch.conductor_sign(&["sign", "plugin.wasm", "key", "--name", "Eve", "--email", "eve@example.org"]);
    let refused = page.ask(&install);
    assert_eq!(refused.cause(), "not-as-shown", "{refused:?}");
    std::fs::remove_file(scratch.path("plugin.wasm.sig")).expect("back");
    let installed = page.ask(&install).response();
    assert_eq!(installed["plugin-install"]["started"], json!(["mine"]), "{installed}");
    page.daemon.stop();
}
