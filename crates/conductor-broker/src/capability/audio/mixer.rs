//! The sounds of one plugin on one output, added up on the audio thread.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::devices::{AUDIO_RATE, AudioError, AudioSource};

/// Most bytes that wait to be played for one plugin, on all outputs: 87 seconds at 48,000 frames a second.
pub(super) const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;

/// How long an output stays open in silence, in frames: the next sound begins without the wait for the device.
const MAX_IDLE_FRAMES: usize = 2 * AUDIO_RATE as usize;

/// The largest magnitude of a 16-bit sample.
const FULL_SCALE: f32 = 32_768.0;

/// Left and right.
type Frame = [i16; 2];

/// The bytes of a frame that waits.
const FRAME_BYTES: usize = size_of::<Frame>();

/// The bytes that wait for one plugin.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    /// Takes room for as many of these frames as fit.
    fn take(&self, frames: usize) -> usize {
        let mut taken = 0;
        let updated = self.0.try_update(Ordering::AcqRel, Ordering::Acquire, |bytes| {
            taken = frames.min(MAX_WAITING_BYTES.saturating_sub(bytes) / FRAME_BYTES);
            Some(bytes + taken * FRAME_BYTES)
        });
        debug_assert!(updated.is_ok(), "the update always has a result");
        taken
    }

    fn give_back(&self, frames: usize) {
        self.0.fetch_sub(frames * FRAME_BYTES, Ordering::AcqRel);
    }
}

/// How a sound is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Format {
    pub(super) rate: u32,
    pub(super) channels: usize,
    pub(super) gain: f32,
}

impl Format {
    /// Bytes of a frame as the plugin writes it.
    pub(super) const fn frame_bytes(&self) -> usize {
        self.channels * size_of::<i16>()
    }
}

/// One sound, read at its own pace.
struct Voice {
    format: Format,
    frames: VecDeque<Frame>,
    /// The four frames that the next one is interpolated from, between the second and the third.
    around: [[f32; 2]; 4],
    /// Where between the two, 0 to 1.
    at: f64,
    /// Frames that are missing in `around` because the sound has not got that far.
    to_load: u32,
    /// Nothing more is written.
    is_finished: bool,
    /// Frames of silence after the end that `around` was filled with.
    tail: u32,
    waiting: Waiting,
}

impl Voice {
    fn new(format: Format, waiting: Waiting) -> Self {
        let frames = VecDeque::new();
        let around = [[0.0; 2]; 4];
        Self { format, frames, around, at: 0.0, to_load: 3, is_finished: false, tail: 0, waiting }
    }

    /// Takes what fits of these bytes, which are whole frames; returns how many that was.
    fn write(&mut self, samples: &[u8]) -> usize {
        let frame_bytes = self.format.frame_bytes();
        let frames = self.waiting.take(samples.len() / frame_bytes);
        let taken = frames * frame_bytes;
        self.frames.extend(samples.iter().as_slice()[..taken].chunks_exact(frame_bytes).map(|frame| {
            let mut samples = frame.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes));
            let left = samples.next().unwrap_or_default();
            [left, samples.next().unwrap_or(left)]
        }));
        taken
    }

    /// Moves on to the next frame of the sound; `false` if there is none yet.
    fn load(&mut self) -> bool {
        let next = match self.frames.pop_front() {
            Some(frame) => {
                self.waiting.give_back(1);
                frame.map(|sample| f32::from(sample) / FULL_SCALE)
            }
            None if self.is_finished => {
                self.tail += 1;
                [0.0; 2]
            }
            None => return false,
        };
        self.around.rotate_left(1);
        self.around[3] = next;
        true
    }

    /// The next frame for the output, or none while the sound has not got that far.
    fn next(&mut self) -> Option<[f32; 2]> {
        while self.to_load > 0 {
            if !self.load() {
                return None;
            }
            self.to_load -= 1;
        }
        let frame = [0, 1].map(|side| {
            interpolated(self.around.map(|frame| frame[side]), self.at as f32) * self.format.gain
        });
        self.at += f64::from(self.format.rate) / f64::from(AUDIO_RATE);
        let whole = self.at.floor();
        self.at -= whole;
        self.to_load = whole as u32;
        Some(frame)
    }

    /// Whether all of it was played.
    const fn has_ended(&self) -> bool {
        self.tail >= 3
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.waiting.give_back(self.frames.len());
    }
}

/// The value between the second and the third of four, on the curve of Catmull and Rom through all of them.
fn interpolated([before, from, to, after]: [f32; 4], at: f32) -> f32 {
    let slope = (to - before) / 2.0;
    let next_slope = (after - from) / 2.0;
    let rise = from - to;
    let cubic = 2.0 * rise + slope + next_slope;
    let square = -3.0 * rise - 2.0 * slope - next_slope;
    ((cubic * at + square) * at + slope) * at + from
}

