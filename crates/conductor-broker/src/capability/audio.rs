//! Audio: playing sounds that the plugin writes as PCM. Files and their formats are the plugin's own affair.
//!
//! All sounds of a plugin on one output are added up by a [`Mixer`], and what leaves it is never louder than was granted. A
//! sound goes on after the call that began it, until its end, the instance's, or the grant's.

mod mixer;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{AudioOpen, AudioOpened, AudioOutputList, AudioWrite, Capability, Status};
use conductor_policy::grant::{Grant, Grants};
use conductor_policy::scope::{AudioScope, Excerpt, Scope, written};

use super::continuation::{Closable, Continuation};
use super::listing::Listing;
use super::{Call, Operation, Refusal, decode, encode, granted, waiting};
use crate::devices::AudioError;
use crate::handles::Live;

use mixer::{Format, Mixer, Waiting, WriteError};

/// Name of the output that the system chooses.
const DEFAULT_OUTPUT: &str = "default";

/// Rates of sounds, in frames a second.
const RATES: std::ops::RangeInclusive<u32> = 8000..=192_000;

/// Longest name of an output in bytes.
const MAX_OUTPUT_BYTES: usize = 255;

/// Longest wait for an output to open.
const MAX_TIME: Duration = Duration::from_secs(3);

/// Most outputs of one plugin that are being listed, opened or played on.
const MAX_UNDER_WAY: usize = 4;

/// Lists the outputs that a plugin may play on.
pub(crate) struct Outputs;

/// Begins a sound.
pub(crate) struct Open;

/// Appends to a sound.
pub(crate) struct Write;

/// Lets a sound end after what was written.
pub(crate) struct Finish;

/// What a plugin plays.
pub(crate) struct Studio {
    mixers: Mutex<BTreeMap<String, Weak<Output>>>,
    waiting: Waiting,
    under_way: waiting::Places,
}

impl Default for Studio {
    fn default() -> Self {
        let under_way = waiting::Places::new(MAX_UNDER_WAY);
        Self { mixers: Mutex::default(), waiting: Waiting::default(), under_way }
    }
}

impl Studio {
    /// The plugin's sounds on this output.
    fn output(&self, name: &str) -> Arc<Output> {
        let mut mixers = self.mixers.lock().unwrap_or_else(PoisonError::into_inner);
        mixers.retain(|_, output| output.strong_count() > 0);
        if let Some(output) = mixers.get(name).and_then(Weak::upgrade) {
            return output;
        }
        let output = Arc::new(Output { name: name.to_owned(), mixer: Mixer::default() });
        mixers.insert(name.to_owned(), Arc::downgrade(&output));
        output
    }
}

/// One plugin's sounds on one output.
struct Output {
    name: String,
    mixer: Mixer,
}

impl Output {
    /// Has a thread play, unless one does, and waits until the output is open.
    fn ensure_open(&self, call: &Call<'_>) -> Result<(), Refusal> {
        let Some(mut part) = self.mixer.take_part() else { return Ok(()) };
        let (audio, name) = (Arc::clone(&call.session.devices().audio), self.name.clone());
        in_thread(call, &Excerpt::new(&self.name), |finish| {
            move || {
                let mut finish = Some(finish);
                let mut started = || {
                    if let Some(finish) = finish.take() {
                        finish.with(Ok(()));
                    }
                };
                // The names of some systems' outputs are commands; nothing but a name that was listed is opened.
                let result = audio.outputs().and_then(|outputs| {
                    if outputs.contains(&name) {
                        audio.play(&name, &mut started, part.source())
                    } else {
                        Err(AudioError::UnknownOutput { output: name })
                    }
                });
                match finish {
                    Some(finish) => finish.with(result),
                    None => part.end(result),
                }
            }
        })
    }
}

