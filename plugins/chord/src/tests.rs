//! Which notes begin and end at which event.

use conductor_plugin::Context;

use super::*;

/// What a note with this velocity changes; velocity 0 ends the note.
fn note(voices: &mut Voices, note: u8, velocity: u8, intervals: Option<&[i8]>) -> Change {
    let parameters =
        Parameters { port: "synth".into(), channel: 0, intervals: intervals.map(<[i8]>::to_vec) };
    let context = Context { note: Some(note), velocity: Some(velocity), ..Context::default() };
    voices.follow(&Call { action: "chord".into(), context, parameters })
}

#[test]
fn chords_end_with_their_note() {
    let mut voices = Voices::default();
    assert_eq!(note(&mut voices, 60, 90, None), (vec![], vec![(60, 90), (64, 90), (67, 90)]));
    assert_eq!(note(&mut voices, 60, 0, None), (vec![60, 64, 67], vec![]));
    assert_eq!(note(&mut voices, 60, 0, None), (vec![], vec![]));
}

#[test]
fn a_note_that_begins_twice_ends_in_between() {
    let mut voices = Voices::default();
    note(&mut voices, 60, 90, None);
    assert_eq!(note(&mut voices, 60, 90, Some(&[0])), (vec![60, 64, 67], vec![(60, 90)]));
}

#[test]
fn shared_notes_last_as_long_as_one_chord_holds_them() {
    let mut voices = Voices::default();
    note(&mut voices, 60, 90, None);
    note(&mut voices, 64, 80, Some(&[0, 3, 7]));
    assert_eq!(note(&mut voices, 60, 0, None).0, [60]);
    assert_eq!(note(&mut voices, 64, 0, None).0, [64, 67, 71]);
}

#[test]
fn notes_off_the_keyboard_are_left_out() {
    let (_, begun) = note(&mut Voices::default(), 125, 1, Some(&[-126, 0, 4, 127]));
    assert_eq!(begun, [(125, 1)]);
}

#[test]
fn steps_go_up_and_start_again() {
    let mut voices = Voices::default();
    assert_eq!(voices.step(), (vec![], vec![]));
    note(&mut voices, 60, 90, None);
    let steps: Vec<Change> = (0..4).map(|_| voices.step()).collect();
    assert_eq!(steps[0], (vec![], vec![(60, 90)]));
    assert_eq!(steps[2], (vec![64], vec![(67, 90)]));
    assert_eq!(steps[3], (vec![67], vec![(60, 90)]));
    note(&mut voices, 60, 0, None);
    assert_eq!(voices.step(), (vec![60], vec![]));
}
