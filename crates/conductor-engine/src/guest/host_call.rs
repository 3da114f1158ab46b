//! The imports `conductor.call` and `conductor.request`: they check bounds, then charge fuel, then carry out the
//! operation. They differ in the form of request and answer alone.

use conductor_abi::{CallResult, IMPORT_CALL, IMPORT_MODULE, IMPORT_REQUEST, LogRecord, Op, Status};
use conductor_call::json::{self, AnswerError};
use conductor_call::{Answer, Limit, LogSource};
use wasmtime::{Caller, Linker};

use super::State;
use super::classify::Stopped;

/// Fuel of any host call, about the cost of crossing the boundary.
const CALL_FUEL: u64 = 200;

/// Fuel of each byte that crosses the boundary.
const BYTE_FUEL: u64 = 1;

/// Fuel of each byte that crosses the boundary as JSON, which is read twice, or written.
const JSON_BYTE_FUEL: u64 = 4;

/// The text for a plugin whose memory the host cannot see.
const NO_MEMORY: &str = "the plugin exports no memory";

/// The text for a request that lies outside the memory.
const OUTSIDE: &str = "the request lies outside the plugin's memory";

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(IMPORT_MODULE, IMPORT_CALL, call)?;
    linker.func_wrap(IMPORT_MODULE, IMPORT_REQUEST, request)?;
    Ok(())
}

/// An operation by its number, with its request as postcard.
fn call(mut caller: Caller<'_, State>, op: u32, ptr: u32, len: u32) -> wasmtime::Result<u64> {
    charge(&mut caller, CALL_FUEL + BYTE_FUEL * u64::from(len))?;
    let (bytes, state) = match memory(&mut caller) {
        Ok(found) => found,
        Err(state) => return Ok(failed(state, Status::Invalid, NO_MEMORY).pack()),
    };
    let Some(range) = range(bytes, ptr, len) else {
        return Ok(failed(state, Status::Invalid, OUTSIDE).pack());
    };
    if Op::from_number(op) == Some(Op::Fetch) {
        let count = state.answer.len().min(range.len());
        if let (Some(to), Some(from)) = (range.get_mut(..count), state.answer.get(..count)) {
            to.copy_from_slice(from);
        }
        return Ok(CallResult { status: Status::Ok, len: count as u32 }.pack());
    }
    let answer = carry_out(state, op, range)?;
    finish(&mut caller, answer).map(CallResult::pack)
}

/// An operation with its request as JSON, whose answer is JSON as well.
fn request(mut caller: Caller<'_, State>, ptr: u32, len: u32) -> wasmtime::Result<u64> {
    charge(&mut caller, CALL_FUEL + JSON_BYTE_FUEL * u64::from(len))?;
    let (op, result) = match decoded(&mut caller, ptr, len) {
        Err((status, why)) => (None, failed(caller.data_mut(), status, &why)),
        Ok((op, request)) => {
            let answer = carry_out(caller.data_mut(), op.number(), &request)?;
            (Some(op), finish(&mut caller, answer)?)
        }
    };
    let result = answer_in_json(caller.data_mut(), op, result.status);
    charge(&mut caller, JSON_BYTE_FUEL * u64::from(result.len))?;
    Ok(result.pack())
}

/// The plugin's memory, and the host's data beside it; the data alone if the plugin exports no memory.
fn memory<'c>(caller: &'c mut Caller<'_, State>) -> Result<(&'c mut [u8], &'c mut State), &'c mut State> {
    match caller.data().memory {
        Some(memory) => Ok(memory.data_and_store_mut(caller)),
        None => Err(caller.data_mut()),
    }
}

/// The bytes that a plugin points to, if they lie in its memory.
fn range(bytes: &mut [u8], ptr: u32, len: u32) -> Option<&mut [u8]> {
    let (start, len) = (ptr as usize, len as usize);
    start.checked_add(len).and_then(|end| bytes.get_mut(start..end))
}

