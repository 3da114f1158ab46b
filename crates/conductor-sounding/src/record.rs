//! The file that keeps what sounds, so that another process can end it after this one was killed.
//!
//! The file has a fixed size: a page with magic and version, then a page for each of [`PAGES`] outputs with its name, a
//! check sum over the name, and one byte for each sound. A byte is written in place before its sound is sent. What the
//! kernel has taken survives the death of the process, as a mapping of the file would, and a byte cannot be torn. All
//! zeros mean silence. Whatever else the file contains can at worst end sounds of the user's own outputs: it names no
//! device, its names are looked up in the configuration, and its numbers are bounded when they are read.
//!
//! Whoever has the file open for writing holds a lock on it, so that nobody takes what a running daemon plays for
//! something that was left behind.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use conductor_store::escape;
use rustix::fs::{FallocateFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use thiserror::Error;

use crate::port::Counts;
use crate::sound::{SOUNDS, Sound};

/// The first bytes of the file.
const MAGIC: [u8; 8] = *b"CNDRSND\n";

/// Version of the format; raised when an old reader could misread a new writer.
const VERSION: u32 = 1;

/// Bytes of a page. A page is written and read as a whole by every kernel that this program runs on.
const PAGE_BYTES: usize = 4096;

/// Most outputs whose sounds are kept. A configuration has no more.
pub const PAGES: usize = 64;

/// Size of the file.
const FILE_BYTES: usize = PAGE_BYTES * (1 + PAGES);

/// Longest name of an output, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Place in a page of the check sum; the length of the name stands before it, and the name behind.
const SUM_AT: usize = 2;
const NAME_AT: usize = 10;

/// Place in a page of the sounds.
const SOUNDS_AT: usize = 512;

/// Why there is no record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file cannot be opened, made, read or written.
    #[error("cannot use {}: {source}", escape::path(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no plain file, belongs to somebody else, or others may read or write it.
    #[error("{} is not a plain file of your own that nobody else may use", escape::path(path))]
    NotPrivate {
        /// The file.
        path: PathBuf,
    },
    /// Another process keeps the record.
    #[error("another process keeps {}", escape::path(path))]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

impl RecordError {
    /// What the user can do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotPrivate { path } => Some(format!(
                "look at it, and move it away: mv {} {}.old",
                escape::quoted(path),
                escape::quoted(path)
            )),
            Self::Io { .. } | Self::InUse { .. } => None,
        }
    }
}

/// What the last process that kept the record left sounding.
#[derive(Debug, Default)]
pub struct Left {
    pub(crate) outputs: Vec<(String, Counts)>,
    /// Pages that could not be read.
    damaged: usize,
    /// Whether the file is in another format, so that nothing could be read.
    is_foreign: bool,
}

impl Left {
    /// The names of the outputs at which something may still sound.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|(name, _)| name.as_str())
    }

    /// What could not be read of the file, in words.
    #[must_use]
    pub fn damage(&self) -> Option<String> {
        if self.is_foreign {
            return Some("it is in a format that this version does not read".to_owned());
        }
        (self.damaged > 0).then(|| format!("{} of its {PAGES} pages are damaged", self.damaged))
    }
}

/// The record, kept by this process.
#[derive(Debug)]
pub struct Record {
    file: File,
    path: PathBuf,
    pages: Mutex<Pages>,
}

#[derive(Debug)]
struct Pages {
    /// The outputs that have a page, with what the page says.
    pages: Vec<Option<(String, Counts)>>,
    /// Whether the file could not be written, which is said once.
    has_failed: bool,
}

