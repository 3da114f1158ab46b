//! Gets the code of a plugin: from workers that run it already, from the cache, or from a worker that compiles it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use conductor_call::{Limits, WorkerFault};
use conductor_signing::Digest;

use super::super::channel::Channel;
use super::super::child::{END_PATIENCE, End};
use super::super::compiling::{self, Made, NoCode};
use super::super::frame::ToWorker;
use super::super::handle::Handle;
use super::super::order::CompileOrder;
use super::super::spawner::{Started, Wanted};
use super::super::turns::Turns;
use super::{COMPILE_PATIENCE, START_GRACE, Spec, no_later};
use crate::code_cache::{CodeCache, MAX_CODE_BYTES};
use crate::engine::{CompileError, fingerprint_of_workers};
use crate::fingerprint::Fingerprint;
use crate::run_error::RunError;
use crate::runtime::{Endable, Mortal, Switch};
use crate::sealed::SealedFile;

/// Most workers that compile at once, for each processor. More workers would only slow each other down.
const COMPILING_PER_PROCESSOR: usize = 2;

/// Divisor for the part of the machine's memory that all compiling workers may have together: a half.
const SHARE_OF_MEMORY: u64 = 2;

/// Interval at which a thread that waits for the end of a worker looks whether the worker was told to end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The code of workers, and the turns in which it is compiled.
pub(super) struct Codes {
    cache: Option<CodeCache>,
    turns: Turns,
    /// Code that the workers of some plugin have, shared by plugins with the same bytes.
    known: Mutex<HashMap<(Digest, Fingerprint), Weak<SealedFile>>>,
    /// Fingerprints of the workers' engines, by stack size.
    fingerprints: Mutex<BTreeMap<u32, Fingerprint>>,
}

impl Codes {
    pub(super) fn new(cache: Option<CodeCache>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let turns = Turns::new(processors * COMPILING_PER_PROCESSOR, memory_bytes() / SHARE_OF_MEMORY);
        Self { cache, turns, known: Mutex::default(), fingerprints: Mutex::default() }
    }

    pub(super) const fn cache(&self) -> Option<&CodeCache> {
        self.cache.as_ref()
    }

