//! The sound outputs of this machine: on Linux those of ALSA, which include PipeWire, PulseAudio and JACK.

#[cfg(target_os = "linux")]
mod pcm;

use conductor_broker::devices::{AudioError, AudioOutputs, AudioSource};

/// The machine's outputs.
pub struct SystemSound;

#[cfg(target_os = "linux")]
impl AudioOutputs for SystemSound {
    fn outputs(&self) -> Result<Vec<String>, AudioError> {
        pcm::names()
    }

    fn play(
        &self,
        output: &str,
        started: &mut dyn FnMut(),
        source: &mut dyn AudioSource,
    ) -> Result<(), AudioError> {
        pcm::play(output, started, source)
    }
}

#[cfg(not(target_os = "linux"))]
impl SystemSound {
    fn missing() -> AudioError {
        let reason = "Conductor does not reach the sound of this operating system yet";
        AudioError::Unavailable { reason: reason.to_owned() }
    }
}

#[cfg(not(target_os = "linux"))]
impl AudioOutputs for SystemSound {
    fn outputs(&self) -> Result<Vec<String>, AudioError> {
        Err(Self::missing())
    }

    fn play(
        &self,
        _output: &str,
        _started: &mut dyn FnMut(),
        _source: &mut dyn AudioSource,
    ) -> Result<(), AudioError> {
        Err(Self::missing())
    }
}
