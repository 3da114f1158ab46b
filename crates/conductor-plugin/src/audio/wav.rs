//! WAV files: uncompressed PCM of 8, 16, 24 and 32 bits, and 32-bit floating point.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use super::Sound;
use crate::HostError;

/// The format of integer samples, in the `fmt ` chunk.
const PCM: u16 = 1;

/// The format of floating-point samples.
const FLOAT: u16 = 3;

/// The value that says that the format is further on in the chunk.
const EXTENSIBLE: u16 = 0xfffe;

/// A WAV file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wav<'a> {
    /// Frames in a second.
    pub rate: u32,
    /// Channels of a frame, 1 or 2.
    pub channels: u8,
    /// The frames, 16-bit PCM, little-endian.
    pub samples: Cow<'a, [u8]>,
}

/// Why a file is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WavError(&'static str);

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a WAV file that can be played: {}", self.0)
    }
}

impl Error for WavError {}

/// The contents of the `fmt ` chunk.
#[derive(Clone, Copy)]
struct Format {
    kind: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

impl Format {
    fn parse(chunk: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_le_bytes(chunk.get(at..at + 2)?.try_into().ok()?));
        let kind = if word(0)? == EXTENSIBLE { word(24)? } else { word(0)? };
        let rate = u32::from_le_bytes(chunk.get(4..8)?.try_into().ok()?);
        Some(Self { kind, channels: word(2)?, rate, bits: word(14)? })
    }
}

impl<'a> Wav<'a> {
    /// Reads a file. 16-bit samples are borrowed from it.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the file.
    pub fn parse(file: &'a [u8]) -> Result<Self, WavError> {
        let (riff, rest) = file.split_at_checked(12).ok_or(WavError("it is too short"))?;
        if !riff.starts_with(b"RIFF") || !riff.ends_with(b"WAVE") {
            return Err(WavError("it does not begin as one"));
        }
        let format = chunk(rest, *b"fmt ").and_then(Format::parse);
        let format = format.ok_or(WavError("it does not say its format"))?;
        let data = chunk(rest, *b"data").ok_or(WavError("it has no samples"))?;
        let channels = match format.channels {
            1 => 1,
            2 => 2,
            _ => return Err(WavError("it has neither one channel nor two")),
        };
        let samples = match (format.kind, format.bits) {
            (PCM, 16) => Cow::Borrowed(data),
            (PCM, 8) => converted(data, |[byte]| (i16::from(byte) - 128) << 8),
            (PCM, 24) => converted(data, |[_, low, high]| i16::from_le_bytes([low, high])),
            (PCM, 32) => converted(data, |[_, _, low, high]| i16::from_le_bytes([low, high])),
            (FLOAT, 32) => converted(data, |bytes| (f32::from_le_bytes(bytes) * 32_767.0) as i16),
            _ => return Err(WavError("its samples are neither integers of 8 to 32 bits nor 32-bit floats")),
        };
        let whole = samples.len() - samples.len() % (usize::from(channels) * size_of::<i16>());
        let samples = match samples {
            Cow::Borrowed(samples) => Cow::Borrowed(&samples[..whole]),
            Cow::Owned(mut samples) => {
                samples.truncate(whole);
                Cow::Owned(samples)
            }
        };
        Ok(Self { rate: format.rate, channels, samples })
    }

    /// Begins to play the file on an output, or on the default output if the name is empty.
    ///
    /// # Errors
    ///
    /// As [`Sound::open`] and [`Sound::write_all`].
    pub fn play(&self, output: &str, gain: f32) -> Result<Sound, HostError> {
        let sound = Sound::open(output, self.rate, self.channels, gain)?;
        sound.write_all(&self.samples)?;
        sound.finish()?;
        Ok(sound)
    }
}

/// The first chunk with this name. A chunk that claims to be longer than the file ends with the file, as in a recording
/// that was cut off.
fn chunk(mut rest: &[u8], name: [u8; 4]) -> Option<&[u8]> {
    loop {
        let (found, after) = rest.split_first_chunk::<4>()?;
        let (length, body) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if *found == name {
            return Some(&body[..length.min(body.len())]);
        }
        // Chunks begin at even places.
        rest = body.get(length.checked_next_multiple_of(2)?..)?;
    }
}

fn converted<const N: usize>(data: &[u8], sample: impl Fn([u8; N]) -> i16) -> Cow<'static, [u8]> {
    Cow::Owned(data.as_chunks().0.iter().flat_map(|bytes| sample(*bytes).to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(kind: u16, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        file.extend([kind, channels].iter().flat_map(|word| word.to_le_bytes()));
        file.extend(44_100_u32.to_le_bytes());
        file.extend([0; 6]);
        file.extend(bits.to_le_bytes());
        file.extend(b"data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    fn samples(kind: u16, bits: u16, data: &[u8]) -> Vec<i16> {
        let file = file(kind, 1, bits, data);
        let wav = Wav::parse(&file).expect("a WAV file");
        assert_eq!((wav.rate, wav.channels), (44_100, 1));
        wav.samples.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect()
    }

    #[test]
    fn every_usual_format_is_read() {
        assert_eq!(samples(PCM, 16, &[0x34, 0x12, 0, 0x80]), [0x1234, i16::MIN]);
        assert_eq!(samples(PCM, 8, &[0, 128, 255]), [i16::MIN, 0, 127 << 8]);
        assert_eq!(samples(PCM, 24, &[1, 0x34, 0x12]), [0x1234]);
        assert_eq!(samples(PCM, 32, &[1, 2, 0x34, 0x12]), [0x1234]);
        let floats = [1.0_f32, -2.0, f32::NAN].map(f32::to_le_bytes).concat();
        assert_eq!(samples(FLOAT, 32, &floats), [i16::MAX, i16::MIN, 0]);
    }

    #[test]
    fn what_is_cut_is_played_as_far_as_it_goes() {
        let stereo = file(PCM, 2, 16, &[1, 0, 2, 0, 3, 0, 4, 0]);
        let wav = Wav::parse(&stereo[..stereo.len() - 1]).expect("a WAV file");
        assert_eq!((wav.channels, wav.samples.len()), (2, 4));
        for length in 0..stereo.len() - 8 {
            assert!(Wav::parse(&stereo[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn what_cannot_be_played_says_why() {
        for (kind, channels, bits) in [(2, 1, 16), (PCM, 3, 16), (PCM, 0, 16), (PCM, 1, 12), (FLOAT, 1, 64)] {
            assert!(Wav::parse(&file(kind, channels, bits, &[0; 8])).is_err(), "{kind} {channels} {bits}");
        }
        assert!(Wav::parse(b"RIFF\0\0\0\0AVI LIST\xff\xff\xff\xff").is_err());
    }
}
