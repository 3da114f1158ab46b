//! What ALSA inputs and outputs share of the sequencer.

use std::path::Path;

/// Name of this program's clients in the sequencer.
pub(crate) const CLIENT: &str = "conductor";

/// Why nothing can be connected when there is no sequencer.
pub(crate) const MISSING: &str =
    "the ALSA sequencer cannot be opened (no /dev/snd/seq, or no permission for it)";

/// Whether there may be a sequencer. This is checked first, because the ALSA library writes to standard error if there
/// is none.
pub(crate) fn is_present() -> bool {
    !cfg!(target_os = "linux") || Path::new("/dev/snd/seq").exists()
}
