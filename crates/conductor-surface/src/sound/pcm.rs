//! Playing through ALSA.

use std::cell::RefCell;
use std::rc::Rc;

use alsa::device_name::HintIter;
use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, Output, ValueOr};
use conductor_broker::devices::{AUDIO_RATE, AudioError, AudioSource};

/// Left and right.
const CHANNELS: u32 = 2;

/// How much is written at a time, in microseconds. A sound that is stopped goes on for at most this time and the
/// buffer's.
const PERIOD_MICROS: u32 = 10_000;

/// How much sound waits in the device, in microseconds.
const BUFFER_MICROS: u32 = 40_000;

/// Beginnings of names that are not offered: a raw device takes one format only, and `null` plays nothing.
const LEFT_OUT: [&str; 2] = ["hw:", "null"];

/// The name of the default output.
const DEFAULT: &str = "default";

/// Names of the outputs, the default output first.
pub(super) fn names() -> Result<Vec<String>, AudioError> {
    let words = Words::begin();
    let hints = HintIter::new_str(None, "pcm")
        .map_err(|error| unavailable(format!("ALSA does not list outputs: {}", words.about(&error))))?;
    let outputs = hints.filter(|hint| hint.direction != Some(Direction::Capture));
    let mut names: Vec<String> = outputs
        .filter_map(|hint| hint.name)
        .filter(|name| !LEFT_OUT.iter().any(|left_out| name.starts_with(left_out)))
        .collect();
    names.sort_by_key(|name| name != DEFAULT);
    names.dedup();
    if names.is_empty() { Err(unavailable("ALSA has no output".to_owned())) } else { Ok(names) }
}

/// Plays until the source is exhausted.
pub(super) fn play(
    output: &str,
    started: &mut dyn FnMut(),
    source: &mut dyn AudioSource,
) -> Result<(), AudioError> {
    let words = Words::begin();
    let pcm = open(output)
        .map_err(|error| unavailable(format!("{output} does not open: {}", words.about(&error))))?;
    let failed =
        |error: &alsa::Error| AudioError::Failed { output: output.to_owned(), reason: words.about(error) };
    let io = pcm.io_f32().map_err(|error| failed(&error))?;
    started();
    let frames = AUDIO_RATE as usize * PERIOD_MICROS as usize / 1_000_000;
    let mut samples = vec![0.0; frames * CHANNELS as usize];
    while source.fill(&mut samples) {
        let mut rest = samples.as_slice();
        while !rest.is_empty() {
            match io.writei(rest) {
                Ok(written) => rest = &rest[written * CHANNELS as usize..],
                // The device ran out of data, or the machine slept.
                Err(error) => pcm.try_recover(error, true).map_err(|error| failed(&error))?,
            }
        }
    }
    pcm.drop().map_err(|error| failed(&error))
}

fn open(output: &str) -> alsa::Result<PCM> {
    let pcm = PCM::new(output, Direction::Playback, false)?;
    {
        let params = HwParams::any(&pcm)?;
        params.set_access(Access::RWInterleaved)?;
        params.set_format(Format::float())?;
        params.set_channels(CHANNELS)?;
        params.set_rate_resample(true)?;
        params.set_rate(AUDIO_RATE, ValueOr::Nearest)?;
        params.set_period_time_near(PERIOD_MICROS, ValueOr::Nearest)?;
        params.set_buffer_time_near(BUFFER_MICROS, ValueOr::Nearest)?;
        pcm.hw_params(&params)?;
    }
    Ok(pcm)
}

fn unavailable(reason: String) -> AudioError {
    AudioError::Unavailable { reason }
}

/// Collects what ALSA says on this thread, which it would otherwise write to standard error.
struct Words(Option<Rc<RefCell<Output>>>);

impl Words {
    fn begin() -> Self {
        Self(Output::local_error_handler().ok())
    }

    /// What went wrong, in ALSA's words if it gave any.
    fn about(&self, error: &alsa::Error) -> String {
        let said = self.0.as_ref().map(|words| words.borrow().to_string()).unwrap_or_default();
        match said.lines().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("{error} ({})", line.trim()),
            None => error.to_string(),
        }
    }
}
