//! One signal to end, for everything that waits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};

/// Tells threads to end. Clones share the signal.
///
/// The signal is a flag and a pipe, so that a thread can wait for it together with a file or a socket.
#[derive(Clone, Debug)]
pub struct Stop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stopped: Arc<AtomicBool>,
    reader: OwnedFd,
    writer: OwnedFd,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The signal was given.
    Stopped,
    /// The time is up.
    Elapsed,
    /// The file can be read, or has an error to report.
    Ready,
}

impl Stop {
    /// A signal that has not been given.
    ///
    /// # Errors
    ///
    /// Fails if no pipe can be made.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Inner { stopped: Arc::default(), reader, writer })))
    }

    /// Gives the signal, which then stays given.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        // A full pipe wakes readers like one byte does, so a failure to write is ignored. Nobody reads from the pipe.
        let _ = rustix::io::write(&self.0.writer, &[1]);
    }

    /// Gives the signal when the process receives one of `signals`. A second such signal ends the process at once, with
    /// `status`.
    ///
    /// # Errors
    ///
    /// Fails if a signal cannot be caught.
    pub fn on_signals(&self, signals: &[i32], status: i32) -> io::Result<()> {
        for signal in signals {
            // The order matters: only a signal that finds the flag set already ends the process.
            signal_hook::flag::register_conditional_shutdown(*signal, status, Arc::clone(&self.0.stopped))?;
            signal_hook::flag::register(*signal, Arc::clone(&self.0.stopped))?;
            signal_hook::low_level::pipe::register(*signal, self.0.writer.try_clone()?)?;
        }
        Ok(())
    }

    /// Whether the signal was given.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::SeqCst)
    }

    /// Waits until `deadline`.
    pub fn wait_until(&self, deadline: Instant) -> Wake {
        self.wait(None, Some(deadline))
    }

    /// Waits for `timeout`.
    pub fn wait_for(&self, timeout: Duration) -> Wake {
        self.wait_until(Instant::now() + timeout)
    }

    /// Waits until `file` can be read.
    pub fn wait_readable(&self, file: &impl AsFd) -> Wake {
        self.wait(Some(file.as_fd()), None)
    }

    /// Waits until `file` can be read, or until `deadline` if there is one.
    pub fn wait_readable_until(&self, file: &impl AsFd, deadline: Option<Instant>) -> Wake {
        self.wait(Some(file.as_fd()), deadline)
    }

    /// A file that becomes readable when the signal is given, for threads that wait for several things.
    pub fn as_file(&self) -> BorrowedFd<'_> {
        self.0.reader.as_fd()
    }

    fn wait(&self, file: Option<BorrowedFd<'_>>, deadline: Option<Instant>) -> Wake {
        loop {
            if self.is_stopped() {
                return Wake::Stopped;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Wake::Elapsed;
            }
            let timeout = left.map(|left| Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            });
            let own = PollFd::new(&self.0.reader, PollFlags::IN);
            let mut files =
                [own.clone(), file.map_or(own, |file| PollFd::from_borrowed_fd(file, PollFlags::IN))];
            // An interrupted or failed poll is repeated, after the checks above.
            let ready = poll(&mut files, timeout.as_ref());
            if ready.is_ok() && file.is_some() && files.iter().skip(1).any(|file| !file.revents().is_empty())
            {
                return if self.is_stopped() { Wake::Stopped } else { Wake::Ready };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_time_the_file_or_the_signal() {
        let stop = Stop::new().expect("pipe");
        assert_eq!(stop.wait_for(Duration::from_millis(5)), Wake::Elapsed);
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        rustix::io::write(&writer, b"x").expect("write");
        assert_eq!(stop.wait_readable(&reader), Wake::Ready);
        let waiting = std::thread::spawn({
            let stop = stop.clone();
            move || stop.wait_for(Duration::from_secs(60))
        });
        stop.stop();
        assert_eq!(waiting.join().expect("thread"), Wake::Stopped);
        assert_eq!(stop.wait_readable(&reader), Wake::Stopped);
    }
}
