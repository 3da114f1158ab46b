//! Audio through the broker: outputs, loudness and length stay within the scope, and a sound stops when its grant is
//! taken away.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{AudioOpen, AudioOpened, AudioOutputList, AudioWrite, Capability, CapabilityRequest};
use conductor_abi::{Op, Risk, Status};
use conductor_broker::devices::{AudioError, AudioOutputs, AudioSource, Devices, Sounding};
use conductor_broker::{Broker, Session};
use conductor_call::Answer;
use conductor_call::Limits;
use conductor_policy::grant::{Ceilings, Choices, Grants};
use conductor_signing::TrustLevel;

/// Longest wait for something that usually takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Outputs that remember the loudest sample of the last bytes played.
#[derive(Default)]
struct Outputs {
    heard: Mutex<f32>,
    plays: Mutex<usize>,
    /// Whether opening an output blocks until the test lets it go on.
    hangs: Mutex<bool>,
    goes_on: Condvar,
}

impl AudioOutputs for Outputs {
    fn outputs(&self) -> Result<Vec<String>, AudioError> {
        Ok(["default", "booth", "broken"].map(str::to_owned).to_vec())
    }

    fn play(
        &self,
        output: &str,
        started: &mut dyn FnMut(),
        source: &mut dyn AudioSource,
    ) -> Result<(), AudioError> {
        let hangs = self.hangs.lock().expect("hangs");
        let (hangs, _) = self.goes_on.wait_timeout_while(hangs, PATIENCE, |hangs| *hangs).expect("hangs");
        drop(hangs);
        if output == "broken" {
            return Err(AudioError::Unavailable { reason: "the cable fell out".to_owned() });
        }
        started();
        *self.plays.lock().expect("plays") += 1;
        let mut samples = [0.0; 960];
        while source.fill(&mut samples) {
            let loudest = samples.iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
            *self.heard.lock().expect("heard") = loudest;
            thread::sleep(Duration::from_millis(2));
        }
        *self.plays.lock().expect("plays") -= 1;
        Ok(())
    }
}

