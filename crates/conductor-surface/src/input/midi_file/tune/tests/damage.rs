//! Damaged files, each with what is played of it and what is reported about it.

use super::super::*;

/// The length of a list as a number of four bytes.
fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("short").to_be_bytes()
}

fn header(format: u8, tracks: u8) -> Vec<u8> {
    [b"MThd\0\0\0\x06\0", &[format, 0, tracks, 1, 0xe0][..]].concat()
}

fn chunk(events: &[u8]) -> Vec<u8> {
    [b"MTrk", &length(events)[..], events].concat()
}

/// A file of one track.
fn one(events: &[u8]) -> Vec<u8> {
    [header(0, 1), chunk(events)].concat()
}

const END: &[u8] = &[0, 0xff, 0x2f, 0];

/// Two events, and what they play.
const NOTE: &[u8] = &[10, 0x90, 60, 100, 10, 0x80, 60, 0];
const NOTE_PLAYED: [&str; 2] = ["10 90 3c 64", "20 80 3c 00"];
const TWO_PLAYED: [&str; 4] = ["10 90 3c 64", "10 90 3c 64", "20 80 3c 00", "20 80 3c 00"];

/// What a file plays, each message with its tick (960 in a second), and the damage that is reported.
fn played(file: Vec<u8>) -> (Vec<String>, String) {
    let tune = Tune::new(file).expect("a tune");
    let shown = |(due, message): (u64, Message)| {
        let hex: Vec<String> = message.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {}", (due * 960).div_ceil(1_000_000), hex.join(" "))
    };
    (tune.events().map(shown).collect(), tune.damage().map(ToString::to_string).unwrap_or_default())
}

#[track_caller]
fn assert_played(file: Vec<u8>, expected: &[&str], damage: &str) {
    let (messages, said) = played(file);
    assert_eq!(
        (messages.iter().map(String::as_str).collect::<Vec<_>>(), &*said),
        (expected.to_vec(), damage)
    );
}

/// A file of one track, which ends with End-of-Track.
#[track_caller]
fn assert_track(events: &[u8], expected: &[&str], damage: &str) {
    assert_played(one(&[events, END].concat()), expected, damage);
}

#[test]
fn running_status_goes_on_after_what_ends_it() {
    let damage = "running status goes on after a meta or system exclusive event, which ends it";
    let expected = ["10 90 3c 64", "20 80 3c 00", "30 90 3e 64", "40 80 3e 00"];
    for between in [&[0xf0, 2, 0x43, 0xf7][..], &[0xff, 1, 2, b'h', b'i'], &[0xf7, 1, 0xfe]] {
        let begin = [&[10, 0x90, 60, 100, 0][..], between].concat();
        let (messages, said) = played(one(&[&begin[..], &[10, 60, 0, 10, 62, 100, 10, 62, 0], END].concat()));
        assert_eq!(said, format!("track 1, tick 20: {damage}"));
        let notes: Vec<&String> = messages.iter().filter(|message| !message.contains(" f0 ")).collect();
        assert_eq!(notes, expected);
    }
    assert_track(
        &[0, 0x90, 60, 1, 0, 0xff, 1, 0, 0, 60, 0, 0, 0xff, 1, 0, 5, 62, 1, 5, 62, 0],
        &["0 90 3c 01", "0 80 3c 00", "5 90 3e 01", "10 80 3e 00"],
        &format!("track 1, tick 0: {damage}; one more place is damaged"),
    );
}

