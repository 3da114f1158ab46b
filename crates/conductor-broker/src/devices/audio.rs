//! Outputs for sound.

use conductor_policy::scope::Excerpt;
use thiserror::Error;

/// Frames in a second that an output is given.
pub const AUDIO_RATE: u32 = 48_000;

/// Outputs for sound. The broker calls on threads of its own; a slow output must not hold up the others.
pub trait AudioOutputs: Send + Sync {
    /// Names of the outputs. Nothing is played on an output that is not among them.
    ///
    /// # Errors
    ///
    /// Says why there is none.
    fn outputs(&self) -> Result<Vec<String>, AudioError>;

    /// Plays on an output what a source gives, until the source has no more; calls `started` once the output is open.
    ///
    /// # Errors
    ///
    /// Says whether the output cannot be used, or broke.
    fn play(
        &self,
        output: &str,
        started: &mut dyn FnMut(),
        source: &mut dyn AudioSource,
    ) -> Result<(), AudioError>;
}

/// What is played.
pub trait AudioSource {
    /// Writes the next frames, left and right in turn, [`AUDIO_RATE`] of them a second, each between -1 and 1. It does not
    /// wait. Returns whether there is more; if not, nothing was written and what is still buffered is to be dropped.
    fn fill(&mut self, samples: &mut [f32]) -> bool;
}

/// Why a sound is not played.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AudioError {
    /// No output has this name.
    #[error("there is no audio output named {}", Excerpt::new(output))]
    UnknownOutput {
        /// The name.
        output: String,
    },
    /// A part that it needs is missing.
    #[error("audio is unavailable here, because {reason}")]
    Unavailable {
        /// What is missing.
        reason: String,
    },
    /// The output was there and failed.
    #[error("audio output {} failed: {}", Excerpt::new(output), Excerpt::new(reason))]
    Failed {
        /// The output.
        output: String,
        /// What the device said.
        reason: String,
    },
}

/// A machine without audio outputs.
pub(super) struct NoAudioOutputs;

impl NoAudioOutputs {
    fn missing() -> AudioError {
        AudioError::Unavailable { reason: "this host plays no sound".to_owned() }
    }
}

impl AudioOutputs for NoAudioOutputs {
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
