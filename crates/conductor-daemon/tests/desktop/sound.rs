//! Sounds on PipeWire's outputs: their recording has the pitch, the length and the loudness that the plugin asked for.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::session::Session;

/// Frames of a recording in a second.
const RATE: usize = 48_000;

/// Bytes in front of the samples of a recording.
const HEADER_BYTES: usize = 44;

/// Two outputs that nobody hears. The first is the default output.
const SINKS: &str = r#"context.objects = [
    { factory = adapter args = {
        factory.name = support.null-audio-sink node.name = speakers media.class = Audio/Sink
        audio.position = [ FL FR ] priority.session = 2000
    } }
    { factory = adapter args = {
        factory.name = support.null-audio-sink node.name = booth media.class = Audio/Sink
        audio.position = [ FL FR ] priority.session = 1000
    } }
]"#;

/// ALSA's name for the second output.
const ASOUNDRC: &str = r#"pcm.booth {
    type pipewire
    playback_node "booth"
    hint { show on description "booth" }
}
"#;

/// Starts PipeWire with its outputs.
pub(super) fn start(session: &mut Session) {
    let place = session.path("home/.config/pipewire/pipewire.conf.d");
    fs::create_dir_all(&place).expect("directory");
    fs::write(place.join("sinks.conf"), SINKS).expect("configuration");
    fs::write(session.path("home/.asoundrc"), ASOUNDRC).expect("configuration");
    session.run("pipewire", "pipewire", &[]);
    session.wait("PipeWire starts", || session.path("run/pipewire-0").exists());
    session.run("wireplumber", "wireplumber", &[]);
    session.wait("there is an output", || super::volume::wpctl(session).contains("Volume"));
}

/// Records an output while `happens` runs. Returns the left channel from the first sound on.
fn heard(session: &mut Session, sink: &str, happens: impl FnOnce(&Session)) -> Vec<i16> {
    let file = session.path("heard.wav");
    let path = file.to_str().expect("UTF-8").to_owned();
    let format = ["--rate=48000", "--channels=2", "--format=s16", "--latency=10ms"];
    let target = format!("--target={sink}");
    let properties = ["-P", "{ stream.capture.sink=true }"];
    session.run("pw-record", "pipewire-bin", &[&format[..], &properties, &[&target, &path]].concat());
    let length = || fs::metadata(&file).map_or(0, |metadata| metadata.len());
    session.wait("the recording begins", || length() > 40_000);
    happens(session);
    thread::sleep(Duration::from_millis(300));
    session.finish_last();
    #[expect(clippy::disallowed_methods, reason = "the test wrote the file")]
    let bytes = fs::read(&file).expect("a recording");
    let samples = bytes[HEADER_BYTES..].as_chunks().0.iter().map(|frame: &[u8; 4]| [frame[0], frame[1]]);
    let left: Vec<i16> = samples.map(i16::from_le_bytes).collect();
    let first = left.iter().position(|sample| *sample != 0).unwrap_or(left.len());
    let last = left.iter().rposition(|sample| *sample != 0).map_or(first, |last| last + 1);
    left[first..last].to_vec()
}

/// The usual number of frames between two rises through zero. A busy machine may lose a few milliseconds of a sound;
/// the rest still has the pitch.
fn period(sound: &[i16]) -> f64 {
    let rises: Vec<usize> = (1..sound.len()).filter(|at| sound[at - 1] < 0 && sound[*at] >= 0).collect();
    let mut periods: Vec<usize> = rises.windows(2).map(|pair| pair[1] - pair[0]).collect();
    periods.sort_unstable();
    // Frames are coarse beside a period, so most periods have one of two lengths; the middle half shows their shares.
    let middle = &periods[periods.len() / 4..periods.len() * 3 / 4];
    middle.iter().sum::<usize>() as f64 / middle.len() as f64
}

fn peak(sound: &[i16]) -> f64 {
    f64::from(sound.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)) / 32_768.0
}

fn play(session: &Session, grant: &str, action: &str, parameters: &Value) -> Value {
    session.reply("sampler", &[grant], action, parameters)
}

