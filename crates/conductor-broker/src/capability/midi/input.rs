//! Receiving: a plugin subscribes to an input and takes the messages that have come since it last looked.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use conductor_abi::{Capability, MidiMessage, MidiReceived, Risk};
use conductor_call::{Caller, Refusal};
use conductor_policy::grant::{Grant, Grants};
use conductor_policy::scope::{Excerpt, written};

use super::{MAX_PORT_BYTES, SYSEX, covered_ports, covers, is_covered, refusal};
use crate::capability::continuation::{Closable, Continuation};
use crate::capability::listing::Listing;
use crate::capability::{Call, LOOK_FOR_CALLER_EVERY, Operation, decode, encode};
use crate::handles::Live;

/// Most messages that wait for a plugin; what comes then is counted.
const MAX_WAITING: usize = 4096;

/// Most bytes of the messages that wait, and of those that are taken at once.
const MAX_WAITING_BYTES: usize = 256 * 1024;

/// Lists the inputs that a plugin may subscribe to.
pub(crate) struct Inputs;

/// Subscribes to an input.
pub(crate) struct Subscribe;

/// Takes the messages that have come.
pub(crate) struct Receive;

/// What came from one input and was not taken yet.
#[derive(Default)]
struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<MidiMessage>,
    bytes: usize,
    missed: u64,
    is_over: bool,
}

impl Inbox {
    fn put(&self, timestamp: u64, bytes: &[u8]) {
        let mut state = self.lock();
        if state.is_over {
            return;
        }
        if state.waiting.len() >= MAX_WAITING || state.bytes + bytes.len() > MAX_WAITING_BYTES {
            state.missed += 1;
            return;
        }
        state.bytes += bytes.len();
        state.waiting.push_back(MidiMessage { timestamp, bytes: bytes.to_vec() });
        drop(state);
        self.changed.notify_all();
    }

    /// Takes what is there, waiting for the first until `deadline` or until `caller` is gone; none once it is over.
    fn take(&self, deadline: Instant, caller: &dyn Caller) -> Option<MidiReceived> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !state.waiting.is_empty() || left.is_zero() || caller.is_gone() {
                state.bytes = 0;
                let messages = std::mem::take(&mut state.waiting).into();
                return Some(MidiReceived { messages, missed: std::mem::take(&mut state.missed) });
            }
            state = self
                .changed
                .wait_timeout(state, left.min(LOOK_FOR_CALLER_EVERY))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn end(&self) {
        *self.lock() = State { is_over: true, ..State::default() };
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subscription.
pub(crate) struct Subscription {
    port: String,
    /// Whether it is for System Exclusive messages as well.
    sysex: bool,
    inbox: Arc<Inbox>,
    /// Ends the delivery when it is dropped.
    _delivery: Box<dyn Send + Sync>,
}

impl Live for Subscription {
    fn is_covered(&self, grants: &Grants) -> bool {
        is_covered(grants, &self.port, self.sysex)
    }

    fn end(&self) {
        self.inbox.end();
    }

    fn has_ended(&self) -> bool {
        self.inbox.lock().is_over
    }
}

impl Closable for Subscription {
    const CAPABILITY: Capability = Capability::Midi;
    const CLOSING: &'static str = "midi-unsubscribe";
}

impl Listing for Inputs {
    const CAPABILITY: Capability = Capability::Midi;
    const NAME: &'static str = "midi-inputs";

    fn list(grant: &Grant, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        covered_ports(grant, call.session.devices().midi_inputs.ports())
    }
}

/// An input to subscribe to.
pub(crate) struct Port<'a>(&'a str);

impl fmt::Display for Port<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Excerpt::new(self.0).fmt(f)
    }
}

impl Operation for Subscribe {
    const CAPABILITY: Capability = Capability::Midi;
    const NAME: &'static str = "midi-subscribe";
    type Request<'a> = Port<'a>;
    /// Whether System Exclusive messages are delivered as well.
    type Permit = bool;

    fn parse(request: &[u8]) -> Result<Port<'_>, Refusal> {
        let port = std::str::from_utf8(request).map_err(|_| Refusal::invalid("a port name is UTF-8"))?;
        if port.len() > MAX_PORT_BYTES {
            return Err(Refusal::invalid(format!("a port name has at most {MAX_PORT_BYTES} bytes")));
        }
        Ok(Port(port))
    }

    fn needs(request: &Port<'_>) -> Option<String> {
        Some(written(request.0))
    }

    fn check(request: &Port<'_>, grant: &Grant) -> Result<bool, Refusal> {
        let Port(port) = request;
        grant
            .covering(|scope| covers(scope, port, false))
            .map_err(|side| Refusal::denied(format!("Midi: port {} is {side}", Excerpt::new(port))))?;
        Ok(grant.covering(|scope| covers(scope, port, true)).is_ok())
    }

    fn risk(_request: &Port<'_>, sysex: Option<&bool>) -> Risk {
        let own = Self::CAPABILITY.risk();
        if sysex == Some(&true) { own.max(Risk::Medium) } else { own }
    }

    fn act(request: &Port<'_>, sysex: bool, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let inbox = Arc::new(Inbox::default());
        let sink = Arc::new({
            let inbox = Arc::clone(&inbox);
            move |timestamp, bytes: &[u8]| {
                if sysex || bytes.first() != Some(&SYSEX) {
                    inbox.put(timestamp, bytes);
                }
            }
        });
        let inputs = &call.session.devices().midi_inputs;
        let delivery = inputs.subscribe(request.0, sink).map_err(refusal)?;
        let subscription = Subscription { port: request.0.to_owned(), sysex, inbox, _delivery: delivery };
        encode(&call.keep_open(Arc::new(subscription))?)
    }
}

/// A subscription, and how long to wait for something to come.
pub(crate) struct Wish {
    subscription: u32,
    wait: Duration,
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subscription.fmt(f)
    }
}

impl Continuation for Receive {
    const CAPABILITY: Capability = Capability::Midi;
    const NAME: &'static str = "midi-receive";
    type Request<'a> = Wish;

    fn parse(request: &[u8]) -> Result<Wish, Refusal> {
        let conductor_abi::MidiReceive { subscription, wait_ms } = decode(request)?;
        Ok(Wish { subscription, wait: Duration::from_millis(wait_ms.into()) })
    }

    fn act(request: &Wish, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let subscription = call.session.handles().get::<Subscription>(request.subscription)?;
        let deadline = call.deadline.min(Instant::now() + request.wait);
        let received = subscription.inbox.take(deadline, call.caller);
        encode(&received.ok_or_else(|| Refusal::denied("Midi: the capability was taken away"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Patient;

    #[test]
    fn what_nobody_takes_is_counted() {
        let inbox = Inbox::default();
        (0..MAX_WAITING + 3).for_each(|_| inbox.put(1, &[0xf8]));
        let received = inbox.take(Instant::now(), &Patient).expect("it goes on");
        assert_eq!((received.messages.len(), received.missed), (MAX_WAITING, 3));
        inbox.put(2, &vec![0; MAX_WAITING_BYTES]);
        inbox.put(2, &[0xf8]);
        let received = inbox.take(Instant::now(), &Patient).expect("it goes on");
        assert_eq!((received.messages.len(), received.missed), (1, 1));
        assert_eq!(inbox.take(Instant::now(), &Patient), Some(MidiReceived::default()));
        inbox.end();
        assert_eq!(inbox.take(Instant::now() + Duration::from_secs(60), &Patient), None);
    }
}
