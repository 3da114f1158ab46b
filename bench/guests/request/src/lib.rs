//! A plugin without the SDK that only parses its request: the least that any plugin does.

use std::sync::Mutex;

use request_type::Request;

/// The buffer that the host writes requests into.
static REQUEST: Mutex<[u8; 4096]> = Mutex::new([0; 4096]);

/// SAFETY: a fixed name needs `unsafe`, because names could clash; the linker would refuse a second `alloc`.
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