/// A WAV file with a sine of 1,000 Hz, 22,050 frames of two channels a second, half as loud as can be.
fn wav(seconds: usize) -> Vec<u8> {
    const FILE_RATE: u32 = 22_050;
    let frames = FILE_RATE as usize * seconds;
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
    file.extend(FILE_RATE.to_le_bytes());
    file.extend((FILE_RATE * 4).to_le_bytes());
    file.extend([4, 0, 16, 0]);
    file.extend(b"data");
    file.extend((frames as u32 * 4).to_le_bytes());
    for at in 0..frames {
        let sample = (at as f64 * 1000.0 * std::f64::consts::TAU / f64::from(FILE_RATE)).sin() * 16_384.0;
        file.extend([(sample as i16).to_le_bytes(); 2].concat());
    }
    file
}

#[track_caller]
fn assert_sound(sound: &[i16], hz: usize, millis: usize, loud: f64) {
    let frames = millis * RATE / 1000;
    assert!(sound.len().abs_diff(frames) <= RATE / 10, "{} frames, not {frames}", sound.len());
    let wanted = RATE as f64 / hz as f64;
    assert!((period(sound) - wanted).abs() < 0.6, "a period of {} frames, not {wanted}", period(sound));
    assert!((peak(sound) - loud).abs() < 0.02, "peak {}, not {loud}", peak(sound));
}

#[test]
fn tones_and_files_are_heard_on_the_output_that_is_named() {
    let mut session = Session::start();
    session.refused("sampler", "Audio", "tone", &json!({ "hz": 440 }), "audio is unavailable here, because ");
    start(&mut session);

    let sound = heard(&mut session, "speakers", |session| {
        let reply = play(session, "Audio", "tone", &json!({ "hz": 440, "seconds": 1 }));
        assert_eq!(reply, json!({ "gain": 1.0 }));
    });
    assert_sound(&sound, 440, 1000, 1.0);

    let lowered = json!({ "hz": 1000, "seconds": 0.5, "gain": 0.9, "output": "booth" });
    let sound = heard(&mut session, "booth", |session| {
        assert_eq!(play(session, "Audio=booth;gain=0.25", "tone", &lowered), json!({ "gain": 0.25 }));
    });
    assert_sound(&sound, 1000, 500, 0.25);
    let sound = heard(&mut session, "speakers", |session| {
        play(session, "Audio=booth", "tone", &lowered);
    });
    assert!(sound.is_empty(), "nothing is heard elsewhere");

    let samples = session.path("home/.local/share/conductor/plugin-data/sampler");
    fs::create_dir_all(&samples).expect("directory");
    fs::write(samples.join("beep.wav"), wav(1)).expect("file");
    let sound = heard(&mut session, "speakers", |session| {
        let file = json!({ "file": "beep.wav" });
        session.reply("sampler", &["Audio", "Filesystem"], "play", &file);
    });
    assert_sound(&sound, 1000, 1000, 0.5);
}

#[test]
fn what_is_not_granted_is_not_heard() {
    let mut session = Session::start();
    start(&mut session);
    let outputs = play(&session, "Audio=booth", "outputs", &json!(null));
    assert_eq!(outputs, json!(["booth"]));
    let outputs = play(&session, "Audio", "outputs", &json!(null));
    assert_eq!(outputs[0], "default", "{outputs}");
    let sound = heard(&mut session, "speakers", |session| {
        let tone = json!({ "hz": 440, "seconds": 1 });
        session.refused("sampler", "Audio=booth", "tone", &tone, "output `default` is outside the scope");
        session.refused(
            "sampler",
            "Audio=seconds=1",
            "tone",
            &json!({ "hz": 440, "seconds": 2 }),
            "more than 1 s",
        );
        let output = json!({ "hz": 440, "output": "file:FILE=/tmp/x,FORMAT=raw" });
        session.refused("sampler", "Audio", "tone", &output, "there is no audio output named");
    });
    assert!(sound.is_empty());
}
