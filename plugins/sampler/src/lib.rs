//! Plays tones, and WAV files that you put into the plugin's data directory.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::io::Read as _;

use conductor_plugin::audio::{self, Sound, Tone, Wav};
use conductor_plugin::{Call, HostError, plugin};
use serde::Deserialize;
use serde_json::{Value, json};

plugin! {
    capabilities: {
        Audio: "plays the sounds",
        Filesystem("read-only"): "reads the sound files that you put into its directory",
    },
    actions: {
        /// Plays a tone.
        tone {
            hz: "periods in a second; those of the note if absent",
            seconds: "length, at most 10; 0.5 if absent",
            gain: "0 to 1; as hard as the note was struck if absent",
            output: "name of an output; the system's own choice if absent",
        },
        /// Plays a WAV file.
        play {
            file: "name of a file in the plugin's data directory",
            gain: "as for tone",
            output: "as for tone",
        },
        /// Ends everything that sounds.
        stop,
        /// Lists the outputs.
        outputs,
    },
}

/// Longest tone in seconds.
const MAX_SECONDS: f32 = 10.0;

/// Most bytes of a file that are read. The host keeps no more bytes that wait to be played.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Most sounds that are remembered, so that `stop` can end them. The host plays no more at once.
const MAX_SOUNDS: usize = 16;

/// Pitch and number of the reference note, the A above middle C.
const A: (f32, f32) = (440.0, 69.0);

/// The largest velocity of a note.
const MAX_VELOCITY: f32 = 127.0;

thread_local! {
    /// Sounds that may still be playing, the newest last.
    static SOUNDS: RefCell<Vec<Sound>> = const { RefCell::new(Vec::new()) };
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToneParameters {
    hz: Option<f32>,
    seconds: Option<f32>,
    gain: Option<f32>,
    #[serde(default)]
    output: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    file: String,
    gain: Option<f32>,
    #[serde(default)]
    output: String,
}

fn tone(call: Call<Option<ToneParameters>>) -> Result<Value, String> {
    let note = call.context.note.map(f32::from);
    let parameters = call.parameters.unwrap_or_default();
    let hz = parameters.hz.or(note.map(pitch)).ok_or("say which pitch, or map a note to this")?;
    let seconds = parameters.seconds.unwrap_or(0.5);
    if !(1.0..=20_000.0).contains(&hz) || !(0.0..=MAX_SECONDS).contains(&seconds) {
        return Err(format!("a tone has 1 to 20000 Hz and lasts at most {MAX_SECONDS} s"));
    }
    let gain = parameters.gain.unwrap_or_else(|| strength(call.context.velocity));
    let tone = Tone { hz, seconds, gain };
    tone.play(&parameters.output).map(remembered).map_err(|error| error.to_string())
}

/// The pitch of a note, in equal temperament.
fn pitch(note: f32) -> f32 {
    A.0 * ((note - A.1) / 12.0).exp2()
}

fn strength(velocity: Option<u8>) -> f32 {
    velocity.map_or(1.0, |velocity| f32::from(velocity) / MAX_VELOCITY)
}

fn play(call: Call<File>) -> Result<Value, String> {
    let File { file, gain, output } = call.parameters;
    let bytes = read(&file).map_err(|error| format!("{file}: {error}"))?;
    let wav = Wav::parse(&bytes).map_err(|error| format!("{file}: {error}"))?;
    let gain = gain.unwrap_or_else(|| strength(call.context.velocity));
    wav.play(&output, gain).map(remembered).map_err(|error| error.to_string())
}

fn read(file: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn remembered(sound: Sound) -> Value {
    SOUNDS.with_borrow_mut(|sounds| {
        if sounds.len() >= MAX_SOUNDS {
            sounds.remove(0);
        }
        sounds.push(sound);
    });
    json!({ "gain": sound.gain() })
}

fn stop(_call: Call<Option<Value>>) -> Result<(), HostError> {
    for sound in SOUNDS.take() {
        // Most sounds have ended by themselves, and then stopping fails.
        let _ = sound.stop();
    }
    Ok(())
}

fn outputs(_call: Call<Option<Value>>) -> Result<Vec<String>, HostError> {
    audio::outputs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_have_their_pitch() {
        assert_eq!(pitch(69.0), 440.0);
        assert!((pitch(60.0) - 261.626).abs() < 0.001);
        assert_eq!(strength(Some(127)), 1.0);
    }
}
