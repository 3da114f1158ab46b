//! What a process inherits from the one that starts it.

use std::io;

/// Closes every descriptor except the standard streams and those in `kept`. The host's libraries may have opened
/// descriptors that child processes inherit.
///
/// # Errors
///
/// Fails if the open descriptors cannot be listed; none is closed then.
pub fn close_inherited(kept: &[i32]) -> io::Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2 && !kept.contains(number))
        .collect();
    for number in open {
        // The descriptor that the list was read through is closed already.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}
