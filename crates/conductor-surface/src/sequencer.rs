//! The ALSA sequencer, as far as inputs and outputs share it.

use std::path::Path;

/// Name of this program's clients in the sequencer.
pub(crate) const CLIENT: &str = "conductor";

/// Why there is nothing to connect to, when there is no sequencer.
pub(crate) const MISSING: &str =
    "the ALSA sequencer cannot be opened (no /dev/snd/seq, or no permission for it)";

/// Whether there can be a sequencer. Asked first, because the ALSA library writes to standard error when there is none.
pub(crate) fn is_present() -> bool {
    !cfg!(target_os = "linux") || Path::new("/dev/snd/seq").exists()
}
