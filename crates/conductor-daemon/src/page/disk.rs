//! Work on files for the page, away from its thread: a disk that hangs holds up who asked for it and nobody else.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Most pieces of work at once. Each has a thread while it lasts.
const MAX_AT_ONCE: usize = 8;

/// The threads that work on files.
pub(super) struct Disk {
    room: Arc<Semaphore>,
}

/// Why work was not begun, or not ended.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotDone {
    /// As much work as can be at once is under way, so the disk is slow or hangs.
    #[error("the disk does not keep up")]
    Busy,
    /// The thread of the work ended before the work did.
    #[error("the work was cut short")]
    CutShort,
}

impl Default for Disk {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(MAX_AT_ONCE)) }
    }
}

impl Disk {
    /// Does the work on a thread of its own. Work that has begun goes on even if nobody waits for it any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let permit = Arc::clone(&self.room).try_acquire_owned().map_err(|_| NotDone::Busy)?;
        let done = spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await.map_err(|_| NotDone::CutShort)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use futures_util::future::{join, join_all};

    use super::*;

    #[test]
    fn work_that_hangs_holds_up_itself_alone_and_more_of_it_is_refused() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let disk = Disk::default();
        let (go_on, hung) = mpsc::channel::<()>();
        let hung = Arc::new(Mutex::new(hung));
        let wait = |number: usize| {
            let hung = Arc::clone(&hung);
            disk.run(move || {
                hung.lock().expect("unpoisoned").recv().expect("goes on");
                number
            })
        };
        runtime.block_on(async {
            let waiting = join_all((0..MAX_AT_ONCE).map(wait));
            let meanwhile = async {
                // The work above has begun: its futures were polled first.
                assert_eq!(disk.run(|| ()).await, Err(NotDone::Busy));
                (0..MAX_AT_ONCE).for_each(|_| go_on.send(()).expect("waits"));
            };
            let (done, ()) = join(waiting, meanwhile).await;
            assert_eq!(done, (0..MAX_AT_ONCE).map(Ok).collect::<Vec<_>>());
            assert_eq!(disk.run(|| "later").await, Ok("later"));
        });
    }
}
