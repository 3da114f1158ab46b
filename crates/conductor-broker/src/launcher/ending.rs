//! Programs that were told to end: nobody waits for them, and one thread clears up after all of them.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::Child;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::Builder;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::keeper::Keeper;

/// The processes of one program, from its launch until the kernel says that none is left.
pub(super) struct Processes {
    launcher: Option<(Child, OwnedFd)>,
    /// The first process of its namespace, once it is known. The namespace ends with it.
    pub(super) keeper: Option<Keeper>,
    place: Option<Place>,
}

/// What is given back when nothing of a program is left.
pub(crate) type Place = Box<dyn Send>;

impl Processes {
    /// A launcher that was started now.
    pub(super) fn new(mut launcher: Child, place: Place) -> io::Result<Self> {
        match pidfd_open(Pid::from_child(&launcher), PidfdFlags::empty()) {
            Ok(descriptor) => {
                Ok(Self { launcher: Some((launcher, descriptor)), keeper: None, place: Some(place) })
            }
            Err(errno) => {
                // Without instruction it ends by itself, also if it cannot be killed.
                let _ = launcher.kill();
                Err(errno.into())
            }
        }
    }

    /// Whether the launcher lives, so that its end will still be the keeper's.
    pub(super) fn launcher_lives(&mut self) -> bool {
        self.launcher.as_mut().is_some_and(|(launcher, _)| matches!(launcher.try_wait(), Ok(None)))
    }

    /// What is readable when the launcher has ended.
    pub(super) fn launcher_end(&self) -> Option<BorrowedFd<'_>> {
        self.launcher.as_ref().map(|(_, descriptor)| descriptor.as_fd())
    }

    /// Has the kernel end them; whether and when they do is not waited for.
    pub(super) fn kill(&mut self) {
        // The launcher takes note of the keeper's end and ends with it. Whatever has ended already is no failure.
        match (&self.keeper, &mut self.launcher) {
            (Some(keeper), _) => drop(pidfd_send_signal(keeper, Signal::KILL)),
            (None, Some((launcher, _))) => drop(launcher.kill()),
            (None, None) => {}
        }
    }

    /// Clears up after those that have ended; whether all have.
    fn clear_up(&mut self) -> bool {
        if self.keeper.as_ref().is_some_and(Keeper::has_ended) {
            (self.keeper, self.place) = (None, None);
        }
        if !self.launcher_lives() {
            self.launcher = None;
        }
        self.keeper.is_none() && self.launcher.is_none()
    }

    /// What becomes readable when one of them has ended.
    fn ends(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let keeper = self.keeper.as_ref().map(|keeper| keeper.as_fd());
        keeper.into_iter().chain(self.launcher_end())
    }
}

/// The one thread that clears up.
pub(super) struct Undertaker {
    arrived: Mutex<Vec<Processes>>,
    wake: OwnedFd,
}

impl Undertaker {
    /// The one of this process, which is started for the first program.
    pub(super) fn get() -> io::Result<&'static Self> {
        static ONE: OnceLock<Undertaker> = OnceLock::new();
        static START: Mutex<()> = Mutex::new(());
        let _turn = START.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = ONE.get() {
            return Ok(one);
        }
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let thread = Builder::new().name("ended programs".into());
        let one = Self { arrived: Mutex::default(), wake };
        // The thread begins with a wait, which ends when the first program arrives.
        thread.spawn(move || {
            if let Ok(one) = Self::get() {
                one.work(&woken);
            }
        })?;
        Ok(ONE.get_or_init(|| one))
    }

    /// Takes over the processes of a program that were told to end.
    pub(super) fn take(&self, mut processes: Processes) {
        if !processes.clear_up() {
            self.arrived.lock().unwrap_or_else(PoisonError::into_inner).push(processes);
            // A pipe that is full wakes as well.
            let _ = rustix::io::write(&self.wake, &[0]);
        }
    }

    fn work(&self, woken: &OwnedFd) {
        let mut ending: Vec<Processes> = Vec::new();
        loop {
            let mut files = vec![PollFd::new(woken, PollFlags::IN)];
            let ends = ending.iter().flat_map(Processes::ends);
            files.extend(ends.map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN)));
            // A wait that fails or is interrupted is begun again.
            let _ = poll(&mut files, None);
            let _ = rustix::io::read(woken, &mut [0; 64]);
            ending.append(&mut self.arrived.lock().unwrap_or_else(PoisonError::into_inner));
            ending.retain_mut(|processes| !processes.clear_up());
        }
    }
}
