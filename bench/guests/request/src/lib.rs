//! A plugin without the SDK that parses its request and is done: the least that any plugin does.

use std::sync::Mutex;

use request_type::Request;

/// Where the host writes requests.
static REQUEST: Mutex<[u8; 4096]> = Mutex::new([0; 4096]);

/// SAFETY: `unsafe` is what a fixed name is declared with; the linker would refuse a second of the same name.
#[unsafe(no_mangle)]
extern "C" fn alloc(size: u32) -> u32 {
    let buffer = REQUEST.lock().expect("one thread");
    if size as usize > buffer.len() { 0 } else { buffer.as_ptr().expose_provenance() as u32 }
}

#[unsafe(no_mangle)]
extern "C" fn dealloc(_pointer: u32, _size: u32) {}

#[unsafe(no_mangle)]
extern "C" fn execute(_pointer: u32, len: u32) -> i32 {
    let buffer = REQUEST.lock().expect("one thread");
    match buffer.get(..len as usize).and_then(Request::parse) {
        Some(request) if request.is_playable() => 0,
        Some(_) | None => 1,
    }
}
