//! `conductor-sign` from the outside: the manual's session, every exit status, files and help.

#[cfg(test)]
mod sign_session {
    mod exit_codes;
    mod files;
    mod help;
    mod manifest;
    mod session;
    mod shell;
    mod torn;
}
