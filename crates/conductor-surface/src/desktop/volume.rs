//! The volume of the default output, through WirePlumber.

use conductor_abi::{MuteChange, VolumeChange, VolumeState};
use conductor_broker::devices::DesktopError;

use super::program::{Printed, Program};
use super::{failed, unavailable};

const WPCTL: Program = Program { name: "wpctl", package: "wireplumber" };

/// The output that the user chose.
const OUTPUT: &str = "@DEFAULT_AUDIO_SINK@";

/// Exit statuses of `wpctl` when PipeWire does not answer (`EX_UNAVAILABLE` of sysexits.h, and 2 in older versions).
const NO_PIPEWIRE: [i32; 2] = [69, 2];

/// What `wpctl` prints when there is no default output.
const NO_OUTPUT: &str = "is not a valid ID";

pub(super) fn volume(change: VolumeChange) -> Result<VolumeState, DesktopError> {
    let now = state()?;
    let level = match change {
        VolumeChange::Read => return Ok(now),
        VolumeChange::Set(level) => level,
        VolumeChange::By(difference) => now.level + difference,
    };
    wpctl(&["set-volume", OUTPUT, &format!("{:.3}", level.clamp(0.0, 1.0))])?;
    state()
}

pub(super) fn mute(change: MuteChange) -> Result<VolumeState, DesktopError> {
    let muted = match change {
        MuteChange::Mute => "1",
        MuteChange::Unmute => "0",
        MuteChange::Toggle => "toggle",
    };
    // Reading the state reports a missing output more clearly than `set-mute` does.
    state()?;
    wpctl(&["set-mute", OUTPUT, muted])?;
    state()
}

fn state() -> Result<VolumeState, DesktopError> {
    let printed = wpctl(&["get-volume", OUTPUT])?;
    parse(&printed).ok_or_else(|| failed(format!("wpctl prints {printed}, which is no volume")))
}

/// Reads a line such as `Volume: 0.40 [MUTED]`.
fn parse(line: &str) -> Option<VolumeState> {
    let (level, muted) = match line.trim().strip_prefix("Volume:")?.trim().split_once(' ') {
        Some((level, "[MUTED]")) => (level, true),
        Some(_) => return None,
        None => (line.trim().strip_prefix("Volume:")?.trim(), false),
    };
    let level: f32 = level.parse().ok()?;
    level.is_finite().then_some(VolumeState { level, muted })
}

fn wpctl(arguments: &[&str]) -> Result<String, DesktopError> {
    let Printed { status, stdout, stderr } = WPCTL.run(arguments)?;
    let said = if stderr.trim().is_empty() { stdout.trim() } else { stderr.trim() };
    // `wpctl` ends with status 0 in this case, too.
    if said.contains(NO_OUTPUT) {
        return Err(unavailable("the sound server has no output"));
    }
    match status.code() {
        Some(0) => Ok(stdout),
        Some(code) if NO_PIPEWIRE.contains(&code) => {
            Err(unavailable("no sound server answers: wpctl does not reach PipeWire"))
        }
        Some(_) | None => Err(failed(format!("wpctl ended with {status}: {said}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_read_as_wpctl_prints_them() {
        assert_eq!(parse("Volume: 0.40\n"), Some(VolumeState { level: 0.4, muted: false }));
        assert_eq!(parse("Volume: 1.25 [MUTED]\n"), Some(VolumeState { level: 1.25, muted: true }));
        for line in ["", "Volume:", "Volume: nan", "Volume: 0.4 [LOUD]", "0.4"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
