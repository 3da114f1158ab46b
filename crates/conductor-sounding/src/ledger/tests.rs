//! Whatever happens in whichever order, nothing sounds in the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::record::Record;

/// Longest wait for what another thread does at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// Outputs that remember every message, and take none while they are out of order.
#[derive(Clone, Default)]
struct Synths(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    sent: Vec<(String, Vec<u8>)>,
    is_out_of_order: bool,
}

const OUTPUTS: [&str; 2] = ["synth", "drums"];

impl Outputs for Synths {
    fn has(&self, output: &str) -> bool {
        OUTPUTS.contains(&output)
    }

    fn send(&self, output: &str, message: &[u8]) -> bool {
        let mut state = self.0.lock().expect("state");
        if !state.is_out_of_order {
            state.sent.push((output.to_owned(), message.to_vec()));
        }
        !state.is_out_of_order
    }
}

impl Synths {
    fn take(&self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut self.0.lock().expect("state").sent)
    }

    fn are_out_of_order(&self, is_out_of_order: bool) {
        self.0.lock().expect("state").is_out_of_order = is_out_of_order;
    }

    fn messages(&self) -> Vec<Vec<u8>> {
        self.take().into_iter().map(|(_, message)| message).collect()
    }
}

/// Note-ons less note-offs of each key, and whatever is away from neutral, as a synthesizer counts them: an end of
/// something silent does nothing.
fn heard(sent: &[(String, Vec<u8>)]) -> BTreeMap<(String, Sound), i32> {
    let mut heard = BTreeMap::new();
    for (output, message) in sent {
        let Some(Change { sound, begins }) = Change::of(message) else { continue };
        let count: &mut i32 = heard.entry((output.clone(), sound)).or_default();
        *count = match (begins, sound.is_note()) {
            (true, true) => *count + 1,
            (false, true) => (*count - 1).max(0),
            (begins, false) => begins.into(),
        };
    }
    heard.retain(|_, count| *count != 0);
    heard
}

/// Note-ons less note-offs in all, of each key.
fn balance(sent: &[(String, Vec<u8>)]) -> BTreeMap<(String, Sound), i32> {
    let mut balance: BTreeMap<_, i32> = BTreeMap::new();
    for (output, message) in sent {
        let Some(Change { sound, begins }) = Change::of(message).filter(|change| change.sound.is_note())
        else {
            continue;
        };
        *balance.entry((output.clone(), sound)).or_default() += if begins { 1 } else { -1 };
    }
    balance.retain(|_, sum| *sum != 0);
    balance
}

fn send(player: &Player, synths: &Synths, output: &str, message: &[u8]) -> Result<(), PlayError<()>> {
    player.play(output, message, || true, || if synths.send(output, message) { Ok(()) } else { Err(()) })
}

fn ledger(synths: &Synths) -> Ledger {
    Ledger::new(Box::new(synths.clone()))
}

/// A ledger that goes on with the record at `path`, as the next process does.
fn next(path: &Path, synths: &Synths) -> Ledger {
    let (record, left) = Record::open(path).expect("opens");
    Ledger::kept_in(record, left, Box::new(synths.clone()))
}

