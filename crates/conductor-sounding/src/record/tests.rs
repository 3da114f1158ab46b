//! The record is read whatever it contains.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use proptest::prelude::*;

use super::*;
use crate::sound::MAX_STRIKES;

fn sound(message: &[u8]) -> Sound {
    crate::sound::Change::of(message).expect("it sounds").sound
}

const NOTE: [u8; 3] = [0x93, 60, 100];

/// A record with a note at the output `synth`, as a process that was killed left it.
fn left_behind(path: &Path) -> Sound {
    let (record, left) = Record::open(path).expect("opens");
    assert_eq!(left.outputs().count(), 0);
    let page = record.page_of("synth").expect("a page");
    record.write(page, sound(&NOTE), || 2);
    sound(&NOTE)
}

fn read_left(path: &Path) -> Left {
    Record::open(path).expect("opens").1
}

fn overwrite(path: &Path, at: usize, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).expect("opens");
    file.write_all_at(bytes, at as u64).expect("written");
}

#[test]
fn what_was_left_is_read_by_the_next_process_and_stays_until_it_is_ended() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("sounding");
    let note = left_behind(&path);
    let metadata = fs::metadata(&path).expect("a file");
    assert_eq!((metadata.mode() & 0o777, metadata.len()), (0o600, FILE_BYTES as u64));
    for _ in 0..2 {
        let left = read_left(&path);
        assert_eq!(left.outputs().collect::<Vec<_>>(), ["synth"]);
        assert_eq!(left.outputs[0].1.of(note), 2);
        assert_eq!(left.damage(), None);
    }
    let (record, _) = Record::open(&path).expect("opens");
    let page = record.page_of("synth").expect("its page");
    record.write_all(page, Counts::default);
    drop(record);
    assert_eq!(read_left(&path).outputs().count(), 0, "silence is nothing that was left");
}

#[test]
fn a_record_has_one_keeper() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("sounding");
    let (record, _) = Record::open(&path).expect("opens");
    assert!(matches!(Record::open(&path), Err(RecordError::InUse { .. })));
    drop(record);
    assert!(Record::open(&path).is_ok());
}

#[test]
fn a_file_that_others_could_write_is_not_used() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("sounding");
    let refused = |path: &Path| {
        let error = Record::open(path).expect_err("refused");
        assert!(matches!(error, RecordError::NotPrivate { .. }), "{error}");
        assert!(error.hint().expect("a hint").starts_with("look at it, and move it away: mv "), "{error}");
    };
    left_behind(&path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).expect("mode");
    refused(&path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
    fs::hard_link(&path, directory.path().join("second")).expect("link");
    refused(&path);
    let link = directory.path().join("link");
    symlink(&path, &link).expect("link");
    refused(&link);
    refused(directory.path());
    let fifo = directory.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("fifo");
    refused(&fifo);
}

#[test]
fn a_file_of_another_format_or_size_is_begun_anew() {
    let directory = tempfile::tempdir().expect("directory");
    for (name, spoil) in [
        ("magic", &(|path: &Path| overwrite(path, 0, b"X")) as &dyn Fn(&Path)),
        ("version", &|path| overwrite(path, MAGIC.len(), &2_u32.to_le_bytes())),
        ("short", &|path| {
            OpenOptions::new().write(true).open(path).expect("opens").set_len(4097).expect("cut");
        }),
        ("long", &|path| {
            OpenOptions::new().write(true).open(path).expect("opens").set_len(1 << 40).expect("grown");
        }),
        ("noise", &|path| fs::write(path, b"noise").expect("written")),
    ] {
        let path = directory.path().join(name);
        left_behind(&path);
        spoil(&path);
        let left = read_left(&path);
        assert_eq!(left.outputs().count(), 0, "{name}");
        assert!(left.damage().expect("damage").contains("format"), "{name}");
        assert_eq!(fs::metadata(&path).expect("a file").len(), FILE_BYTES as u64, "{name}");
        assert_eq!(read_left(&path).damage(), None, "{name}");
    }
}

