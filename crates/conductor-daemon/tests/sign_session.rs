//! `conductor-sign` from the outside: the manual's session, every exit status, files and help.

#[cfg(test)]
#[path = "support/typist.rs"]
mod typist;

#[cfg(test)]
mod sign_session {
    mod agent;
    mod cosign;
    mod encrypted;
    mod exit_codes;
    mod explain;
    mod files;
    mod hardware;
    mod help;
    mod impact;
    mod key_files;
    mod manifest;
    mod manual;
    mod rotate;
    mod rotations;
    mod session;
    mod shell;
    mod terminal;
    mod torn;
    mod trust;
}
