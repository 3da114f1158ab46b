//! Work on the thread of the network that a plugin waits for.

use std::future::Future;
use std::time::Instant;

use conductor_abi::Capability;
use conductor_call::Refusal;
use tokio::task::AbortHandle;

use crate::capability::{Call, granted, waiting};

use super::check_target;
use super::secrets::Carried;
use super::target::Target;

/// Has work done on the service's thread, and waits for it on the calling one. It ends when the target is no longer granted,
/// or a secret that the request carries was taken away.
pub(super) fn carry_out<T: Send + 'static>(
    target: &Target,
    carried: &Carried,
    call: &Call<'_>,
    deadline: Instant,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Refusal> {
    let session = call.session;
    let service = session.http().started(session.devices())?;
    let still_granted = || {
        check_target(target, granted(&call.grants(), Capability::Network)?)?;
        carried.check(target)
    };
    waiting::until_done(target, call, deadline, still_granted, |finish| {
        let task = service.runtime().spawn(async move { finish.with(work.await) });
        Ok(AbortOnDrop(task.abort_handle()))
    })
}

/// Ends a task that nobody waits for any more, and with it the connection.
pub(super) struct AbortOnDrop(pub(super) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
