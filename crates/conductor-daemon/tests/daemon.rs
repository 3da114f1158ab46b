//! `conductor` from the outside: configuration, every input, dispatch, signals, `exec` and `inspect`.

#[cfg(test)]
#[path = "support/wasm.rs"]
mod wasm;

#[cfg(test)]
mod daemon {
    mod believed;
    mod config;
    mod descriptors;
    mod exec;
    mod help;
    mod inspect;
    mod interval;
    mod log;
    mod midi_file;
    mod numbers;
    mod osc;
    mod outputs;
    mod raw;
    mod record;
    mod refused;
    mod scratch;
    mod signals;
    mod slow;
    mod trusted;
}