/// The sounds on one output.
#[derive(Default)]
struct State {
    next: u32,
    voices: BTreeMap<u32, Voice>,
    /// Highest magnitude of what leaves for the output.
    ceiling: f32,
    /// Whether somebody plays, and who did last.
    is_open: bool,
    part: u32,
    idle_frames: usize,
    failure: Option<AudioError>,
}

/// The sounds of one plugin on one output.
#[derive(Clone, Default)]
pub(super) struct Mixer(Arc<Mutex<State>>);

/// The part of who plays the sounds. Where it is dropped before they are all played they have ended.
pub(super) struct Part {
    mixer: Mixer,
    number: u32,
    failure: Option<AudioError>,
}

impl Part {
    /// What to play.
    pub(super) const fn source(&mut self) -> &mut Mixer {
        &mut self.mixer
    }

    /// Says how it ended, for the plugin to read when it goes on.
    pub(super) fn end(mut self, result: Result<(), AudioError>) {
        self.failure = result.err();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut state = self.mixer.lock();
        if state.is_open && state.part == self.number {
            state.is_open = false;
            state.voices.clear();
            state.failure = self.failure.take();
        }
    }
}

/// Why nothing was written to a sound.
pub(super) enum WriteError {
    /// It has ended.
    Ended,
    /// The output broke.
    Broken(AudioError),
}

impl Mixer {
    /// Begins a sound.
    pub(super) fn add(&self, format: Format, ceiling: f32, waiting: Waiting) -> u32 {
        let mut state = self.lock();
        let number = state.next;
        state.next = state.next.wrapping_add(1);
        state.ceiling = ceiling;
        state.voices.insert(number, Voice::new(format, waiting));
        number
    }

    /// Appends to a sound; returns how many bytes were taken.
    pub(super) fn write(&self, number: u32, samples: &[u8]) -> Result<usize, WriteError> {
        let mut state = self.lock();
        if let Some(error) = state.failure.take() {
            return Err(WriteError::Broken(error));
        }
        let voice = state.voices.get_mut(&number).filter(|voice| !voice.is_finished);
        voice.map(|voice| voice.write(samples)).ok_or(WriteError::Ended)
    }

    /// Lets a sound end after what was written.
    pub(super) fn finish(&self, number: u32) {
        if let Some(voice) = self.lock().voices.get_mut(&number) {
            voice.is_finished = true;
        }
    }

    /// Ends a sound at once.
    pub(super) fn remove(&self, number: u32) {
        self.lock().voices.remove(&number);
    }

    /// Whether a sound is still there.
    pub(super) fn has(&self, number: u32) -> bool {
        self.lock().voices.contains_key(&number)
    }

    /// Whether a sound is played to its end.
    pub(super) fn is_ending(&self, number: u32) -> bool {
        self.lock().voices.get(&number).is_some_and(|voice| voice.is_finished)
    }

