//! Who plays what on which output, and the one place at which it ends.
//!
//! A message is counted and sent under the lock of its output, so that an end never falls between the two. That lock is
//! held for no work that can wait: an output that cannot take a message at once refuses it, and files are written
//! without the lock. So whoever ends sounds waits for no disk and no player.

mod errand;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use thiserror::Error;

use crate::port::{PlayerId, Sounding};
use crate::record::{Left, Record};
use crate::sound::{CHANNEL_NUMBERS, Change, Sound, silence_of};
use errand::Errand;

/// Where messages go.
pub trait Outputs: Send + Sync {
    /// Whether there is an output of this name.
    fn has(&self, output: &str) -> bool;

    /// Sends one complete message, without waiting. Returns whether the output took it.
    fn send(&self, output: &str, message: &[u8]) -> bool;
}

/// What sounds at all outputs. Clones share it.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    outputs: Box<dyn Outputs>,
    ports: RwLock<BTreeMap<String, Arc<Port>>>,
    record: Option<Record>,
    is_paused: AtomicBool,
    is_closed: AtomicBool,
    next_player: AtomicU64,
    /// Tries again what outputs did not take.
    retries: Errand,
    /// Brings the record up to date.
    records: Errand,
}

/// One output.
struct Port {
    name: String,
    /// Its page in the record.
    page: Option<usize>,
    sounding: Mutex<Sounding>,
    /// Whether the output is being replaced, so that nothing is sent.
    is_held_back: AtomicBool,
    /// Whether the record may say more than what sounds.
    is_dirty: AtomicBool,
}

/// One that plays. Whatever it leaves sounding ends when it is dropped.
pub struct Player {
    ledger: Ledger,
    id: PlayerId,
    /// How often the player has ended; see [`Player::life`].
    lives: Arc<AtomicU64>,
}

/// A life of a player: it lasts until the player ends next.
pub struct Life {
    ledger: Ledger,
    id: PlayerId,
    number: u64,
    lives: Arc<AtomicU64>,
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlayError<E> {
    /// Everything was silenced, and stays silent until it is resumed.
    #[error("everything is silenced until it is resumed")]
    Paused,
    /// The output is being replaced, or the ledger was closed for good.
    #[error("the output is being closed")]
    Closed,
    /// The player may not send this any more.
    #[error("the player may not send this any more")]
    NotAllowed,
    /// The output did not take it.
    #[error("the output did not take it")]
    Output(E),
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("record", &self.0.record).finish_non_exhaustive()
    }
}

impl Ledger {
    /// A ledger over these outputs that is lost with the process.
    #[must_use]
    pub fn new(outputs: Box<dyn Outputs>) -> Self {
        Self::with(outputs, None, Left::default())
    }

    /// A ledger over these outputs that is kept in a record, and goes on with what was left there: it sounds, and nobody
    /// holds it. [`Ledger::settle`] ends it.
    #[must_use]
    pub fn kept_in(record: Record, left: Left, outputs: Box<dyn Outputs>) -> Self {
        Self::with(outputs, Some(record), left)
    }

    fn with(outputs: Box<dyn Outputs>, record: Option<Record>, left: Left) -> Self {
        let ports = left.outputs.into_iter().map(|(name, counts)| {
            let port = Port::new(&name, record.as_ref(), Sounding::left(counts));
            (name, Arc::new(port))
        });
        let ports = RwLock::new(ports.collect());
        Self(Arc::new(Inner {
            outputs,
            ports,
            record,
            is_paused: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            next_player: AtomicU64::new(0),
            retries: Errand::new("silencer", Inner::settle_all),
            records: Errand::new("sounding", Inner::write_down_all),
        }))
    }

    /// One more that plays.
    #[must_use]
    pub fn player(&self) -> Player {
        let id = self.0.next_player.fetch_add(1, Ordering::Relaxed);
        Player { ledger: self.clone(), id, lives: Arc::default() }
    }

    /// Ends what sounds without anybody who holds it. What an output does not take is tried again later, for as long as
    /// there is this ledger.
    pub fn settle(&self) {
        let _owes = self.0.settle_all();
        for port in self.0.ports() {
            self.0.has_changed(&port);
        }
    }

    /// Whether there is an output of this name.
    #[must_use]
    pub fn has(&self, output: &str) -> bool {
        self.0.outputs.has(output)
    }

    /// Forgets what sounds at outputs that do not exist any more, so that nothing can end it, and returns their names.
    pub fn forget_unknown(&self) -> Vec<String> {
        let gone: Vec<_> = self.0.ports().into_iter().filter(|port| !self.has(&port.name)).collect();
        for port in &gone {
            port.lock().forget();
            self.0.leave_out(port);
        }
        gone.iter().map(|port| port.name.clone()).collect()
    }

