//! How many descriptors this process may have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Most descriptors that are asked for: as many as 256 plugins with all their connections need, with room to spare. A hard
/// limit may be so high that tables of that size would be made.
const WANTED: u64 = 65_536;

/// Raises the soft limit as far as the hard one lets it. Worker processes and programs of plugins have limits of their own.
pub(crate) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!("the limit of open files stays as it is: {error}");
        }
    }
}
