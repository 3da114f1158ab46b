//! Two processes that pass the same bytes to and fro through pipes, and do nothing else.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::stage::Result;

/// The other process, which runs this program too.
pub(crate) struct Ping {
    child: Child,
    to: Option<ChildStdin>,
    from: ChildStdout,
    buffer: Vec<u8>,
}

impl Ping {
    pub(crate) fn start(bytes: usize) -> Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.args(["pong", &bytes.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take().ok_or("no pipe")?);
        Ok(Self { child, to, from, buffer: vec![0; bytes] })
    }

    /// Sends the bytes and reads them back.
    pub(crate) fn round(&mut self, payload: &[u8]) -> Result<()> {
        self.to.as_mut().ok_or("no pipe")?.write_all(payload)?;
        self.from.read_exact(&mut self.buffer)?;
        Ok(())
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        self.to = None;
        let _ = self.child.wait();
    }
}

/// The other process: sends back what it reads, until its input ends.
pub(crate) fn pong(bytes: usize) -> Result<()> {
    // The buffers of the standard streams would add copies.
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let (stdin, stdout) = (std::os::fd::AsFd::as_fd(&stdin), std::os::fd::AsFd::as_fd(&stdout));
    let mut from = std::fs::File::from(stdin.try_clone_to_owned()?);
    let mut to = std::fs::File::from(stdout.try_clone_to_owned()?);
    let mut buffer = vec![0; bytes];
    while from.read_exact(&mut buffer).is_ok() {
        to.write_all(&buffer)?;
    }
    Ok(())
}