    /// The names of outputs at which something sounds that nobody holds.
    #[must_use]
    pub fn owing(&self) -> Vec<String> {
        let owing = |port: &Arc<Port>| port.lock().owes();
        self.0.ports().into_iter().filter(owing).map(|port| port.name.clone()).collect()
    }

    /// Sends nothing more for any player until [`Ledger::resume`]. Does not wait.
    pub fn pause(&self) {
        self.0.is_paused.store(true, Ordering::SeqCst);
    }

    /// Takes [`Ledger::pause`] back.
    pub fn resume(&self) {
        self.0.is_paused.store(false, Ordering::SeqCst);
    }

    /// Whether the ledger is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.is_paused.load(Ordering::SeqCst)
    }

    /// Silences one output: ends everything that anybody holds there, then tells every channel to be silent, whatever
    /// sounds there. Returns whether the output took all of it.
    #[must_use]
    pub fn silence(&self, output: &str) -> bool {
        let port = self.0.outputs.has(output).then(|| self.0.port(output));
        let Some(port) = port else { return false };
        let mut sounding = port.lock();
        sounding.end_all(&mut |bytes| self.0.outputs.send(&port.name, bytes));
        let mut messages = CHANNEL_NUMBERS.flat_map(silence_of);
        let is_silent =
            messages.all(|message| self.0.outputs.send(&port.name, message.bytes())) && !sounding.owes();
        drop(sounding);
        self.0.has_changed(&port);
        is_silent
    }

    /// Ends everything that anybody holds, and sends nothing more for any player: the process is about to end. What an
    /// output does not take stays in the record.
    pub fn close(&self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
        for port in self.0.ports() {
            port.lock().end_all(&mut |bytes| self.0.outputs.send(&port.name, bytes));
            self.0.write_down(&port);
        }
    }

    /// Replaces outputs. Everything that is held at the outputs called `names` is ended, and nothing is sent to them
    /// while `replace` works; what an output did not take is forgotten where `is_gone` says that nothing can reach what
    /// sounds there any more.
    pub fn replace(&self, names: &[String], is_gone: impl Fn(&str) -> bool, replace: impl FnOnce()) {
        let ports: Vec<_> = self.0.ports().into_iter().filter(|port| names.contains(&port.name)).collect();
        for port in &ports {
            port.is_held_back.store(true, Ordering::SeqCst);
            port.lock().end_all(&mut |bytes| self.0.outputs.send(&port.name, bytes));
        }
        replace();
        for port in &ports {
            if is_gone(&port.name) {
                port.lock().forget();
            }
            port.is_held_back.store(false, Ordering::SeqCst);
            self.0.has_changed(port);
            self.0.leave_out(port);
        }
    }
}

impl Inner {
    fn ports(&self) -> Vec<Arc<Port>> {
        self.ports.read().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }

    fn known(&self, output: &str) -> Option<Arc<Port>> {
        self.ports.read().unwrap_or_else(PoisonError::into_inner).get(output).map(Arc::clone)
    }

    /// The output of this name, which exists. There are as many as the outputs ever had names, and a name that is
    /// replaced for good is left out.
    fn port(&self, output: &str) -> Arc<Port> {
        if let Some(port) = self.known(output) {
            return port;
        }
        // The page is taken before the lock of the ports, because that writes a file.
        let new = Arc::new(Port::new(output, self.record.as_ref(), Sounding::default()));
        let mut ports = self.ports.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(ports.entry(output.to_owned()).or_insert(new))
    }

    /// Leaves an output out that does not exist any more, is silent, and is used by nobody but the caller.
    fn leave_out(&self, port: &Arc<Port>) {
        if self.outputs.has(&port.name) {
            return;
        }
        let mut ports = self.ports.write().unwrap_or_else(PoisonError::into_inner);
        // One is in the map, and one is the caller's.
        if Arc::strong_count(port) > 2 || !port.lock().is_silent() {
            return;
        }
        ports.remove(&port.name);
        drop(ports);
        if let (Some(record), Some(page)) = (&self.record, port.page) {
            record.free(page);
        }
    }

    /// Ends what nobody holds; returns whether something is still owed.
    fn settle_all(self: &Arc<Self>) -> bool {
        let mut is_owed = false;
        for port in self.ports() {
            let mut sounding = port.lock();
            if !sounding.owes() {
                continue;
            }
            let has_sent = !port.is_held_back.load(Ordering::SeqCst)
                && sounding.settle(&mut |bytes| self.outputs.send(&port.name, bytes));
            is_owed |= sounding.owes();
            drop(sounding);
            if has_sent {
                self.is_to_be_written(&port);
            }
        }
        is_owed
    }

    /// Ends what a player holds, at the outputs for which `ends` says so. That is asked when nothing can be played there.
    fn end(self: &Arc<Self>, player: PlayerId, ends: impl Fn(&str) -> bool) {
        for port in self.ports() {
            let mut sounding = port.lock();
            let held =
                ends(&port.name) && sounding.end(player, &mut |bytes| self.outputs.send(&port.name, bytes));
            drop(sounding);
            if held {
                self.has_changed(&port);
            }
        }
    }