fn wait_for(what: &str, is_done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_done() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

const ON: [u8; 3] = [0x90, 60, 100];
const OFF: [u8; 3] = [0x80, 60, 64];

#[test]
fn a_player_that_ends_leaves_nothing_sounding() {
    let synths = Synths::default();
    let ledger = ledger(&synths);
    let player = ledger.player();
    for message in [&[0xe0, 0, 0][..], &[0xb0, 64, 127], &[0xd0, 9], &[0xb0, 1, 1], &ON, &[0x9f, 0, 1]] {
        send(&player, &synths, "synth", message).expect("sent");
    }
    synths.take();
    drop(player);
    let ends: [&[u8]; 6] = [&OFF, &[0x8f, 0, 64], &[0xb0, 64, 0], &[0xe0, 0, 64], &[0xd0, 0], &[0xb0, 1, 0]];
    assert_eq!(synths.messages(), ends);
}

#[test]
fn nothing_is_counted_that_an_output_did_not_take() {
    let synths = Synths::default();
    let player = ledger(&synths).player();
    synths.are_out_of_order(true);
    assert_eq!(send(&player, &synths, "synth", &ON), Err(PlayError::Output(())));
    synths.are_out_of_order(false);
    assert_eq!(send(&player, &synths, "none", &ON), Ok(()), "what is no output is for others to refuse");
    synths.take();
    drop(player);
    assert_eq!(synths.messages(), Vec::<Vec<u8>>::new());
}

#[test]
fn what_an_output_does_not_take_is_tried_again() {
    let synths = Synths::default();
    let ledger = ledger(&synths);
    let player = ledger.player();
    send(&player, &synths, "synth", &ON).expect("sent");
    synths.take();
    synths.are_out_of_order(true);
    player.end();
    assert_eq!(ledger.owing(), ["synth"]);
    synths.are_out_of_order(false);
    wait_for("the note goes on", || ledger.owing().is_empty());
    assert_eq!(synths.messages(), [OFF]);
}

#[test]
fn who_may_not_play_any_more_is_refused_and_what_sounds_ends() {
    let synths = Synths::default();
    let ledger = ledger(&synths);
    let player = ledger.player();
    for output in OUTPUTS {
        send(&player, &synths, output, &ON).expect("sent");
    }
    synths.take();
    player.end_where(|output| output == "drums");
    assert_eq!(synths.take(), [("drums".to_owned(), OFF.to_vec())]);
    let refused = player.play("drums", &ON, || false, || panic!("it is not sent"));
    assert_eq!(refused, Err::<(), PlayError<()>>(PlayError::NotAllowed));
}

#[test]
fn the_end_of_an_earlier_life_ends_nothing_of_the_present_one() {
    let synths = Synths::default();
    let player = ledger(&synths).player();
    let (first, same) = (player.life(), player.life());
    send(&player, &synths, "synth", &ON).expect("sent");
    synths.take();
    first.end();
    assert_eq!(synths.messages(), [OFF]);
    player.end();
    send(&player, &synths, "synth", &ON).expect("sent");
    synths.take();
    same.end();
    assert_eq!(synths.messages(), Vec::<Vec<u8>>::new(), "that life ended before");
    player.life().end();
    assert_eq!(synths.messages(), [OFF]);
}

#[test]
fn silence_ends_everything_and_a_pause_lets_nothing_through() {
    let synths = Synths::default();
    let ledger = ledger(&synths);
    let (one, two) = (ledger.player(), ledger.player());
    send(&one, &synths, "synth", &ON).expect("sent");
    send(&two, &synths, "synth", &ON).expect("sent");
    synths.take();
    ledger.pause();
    assert!(ledger.silence("synth"));
    let messages = synths.messages();
    assert_eq!(messages[..2], [OFF, OFF]);
    assert_eq!(messages[2..4], [[0xb0, 120, 0], [0xb0, 123, 0]]);
    assert_eq!(messages.len(), 2 + 2 * 16);
    assert_eq!(send(&one, &synths, "synth", &ON), Err(PlayError::Paused));
    assert_eq!(send(&one, &synths, "synth", &[0xc0, 1]), Err(PlayError::Paused));
    assert!(!ledger.silence("none"), "there is no such output");
    synths.are_out_of_order(true);
    assert!(!ledger.silence("synth"), "it did not take it");
    synths.are_out_of_order(false);
    ledger.resume();
    assert_eq!(send(&one, &synths, "synth", &ON), Ok(()));
}

#[test]
fn an_output_that_is_replaced_is_silent_before() {
    let synths = Synths::default();
    let ledger = ledger(&synths);
    let player = ledger.player();
    for output in OUTPUTS {
        send(&player, &synths, output, &ON).expect("sent");
    }
    synths.take();
    ledger.replace(
        &["synth".to_owned()],
        |_| true,
        || {
            assert_eq!(synths.take(), [("synth".to_owned(), OFF.to_vec())]);
            assert_eq!(send(&player, &synths, "synth", &ON), Err(PlayError::Closed));
            assert_eq!(send(&player, &synths, "drums", &ON), Ok(()), "the other one goes on");
        },
    );
    assert_eq!(send(&player, &synths, "synth", &ON), Ok(()));
}

#[test]
fn a_closed_ledger_is_silent_for_good() {
    let synths = Synths::default();
    let ledger = ledger(&synths);
    let player = ledger.player();
    send(&player, &synths, "synth", &ON).expect("sent");
    synths.take();
    ledger.close();
    assert_eq!(synths.messages(), [OFF]);
    assert_eq!(send(&player, &synths, "synth", &ON), Err(PlayError::Closed));
}

#[test]
fn the_next_process_ends_what_a_killed_one_left() {
    let directory = tempfile::tempdir().expect("directory");
    let (path, copy) = (directory.path().join("sounding"), directory.path().join("copy"));
    let synths = Synths::default();
    let first = next(&path, &synths);
    let player = first.player();
    for message in [&ON[..], &ON, &[0xb0, 64, 127], &[0xe0, 0, 0]] {
        send(&player, &synths, "synth", message).expect("sent");
    }
    // What the file contains at this moment is what a process leaves that is killed now.
    std::fs::copy(&path, &copy).expect("copied");
    synths.take();
    let second = next(&copy, &synths);
    assert_eq!(second.owing(), ["synth"]);
    second.settle();
    let ends: [&[u8]; 4] = [&OFF, &OFF, &[0xb0, 64, 0], &[0xe0, 0, 64]];
    assert_eq!(synths.messages(), ends);
    second.close();
    drop(second);
    wait_for("the record has a keeper", || Record::open(&copy).is_ok());
    assert_eq!(next(&copy, &synths).owing(), Vec::<String>::new());
}

#[test]
fn what_was_left_at_an_output_that_is_gone_is_forgotten() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("sounding");
    let (record, _) = Record::open(&path).expect("opens");
    let page = record.page_of("gone").expect("a page");
    record.write(page, Change::of(&ON).expect("a note").sound, || 1);
    drop(record);
    let ledger = next(&path, &Synths::default());
    assert_eq!(ledger.owing(), ["gone"]);
    assert_eq!(ledger.forget_unknown(), ["gone"]);
    assert_eq!(ledger.owing(), Vec::<String>::new());
    drop(ledger);
    wait_for("the record has a keeper", || Record::open(&path).is_ok());
    assert_eq!(next(&path, &Synths::default()).owing(), Vec::<String>::new());
}