#[test]
fn a_torn_page_is_left_out_and_the_others_are_read() {
    let directory = tempfile::tempdir().expect("directory");
    let first = PAGE_BYTES;
    for (name, at, bytes) in [
        ("length beyond the name", first, &[9_u8, 0][..]),
        ("length beyond the page", first, &[0xff, 0xff]),
        ("sum", first + SUM_AT, &[0]),
        ("name", first + NAME_AT, b"S"),
    ] {
        let path = directory.path().join(name);
        left_behind(&path);
        {
            let (record, _) = Record::open(&path).expect("opens");
            let page = record.page_of("drums").expect("a page");
            record.write(page, sound(&NOTE), || 1);
        }
        overwrite(&path, at, bytes);
        let left = read_left(&path);
        assert_eq!(left.outputs().collect::<Vec<_>>(), ["drums"], "{name}");
        assert_eq!(left.damage().as_deref(), Some("1 of its 64 pages are damaged"), "{name}");
    }
}

#[test]
fn names_that_are_no_text_are_damage_even_with_a_right_sum() {
    let mut bytes = [0; PAGE_BYTES];
    let name = b"\xff\xfe";
    bytes[..SUM_AT].copy_from_slice(&2_u16.to_le_bytes());
    bytes[SUM_AT..NAME_AT].copy_from_slice(&sum_of(name).to_le_bytes());
    bytes[NAME_AT..NAME_AT + 2].copy_from_slice(name);
    assert_eq!(read_page(&bytes), Err(Damaged));
}

#[test]
fn numbers_are_bounded() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("sounding");
    left_behind(&path);
    overwrite(&path, PAGE_BYTES + SOUNDS_AT, &[0xff; PAGE_BYTES - SOUNDS_AT]);
    let left = read_left(&path);
    let (name, counts) = &left.outputs[0];
    assert_eq!(name, "synth");
    for sound in Sound::all() {
        assert_eq!(counts.of(sound), if sound.is_note() { MAX_STRIKES } else { 1 });
    }
}

#[test]
fn a_name_that_stands_twice_counts_once() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("sounding");
    left_behind(&path);
    let page = fs::File::open(&path).map(|file| {
        let mut page = [0; PAGE_BYTES];
        file.read_exact_at(&mut page, PAGE_BYTES as u64).expect("read");
        page
    });
    overwrite(&path, 2 * PAGE_BYTES, &page.expect("a page"));
    assert_eq!(read_left(&path).outputs().count(), 1);
}

#[test]
fn there_are_pages_for_so_many_outputs() {
    let directory = tempfile::tempdir().expect("directory");
    let (record, _) = Record::open(&directory.path().join("sounding")).expect("opens");
    for page in 0..PAGES {
        assert_eq!(record.page_of(&format!("output {page}")), Some(page));
    }
    assert_eq!(record.page_of("output 3"), Some(3));
    assert_eq!(record.page_of("one more"), None);
    record.free(7);
    assert_eq!(record.page_of("one more"), Some(7));
    assert_eq!(record.page_of(&"x".repeat(MAX_NAME_BYTES + 1)), None);
}

proptest! {
    #[test]
    fn any_page_is_read(noise in prop::collection::vec((0..PAGE_BYTES, any::<u8>()), 0..64)) {
        let counts = Counts::default();
        let mut bytes = [0; PAGE_BYTES];
        bytes.copy_from_slice(&page_bytes("synth", &counts).expect("a page"));
        for (at, byte) in noise {
            bytes[at] = byte;
        }
        if let Ok(Some((name, counts))) = read_page(&bytes) {
            prop_assert!(name.len() <= MAX_NAME_BYTES);
            prop_assert!(Sound::all().all(|sound| counts.of(sound) <= sound.most()));
        }
    }
}
