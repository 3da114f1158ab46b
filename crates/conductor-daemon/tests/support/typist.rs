//! A person at a terminal.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A person who types a command on a terminal and answers its questions. The terminal is that of `script`, which every
/// Debian has.
pub(crate) struct Typist {
    child: Child,
    shown: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Typist {
    /// Types the command line. `script` is the command for the program `script`, with the environment of the typed
    /// command.
    pub(crate) fn start(mut script: Command, program: &str, words: &[&str]) -> Self {
        let quoted: Vec<String> =
            words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        let line = format!("{program} {}", quoted.join(" "));
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("SHELL", "/bin/sh");
        let mut child =
            script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script is part of bsdutils");
        let shown = Arc::new(Mutex::new(String::new()));
        let mut output = child.stdout.take().expect("output");
        let reader = std::thread::spawn({
            let shown = Arc::clone(&shown);
            move || {
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = output.read(&mut piece) {
                    shown.lock().expect("text").push_str(&String::from_utf8_lossy(&piece[..count]));
                }
            }
        });
        Self { child, shown, reader }
    }

    /// Waits for a question whose answer stays hidden, and until the terminal no longer shows input. Then types the
    /// answer.
    #[allow(dead_code, reason = "not every test of a terminal has something to hide")]
    pub(crate) fn answer_unseen(&mut self, question: &str, answer: &str) {
        self.wait_for(question);
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.shows_what_is_typed() {
            assert!(Instant::now() < deadline, "{question:?}: the answer would be shown");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.type_in(answer);
    }

    /// Waits for a question and types the answer.
    pub(crate) fn answer(&mut self, question: &str, answer: &str) {
        self.wait_for(question);
        self.type_in(answer);
    }

    /// Whether the terminal shows what is typed.
    fn shows_what_is_typed(&self) -> bool {
        let script = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{script}/task/{script}/children"));
        let children = children.expect("script runs");
        let shell = children.split_whitespace().next().expect("script runs a shell");
        let terminal = std::fs::read_link(format!("/proc/{shell}/fd/0")).expect("a terminal");
        let modes = Command::new("stty").arg("-F").arg(terminal).arg("-a").output().expect("stty runs");
        !String::from_utf8_lossy(&modes.stdout).contains(" -echo ")
    }

    /// Waits until the terminal's output ends with this question.
    pub(crate) fn wait_for(&self, question: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.shown.lock().expect("text").ends_with(question) {
            assert!(
                Instant::now() < deadline,
                "{question:?} was not asked: {}",
                self.shown.lock().expect("text")
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Types a line.
    pub(crate) fn type_in(&mut self, answer: &str) {
        let input = self.child.stdin.as_mut().expect("input");
        input.write_all(format!("{answer}\n").as_bytes()).expect("typed");
        input.flush().expect("typed");
    }

    /// Waits for the end. Returns the exit status and everything that the terminal showed.
    pub(crate) fn end(mut self) -> (i32, String) {
        let status = self.child.wait().expect("ended");
        self.reader.join().expect("all was read");
        let shown = self.shown.lock().expect("text").clone();
        (status.code().expect("an exit status"), shown)
    }
}
