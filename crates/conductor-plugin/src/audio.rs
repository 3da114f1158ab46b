//! Playing sounds, for plugins with the Audio capability.
//!
//! A sound goes on until its end, even after the call that began it has returned. Several sounds may play at once.
//!
//! ```no_run
//! use conductor_plugin::audio::{self, Tone, Wav};
//!
//! Tone { hz: 440.0, seconds: 0.5, gain: 0.5 }.play("")?;
//! let bytes = std::fs::read("kick.wav").expect("a file of the plugin's own");
//! let sound = Wav::parse(&bytes).expect("a WAV file").play("", 1.0)?;
//! sound.stop()?;
//! # Ok::<(), conductor_plugin::HostError>(())
//! ```

mod tone;
mod wav;

pub use tone::Tone;
pub use wav::{Wav, WavError};

use conductor_abi::{AudioOpen, AudioOpened, AudioOutputList, AudioWrite, Op, Status};

use crate::{HostError, host};

/// Most bytes that are handed over at once. Every host takes messages of this size and the few bytes around them.
const PIECE_BYTES: usize = 32 * 1024;

/// Names of the outputs that the plugin may play on, the default output first.
///
/// # Errors
///
/// [`Status::Denied`] if Audio was not granted, [`Status::Unavailable`] if the machine has no output.
pub fn outputs() -> Result<Vec<String>, HostError> {
    let answer = host::call(Op::AudioOutputs, &[])?;
    let AudioOutputList { outputs } = host::decode(&answer)?;
    Ok(outputs)
}

/// A sound that was begun. Dropping this value does not end the sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sound {
    number: u32,
    gain: f32,
}

impl Sound {
    /// Begins a sound on an output, or on the default output if the name is empty. The sound has `rate` frames of
    /// 16-bit PCM a second, 8,000 to 192,000, with 1 or 2 channels. `gain`, 0 to 1, is lowered to what was granted.
    ///
    /// # Errors
    ///
    /// [`Status::Denied`] if Audio was not granted for this output, [`Status::Invalid`] if there is no such output,
    /// [`Status::Unavailable`] if it does not open.
    pub fn open(output: &str, rate: u32, channels: u8, gain: f32) -> Result<Self, HostError> {
        let answer = host::exchange(Op::AudioOpen, &AudioOpen { output, rate, channels, gain })?;
        let AudioOpened { sound, gain } = host::decode(&answer)?;
        Ok(Self { number: sound, gain })
    }

    /// How loud the sound is, 0 to 1.
    #[must_use]
    pub const fn gain(&self) -> f32 {
        self.gain
    }

    /// Appends frames, little-endian, to the sound. Returns how many bytes were taken: fewer than `samples` has, if
    /// much waits to be played already.
    ///
    /// # Errors
    ///
    /// [`Status::Invalid`] if the sound has ended, [`Status::Denied`] if it would become longer than was granted.
    pub fn write(&self, samples: &[u8]) -> Result<usize, HostError> {
        let mut written = 0;
        for piece in samples.chunks(PIECE_BYTES) {
            let answer = host::exchange(Op::AudioWrite, &AudioWrite { sound: self.number, samples: piece })?;
            let taken: u32 = host::decode(&answer)?;
            written += taken as usize;
            if (taken as usize) < piece.len() {
                break;
            }
        }
        Ok(written)
    }

    /// Appends all of these frames.
    ///
    /// # Errors
    ///
    /// As [`Sound::write`], and [`Status::TooLarge`] if not all of them fit. In that case the sound ends.
    pub fn write_all(&self, samples: &[u8]) -> Result<(), HostError> {
        if self.write(samples)? == samples.len() {
            return Ok(());
        }
        self.stop()?;
        Err(HostError::new(Status::TooLarge, "more waits to be played than the host keeps"))
    }

    /// Lets the sound end after the frames that were written.
    ///
    /// # Errors
    ///
    /// [`Status::Invalid`] if the sound has ended.
    pub fn finish(&self) -> Result<(), HostError> {
        host::exchange(Op::AudioFinish, &self.number).map(drop)
    }

    /// Ends the sound at once.
    ///
    /// # Errors
    ///
    /// [`Status::Invalid`] if the sound has ended.
    pub fn stop(&self) -> Result<(), HostError> {
        host::exchange(Op::AudioClose, &self.number).map(drop)
    }
}
