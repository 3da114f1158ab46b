//! A granted host call that does next to nothing: three bytes to a MIDI port that discards them.

use std::sync::Arc;

use conductor_core::devices::{MidiError, MidiOutputs};
use conductor_core::{Devices, Host, Plugin};

use crate::peer::bare::{self, Bare};
use crate::peer::ping::Ping;
use crate::report::{MICROSECONDS, Row};
use crate::sample::{Effort, Samples, Subject, alternate};
use crate::stage::{Built, Result, Stage, succeed, with_midi};

/// Host calls in one call of the plugin.
const TIMES: u32 = 100;

/// About how many bytes the request of this host call has.
const BYTES: usize = 12;

/// A port that discards everything.
struct Sink;

impl MidiOutputs for Sink {
    fn ports(&self) -> Vec<String> {
        vec!["out".to_owned()]
    }

    fn send(&self, _: &str, _: &[u8]) -> std::result::Result<(), MidiError> {
        Ok(())
    }
}

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    let guest = stage.guest("calls")?;
    let path = stage.plugin("calls", &guest)?;
    let rounds = effort.many / 3;

    let in_process = Host::with_devices(stage.config(), devices())?;
    let mut plugin = in_process.load(&path, &with_midi()?)?;
    let mut bare = Bare::new(&Bare::compile(&bare::config(), &guest)?)?;
    let (subject, yardstick) = calls(rounds, plugin.as_mut(), &mut |request, _| {
        bare.execute(request).expect("executes");
    });
    let what = "host call, granted, trivial, in process; wasmtime host function";
    Ok(vec![Row::ratio(what, MICROSECONDS, &subject, &yardstick, 3.0)])
}

/// The same call through the broker, for a process that has one processor.
pub(crate) fn measure_pinned(built: &Built, effort: Effort) -> Result<Row> {
    let stage = Stage::new(built)?;
    let path = stage.plugin("calls", &stage.guest("calls")?)?;
    let in_worker = stage.workers(stage.config(), devices())?;
    let mut plugin = in_worker.load(&path, &with_midi()?)?;
    let mut ping = Ping::start(BYTES)?;
    let (subject, yardstick) = calls(effort.many / 10, plugin.as_mut(), &mut |_, times| {
        (0..times).for_each(|_| ping.round(&[0; BYTES]).expect("comes back"));
    });
    let what = "host call, granted, trivial, through the broker, pinned; ping-pong";
    Ok(Row::ratio(what, MICROSECONDS, &subject, &yardstick, 1.5))
}

fn devices() -> Devices {
    Devices { midi: Arc::new(Sink), ..Devices::default() }
}

/// The cost of one host call, of a plugin and of the yardstick. The yardstick gets a request and the number of host
/// calls that the request asks for.
fn calls(
    rounds: usize,
    plugin: &mut dyn Plugin,
    yardstick: &mut dyn FnMut(&[u8], u32),
) -> (Samples, Samples) {
    let (none, some) = (request(0), request(TIMES));
    let (without, yard_without) = alternate(
        rounds,
        Subject { batch: 10, call: &mut || succeed(plugin, &none) },
        Subject { batch: 10, call: &mut || yardstick(&none, 0) },
    );
    let (with, yard_with) = alternate(
        rounds,
        Subject { batch: 1, call: &mut || succeed(plugin, &some) },
        Subject { batch: 1, call: &mut || yardstick(&some, TIMES) },
    );
    (with.each_of(without.median(), TIMES), yard_with.each_of(yard_without.median(), TIMES))
}

fn request(times: u32) -> Vec<u8> {
    let parameters = format!(r#"{{"port":"out","times":{times}}}"#);
    format!(r#"{{"action":"send","context":{{"timestamp":0}},"parameters":{parameters}}}"#).into_bytes()
}