impl Outputs {
    /// Waits until the output has this loudness.
    #[track_caller]
    fn wait_for(&self, loudness: f32) {
        let deadline = Instant::now() + PATIENCE;
        while (*self.heard.lock().expect("heard") - loudness).abs() > 0.001 {
            assert!(Instant::now() < deadline, "heard {:?}, not {loudness}", self.heard);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn grants(declared: Option<&str>, granted: &[&str]) -> Grants {
    let request =
        CapabilityRequest { name: "Audio".into(), scope: declared.map(str::to_owned), reason: None };
    let configured = granted.iter().map(|grant| grant.parse().expect("a grant")).collect();
    let choices = Choices { configured, ..Choices::default() };
    let ceilings = Ceilings { unsigned: Risk::High, self_signed: Risk::High, trusted: None };
    Grants::resolve(&[request], &choices, &TrustLevel::Unsigned, ceilings).expect("grants")
}

fn session(declared: Option<&str>, granted: &[&str]) -> (Arc<Session>, Arc<Outputs>) {
    session_with(None, declared, granted)
}

fn session_with(
    sounding: Option<Sounding>,
    declared: Option<&str>,
    granted: &[&str],
) -> (Arc<Session>, Arc<Outputs>) {
    let outputs = Arc::new(Outputs::default());
    let devices = Devices { audio: Arc::clone(&outputs) as _, sounding, ..Devices::default() };
    let session = Broker::new(devices).session("test", grants(declared, granted), &Limits::default());
    (session, outputs)
}

fn ask(session: &Session, op: Op, request: &impl serde::Serialize) -> Answer {
    let request = postcard::to_allocvec(request).expect("encodes");
    session.call(op.number(), &request, Instant::now() + PATIENCE)
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

fn open_on(session: &Session, output: &str, gain: f32) -> Answer {
    ask(session, Op::AudioOpen, &AudioOpen { output, rate: 48_000, channels: 1, gain })
}

fn open(session: &Session, gain: f32) -> AudioOpened {
    let answer = open_on(session, "", gain);
    assert_eq!(answer.status, Status::Ok, "{}", text(&answer));
    postcard::from_bytes(&answer.bytes).expect("an answer")
}

/// A second of sound at full loudness.
fn second() -> Vec<u8> {
    i16::MIN.to_le_bytes().repeat(48_000)
}

fn write(session: &Session, sound: u32, samples: &[u8]) -> Answer {
    ask(session, Op::AudioWrite, &AudioWrite { sound, samples })
}

#[test]
fn sounds_are_no_louder_than_was_granted_alone_and_together() {
    let (session, outputs) = session(Some("gain=0.5"), &["Audio=gain=0.25"]);
    for _ in 0..4 {
        let opened = open(&session, 0.9);
        assert!((opened.gain - 0.25).abs() < f32::EPSILON);
        assert_eq!(write(&session, opened.sound, &second()).status, Status::Ok);
    }
    outputs.wait_for(0.25);
}

#[test]
fn what_is_taken_away_falls_silent() {
    let (session, outputs) = session(None, &[]);
    let opened = open(&session, 1.0);
    assert_eq!(write(&session, opened.sound, &second().repeat(5)).status, Status::Ok);
    outputs.wait_for(1.0);
    session.set_grants(grants(None, &["Audio"]));
    outputs.wait_for(1.0);
    let revoked = Instant::now();
    session.revoke(Capability::Audio);
    outputs.wait_for(0.0);
    assert!(revoked.elapsed() < Duration::from_secs(2), "long before the sound would have ended");
    assert_eq!(write(&session, opened.sound, &second()).status, Status::Denied);
}

#[test]
fn a_pause_of_everything_ends_sounds_for_good() {
    let sounding = Sounding::new(&Devices::default().midi);
    let (session, outputs) = session_with(Some(sounding.clone()), None, &[]);
    let opened = open(&session, 1.0);
    assert_eq!(write(&session, opened.sound, &second().repeat(5)).status, Status::Ok);
    outputs.wait_for(1.0);
    let paused = Instant::now();
    sounding.pause();
    outputs.wait_for(0.0);
    assert!(paused.elapsed() < Duration::from_secs(2), "long before the sound would have ended");
    assert_eq!(open_on(&session, "", 1.0).status, Status::Unavailable);
    sounding.resume();
    assert_eq!(write(&session, opened.sound, &second()).status, Status::Invalid, "it has ended");
    let again = open(&session, 1.0);
    assert_eq!(write(&session, again.sound, &second()).status, Status::Ok);
    outputs.wait_for(1.0);
}

#[test]
fn a_sound_that_began_louder_than_is_granted_now_ends() {
    let (session, outputs) = session(None, &["Audio"]);
    let loud = open(&session, 1.0);
    assert_eq!(write(&session, loud.sound, &second().repeat(5)).status, Status::Ok);
    outputs.wait_for(1.0);
    session.set_grants(grants(None, &["Audio=gain=0.125"]));
    outputs.wait_for(0.0);
    assert_eq!(write(&session, loud.sound, &second()).status, Status::Invalid);
    let soft = open(&session, 1.0);
    assert_eq!(write(&session, soft.sound, &second()).status, Status::Ok);
    outputs.wait_for(0.125);
    let closed = ask(&session, Op::AudioClose, &soft.sound);
    assert_eq!(closed.status, Status::Ok);
    outputs.wait_for(0.0);
}

#[test]
fn outputs_and_length_are_those_of_the_scope() {
    let (session, _outputs) =
        session(Some("default,broken;seconds=2"), &["Audio=default,booth,broken;seconds=3"]);
    let listed = session.call(Op::AudioOutputs.number(), &[], Instant::now() + PATIENCE);
    let listed: AudioOutputList = postcard::from_bytes(&listed.bytes).expect("a list");
    assert_eq!(listed.outputs, ["default", "broken"]);
    let refused = open_on(&session, "booth", 1.0);
    assert_eq!(refused.status, Status::Denied);
    assert_eq!(text(&refused), "Audio: output `booth` is outside the scope that the plugin declares");
    let broken = open_on(&session, "broken", 1.0);
    assert_eq!(broken.status, Status::Unavailable);
    assert_eq!(text(&broken), "audio is unavailable here, because the cable fell out");

    let opened = open(&session, 1.0);
    assert_eq!(write(&session, opened.sound, &second().repeat(2)).status, Status::Ok);
    let refused = write(&session, opened.sound, &[0, 0]);
    assert_eq!(text(&refused), "Audio: a sound of more than 2 s was not granted");
    assert_eq!(write(&session, opened.sound, &[0]).status, Status::Invalid, "half a sample");
}

#[test]
fn an_output_that_hangs_holds_up_nobody() {
    let (session, outputs) = session(None, &[]);
    *outputs.hangs.lock().expect("hangs") = true;
    let begun = Instant::now();
    let soon = begun + Duration::from_millis(50);
    let request = AudioOpen { output: "", rate: 48_000, channels: 1, gain: 1.0 };
    let request = postcard::to_allocvec(&request).expect("encodes");
    assert_eq!(session.call(Op::AudioOpen.number(), &request, soon).status, Status::TimedOut);
    *outputs.hangs.lock().expect("hangs") = false;
    outputs.goes_on.notify_all();
    let opened = open(&session, 1.0);
    assert_eq!(write(&session, opened.sound, &second()).status, Status::Ok);
    outputs.wait_for(1.0);
}

#[test]
fn malformed_requests_say_what_is_allowed() {
    let (session, _outputs) = session(None, &[]);
    for (rate, channels, gain) in [
        (7999, 1, 1.0),
        (192_001, 1, 1.0),
        (48_000, 0, 1.0),
        (48_000, 3, 1.0),
        (48_000, 1, 1.5),
        (48_000, 1, f32::NAN),
    ] {
        let refused = ask(&session, Op::AudioOpen, &AudioOpen { output: "", rate, channels, gain });
        assert_eq!(refused.status, Status::Invalid, "{rate} {channels} {gain}");
    }
    assert_eq!(
        open_on(&session, "file:FILE=/tmp/x", 1.0).status,
        Status::Invalid,
        "it is not among the outputs"
    );
    assert_eq!(write(&session, 7, &[]).status, Status::Invalid);
}

#[test]
fn an_output_is_given_back_when_nothing_is_played() {
    let (session, outputs) = session(None, &[]);
    let opened = open(&session, 1.0);
    assert_eq!(write(&session, opened.sound, &second()[..960]).status, Status::Ok);
    assert_eq!(ask(&session, Op::AudioFinish, &opened.sound).status, Status::Ok);
    let deadline = Instant::now() + PATIENCE;
    while *outputs.plays.lock().expect("plays") > 0 {
        assert!(Instant::now() < deadline, "the output is closed");
        thread::sleep(Duration::from_millis(5));
    }
    let again = open(&session, 1.0);
    assert_eq!(write(&session, again.sound, &second()).status, Status::Ok);
    outputs.wait_for(1.0);
}