#[test]
fn a_track_that_is_cut_off_is_played_and_what_sounds_is_ended() {
    let track = [
        &[10, 0x90, 60, 100, 0, 0x91, 61, 100, 20, 0x90, 62, 1, 5, 0x80, 60, 0, 20, 0xf0, 3, 1, 2, 0xf7][..],
        &[1, 0xff, 1, 2, b'h', b'i', 0x81, 0, 0x80, 62, 0, 0, 0x81, 61, 0],
        END,
    ]
    .concat();
    let whole = one(&track);
    assert_eq!(played(whole.clone()).1, "");
    for end in 26..whole.len() {
        let (messages, said) = played(whole[..end].to_vec());
        assert!(said.starts_with("track 1, tick ") && said.contains("the track ends with"), "{end}: {said}");
        let of_status = |status: &str| {
            let channels = messages.iter().filter_map(|message| message.split_once(status));
            let mut notes: Vec<&str> = channels.map(|(_, note)| &note[..4]).collect();
            notes.sort_unstable();
            notes
        };
        assert_eq!(of_status(" 9"), of_status(" 8"), "{end}: {messages:?}");
    }
    assert_played(
        [&header(0, 1)[..], b"MTrk\0\0\0\x20", &[10, 0x90, 60, 100, 20, 0x80]].concat(),
        &["10 90 3c 64", "30 80 3c 00"],
        "track 1, tick 30: the track ends within an event",
    );
    assert_played(
        one(&[10, 0x90, 60, 100]),
        &["10 90 3c 64", "10 80 3c 00"],
        "track 1, tick 10: the track ends without End-of-Track",
    );
    assert_played(
        [header(1, 3), chunk(&[NOTE, END].concat())].concat(),
        &NOTE_PLAYED,
        "header: it counts 3 tracks, and there are 1",
    );
    for empty in [&b"MThd\0\0\0\x06\0\0\0"[..], b"MThd", b"RIFF", b"", &header(1, 2)] {
        assert!(Tune::new(empty.to_vec()).is_err(), "{empty:?}");
    }
    let error = Tune::new(one(&[0, 0x90])).err().map(|error| error.to_string());
    let expected = "it has no events that can be read; track 1, tick 0: the track ends within an event";
    assert_eq!(error.as_deref(), Some(expected));
}

#[test]
fn wrong_lengths_of_tracks_are_put_right() {
    let events = [NOTE, END].concat();
    for said in [0_u32, 3, 11, 13, 40, u32::MAX] {
        let file = [&header(0, 1)[..], b"MTrk", &said.to_be_bytes(), &events].concat();
        let damage = format!("track 1, tick 20: the track says that it has {said} bytes, and ends after 12");
        assert_played(file.clone(), &NOTE_PLAYED, &damage);
        // The same before another track, which is played as well.
        let second = chunk(&[&[15, 0x91, 61, 1, 0, 61, 0][..], END].concat());
        let file = [&header(1, 2)[..], &file[14..], &second].concat();
        assert_played(file, &["10 90 3c 64", "15 91 3d 01", "15 81 3d 00", "20 80 3c 00"], &damage);
    }
    let damage = "track 1, tick 20: the track says that it has 15 bytes, and ends after 12";
    assert_played(one(&[&events[..], &[1, 2, 3]].concat()), &NOTE_PLAYED, damage);
}

#[test]
fn chunks_of_programs_are_skipped_and_stray_bytes_are_said() {
    let track = chunk(&[NOTE, END].concat());
    let own = b"XFIH\0\0\0\x02ab";
    assert_played([&header(0, 1)[..], own, &track, own].concat(), &NOTE_PLAYED, "");
    for stray in [&[0][..], &[0; 600], b"TAG\0 and more of it"] {
        let damage = format!("track 1, tick 20: {} bytes follow that belong to nothing", stray.len());
        assert_played([&header(0, 1)[..], &track, stray].concat(), &NOTE_PLAYED, &damage);
        assert_played([&header(1, 2)[..], &track, stray, &track].concat(), &TWO_PLAYED, &damage);
    }
}

#[test]
fn headers_of_all_kinds_are_read() {
    let track = chunk(&[NOTE, END].concat());
    let file = [&header(0, 1)[..], &track].concat();
    assert_played([&b"MThd\0\0\0\x08\0\0\0\x01\x01\xe0ab"[..], &track].concat(), &NOTE_PLAYED, "");
    let riff = |rest: &[u8]| {
        let size = u32::try_from(file.len()).expect("short").to_le_bytes();
        [&b"RIFF\0\0\0\0RMIDodd \x01\0\0\0a\0data"[..], &size, &file, rest].concat()
    };
    assert_played(riff(b""), &NOTE_PLAYED, "");
    assert_played(riff(b"LIST\x04\0\0\0INFO"), &NOTE_PLAYED, "");
    assert_played([&[0; 128][..], &file].concat(), &NOTE_PLAYED, "header: 128 bytes stand before it");
    for (wrong, damage) in [
        (&b"MThd\0\0\0\x05\0\0\0\x01\x01\xe0"[..], "it says that it has 5 bytes, and no chunk follows these"),
        (
            b"MThd\x06\0\0\0\0\0\0\x01\x01\xe0",
            "it says that it has 100663296 bytes, and no chunk follows these",
        ),
        (b"MThd\0\0\0\x06\0\x07\0\x01\x01\xe0", "its tracks are not of format 7, which it names"),
        (b"MThd\0\0\0\x06\0\0\0\x02\x01\xe0", "it counts 2 tracks, and there are 1"),
        (b"MThd\0\0\0\x06\0\0\0\x01\0\0", "its division of time, 0x0000, means nothing"),
    ] {
        assert_played([wrong, &track].concat(), &NOTE_PLAYED, &format!("header: {damage}"));
    }
    let two = [&header(0, 2)[..], &track, &track].concat();
    assert_played(two, &TWO_PLAYED, "header: its tracks are not of format 0, which it names");
}