/// The operation and the request that a plugin's JSON stands for, or what the plugin is told in their place.
fn decoded(caller: &mut Caller<'_, State>, ptr: u32, len: u32) -> Result<(Op, Vec<u8>), (Status, String)> {
    let (bytes, state) = memory(caller).map_err(|_| (Status::Invalid, NO_MEMORY.to_owned()))?;
    let range = range(bytes, ptr, len).ok_or_else(|| (Status::Invalid, OUTSIDE.to_owned()))?;
    let max = state.limits.max_json_bytes();
    if range.len() > max {
        state.refuse(Limit::MessageBytes);
        return Err((Status::TooLarge, format!("the request as JSON is larger than {max} bytes")));
    }
    // Decoding writes over the text, and the plugin's own stays as it is.
    let mut text = range.to_vec();
    #[expect(clippy::disallowed_methods, reason = "the one place where the JSON of a plugin is decoded")]
    json::decode(&mut text).map_err(|error| (error.status(), error.to_string()))
}

/// Carries out an operation other than fetching.
fn carry_out(state: &mut State, op: u32, request: &[u8]) -> wasmtime::Result<Answer> {
    match Op::from_number(op) {
        Some(Op::Reply) => {
            if request.len() > state.limits.max_reply_bytes as usize {
                return Err(Stopped(Limit::ReplyBytes).into());
            }
            state.reply = Some(request.to_vec());
            Ok(told(Status::Ok, ""))
        }
        Some(Op::Log) => Ok(match postcard::from_bytes::<LogRecord<'_>>(request) {
            Ok(record) => {
                state.log.push(LogSource::Host(record.level), record.message);
                told(Status::Ok, "")
            }
            Err(_) => told(Status::Invalid, "the log record cannot be decoded"),
        }),
        // All other operations go to the broker, including numbers that the broker does not know.
        _ if request.len() > state.limits.max_message_bytes as usize => {
            let why = "the request is larger than max_message_bytes";
            Ok(Answer { refused_by: Some(Limit::MessageBytes), ..told(Status::TooLarge, why) })
        }
        _ => Ok(state.host_calls.call(op, request, state.deadline)),
    }
}

/// An answer of the engine's own, which costs no more than the call.
fn told(status: Status, text: &str) -> Answer {
    Answer { status, bytes: text.as_bytes().to_vec(), fuel: 0, refused_by: None }
}

/// Keeps an answer for the plugin to fetch, and charges the fuel for the work.
fn finish(caller: &mut Caller<'_, State>, answer: Answer) -> wasmtime::Result<CallResult> {
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
    Ok(keep(state, status, bytes))
}

/// Puts JSON in place of the answer that is kept. Without an operation, that answer is an error.
fn answer_in_json(state: &mut State, op: Option<Op>, status: Status) -> CallResult {
    let (status, why) = match op.filter(|_| status == Status::Ok) {
        None => (status, String::from_utf8_lossy(&state.answer).into_owned()),
        Some(op) => match json::encode_answer(op, &state.answer, state.limits.max_json_bytes()) {
            Ok(bytes) => return keep(state, Status::Ok, bytes),
            Err(error) => {
                let is_too_large = matches!(error, AnswerError::TooLarge { .. });
                if is_too_large {
                    state.refuse(Limit::MessageBytes);
                }
                (if is_too_large { Status::TooLarge } else { Status::Failed }, error.to_string())
            }
        },
    };
    keep(state, status, json::encode_error(status, &why))
}

fn failed(state: &mut State, status: Status, why: &str) -> CallResult {
    keep(state, status, why.as_bytes().to_vec())
}

fn keep(state: &mut State, status: Status, answer: Vec<u8>) -> CallResult {
    state.answer = answer;
    CallResult { status, len: state.answer.len() as u32 }
}

/// Takes fuel for work of the host; if there is too little fuel, ends the call before the work is done.
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
