//! Any correct file is played as it was written, whichever encoding its writer chose. No other file causes a panic.

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::*;
use crate::midi::Sysex;

/// An event, or several events that belong together.
#[derive(Clone, Debug)]
enum Written {
    Channel {
        status: u8,
        data: [u8; 2],
    },
    Exclusive(Vec<u8>),
    /// A system exclusive message in packets, each with the time since the previous packet.
    Packets(Vec<(u32, Vec<u8>)>),
    /// An F7 event.
    Escape(Vec<Message>),
    Meta {
        kind: u8,
        data: Vec<u8>,
    },
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..0x80_u8, 0..20)
}

fn delta() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..200_u32, 1 => 0..15_000_u32, 1 => Just(0x0fff_ffff)]
}

fn sysex(bytes: &[u8]) -> Message {
    Message::SystemExclusive(Sysex::new(bytes).expect("short"))
}

fn escaped() -> impl Strategy<Value = Message> {
    prop_oneof![
        Just(Message::Clock),
        Just(Message::Stop),
        data().prop_map(|bytes| sysex(&bytes)),
        (0..16_u8, 0..0x80_u8).prop_map(|(channel, program)| Message::ProgramChange { channel, program }),
    ]
}

fn written() -> impl Strategy<Value = Written> {
    // Meta events other than End-of-Track and tempo.
    let meta = (0..0x2f_u8, prop::collection::vec(any::<u8>(), 0..200));
    let channel = (0x80..0xf0_u8, [0..0x80_u8, 0..0x80_u8]);
    prop_oneof![
        6 => channel.prop_map(|(status, data)| Written::Channel { status, data }),
        1 => data().prop_map(Written::Exclusive),
        1 => prop::collection::vec((0..200_u32, data()), 2..5).prop_map(Written::Packets),
        1 => prop::collection::vec(escaped(), 1..4).prop_map(Written::Escape),
        2 => meta.prop_map(|(kind, data)| Written::Meta { kind, data }),
    ]
}

fn tracks() -> impl Strategy<Value = Vec<Vec<(u32, Written)>>> {
    prop::collection::vec(prop::collection::vec((delta(), written()), 0..40), 1..4)
}

/// Writes a track, and keeps the messages that playing it must give.
#[derive(Default)]
struct Track {
    bytes: Vec<u8>,
    tick: u64,
    messages: Vec<(u64, Message)>,
}

impl Track {
    fn of(events: &[(u32, Written)], is_running: bool) -> Self {
        let mut track = Self::default();
        let mut status_before = None;
        for (delta, event) in events {
            track.delta(*delta);
            let before = status_before.take().filter(|_| is_running);
            match event {
                Written::Channel { status, data } => {
                    let data = if matches!(status, 0xc0..0xe0) { &data[..1] } else { &data[..] };
                    track.bytes.extend((before != Some(*status)).then_some(status));
                    track.bytes.extend(data);
                    track.plays(Message::from_bytes(&[&[*status], data].concat()).expect("a message"));
                    status_before = Some(*status);
                }
                Written::Exclusive(data) => {
                    track.packet(0xf0, &[data, &[0xf7][..]].concat());
                    track.plays(sysex(data));
                }
                Written::Packets(packets) => {
                    for (number, (delta, data)) in packets.iter().enumerate() {
                        if number == 0 {
                            track.packet(0xf0, data);
                            continue;
                        }
                        track.delta(*delta);
                        let end: &[u8] = if number + 1 == packets.len() { &[0xf7] } else { &[] };
                        track.packet(0xf7, &[data, end].concat());
                    }
                    track
                        .plays(sysex(&packets.iter().flat_map(|(_, data)| data.clone()).collect::<Vec<_>>()));
                }
                Written::Escape(sent) => {
                    track.packet(0xf7, &sent.iter().flat_map(Message::to_bytes).collect::<Vec<_>>());
                    sent.iter().for_each(|message| track.plays(message.clone()));
                }
                Written::Meta { kind, data } => {
                    track.bytes.push(0xff);
                    track.packet(*kind, data);
                }
            }
        }
        track.bytes.extend([0, 0xff, 0x2f, 0]);
        track
    }

    fn delta(&mut self, delta: u32) {
        self.tick += u64::from(delta);
        self.number(delta);
    }

    fn packet(&mut self, status: u8, bytes: &[u8]) {
        self.bytes.push(status);
        self.number(u32::try_from(bytes.len()).expect("short"));
        self.bytes.extend(bytes);
    }

    fn number(&mut self, number: u32) {
        let more = [21, 14, 7].into_iter().filter(|shift| number >> shift > 0);
        self.bytes.extend(more.map(|shift| (number >> shift) as u8 | 0x80));
        self.bytes.push(number as u8 & 0x7f);
    }

    fn plays(&mut self, message: Message) {
        self.messages.push((self.tick, message));
    }
}

