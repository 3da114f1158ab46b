//! Tones.

use std::f32::consts::TAU;

use super::Sound;
use crate::HostError;

/// Frames in a second.
const RATE: u32 = 48_000;

/// Frames in which a tone rises, and in which it falls. Without these five milliseconds the tone would click.
const FADE: u32 = RATE / 200;

/// A sine that fades in and out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Periods in a second.
    pub hz: f32,
    /// Length in seconds.
    pub seconds: f32,
    /// How loud the tone is, 0 to 1. It is lowered to what was granted.
    pub gain: f32,
}

impl Tone {
    /// Begins to play the tone on an output, or on the default output if the name is empty.
    ///
    /// # Errors
    ///
    /// As [`Sound::open`] and [`Sound::write_all`].
    pub fn play(&self, output: &str) -> Result<Sound, HostError> {
        let sound = Sound::open(output, RATE, 1, self.gain)?;
        sound.write_all(&self.samples())?;
        sound.finish()?;
        Ok(sound)
    }

    /// The tone as 16-bit PCM, with 48,000 frames of one channel a second.
    fn samples(&self) -> Vec<u8> {
        let frames = (self.seconds.max(0.0) * RATE as f32) as u32;
        // The sine is a point that turns by the same angle in each frame. Computing each sine anew costs many times as
        // much.
        let (sin, cos) = (self.hz * TAU / RATE as f32).sin_cos();
        let (mut x, mut y) = (1.0_f32, 0.0_f32);
        let mut samples = Vec::with_capacity(frames as usize * size_of::<i16>());
        for at in 0..frames {
            let fade = at.min(frames - 1 - at).min(FADE) as f32 / FADE as f32;
            samples.extend(((y * fade * f32::from(i16::MAX)) as i16).to_le_bytes());
            // Rounding would make the point drift away from the circle; this keeps it there.
            let length = 1.5 - 0.5 * x.mul_add(x, y * y);
            (x, y) = ((x * cos - y * sin) * length, (x * sin + y * cos) * length);
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_has_its_pitch_length_and_height() {
        for hz in [27.5, 440.0, 10_000.0] {
            let samples = Tone { hz, seconds: 1.0, gain: 1.0 }.samples();
            let samples: Vec<i16> =
                samples.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect();
            assert_eq!(samples.len(), 48_000);
            let rises = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            assert!((rises as f32 - hz).abs() <= 1.0, "{hz}: {rises}");
            assert!(samples.iter().any(|sample| *sample > 32_000), "{hz} is as loud at the end as told");
            assert_eq!((samples[0], samples[47_999]), (0, 0));
        }
        assert!(Tone { hz: 440.0, seconds: -1.0, gain: 1.0 }.samples().is_empty());
    }
}