    /// Whether the output must be opened: then the caller is who plays.
    pub(super) fn take_part(&self) -> Option<Part> {
        let mut state = self.lock();
        state.idle_frames = 0;
        if std::mem::replace(&mut state.is_open, true) {
            return None;
        }
        state.part = state.part.wrapping_add(1);
        Some(Part { mixer: self.clone(), number: state.part, failure: None })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AudioSource for Mixer {
    fn fill(&mut self, samples: &mut [f32]) -> bool {
        let mut state = self.lock();
        let State { voices, ceiling, .. } = &mut *state;
        let mut sounded = false;
        for frame in samples.as_chunks_mut::<2>().0 {
            let mut sum = [0.0; 2];
            for [left, right] in voices.values_mut().filter_map(Voice::next) {
                sounded = true;
                sum = [sum[0] + left, sum[1] + right];
            }
            *frame = sum.map(|sample| sample.clamp(-*ceiling, *ceiling));
        }
        voices.retain(|_, voice| !voice.has_ended());
        state.idle_frames = if sounded { 0 } else { state.idle_frames + samples.len() / 2 };
        state.is_open = state.idle_frames < MAX_IDLE_FRAMES;
        state.is_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { rate: AUDIO_RATE, channels: 1, gain: 1.0 };

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    fn play(mixer: &mut Mixer, frames: usize) -> Vec<f32> {
        let mut samples = vec![9.0; frames * 2];
        assert!(mixer.fill(&mut samples), "still open");
        samples
    }

    fn sine(hz: f32, rate: u32, frames: u32) -> Vec<i16> {
        let sample = |at: u32| (at as f32 * hz * std::f32::consts::TAU / rate as f32).sin() * 30_000.0;
        (0..frames).map(|at| sample(at) as i16).collect()
    }

    #[test]
    fn a_sound_is_played_as_it_is_written() {
        let mut mixer = Mixer::default();
        let format = Format { channels: 2, ..FORMAT };
        let sound = mixer.add(format, 1.0, Waiting::default());
        assert!(matches!(mixer.write(sound, &bytes(&[16_384, -16_384, 8192, 0])), Ok(8)));
        mixer.finish(sound);
        assert!(matches!(mixer.write(sound, &[0; 4]), Err(WriteError::Ended)));
        assert_eq!(play(&mut mixer, 4), [0.5, -0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(!mixer.has(sound), "it has ended by itself");
    }

    #[test]
    fn a_sound_that_is_not_written_in_time_waits() {
        let mut mixer = Mixer::default();
        let sound = mixer.add(FORMAT, 1.0, Waiting::default());
        assert!(mixer.write(sound, &bytes(&[3277, 3277])).is_ok());
        let mut all = play(&mut mixer, 3);
        assert!(mixer.write(sound, &bytes(&[3277, 3277])).is_ok());
        mixer.finish(sound);
        all.extend(play(&mut mixer, 5));
        let loud = all.iter().filter(|sample| **sample > 0.09).count();
        assert_eq!((loud, mixer.has(sound)), (8, false), "four frames on both sides: {all:?}");
    }

    #[test]
    fn together_they_are_no_louder_than_was_granted() {
        let mut mixer = Mixer::default();
        for _ in 0..8 {
            let format = Format { gain: 0.25, ..FORMAT };
            let sound = mixer.add(format, 0.25, Waiting::default());
            assert!(mixer.write(sound, &bytes(&[i16::MAX, i16::MIN, i16::MAX, i16::MIN])).is_ok());
        }
        let samples = play(&mut mixer, 2);
        assert!(samples.iter().all(|sample| sample.abs() == 0.25), "{samples:?}");
    }

    #[test]
    fn other_rates_keep_pitch_and_length() {
        for rate in [8000, 44_100, 48_000, 96_000] {
            let mut mixer = Mixer::default();
            let format = Format { rate, ..FORMAT };
            let sound = mixer.add(format, 1.0, Waiting::default());
            let samples = bytes(&sine(440.0, rate, rate));
            assert!(mixer.write(sound, &samples).is_ok_and(|taken| taken == samples.len()));
            mixer.finish(sound);
            let left: Vec<f32> = play(&mut mixer, AUDIO_RATE as usize + 20).into_iter().step_by(2).collect();
            assert!(!mixer.has(sound), "{rate}: a second has passed");
            let rises = left.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
            assert!((439..=441).contains(&rises), "{rate}: {rises} periods");
            let peak = left.iter().copied().fold(0.0, f32::max);
            assert!((0.9..0.93).contains(&peak), "{rate}: {peak}");
        }
    }

    #[test]
    fn what_waits_is_bounded_for_all_sounds_together() {
        let waiting = Waiting::default();
        let mixer = Mixer::default();
        let sounds = [0, 1].map(|_| mixer.add(FORMAT, 1.0, waiting.clone()));
        let half = vec![0; MAX_WAITING_BYTES / 4 + 2];
        let taken = sounds.map(|sound| mixer.write(sound, &half).unwrap_or_default());
        assert_eq!(taken, [half.len(), half.len() - 4], "a frame of one channel waits as one of two");
        mixer.remove(sounds[0]);
        assert!(
            mixer.write(sounds[1], &half).is_ok_and(|taken| taken == half.len()),
            "its room is given back"
        );
        mixer.remove(sounds[1]);
        assert_eq!(waiting.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn sounds_end_with_the_output_that_breaks() {
        let mixer = Mixer::default();
        let part = mixer.take_part().expect("nobody plays");
        let sound = mixer.add(FORMAT, 1.0, Waiting::default());
        let broken = AudioError::Unavailable { reason: "unplugged".to_owned() };
        part.end(Err(broken.clone()));
        assert!(!mixer.has(sound));
        assert!(matches!(mixer.write(sound, &[]), Err(WriteError::Broken(error)) if error == broken));
        assert!(matches!(mixer.write(sound, &[]), Err(WriteError::Ended)));
        assert!(mixer.take_part().is_some(), "somebody else may play");
    }

    #[test]
    fn an_output_without_sound_is_closed_after_a_while() {
        let mut mixer = Mixer::default();
        let part = mixer.take_part();
        assert!(part.is_some() && mixer.take_part().is_none());
        let mut samples = vec![0.0; 9600];
        let fills = (0..100).take_while(|_| mixer.fill(&mut samples)).count();
        assert_eq!(fills, 19, "two seconds");
        let next = mixer.take_part();
        assert!(next.is_some());
        drop(part);
        assert!(mixer.take_part().is_none(), "who is done does not end what the next one plays");
    }
}