/// A file of format 1 whose ticks are microseconds.
fn file<'t>(tracks: impl ExactSizeIterator<Item = &'t [u8]>) -> Vec<u8> {
    let mut bytes = b"MThd\0\0\0\x06\0\x01".to_vec();
    bytes.extend(u16::try_from(tracks.len() + 1).expect("few").to_be_bytes());
    bytes.extend(1000_u16.to_be_bytes());
    let tempo: &[u8] = &[0, 0xff, 0x51, 3, 0, 0x03, 0xe8, 0, 0xff, 0x2f, 0];
    for track in std::iter::once(tempo).chain(tracks) {
        bytes.extend(b"MTrk");
        bytes.extend(u32::try_from(track.len()).expect("short").to_be_bytes());
        bytes.extend(track);
    }
    bytes
}

fn played(tune: &Tune) -> Vec<(u64, Message)> {
    tune.events().collect()
}

/// Whether notes are on at the end.
fn leaves_on(messages: &[(u64, Message)]) -> bool {
    let notes = |wanted: u8| {
        let bytes = messages.iter().map(|(_, message)| message.to_bytes()).enumerate();
        bytes.filter(move |(_, bytes)| bytes[0] & 0xf0 == wanted)
    };
    notes(0x90).any(|(at, on)| {
        !notes(0x80).any(|(after, off)| after > at && on[0] & 15 == off[0] & 15 && on[1] == off[1])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_written_is_played(tracks in tracks(), is_running in any::<bool>()) {
        let tracks: Vec<Track> = tracks.iter().map(|events| Track::of(events, is_running)).collect();
        let mut expected: Vec<_> = tracks.iter().flat_map(|track| track.messages.clone()).collect();
        // At the same tick, the messages are in the order of the tracks.
        expected.sort_by_key(|(tick, _)| *tick);
        match Tune::new(file(tracks.iter().map(|track| &*track.bytes))) {
            Ok(tune) => {
                prop_assert_eq!(tune.damage(), None);
                prop_assert_eq!(played(&tune), expected);
                prop_assert_eq!(Some(tune.length()), tracks.iter().map(|track| track.tick).max());
            }
            Err(error) => prop_assert!(matches!(error, TuneError::Empty(None)) && expected.is_empty(), "{}", error),
        }
    }

    #[test]
    fn damage_in_one_track_leaves_the_others_as_they_are(
        tracks in tracks(),
        damaged in any::<Index>(),
        wrong in prop::collection::vec((any::<Index>(), any::<u8>()), 1..10),
        cut in any::<Option<Index>>(),
    ) {
        let mut tracks: Vec<Track> = tracks.iter().map(|events| Track::of(events, true)).collect();
        let damaged = damaged.index(tracks.len());
        for (place, byte) in wrong {
            let place = place.index(tracks[damaged].bytes.len());
            tracks[damaged].bytes[place] = byte;
        }
        let length = tracks[damaged].bytes.len();
        tracks[damaged].bytes.truncate(cut.map_or(length, |cut| cut.index(length)));
        let tune = Tune::new(file(tracks.iter().map(|track| &*track.bytes)));
        let played = tune.map(|tune| played(&tune)).unwrap_or_default();
        for track in tracks.iter().enumerate().filter(|(number, _)| *number != damaged).map(|(_, track)| track) {
            // The damage may have put a tempo into the track, so only the order is the same.
            let mut played = played.iter();
            let is_played = |(_, message): &(u64, Message)| played.any(|(_, other)| other == message);
            prop_assert!(track.messages.iter().all(is_played));
        }
        prop_assert!(played.is_sorted_by_key(|(due, _)| *due));
    }

    #[test]
    fn a_file_that_is_cut_off_leaves_nothing_on(events in prop::collection::vec((delta(), written()), 1..40), cut in any::<Index>()) {
        let track = Track::of(&events, true);
        let whole = file([&*track.bytes].into_iter());
        let length = whole.len() - 1 - cut.index(track.bytes.len());
        let Ok(tune) = Tune::new(whole[..length].to_vec()) else { return Ok(()) };
        prop_assert!(tune.damage().is_some());
        let played = played(&tune);
        prop_assert!(!leaves_on(&played));
        let same = played.iter().zip(&track.messages).take_while(|(one, other)| one == other).count();
        let ends_a_note = |(_, message): &(u64, Message)| matches!(message, Message::NoteOff { velocity: 0, .. });
        prop_assert!(played[same..].iter().all(ends_a_note), "{:?} for {:?}", played, track.messages);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), has_header in any::<bool>()) {
        let bytes = if has_header { file([&*bytes].into_iter()) } else { bytes };
        if let Ok(tune) = Tune::new(bytes) {
            let played = played(&tune);
            prop_assert!(played.is_sorted_by_key(|(due, _)| *due));
            prop_assert!(tune.damage().is_none() || !leaves_on(&played));
        }
    }
}