    /// Has what is owed tried again, and the record brought up to date, on other threads.
    fn has_changed(self: &Arc<Self>, port: &Port) {
        if port.lock().owes() {
            Errand::wake(self, |inner| &inner.retries);
        }
        self.is_to_be_written(port);
    }

    fn is_to_be_written(self: &Arc<Self>, port: &Port) {
        if self.record.is_some() {
            port.is_dirty.store(true, Ordering::SeqCst);
            Errand::wake(self, |inner| &inner.records);
        }
    }

    /// Brings the record up to date.
    fn write_down_all(self: &Arc<Self>) -> bool {
        for port in self.ports() {
            if port.is_dirty.load(Ordering::SeqCst) {
                self.write_down(&port);
            }
        }
        false
    }

    fn write_down(&self, port: &Port) {
        port.is_dirty.store(false, Ordering::SeqCst);
        if let (Some(record), Some(page)) = (&self.record, port.page) {
            record.write_all(page, || port.lock().all_to_record());
        }
    }
}

impl Port {
    fn new(name: &str, record: Option<&Record>, sounding: Sounding) -> Self {
        Self {
            name: name.to_owned(),
            page: record.and_then(|record| record.page_of(name)),
            sounding: Mutex::new(sounding),
            is_held_back: AtomicBool::new(false),
            is_dirty: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sounding> {
        self.sounding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Player {
    /// Sends one complete message to an output with `send`, and counts what it leaves sounding. `may` is asked at a
    /// moment when no end can be missed: what ends the right to send, and then calls [`Player::end_where`], ends this
    /// message as well.
    ///
    /// # Errors
    ///
    /// Says why the message was not sent.
    pub fn play<E>(
        &self,
        output: &str,
        message: &[u8],
        may: impl Fn() -> bool,
        send: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), PlayError<E>> {
        let ledger = &self.ledger.0;
        ledger.is_open()?;
        let port =
            || ledger.known(output).or_else(|| ledger.outputs.has(output).then(|| ledger.port(output)));
        let Some((change, port)) = Change::of(message).and_then(|change| Some((change, port()?))) else {
            return if may() { send().map_err(PlayError::Output) } else { Err(PlayError::NotAllowed) };
        };
        let recorded = ledger.record.as_ref().zip(port.page);
        let write = |sound: Sound| {
            if let Some((record, page)) = recorded {
                record.write(page, sound, || port.lock().to_record(sound));
            }
        };
        // What sounds is in the record before it sounds.
        let comes = change.begins && recorded.is_some();
        if comes {
            port.lock().comes(change.sound);
            write(change.sound);
        }
        let mut own = |bytes: &[u8]| ledger.outputs.send(output, bytes);
        let mut sounding = port.lock();
        if comes {
            sounding.came(change.sound);
        }
        let owed = sounding.owes();
        let sent = (|| {
            ledger.is_open()?;
            if port.is_held_back.load(Ordering::SeqCst) {
                return Err(PlayError::Closed);
            }
            if !may() {
                return Err(PlayError::NotAllowed);
            }
            let _has_sent = sounding.settle(&mut own);
            if change.begins {
                sounding.make_room(change.sound, &mut own);
            }
            send().map_err(PlayError::Output)?;
            sounding.sent(self.id, change, &mut own);
            Ok(())
        })();
        let owes = sounding.owes();
        drop(sounding);
        if owed || owes {
            ledger.has_changed(&port);
        } else if !(comes && sent.is_ok()) {
            write(change.sound);
        }
        sent
    }

    /// Ends everything that the player holds. It may go on playing.
    pub fn end(&self) {
        self.lives.fetch_add(1, Ordering::SeqCst);
        self.ledger.0.end(self.id, |_| true);
    }

    /// As [`Player::end`], at the outputs for which `ends` says so.
    pub fn end_where(&self, ends: impl Fn(&str) -> bool) {
        self.ledger.0.end(self.id, ends);
    }

    /// The present life of the player, for somebody who learns of its end on another thread.
    #[must_use]
    pub fn life(&self) -> Life {
        let number = self.lives.load(Ordering::SeqCst);
        Life { ledger: self.ledger.clone(), id: self.id, number, lives: Arc::clone(&self.lives) }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.end();
    }
}

impl Life {
    /// Ends everything that the player holds, unless the player has ended since: then other sounds may be its own.
    pub fn end(&self) {
        self.ledger.0.end(self.id, |_| self.lives.load(Ordering::SeqCst) == self.number);
    }
}

impl Inner {
    fn is_open<E>(&self) -> Result<(), PlayError<E>> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(PlayError::Closed);
        }
        if self.is_paused.load(Ordering::SeqCst) { Err(PlayError::Paused) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
