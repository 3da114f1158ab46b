//! Why a system permits no namespaces, in words that say what to change.

use std::fs;
use std::io;

use rustix::io::Errno;

/// Settings of the kernel that forbid them, the value with which they do, and what that means.
const SETTINGS: [(&str, &str, &str); 3] = [
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor keeps them from programs that have no profile for it; write one with `userns,` for conductor, or set \
         kernel.apparmor_restrict_unprivileged_userns to 0",
    ),
    (
        "kernel/unprivileged_userns_clone",
        "0",
        "they are root's alone here; set kernel.unprivileged_userns_clone to 1",
    ),
    ("user/max_user_namespaces", "0", "none are allowed here; set user.max_user_namespaces to more than 0"),
];

/// An error of the kernel's, with what probably stands behind it.
pub(super) fn explained(error: io::Error) -> io::Error {
    let errno = Errno::from_io_error(&error);
    let is = |(file, forbids, _): &&(&str, &str, &str)| {
        fs::read_to_string(format!("/proc/sys/{file}")).is_ok_and(|value| value.trim() == *forbids)
    };
    let why = match errno {
        Some(Errno::PERM | Errno::ACCESS | Errno::NOSPC | Errno::USERS) => {
            let usual = if let Some(Errno::NOSPC | Errno::USERS) = errno {
                "there are as many as the limits user.max_*_namespaces allow"
            } else {
                "a container or sandbox around the daemon may forbid them"
            };
            SETTINGS.iter().find(is).map_or(usual, |(_, _, why)| why)
        }
        Some(Errno::INVAL | Errno::NOSYS) => "this kernel was built without them",
        Some(_) | None => return error,
    };
    io::Error::new(error.kind(), format!("{error}; {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_told_beside_the_error() {
        for (errno, word) in [
            (Errno::PERM, "forbid"),
            (Errno::NOSPC, "max_"),
            (Errno::USERS, "max_"),
            (Errno::NOSYS, "built without"),
        ] {
            let text = explained(errno.into()).to_string();
            let told = text.strip_prefix(&format!("{}; ", io::Error::from(errno)));
            let is_setting = SETTINGS.iter().any(|(_, _, why)| told == Some(why));
            assert!(told.is_some_and(|told| told.contains(word)) || is_setting, "{text}");
        }
        let other = io::Error::from(Errno::NOMEM);
        assert_eq!(explained(Errno::NOMEM.into()).to_string(), other.to_string());
    }
}