    fn fingerprint(&self, max_stack_bytes: u32) -> Result<Fingerprint, RunError> {
        let mut known = self.fingerprints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fingerprint) = known.get(&max_stack_bytes) {
            return Ok(fingerprint.clone());
        }
        let fingerprint =
            fingerprint_of_workers(max_stack_bytes).map_err(|source| RunError::Engine { source })?;
        known.insert(max_stack_bytes, fingerprint.clone());
        Ok(fingerprint)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(Digest, Fingerprint), Weak<SealedFile>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spec {
    /// The plugin's code: shared with workers of the same bytes, or else from the cache, or else compiled.
    pub(super) fn code(
        &self,
        limits: &Limits,
        switch: &Switch,
        by: Option<Instant>,
    ) -> Result<Arc<SealedFile>, RunError> {
        let codes = &self.shared.codes;
        let fingerprint = codes.fingerprint(limits.max_stack_bytes)?;
        let key = (self.digest(), fingerprint);
        let known = codes.known().get(&key).and_then(Weak::upgrade);
        if let Some(code) = known {
            *self.own_code() = Some(Arc::clone(&code));
            return Ok(code);
        }
        let kept = codes.cache.as_ref().and_then(|cache| cache.for_workers(&key.0, &key.1));
        let code = match kept {
            Some(code) => code,
            None => {
                let code = self.compile(limits, switch, by)?;
                if let Some(cache) = &codes.cache {
                    cache.keep_for_workers(&key.0, &key.1, &code);
                }
                code
            }
        };
        let code = Arc::new(code);
        *self.own_code() = Some(Arc::clone(&code));
        let mut known = codes.known();
        known.retain(|_, code| code.strong_count() > 0);
        known.insert(key, Arc::downgrade(&code));
        Ok(code)
    }

    /// Forgets code that a worker could not use, so that the plugin is compiled anew.
    pub(super) fn forget_code(&self, limits: &Limits) {
        *self.own_code() = None;
        let codes = &self.shared.codes;
        if let Ok(fingerprint) = codes.fingerprint(limits.max_stack_bytes) {
            let key = (self.digest(), fingerprint);
            codes.known().remove(&key);
            if let Some(cache) = &codes.cache {
                cache.forget_for_workers(&key.0, &key.1);
            }
        }
    }

    fn own_code(&self) -> MutexGuard<'_, Option<Arc<SealedFile>>> {
        self.code.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a worker compile the module. The file that it wrote is read once the worker has ended and nobody can change
    /// the file any more.
    fn compile(&self, limits: &Limits, switch: &Switch, by: Option<Instant>) -> Result<SealedFile, RunError> {
        let cannot = |error: io::Error| faulty(WorkerFault::NotStarted { cause: error.to_string() });
        let verified = self.plugin.plugin();
        let (seconds, bytes) = limits.compile_cost(verified.bytes().len() as u64);
        let weight = bytes.saturating_add(MAX_CODE_BYTES);
        let turn = self.shared.codes.turns.take(weight, || switch.is_off());
        let turn = turn.ok_or(faulty(WorkerFault::TakenAway))?;
        let module = SealedFile::of("conductor-plugin", verified.bytes()).map_err(cannot)?;
        let output = SealedFile::to_be_written("conductor-code").map_err(cannot)?;
        let wanted = Wanted {
            name: format!("{} (compiling)", self.name()),
            file: module.into_file().into(),
            output: Some(output.try_clone().map_err(cannot)?.into()),
            writes_to: Vec::new(),
        };
        let Started { child, from, to } = self.shared.spawner.spawn(wanted).map_err(cannot)?;
        let from = Arc::new(from);
        let handle = Handle::new(Arc::clone(&child), Arc::clone(&from), &self.shared.overdue, None);
        let handle = Arc::new(handle);
        handle.takes(turn);
        self.shared.watch.add(&handle);
        self.shared.overdue.add(&handle);
        let (known, remains) = (Arc::downgrade(&handle), Arc::downgrade(&child));
        switch.is_now(known as Weak<dyn Endable>, remains as Weak<dyn Mortal>);
        let patience = Duration::from_secs(seconds).saturating_mul(COMPILE_PATIENCE) + START_GRACE;
        let _waiting = handle.due().wait_until(no_later(self.shared.clock.now() + patience, by));
        let order = CompileOrder {
            digest: *self.digest().as_bytes(),
            max_stack_bytes: limits.max_stack_bytes,
            max_seconds: seconds,
            max_bytes: bytes,
            allow_weak_isolation: self.shared.allow_weak_isolation,
        };
        let mut channel = Channel::to_child(from, to, 0, child).map_err(cannot)?;
        // If the order cannot be sent, the way in which the worker ended shows why.
        let _ = channel.send(&ToWorker::Compile(order), &[]);
        drop(channel);
        let status = match await_end(&handle) {
            Ok(status) => status,
            Err(WorkerFault::Hung) => {
                return Err(compile_error(CompileError::Late { seconds: patience.as_secs() }));
            }
            Err(fault) => return Err(faulty(fault)),
        };
        match status.signal() {
            Some(libc::SIGXCPU) => return Err(compile_error(CompileError::TooSlow { seconds })),
            // A Rust program that gets no memory ends with this signal.
            Some(libc::SIGABRT) => return Err(compile_error(CompileError::TooMuchMemory { max: bytes })),
            Some(_) | None if !status.success() => {
                return Err(faulty(WorkerFault::Ended { how: status.to_string() }));
            }
            Some(_) | None => {}
        }
        let code = SealedFile::seal(output).map_err(cannot)?;
        match compiling::made(&code).map_err(cannot)? {
            Some(Made::Code) => Ok(code),
            Some(Made::Nothing(NoCode::NotLocked(wall))) => Err(RunError::WeakIsolation { wall }),
            Some(Made::Nothing(NoCode::NotCompiled(fault))) => Err(compile_error(fault.error())),
            None => Err(faulty(WorkerFault::Garbage { expected: "word of its compilation" })),
        }
    }
}

/// Waits until the worker has ended by itself; if it was ended, the error says why.
fn await_end(handle: &Handle) -> Result<std::process::ExitStatus, WorkerFault> {
    let child = handle.child();
    let end = loop {
        if let Some(end) = child.wait(LOOK_EVERY) {
            break end;
        }
        if handle.is_over() {
            // The worker was told to end and does nothing more: its file is not read, whether it dies or not.
            match child.wait(END_PATIENCE) {
                Some(end) => break end,
                None => return Err(handle.why_over()),
            }
        }
    };
    match (handle.why_over(), end) {
        (WorkerFault::Ended { .. }, End::Known(status)) => Ok(status),
        (fault, End::Known(_) | End::Unknown) => Err(fault),
    }
}

/// Bytes of memory of this machine; 0 if the system does not say, so that only one worker compiles at a time.
fn memory_bytes() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    kibibytes.and_then(|number| number.trim().parse::<u64>().ok()).map_or(0, |number| number * 1024)
}

const fn faulty(fault: WorkerFault) -> RunError {
    RunError::Worker { fault }
}

const fn compile_error(source: CompileError) -> RunError {
    RunError::Compile { source }
}
