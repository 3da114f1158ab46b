//! `poll_oneoff`: the only place where a plugin waits.
//!
//! A plugin's files and streams are always ready, so that waiting means waiting for a clock. The wait ends early when
//! the fuel or the time of the call runs out; each nanosecond of waiting costs one unit of fuel.

use std::time::{Duration, Instant};

use conductor_call::{Limit, Limits};
use wasmtime::Caller;
use wiggle::GuestMemory;

use super::clocks::Clock;
use super::{BASE_FUEL, charge, errno, with_memory};
use crate::guest::State;
use crate::guest::classify::Stopped;

/// Most subscriptions of one call; stops a list that takes longer to read than the call waits.
const MAX_SUBSCRIPTIONS: u32 = 1_024;

/// Fuel of each subscription.
const SUBSCRIPTION_FUEL: u64 = 100;

/// Layout of `subscription` and `event` in WASI preview 1.
const SUBSCRIPTION_BYTES: usize = 48;
const EVENT_BYTES: usize = 32;
const TYPE_CLOCK: u8 = 0;
const TYPE_FD_READ: u8 = 1;
const TYPE_FD_WRITE: u8 = 2;
const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;
const FLAG_ABSOLUTE: u16 = 1;

struct Subscription {
    userdata: u64,
    kind: u8,
    /// Time until the subscription is ready; `None` for an unknown clock or type.
    wait: Option<Duration>,
}

pub(super) fn poll_oneoff(
    mut caller: Caller<'_, State>,
    input: i32,
    output: i32,
    count: i32,
    out: i32,
) -> wasmtime::Result<i32> {
    let count = count as u32;
    charge(&mut caller, BASE_FUEL + SUBSCRIPTION_FUEL * u64::from(count.min(MAX_SUBSCRIPTIONS)))?;
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Ok(errno::INVAL);
    }
    let read = with_memory(&mut caller, |state, memory| {
        Ok(subscriptions(memory, &state.limits, input as u32, count))
    })?;
    let Some(subscriptions) = read else { return Ok(errno::FAULT) };
    // A subscription that cannot be waited for is reported at once, with an error.
    let wait = subscriptions.iter().map(|s| s.wait.unwrap_or(Duration::ZERO)).min().unwrap_or(Duration::ZERO);
    sleep(&mut caller, wait)?;
    with_memory(&mut caller, |_, memory| {
        let ready = subscriptions.iter().filter(|s| s.wait.is_none_or(|other| other <= wait));
        let mut written = 0u32;
        for subscription in ready {
            let at = (output as u32 as usize).checked_add(written as usize * EVENT_BYTES);
            let Some(event) = at.and_then(|at| slice(memory, at, EVENT_BYTES)) else {
                return Ok(errno::FAULT);
            };
            event.fill(0);
            let error = if subscription.wait.is_some() { errno::SUCCESS } else { errno::INVAL };
            event[..8].copy_from_slice(&subscription.userdata.to_le_bytes());
            event[8..10].copy_from_slice(&(error as u16).to_le_bytes());
            event[10] = subscription.kind;
            written += 1;
        }
        match slice(memory, out as u32 as usize, 4) {
            Some(field) => field.copy_from_slice(&written.to_le_bytes()),
            None => return Ok(errno::FAULT),
        }
        Ok(errno::SUCCESS)
    })
}

/// Waits for the time that the plugin asked for, or until the fuel or the time of the call runs out, which ends the
/// call.
fn sleep(caller: &mut Caller<'_, State>, wait: Duration) -> wasmtime::Result<()> {
    let started = Instant::now();
    let fuel = Duration::from_nanos(caller.get_fuel()?);
    let left = caller.data().deadline.saturating_duration_since(started);
    std::thread::sleep(wait.min(fuel).min(left));
    let waited = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    if wait > left && left <= fuel {
        return Err(Stopped(Limit::WallClock).into());
    }
    // Charges at least the time that was asked for: a sleep that the operating system cut short does not cost less.
    let asked = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
    charge(caller, if wait.is_zero() { 0 } else { waited.max(asked) })
}

fn subscriptions(
    memory: &mut GuestMemory<'_>,
    limits: &Limits,
    input: u32,
    count: u32,
) -> Option<Vec<Subscription>> {
    (0..count as usize)
        .map(|index| {
            let at = (input as usize).checked_add(index * SUBSCRIPTION_BYTES)?;
            let bytes = slice(memory, at, SUBSCRIPTION_BYTES)?;
            let kind = bytes[8];
            let wait = match kind {
                TYPE_CLOCK => clock_wait(
                    limits,
                    u32::from_le_bytes(bytes[16..20].try_into().ok()?),
                    u64::from_le_bytes(bytes[24..32].try_into().ok()?),
                    u16::from_le_bytes(bytes[40..42].try_into().ok()?) & FLAG_ABSOLUTE != 0,
                ),
                TYPE_FD_READ | TYPE_FD_WRITE => Some(Duration::ZERO),
                _ => None,
            };
            Some(Subscription { userdata: u64::from_le_bytes(bytes[..8].try_into().ok()?), kind, wait })
        })
        .collect()
}

/// Time until a clock shows `timeout` or, for a relative timeout, has moved on by it; `None` for a clock that plugins
/// do not have.
fn clock_wait(limits: &Limits, clock: u32, timeout: u64, absolute: bool) -> Option<Duration> {
    let clock = match clock {
        CLOCK_REALTIME => Clock::wall(limits),
        CLOCK_MONOTONIC => Clock::monotonic(limits),
        _ => return None,
    };
    let timeout = Duration::from_nanos(timeout);
    Some(if absolute { clock.until(timeout) } else { timeout })
}

/// `len` bytes of the plugin's memory.
fn slice<'a>(memory: &'a mut GuestMemory<'_>, at: usize, len: usize) -> Option<&'a mut [u8]> {
    match memory {
        GuestMemory::Unshared(bytes) => bytes.get_mut(at..at.checked_add(len)?),
        GuestMemory::Shared(_) => None,
    }
}