impl Record {
    /// Opens the record at `path`, makes the file where there is none, and reads what was left. From then on, the record
    /// says that what was left still sounds, until it is told otherwise.
    ///
    /// # Errors
    ///
    /// Fails if another process keeps the record, or if the file is not the user's own or cannot be used.
    pub fn open(path: &Path) -> Result<(Self, Left), RecordError> {
        let failed = |source: io::Error| RecordError::Io { path: path.to_owned(), source };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => File::from(file),
            // A link, or a directory.
            Err(Errno::LOOP | Errno::ISDIR) => {
                return Err(RecordError::NotPrivate { path: path.to_owned() });
            }
            Err(error) => return Err(failed(error.into())),
        };
        check_private(&file, path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(RecordError::InUse { path: path.to_owned() }),
            Err(error) => return Err(failed(error.into())),
        }
        let left = read(&file).map_err(failed)?;
        write_anew(&file, &left).map_err(failed)?;
        let mut pages: Vec<_> = left.outputs.iter().cloned().map(Some).collect();
        pages.resize_with(PAGES, || None);
        let pages = Mutex::new(Pages { pages, has_failed: false });
        Ok((Self { file, path: path.to_owned(), pages }, left))
    }

    /// Gives an output a page, if it has none. Returns the page; `None` if there is none left.
    pub(crate) fn page_of(&self, name: &str) -> Option<usize> {
        let mut pages = self.lock();
        let has = |page: &Option<(String, Counts)>| page.as_ref().is_some_and(|(known, _)| known == name);
        if let Some(page) = pages.pages.iter().position(has) {
            return Some(page);
        }
        let free = |page: &Option<(String, Counts)>| page.is_none();
        let page = pages.pages.iter().position(free)?;
        let written = page_bytes(name, &Counts::default());
        let written = written.and_then(|bytes| self.write_at(&bytes, place_of(page)));
        if let Err(error) = written {
            self.complain(&mut pages, &error);
            return None;
        }
        *pages.pages.get_mut(page)? = Some((name.to_owned(), Counts::default()));
        Some(page)
    }

    /// Takes the page of an output away, which is silent.
    pub(crate) fn free(&self, page: usize) {
        let mut pages = self.lock();
        // The length of the name is the first thing in a page, and a name without length is none.
        if let Err(error) = self.write_at(&[0; SUM_AT], place_of(page)) {
            self.complain(&mut pages, &error);
            return;
        }
        if let Some(page) = pages.pages.get_mut(page) {
            *page = None;
        }
    }

    /// Writes down how much there is of a sound. `now` is asked once nobody else writes, so that the last to write
    /// writes what is true.
    pub(crate) fn write(&self, page: usize, sound: Sound, now: impl FnOnce() -> u8) {
        let mut pages = self.lock();
        let count = now();
        self.write_one(&mut pages, page, sound, count);
    }

    /// As [`Record::write`], for all sounds of an output.
    pub(crate) fn write_all(&self, page: usize, now: impl FnOnce() -> Counts) {
        let mut pages = self.lock();
        let counts = now();
        for sound in Sound::all() {
            self.write_one(&mut pages, page, sound, counts.of(sound));
        }
    }

    fn write_one(&self, pages: &mut Pages, page: usize, sound: Sound, count: u8) {
        let Some(Some((_, written))) = pages.pages.get_mut(page) else { return };
        if written.of(sound) == count {
            return;
        }
        let place = place_of(page) + (SOUNDS_AT + sound.index()) as u64;
        match self.write_at(&[count], place) {
            Ok(()) => written.set(sound, count),
            Err(error) => self.complain(pages, &error),
        }
    }

    fn write_at(&self, bytes: &[u8], place: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, place)
    }

    /// Says that the file cannot be written: what sounds is not ended if this process is killed now.
    fn complain(&self, pages: &mut Pages, error: &io::Error) {
        if !std::mem::replace(&mut pages.has_failed, true) {
            tracing::error!(
                "{} cannot be written, so what sounds goes on if this process is killed: {error}",
                escape::path(&self.path)
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_private(file: &File, path: &Path) -> Result<(), RecordError> {
    let stat = rustix::fs::fstat(file)
        .map_err(|error| RecordError::Io { path: path.to_owned(), source: error.into() })?;
    let is_own = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && stat.st_nlink == 1
        && Mode::from_raw_mode(stat.st_mode) & (Mode::RWXG | Mode::RWXO) == Mode::empty();
    if is_own { Ok(()) } else { Err(RecordError::NotPrivate { path: path.to_owned() }) }
}

/// Where a page begins in the file.
const fn place_of(page: usize) -> u64 {
    (PAGE_BYTES * (1 + page)) as u64
}

/// Reads what was left. Nothing that the file contains is believed: sizes and numbers are bounded, and a page that
/// cannot be read is counted and left out.
pub(crate) fn read(file: &File) -> io::Result<Left> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(Left::default());
    }
    let mut head = [0; MAGIC.len() + 4];
    let is_whole = length == FILE_BYTES as u64;
    if !is_whole || file.read_exact_at(&mut head, 0).is_err() || head != self::head() {
        return Ok(Left { is_foreign: true, ..Left::default() });
    }
    let mut left = Left::default();
    let mut bytes = [0; PAGE_BYTES];
    for page in 0..PAGES {
        file.read_exact_at(&mut bytes, place_of(page))?;
        match read_page(&bytes) {
            Ok(None) => {}
            Ok(Some((name, counts))) if left.outputs().any(|known| known == name) || counts.are_zero() => {}
            Ok(Some(output)) => left.outputs.push(output),
            Err(Damaged) => left.damaged += 1,
        }
    }
    Ok(left)
}

/// A page that cannot be read.
#[derive(Debug, PartialEq, Eq)]
struct Damaged;

/// Reads a page: the name of an output and what sounds there. `None` for a page that nobody has.
fn read_page(bytes: &[u8; PAGE_BYTES]) -> Result<Option<(String, Counts)>, Damaged> {
    let field = |at: usize, length: usize| bytes.get(at..at + length).ok_or(Damaged);
    let length = field(0, SUM_AT)?.try_into().map(u16::from_le_bytes).map_err(|_| Damaged)?;
    if length == 0 {
        return Ok(None);
    }
    if usize::from(length) > MAX_NAME_BYTES {
        return Err(Damaged);
    }
    let name = field(NAME_AT, length.into())?;
    let sum = field(SUM_AT, NAME_AT - SUM_AT)?.try_into().map(u64::from_le_bytes).map_err(|_| Damaged)?;
    if sum != sum_of(name) {
        return Err(Damaged);
    }
    let name = std::str::from_utf8(name).map_err(|_| Damaged)?;
    let mut counts = Counts::default();
    for (sound, count) in Sound::all().zip(field(SOUNDS_AT, SOUNDS)?) {
        counts.set(sound, *count);
    }
    Ok(Some((name.to_owned(), counts)))
}

fn page_bytes(name: &str, counts: &Counts) -> io::Result<Vec<u8>> {
    let too_long =
        || io::Error::other(format!("the name of an output is longer than {MAX_NAME_BYTES} bytes"));
    let length = u16::try_from(name.len()).ok().filter(|length| usize::from(*length) <= MAX_NAME_BYTES);
    let mut bytes = Vec::with_capacity(PAGE_BYTES);
    bytes.extend(length.ok_or_else(too_long)?.to_le_bytes());
    bytes.extend(sum_of(name.as_bytes()).to_le_bytes());
    bytes.extend(name.as_bytes());
    bytes.resize(SOUNDS_AT, 0);
    bytes.extend(Sound::all().map(|sound| counts.of(sound)));
    bytes.resize(PAGE_BYTES, 0);
    Ok(bytes)
}

fn head() -> [u8; MAGIC.len() + 4] {
    let mut head = [0; MAGIC.len() + 4];
    let bytes = MAGIC.into_iter().chain(VERSION.to_le_bytes());
    head.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    head
}

/// Writes the whole file: what was left, in the first pages. Its room is reserved, so that a disk that fills up later
/// keeps nothing from being written down.
fn write_anew(file: &File, left: &Left) -> io::Result<()> {
    file.set_len(FILE_BYTES as u64)?;
    // Some file systems cannot reserve room; there, a full disk is said when it is met.
    let _ = rustix::fs::fallocate(file, FallocateFlags::empty(), 0, FILE_BYTES as u64);
    let mut bytes = head().to_vec();
    bytes.resize(PAGE_BYTES, 0);
    for (name, counts) in &left.outputs {
        bytes.extend(page_bytes(name, counts)?);
    }
    bytes.resize(FILE_BYTES, 0);
    file.write_all_at(&bytes, 0)
}

/// FNV-1a, 64 bits: shows damage, and is no defence against forgery, which gains nothing.
fn sum_of(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests;
