//! The control interface from the outside: `conductorctl`, its socket, and hostile clients.

#[cfg(test)]
#[path = "support/wasm.rs"]
mod wasm;

#[cfg(test)]
#[path = "daemon/scratch.rs"]
#[allow(dead_code, reason = "each test program uses what it needs")]
mod scratch;

#[cfg(test)]
#[path = "support/typist.rs"]
mod typist;

#[cfg(test)]
mod control {
    mod absent;
    mod accepted;
    mod as_shown;
    mod audit;
    mod binding;
    mod bounds;
    mod changes;
    mod ctl;
    mod desk;
    mod earlier;
    mod first_start;
    mod grants;
    mod help;
    mod listen;
    mod own;
    mod panic;
    mod phases;
    mod place;
    mod plugins;
    mod programs;
    mod safe;
    mod silence;
    mod status;
    mod store;
    mod unkept;
    mod unknown;
    mod unread;
    mod user;
    mod walls;
    mod withdrawn;
}