/// Does work on a thread of its own and waits for its result, as long as Audio is granted.
fn in_thread<T, W>(
    call: &Call<'_>,
    what: &dyn fmt::Display,
    work: impl FnOnce(waiting::Finish<Result<T, AudioError>>) -> W,
) -> Result<T, Refusal>
where
    T: Send + 'static,
    W: FnOnce() + Send + 'static,
{
    let session = call.session;
    let place = session.studio().under_way.take("an audio output")?;
    let deadline = call.deadline.min(Instant::now() + MAX_TIME);
    let still_granted = || granted(&call.grants(), Capability::Audio).map(|_| ());
    let done = waiting::until_done(what, call, deadline, still_granted, |finish| {
        let work = work(finish);
        let thread = thread::Builder::new().name("conductor-audio".to_owned()).spawn(move || {
            work();
            drop(place);
        });
        thread.map(|_detached| ()).map_err(|error| Refusal::failed(format!("no thread starts: {error}")))
    })?;
    done.map_err(|error| refusal(&error))
}

fn refusal(error: &AudioError) -> Refusal {
    let status = match error {
        AudioError::UnknownOutput { .. } => Status::Invalid,
        AudioError::Unavailable { .. } => Status::Unavailable,
        AudioError::Failed { .. } => Status::Failed,
    };
    Refusal::new(status, error.to_string())
}

/// What is granted for an output: how loud and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    gain_thousandths: u16,
    seconds: Option<u32>,
}

impl Terms {
    /// The terms for an output, if it is covered.
    fn of(grant: &Grant, output: &str) -> Result<Self, Refusal> {
        let covers = |scope: &Scope| scope.as_audio().is_some_and(|scope| scope.allows(output));
        let covering = grant.covering(covers).map_err(|outside| {
            Refusal::denied(format!("Audio: output {} is {outside}", Excerpt::new(output)))
        })?;
        let granted = Self::most(covering.iter().filter_map(|allowance| allowance.scope().as_audio()));
        let declared: Vec<_> = grant.declared().iter().filter(|scope| covers(scope)).collect();
        // A declaration that says nothing narrows nothing.
        if declared.is_empty() {
            return Ok(granted);
        }
        Ok(granted.within(Self::most(declared.into_iter().filter_map(Scope::as_audio))))
    }

    fn most<'a>(scopes: impl Iterator<Item = &'a AudioScope>) -> Self {
        let each =
            scopes.map(|scope| Self { gain_thousandths: scope.gain_thousandths(), seconds: scope.seconds() });
        let nothing = Self { gain_thousandths: 0, seconds: Some(0) };
        each.fold(nothing, |most, one| Self {
            gain_thousandths: most.gain_thousandths.max(one.gain_thousandths),
            seconds: most.seconds.zip(one.seconds).map(|(most, one)| most.max(one)),
        })
    }

    /// The least of both.
    fn within(self, other: Self) -> Self {
        let seconds = [self.seconds, other.seconds].into_iter().flatten().min();
        Self { gain_thousandths: self.gain_thousandths.min(other.gain_thousandths), seconds }
    }

    fn gain(self) -> f32 {
        f32::from(self.gain_thousandths) / 1000.0
    }
}

/// A sound.
pub(crate) struct Sound {
    output: Arc<Output>,
    number: u32,
    format: Format,
    terms: Terms,
    /// Frames that were written.
    frames: AtomicU64,
}

impl Live for Sound {
    /// A sound that began louder or longer than is granted now has ended; others go on.
    fn is_covered(&self, grants: &Grants) -> bool {
        let terms = granted(grants, Capability::Audio).and_then(|grant| Terms::of(grant, &self.output.name));
        terms.is_ok_and(|terms| terms.within(self.terms) == self.terms)
    }

    fn end(&self) {
        self.output.mixer.remove(self.number);
    }

    fn has_ended(&self) -> bool {
        !self.output.mixer.has(self.number)
    }

    fn is_ending(&self) -> bool {
        self.output.mixer.is_ending(self.number)
    }
}

impl Closable for Sound {
    const CAPABILITY: Capability = Capability::Audio;
    const CLOSING: &'static str = "audio-close";
}

impl Listing for Outputs {
    const CAPABILITY: Capability = Capability::Audio;
    const NAME: &'static str = "audio-outputs";

    fn list(grant: &Grant, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let audio = Arc::clone(&call.session.devices().audio);
        let mut outputs = in_thread(call, &Self::NAME, |finish| move || finish.with(audio.outputs()))?;
        outputs.retain(|output| Terms::of(grant, output).is_ok());
        encode(&AudioOutputList { outputs })
    }
}

/// A sound to begin.
pub(crate) struct Opening<'a> {
    output: &'a str,
    format: Format,
}