#[test]
fn packets_are_one_message_and_f7_events_are_sent_as_they_are() {
    assert_track(
        &[0, 0xf0, 3, 0x43, 0x12, 0, 10, 0xf7, 3, 1, 2, 3, 10, 0xf7, 3, 4, 5, 0xf7],
        &["20 f0 43 12 00 01 02 03 04 05 f7"],
        "",
    );
    // Real-time messages within a message, and beside one.
    assert_track(
        &[0, 0xf0, 2, 0x43, 0xf8, 5, 0xf7, 1, 0xfa, 5, 0xf7, 3, 1, 0xfc, 0xf7, 5, 0xf7, 2, 0xfb, 0xf8],
        &["0 f8", "5 fa", "10 fc", "10 f0 43 01 f7", "15 fb", "15 f8"],
        "",
    );
    // Several messages in one event; a song position, which no mapping can react to; no running status from one event
    // to the next.
    assert_track(
        &[
            &[0, 0xf7, 7, 0xf0, 1, 0xf7, 0xf0, 2, 0xf7, 0xfe][..],
            &[3, 0xf7, 3, 0xf2, 1, 2, 2, 0xf7, 3, 0x90, 60, 1, 4, 0xf7, 2, 60, 0],
        ]
        .concat(),
        &["0 f0 01 f7", "0 f0 02 f7", "5 90 3c 01"],
        "",
    );
    assert_track(
        &[0, 0xf0, 1, 0xf7, 0, 0xf0, 7, 1, 0xf7, 0xf0, 2, 3, 0xf7, 0xf8],
        &["0 f0 f7", "0 f0 01 f7", "0 f0 02 03 f7", "0 f8"],
        "",
    );
    // A message goes on in its own track, whatever another track plays.
    let first = chunk(&[&[0, 0xf0, 1, 1, 10, 0xf7, 2, 2, 0xf7][..], END].concat());
    let second = chunk(&[&[5, 0x90, 60, 1, 0, 60, 0][..], END].concat());
    assert_played(
        [header(1, 2), first, second].concat(),
        &["5 90 3c 01", "5 80 3c 00", "10 f0 01 02 f7"],
        "",
    );
}

#[test]
fn wrong_lengths_of_system_exclusive_events_are_put_right() {
    let damage = "track 1, tick 5: a system exclusive event says another length than it has";
    let notes = [1, 0x90, 60, 1, 1, 60, 0, 1, 0xc0, 5];
    for said in [3, 5, 6, 9, 60, 0x7f] {
        assert_track(
            &[&[5, 0xf0, said, 0x43, 0x12, 0, 0xf7][..], &notes].concat(),
            &["5 f0 43 12 00 f7", "6 90 3c 01", "7 80 3c 00", "8 c0 05"],
            damage,
        );
    }
    assert_track(
        &[&[0, 0xf0, 1, 0x43, 5, 0xf7, 40, 1, 0xf7][..], &notes].concat(),
        &["5 f0 43 01 f7", "6 90 3c 01", "7 80 3c 00", "8 c0 05"],
        damage,
    );
    let said = "track 1, tick 5: a system exclusive message has no end";
    for (unended, played) in [
        (&[5, 0xf0, 2, 1, 2][..], "5 f0 01 02 f7"),
        (&[1, 0xf0, 1, 1, 2, 0xf7, 1, 0xfe, 2, 0xf7, 1, 2], "5 f0 01 02 f7"),
    ] {
        let expected = [played, "6 90 3c 01", "7 80 3c 00", "8 c0 05"];
        assert_track(&[unended, &notes].concat(), &expected, said);
        let another = [&[1, 0xf0, 2, 3, 0xf7][..], &[0, 0xf7, 1, 0xf8]].concat();
        let expected = [&expected[..], &["9 f0 03 f7", "9 f8"]].concat();
        assert_track(&[unended, &notes, &another].concat(), &expected, said);
    }
    // Half a message at the end of a track that is cut off is not played.
    assert_played(
        [&header(0, 1)[..], b"MTrk\0\0\0\x20", &[5, 0xf0, 2, 1, 2, 1, 0xc0, 5, 1, 0xf7, 9, 3]].concat(),
        &["6 c0 05"],
        "track 1, tick 7: the track ends within an event; one more place is damaged",
    );
}

