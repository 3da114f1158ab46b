//! How many file descriptors this process may have, and whether that is enough for plugins that are to start. A start
//! that runs out of descriptors half-way fails, and so does everything else that needs one meanwhile. So the number is
//! checked before.

use std::fs;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Most descriptors that this process asks for: enough for 256 plugins with all their connections. A hard limit may be
/// much higher, and the kernel would make tables of that size.
const WANTED: u64 = 65_536;

/// Most descriptors that one plugin takes in this process: two pipes to its worker and its code, and as many again
/// while the plugin starts.
const OF_A_PLUGIN: u64 = 6;

/// Descriptors for everything else that may begin meanwhile: connections, files that are read, compilers.
const FOR_THE_REST: u64 = 128;

/// Where the descriptors of this process are listed.
const LIST: &str = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };

/// Raises the soft limit as far as the hard limit allows. Worker processes and programs of plugins have their own
/// limits.
pub(super) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!("the limit of open files stays as it is: {error}");
        }
    }
}

/// Checks whether `plugins` plugins can start beside those that run.
///
/// # Errors
///
/// Says what is lacking, and what the user can do about it.
pub(super) fn suffice_for(plugins: usize) -> Result<(), String> {
    // If the descriptors cannot be counted, none counts as open, and the start is tried.
    let open = fs::read_dir(LIST).map_or(0, Iterator::count);
    match getrlimit(Resource::Nofile).current {
        Some(limit) => fit(plugins as u64, open as u64, limit),
        None => Ok(()),
    }
}

fn fit(plugins: u64, open: u64, limit: u64) -> Result<(), String> {
    if plugins == 0 {
        return Ok(());
    }
    let (needed, left) = (plugins * OF_A_PLUGIN + FOR_THE_REST, limit.saturating_sub(open));
    if needed <= left {
        return Ok(());
    }
    Err(format!(
        "to start {plugins} plugins beside those that run may take {needed} file descriptors, and {left} of {limit} are left; start \
         the daemon with a higher limit (ulimit -n), or change fewer plugins at once"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_said_with_its_numbers() {
        assert_eq!(fit(0, 1024, 1024), Ok(()));
        assert_eq!(fit(1, 24, 1024), Ok(()));
        assert_eq!(fit(100, 1024 - 728, 1024), Ok(()));
        let refused = fit(300, 924, 1024).expect_err("too many");
        assert!(refused.contains("300 plugins") && refused.contains("1928 file descriptors"), "{refused}");
        assert!(refused.contains("100 of 1024 are left"), "{refused}");
    }
}