impl fmt::Display for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Format { rate, channels, gain } = self.format;
        write!(f, "{} at {rate} Hz, {channels} channels, gain {gain}", Excerpt::new(self.output))
    }
}

impl Operation for Open {
    const CAPABILITY: Capability = Capability::Audio;
    const NAME: &'static str = "audio-open";
    type Request<'a> = Opening<'a>;
    type Permit = Terms;

    fn parse(request: &[u8]) -> Result<Opening<'_>, Refusal> {
        let AudioOpen { output, rate, channels, gain } = decode(request)?;
        if output.len() > MAX_OUTPUT_BYTES {
            return Err(Refusal::invalid(format!("an output's name has at most {MAX_OUTPUT_BYTES} bytes")));
        }
        if !RATES.contains(&rate) || !(1..=2).contains(&channels) || !(0.0..=1.0).contains(&gain) {
            return Err(Refusal::invalid(format!(
                "a sound has {} to {} frames a second, 1 or 2 channels and a gain of 0 to 1",
                RATES.start(),
                RATES.end()
            )));
        }
        let output = if output.is_empty() { DEFAULT_OUTPUT } else { output };
        Ok(Opening { output, format: Format { rate, channels: channels.into(), gain } })
    }

    fn needs(request: &Opening<'_>) -> Option<String> {
        Some(written(request.output))
    }

    fn check(request: &Opening<'_>, grant: &Grant) -> Result<Terms, Refusal> {
        Terms::of(grant, request.output)
    }

    fn act(request: &Opening<'_>, terms: Terms, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let session = call.session;
        let output = session.studio().output(request.output);
        output.ensure_open(call)?;
        let format = Format { gain: request.format.gain.min(terms.gain()), ..request.format };
        let number = output.mixer.add(format, terms.gain(), session.studio().waiting.clone());
        let sound = Sound { output, number, format, terms, frames: AtomicU64::new(0) };
        let sound = call.keep_open(Arc::new(sound))?;
        encode(&AudioOpened { sound, gain: format.gain })
    }
}

/// More of a sound.
pub(crate) struct More<'a> {
    sound: u32,
    samples: &'a [u8],
}

impl fmt::Display for More<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes for {}", self.samples.len(), self.sound)
    }
}

impl Continuation for Write {
    const CAPABILITY: Capability = Capability::Audio;
    const NAME: &'static str = "audio-write";
    type Request<'a> = More<'a>;

    fn parse(request: &[u8]) -> Result<More<'_>, Refusal> {
        let AudioWrite { sound, samples } = decode(request)?;
        Ok(More { sound, samples })
    }

    fn act(request: &More<'_>, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let sound = call.session.handles().get::<Sound>(request.sound)?;
        let frame_bytes = sound.format.frame_bytes();
        if !request.samples.len().is_multiple_of(frame_bytes) {
            return Err(Refusal::invalid(format!("a frame of this sound has {frame_bytes} bytes")));
        }
        sound.output.ensure_open(call)?;
        let frames = (request.samples.len() / frame_bytes) as u64;
        if let Some(seconds) = sound.terms.seconds {
            let most = u64::from(seconds) * u64::from(sound.format.rate);
            if sound.frames.load(Ordering::Relaxed) + frames > most {
                return Err(Refusal::denied(format!(
                    "Audio: a sound of more than {seconds} s was not granted"
                )));
            }
        }
        let taken = sound.output.mixer.write(sound.number, request.samples).map_err(|error| match error {
            WriteError::Ended => Refusal::invalid("the sound has ended"),
            WriteError::Broken(error) => refusal(&error),
        })?;
        sound.frames.fetch_add((taken / frame_bytes) as u64, Ordering::Relaxed);
        encode(&(taken as u32))
    }
}

/// The number of a sound.
pub(crate) struct Number(u32);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Continuation for Finish {
    const CAPABILITY: Capability = Capability::Audio;
    const NAME: &'static str = "audio-finish";
    type Request<'a> = Number;

    fn parse(request: &[u8]) -> Result<Number, Refusal> {
        decode(request).map(Number)
    }

    fn act(request: &Number, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let sound = call.session.handles().get::<Sound>(request.0)?;
        sound.output.mixer.finish(sound.number);
        Ok(Vec::new())
    }
}