#[test]
fn what_is_no_event_is_read_around() {
    let around = |damage: &[u8]| {
        one(&[NOTE, damage, &[10, 0x90, 62, 100, 10, 0x80, 62, 0, 10, 0xc0, 5], END].concat())
    };
    let expected = ["10 90 3c 64", "20 80 3c 00", "30 90 3e 64", "40 80 3e 00", "50 c0 05"];
    for damage in [
        &[0, 0xff, 0x80, 0x80, 0x80, 0x80][..],
        &[0, 0xff, 1, 0xff, 0xff, 0xff, 0x7f],
        &[0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let said = format!("track 1, tick 20: {} bytes are no event", damage.len());
        assert_played(around(damage), &expected, &said);
    }
    // Texts that are longer, or shorter, than their events say.
    let said = "track 1, tick 20: 2 bytes are no event";
    assert_played(around(&[0, 0xff, 1, 2, b'a', b'b', b'c', b'd']), &expected, said);
    let without_a_note = [&expected[..2], &["30 80 3e 00", "40 c0 05"]].concat();
    assert_played(around(&[0, 0xff, 1, 4, b'a', b'b']), &without_a_note, said);
    let outside = |byte| format!("track 1, tick 20: the byte {byte} stands outside of an F7 event");
    let with_clock = [&expected[..2], &["20 f8"], &expected[2..]].concat();
    assert_played(around(&[0, 0xf8]), &with_clock, &outside("0xf8"));
    assert_played(around(&[0, 0xf2, 1, 2]), &expected, &outside("0xf2"));
    assert_track(
        &[10, 0x90, 0xbc, 0xe4, 10, 0x80, 60, 0, 5, 0xc0, 5],
        &["10 90 3c 64", "20 80 3c 00", "25 c0 05"],
        "track 1, tick 10: a data byte is above 127",
    );
    let said = "track 1, tick 0: 3 bytes are no event";
    assert_track(&[&[0, 60, 100][..], NOTE].concat(), &NOTE_PLAYED, said);
    let said = "track 1, tick 0: a tempo has no value; one more place is damaged";
    let tempos = [0, 0xff, 0x51, 3, 0, 0, 0, 0, 0xff, 0x51, 1, 7];
    assert_track(&[&tempos[..], NOTE].concat(), &NOTE_PLAYED, said);
}

#[test]
fn damage_in_one_track_silences_no_other() {
    let good = chunk(&[&[10, 0x91, 61, 1, 10, 61, 0][..], END].concat());
    for bad in [&[0xff; 40][..], &[0; 3], b"", &[0, 0x90, 60, 100], &[0, 0xf0, 0x7f, 1]] {
        for file in [
            [header(1, 3), good.clone(), chunk(bad), good.clone()].concat(),
            [header(2, 3), good.clone(), chunk(bad), good.clone()].concat(),
            [&header(1, 3)[..], &good, b"MTrk\xff\xff\xff\xff", bad, &good].concat(),
            [&header(1, 3)[..], &good, &good, b"MTrk\0\0\x10\0", bad].concat(),
        ] {
            let (messages, said) = played(file);
            let count = |end| messages.iter().filter(|message| message.ends_with(end)).count();
            assert_eq!((count("91 3d 01"), count("81 3d 00")), (2, 2), "{bad:?}: {messages:?}");
            assert!(said.starts_with("track 2, ") || said.starts_with("track 3, "), "{bad:?}: {said}");
        }
    }
}
