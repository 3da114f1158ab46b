//! The import `conductor.call`: bounds first, then fuel, then the operation.

use conductor_abi::{CallResult, IMPORT_CALL, IMPORT_MODULE, LogRecord, Op, Status};
use conductor_call::{Answer, Limit, LogSource};
use wasmtime::{Caller, Linker};

use super::State;
use super::classify::Stopped;

/// Fuel of any host call, about what crossing the boundary costs.
const CALL_FUEL: u64 = 200;

/// Fuel of each byte that crosses the boundary.
const BYTE_FUEL: u64 = 1;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(IMPORT_MODULE, IMPORT_CALL, call)?;
    Ok(())
}

fn call(mut caller: Caller<'_, State>, op: u32, ptr: u32, len: u32) -> wasmtime::Result<u64> {
    charge(&mut caller, CALL_FUEL + BYTE_FUEL * u64::from(len))?;
    let memory = caller.data().memory;
    let Some(memory) = memory else {
        return Ok(failed(caller.data_mut(), Status::Invalid, "the plugin exports no memory"));
    };
    let (bytes, state) = memory.data_and_store_mut(&mut caller);
    let (start, len) = (ptr as usize, len as usize);
    let Some(range) = start.checked_add(len).and_then(|end| bytes.get_mut(start..end)) else {
        return Ok(failed(state, Status::Invalid, "the request lies outside the plugin's memory"));
    };
    match Op::from_number(op) {
        Some(Op::Fetch) => {
            let count = state.answer.len().min(range.len());
            if let (Some(to), Some(from)) = (range.get_mut(..count), state.answer.get(..count)) {
                to.copy_from_slice(from);
            }
            Ok(CallResult { status: Status::Ok, len: count as u32 }.pack())
        }
        Some(Op::Reply) => {
            if range.len() > state.limits.max_reply_bytes as usize {
                return Err(Stopped(Limit::ReplyBytes).into());
            }
            state.reply = Some(range.to_vec());
            Ok(done(state))
        }
        Some(Op::Log) => match postcard::from_bytes::<LogRecord<'_>>(range) {
            Ok(record) => {
                state.log.push(LogSource::Host(record.level), record.message);
                Ok(done(state))
            }
            Err(_) => Ok(failed(state, Status::Invalid, "the log record cannot be decoded")),
        },
        // Everything else is the broker's, numbers that it does not know included.
        _ => {
            if range.len() > state.limits.max_message_bytes as usize {
                state.refuse(Limit::MessageBytes);
                return Ok(failed(state, Status::TooLarge, "the request is larger than max_message_bytes"));
            }
            let answer = state.host_calls.call(op, range, state.deadline);
            finish(&mut caller, answer)
        }
    }
}

/// Keeps the broker's answer for the plugin to fetch and charges what the work cost.
fn finish(caller: &mut Caller<'_, State>, answer: Answer) -> wasmtime::Result<u64> {
    let Answer { status, bytes, fuel, refused_by } = answer;
    if let Some(limit) = refused_by {
        caller.data_mut().refuse(limit);
    }
    charge(caller, fuel)?;
    if std::time::Instant::now() >= caller.data().deadline {
        return Err(Stopped(Limit::WallClock).into());
    }
    let state = caller.data_mut();
    if bytes.len() > state.limits.max_message_bytes as usize {
        state.refuse(Limit::MessageBytes);
        return Ok(failed(state, Status::TooLarge, "the answer is larger than max_message_bytes"));
    }
    state.answer = bytes;
    Ok(CallResult { status, len: state.answer.len() as u32 }.pack())
}

fn done(state: &mut State) -> u64 {
    state.answer.clear();
    CallResult { status: Status::Ok, len: 0 }.pack()
}

fn failed(state: &mut State, status: Status, why: &str) -> u64 {
    state.answer.clear();
    state.answer.extend_from_slice(why.as_bytes());
    CallResult { status, len: state.answer.len() as u32 }.pack()
}

/// Takes fuel for work that the host does; ends the call when there is not enough, before the work is done.
pub(super) fn charge(caller: &mut Caller<'_, State>, fuel: u64) -> wasmtime::Result<()> {
    let left = caller.get_fuel()?;
    match left.checked_sub(fuel) {
        Some(left) => caller.set_fuel(left),
        None => {
            caller.set_fuel(0)?;
            Err(Stopped(Limit::Fuel).into())
        }
    }
}