/// What happens, to one of a few players at one of the outputs.
#[derive(Clone, Debug)]
enum Step {
    /// A message, and whether it is sent even if it ends something that the player does not hold.
    Plays(usize, usize, Vec<u8>),
    /// An instance, a worker or a grant ends, and the player goes on.
    Ends(usize),
    /// The grant for one output ends.
    EndsAt(usize, usize),
    /// A worker is killed between two calls.
    Dies(usize),
    /// The plugin is reloaded: another player takes its place.
    IsReplaced(usize),
    /// Panic, and what comes after it.
    Panics,
    /// An output is out of order for a while.
    Breaks(bool),
    /// An output is replaced.
    Replaces(usize),
    /// The process is killed, and another one goes on.
    IsKilled,
}

const PLAYERS: usize = 3;

fn message() -> impl Strategy<Value = Vec<u8>> {
    let channel = 0..2_u8;
    let key = prop_oneof![Just(60_u8), Just(61)];
    prop_oneof![
        6 => (channel.clone(), key.clone(), 1..=127_u8).prop_map(|(channel, key, v)| vec![0x90 | channel, key, v]),
        4 => (channel.clone(), key.clone(), 0..=127_u8).prop_map(|(channel, key, v)| vec![0x80 | channel, key, v]),
        2 => (channel.clone(), key).prop_map(|(channel, key)| vec![0x90 | channel, key, 0]),
        3 => (channel.clone(), prop::sample::select(vec![1_u8, 7, 64, 66, 67, 69, 123]), prop_oneof![Just(0_u8), 1..=127_u8])
            .prop_map(|(channel, controller, value)| vec![0xb0 | channel, controller, value]),
        2 => (channel.clone(), 0..=127_u8, prop_oneof![Just(64_u8), 0..=127_u8])
            .prop_map(|(channel, low, high)| vec![0xe0 | channel, low, high]),
        1 => (channel.clone(), 0..=127_u8).prop_map(|(channel, value)| vec![0xd0 | channel, value]),
        1 => Just(vec![0xf0, 0x10, 0x20, 0xf7]),
        1 => channel.prop_map(|channel| vec![0xc0 | channel, 5]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (player, output) = (0..PLAYERS, 0..OUTPUTS.len());
    prop_oneof![
        20 => (player.clone(), output.clone(), message()).prop_map(|(player, output, m)| Step::Plays(player, output, m)),
        2 => player.clone().prop_map(Step::Ends),
        2 => (player.clone(), output.clone()).prop_map(|(player, output)| Step::EndsAt(player, output)),
        1 => player.clone().prop_map(Step::Dies),
        1 => player.prop_map(Step::IsReplaced),
        1 => Just(Step::Panics),
        1 => any::<bool>().prop_map(Step::Breaks),
        1 => output.prop_map(Step::Replaces),
        1 => Just(Step::IsKilled),
    ]
}

/// What each player holds, as it knows itself: a player that is well behaved releases only that.
type Own = BTreeMap<(usize, usize, Sound), u8>;

/// A few players, a ledger in a file, and what happened.
struct World {
    directory: tempfile::TempDir,
    generation: usize,
    synths: Synths,
    ledger: Ledger,
    players: Vec<Player>,
    own: Own,
    is_well_behaved: bool,
}

impl World {
    fn new(is_well_behaved: bool) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let synths = Synths::default();
        let ledger = next(&directory.path().join("0"), &synths);
        let players = (0..PLAYERS).map(|_| ledger.player()).collect();
        Self { directory, generation: 0, synths, ledger, players, own: Own::new(), is_well_behaved }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Plays(player, output, message) => self.play(player, output, &message),
            Step::Ends(player) => {
                self.players[player].end();
                self.own.retain(|(of, ..), _| *of != player);
            }
            Step::EndsAt(player, output) => {
                self.players[player].end_where(|name| name == OUTPUTS[output]);
                self.own.retain(|(of, at, _), _| (*of, *at) != (player, output));
            }
            Step::Dies(player) => {
                self.players[player].life().end();
                self.own.retain(|(of, ..), _| *of != player);
            }
            Step::IsReplaced(player) => {
                self.players[player] = self.ledger.player();
                self.own.retain(|(of, ..), _| *of != player);
            }
            Step::Panics => {
                self.ledger.pause();
                let silenced = OUTPUTS.map(|output| self.ledger.silence(output));
                let is_out_of_order = self.synths.0.lock().expect("state").is_out_of_order;
                assert_eq!(silenced, [!is_out_of_order; 2]);
                self.ledger.resume();
                self.own.clear();
            }
            Step::Breaks(is_out_of_order) => self.synths.are_out_of_order(is_out_of_order),
            Step::Replaces(output) => {
                self.ledger.replace(&[OUTPUTS[output].to_owned()], |_| false, || {});
                self.own.retain(|(_, at, _), _| *at != output);
            }
            Step::IsKilled => self.is_killed(),
        }
    }

    fn play(&mut self, player: usize, output: usize, message: &[u8]) {
        let change = Change::of(message);
        if let Some(Change { sound, begins: false }) = change
            && sound.is_note()
            && self.is_well_behaved
            && !self.own.contains_key(&(player, output, sound))
        {
            return;
        }
        if let Some(Change { sound, begins: true }) = change
            && self.is_well_behaved
            && self.own.get(&(player, output, sound)).is_some_and(|strikes| *strikes >= 4)
        {
            return;
        }
        let sent = send(&self.players[player], &self.synths, OUTPUTS[output], message);
        if let (Ok(()), Some(Change { sound, begins })) = (sent, change) {
            let held = self.own.entry((player, output, sound)).or_default();
            *held = if begins { *held + 1 } else { held.saturating_sub(1) };
            self.own.retain(|_, strikes| *strikes > 0);
        }
    }

    /// The file is copied as it is, which is what a process leaves that is killed now. The players of the killed process
    /// play nothing more, and the end of the test's own objects is not heard.
    fn is_killed(&mut self) {
        // What is owed and can be sent is sent now, so that no thread sends anything while the file is copied.
        self.ledger.settle();
        // Until its thread has written, the file says more than what sounds, and the next process ends more than that.
        wait_for("the record is written", || self.ledger.0.records.is_done());
        let file = |generation: usize| self.directory.path().join(generation.to_string());
        std::fs::copy(file(self.generation), file(self.generation + 1)).expect("copied");
        let sent = self.synths.0.lock().expect("state").sent.clone();
        let is_out_of_order = self.synths.0.lock().expect("state").is_out_of_order;
        let synths = Synths(Arc::new(Mutex::new(State { sent, is_out_of_order })));
        self.generation += 1;
        let ledger = next(&self.directory.path().join(self.generation.to_string()), &synths);
        ledger.settle();
        self.players = (0..PLAYERS).map(|_| ledger.player()).collect();
        self.ledger = ledger;
        self.synths = synths;
        self.own.clear();
    }

    /// The daemon stops: what was sent by then.
    fn stop(mut self) -> Vec<(String, Vec<u8>)> {
        self.synths.are_out_of_order(false);
        self.players.clear();
        self.ledger.close();
        self.synths.take()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_sounds_in_the_end(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new(false);
        steps.into_iter().for_each(|step| world.take(step));
        prop_assert_eq!(heard(&world.stop()), BTreeMap::new());
    }

    #[test]
    fn whatever_happens_every_note_on_has_its_note_off(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new(true);
        steps.into_iter().for_each(|step| world.take(step));
        let sent = world.stop();
        prop_assert_eq!(balance(&sent), BTreeMap::new());
        prop_assert_eq!(heard(&sent), BTreeMap::new());
    }

    #[test]
    fn the_record_never_says_less_than_what_sounds(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new(false);
        for step in steps {
            world.take(step);
            let port = |output: &str| world.ledger.0.known(output);
            let file = world.directory.path().join(world.generation.to_string());
            let left = crate::record::read(&std::fs::File::open(file).expect("opens")).expect("reads");
            let sounding = heard(&world.synths.0.lock().expect("state").sent);
            for ((output, sound), count) in sounding {
                if port(&output).is_none_or(|port| port.lock().to_record(sound) == 0) {
                    continue;
                }
                let kept = left.outputs.iter().find(|(name, _)| *name == output);
                let kept = kept.map_or(0, |(_, counts)| counts.of(sound));
                prop_assert!(i32::from(kept) >= count.min(1), "{output} {sound:?}: {kept} of {count}");
            }
        }
    }
}
