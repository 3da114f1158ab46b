//! Tests of reading and changing files of decisions.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A list of words, one on each line. The writer does not notice that the reader reads `_` as a blank.
#[derive(Clone, Debug, Default, PartialEq)]
struct Words(Vec<String>);

#[derive(Debug)]
enum WordsError {
    Keeper(KeeperError),
    NoEnd,
}

impl From<KeeperError> for WordsError {
    fn from(error: KeeperError) -> Self {
        Self::Keeper(error)
    }
}

impl Decisions for Words {
    const FILE: &'static str = "words";
    const LOCK: &'static str = "words.lock";
    const MAX_BYTES: u64 = 100;
    type Error = WordsError;

    fn parse(_path: &Path, text: &str) -> Result<Self, WordsError> {
        let words = text.strip_prefix("words\n").ok_or(WordsError::NoEnd)?;
        if !words.is_empty() && !words.ends_with('\n') {
            return Err(WordsError::NoEnd);
        }
        Ok(Self(words.lines().map(|word| word.replace('_', " ")).collect()))
    }

    fn to_text(&self) -> Result<String, WordsError> {
        Ok(self.0.iter().fold("words\n".to_owned(), |text, word| text + word + "\n"))
    }
}

fn place() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn add(keeper: &Keeper, word: &str) -> Result<(), WordsError> {
    keeper.change::<Words, ()>(|words| {
        words.0.push(word.to_owned());
        Ok(())
    })
}

fn words(keeper: &Keeper) -> Vec<String> {
    keeper.load::<Words>().expect("read").0
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let place = place();
    let keeper = Keeper::of(place.path());
    add(&keeper, "one").expect("written");
    assert!(matches!(add(&keeper, "a_b"), Err(WordsError::Keeper(KeeperError::Misread { .. }))));
    assert!(matches!(add(&keeper, "a\nb"), Err(WordsError::Keeper(KeeperError::Misread { .. }))));
    let refused = add(&keeper, &"x".repeat(200));
    let source = FileError::TooLarge { path: keeper.file::<Words>(), max: 100 };
    assert!(
        matches!(&refused, Err(WordsError::Keeper(KeeperError::File { source: found }))
            if found.to_string() == source.to_string()),
        "{refused:?}"
    );
    assert_eq!(words(&keeper), ["one"]);
    let mode = fs::metadata(keeper.file::<Words>()).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_empty_file_is_damage_and_a_missing_one_is_not() {
    let place = place();
    let keeper = Keeper::of(place.path());
    assert_eq!(words(&keeper), [""; 0]);
    fs::write(keeper.file::<Words>(), "").expect("written");
    fs::set_permissions(keeper.file::<Words>(), fs::Permissions::from_mode(0o600)).expect("mode");
    assert!(matches!(keeper.load::<Words>(), Err(WordsError::Keeper(KeeperError::Empty { .. }))));
    assert!(matches!(add(&keeper, "one"), Err(WordsError::Keeper(KeeperError::Empty { .. }))));
    assert_eq!(fs::read_to_string(keeper.file::<Words>()).expect("read"), "", "it is not written over");
}

#[test]
fn the_wait_for_another_writer_has_an_end() {
    let place = place();
    let lock = Lock::within(&place.path().join(Words::LOCK), Duration::ZERO);
    let other = lock.expect("opened").expect("another program has it");
    let disk = Arc::new(Faults::at(usize::MAX, false));
    let keeper = Keeper::on(place.path(), Arc::clone(&disk) as _);
    assert!(matches!(add(&keeper, "one"), Err(WordsError::Keeper(KeeperError::Busy { .. }))));
    assert!(disk.passed() >= LOCK_PATIENCE && disk.passed() < LOCK_PATIENCE * 2);
    drop(other);
    add(&keeper, "one").expect("written");
    assert_eq!(words(&keeper), ["one"]);
}

#[test]
fn a_fault_at_any_call_leaves_the_old_or_the_new() {
    for for_good in [false, true] {
        for call in 0.. {
            let place = place();
            let keeper = Keeper::of(place.path());
            add(&keeper, "one").expect("written");
            let disk = Arc::new(Faults::at(call, for_good));
            let changed = add(&Keeper::on(place.path(), Arc::clone(&disk) as _), "two");
            let found = words(&keeper);
            match &changed {
                Ok(()) => assert_eq!(found, ["one", "two"], "call {call}"),
                // It says so, and that the names of the directory may not be on the disk yet.
                Err(WordsError::Keeper(KeeperError::Unsynced { .. })) => {
                    assert_eq!(found, ["one", "two"], "call {call}");
                }
                Err(_) => assert_eq!(found, ["one"], "call {call}"),
            }
            let litter = fs::read_dir(place.path()).expect("listed").count();
            assert_eq!(litter, 2, "the file and its lock; call {call}");
            if disk.calls() <= call {
                assert!(call >= 10, "each call is a site: {call}");
                break;
            }
        }
    }
}

proptest! {
    /// Whatever was accepted is read back as it was decided.
    #[test]
    fn what_was_accepted_is_read_back(changes in proptest::collection::vec("[a-c_\n]{0,9}", 0..20)) {
        let place = place();
        let keeper = Keeper::of(place.path());
        let mut expected: Vec<String> = Vec::new();
        for word in changes {
            if add(&keeper, &word).is_ok() {
                expected.push(word);
            }
            prop_assert_eq!(&words(&keeper), &expected);
        }
    }
}
