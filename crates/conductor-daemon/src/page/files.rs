//! The files of the page, which are part of the program.

use hyper::StatusCode;
use hyper::body::Bytes;

use super::reply::{self, Reply};

/// A file: its name, its type, its bytes.
type File = (&'static str, &'static str, &'static [u8]);

/// The file that `/` stands for.
const INDEX: &str = "index.html";

macro_rules! file {
    ($name:literal) => {
        ($name, media_type($name), include_bytes!(concat!("../../page/", $name)))
    };
}

/// Every file. No file holds a secret, so none needs a session.
const FILES: &[File] = &[
    file!("accept.js"),
    file!("app.js"),
    file!("capabilities.js"),
    file!("daemon.js"),
    file!("dialog.js"),
    file!("dom.js"),
    file!("grants.js"),
    file!("icon.svg"),
    file!("icons.js"),
    file!("index.html"),
    file!("live.js"),
    file!("own.js"),
    file!("panic.js"),
    file!("parts.js"),
    file!("run.js"),
    file!("state.js"),
    file!("style.css"),
    file!("text.js"),
    file!("toast.js"),
    file!("view-activity.js"),
    file!("view-install.js"),
    file!("view-keys.js"),
    file!("view-plugin.js"),
    file!("view-plugins.js"),
    file!("view-protection.js"),
];

const fn media_type(name: &str) -> &'static str {
    match name.as_bytes() {
        [.., b'.', b'h', b't', b'm', b'l'] => "text/html; charset=utf-8",
        [.., b'.', b'c', b's', b's'] => "text/css; charset=utf-8",
        [.., b'.', b'j', b's'] => "text/javascript; charset=utf-8",
        [.., b'.', b's', b'v', b'g'] => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// The file at a path.
pub(super) fn find(path: &str) -> Option<Reply> {
    let wanted = path.strip_prefix('/').map(|name| if name.is_empty() { INDEX } else { name })?;
    let (_, media_type, bytes) = FILES.iter().find(|(name, _, _)| *name == wanted)?;
    Some(reply::whole(StatusCode::OK, media_type, Bytes::from_static(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser loads at first: the files that the document names, and what scripts import at once.
    fn first_load() -> Vec<&'static File> {
        let text = |file: &File| std::str::from_utf8(file.2).expect("text");
        let mut loaded: Vec<&File> = FILES.iter().filter(|(name, _, _)| *name == INDEX).collect();
        let mut place = 0;
        while let Some(file) = loaded.get(place) {
            let text = text(file);
            let names = |name: &str| match file.0.rsplit_once('.') {
                Some((_, "html")) => {
                    text.contains(&format!("\"/{name}\"")) || text.contains(&format!("\"{name}\""))
                }
                _ => {
                    text.contains(&format!("from './{name}'")) || text.contains(&format!("import './{name}'"))
                }
            };
            let more: Vec<&File> = FILES.iter().filter(|(name, _, _)| names(name)).collect();
            for file in more {
                if !loaded.iter().any(|known| known.0 == file.0) {
                    loaded.push(file);
                }
            }
            place += 1;
        }
        loaded
    }

    #[test]
    fn the_page_is_small_and_whole() {
        let first = first_load();
        assert!(first.iter().any(|(name, _, _)| *name == "app.js" || *name == "run.js"));
        let bytes: usize = first.iter().map(|(_, _, bytes)| bytes.len()).sum();
        assert!(bytes < 100_000, "{bytes} bytes to load at first");
        assert!(FILES.iter().all(|(_, media_type, _)| *media_type != "application/octet-stream"));
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
        let there = std::fs::read_dir(directory).expect("files of the page").count();
        assert_eq!(FILES.len(), there, "every file in {directory} is in the list");
    }
}
