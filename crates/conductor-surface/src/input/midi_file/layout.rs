//! The chunks of a Standard MIDI File: where its tracks are, even if lengths are wrong (Standard MIDI Files 1.0, MMA
//! 1996).

use std::ops::Range;

use super::clock::Timing;
use super::damage::{Cause, MAX_TRACKS, TuneError};

/// How far into a file the header is looked for. What other systems put before it, such as `MacBinary`, takes 128
/// bytes.
const MAX_LEADING_BYTES: usize = 1024;

/// Ticks of a quarter note if the header says none. Most programs write this number.
const USUAL_TICKS: u16 = 480;

const HEADER: &[u8] = b"MThd";
const TRACK: &[u8] = b"MTrk";
const END_OF_TRACK: &[u8] = &[0xff, 0x2f, 0];

/// What the header of a file says, and where the tracks are.
pub(super) struct Layout {
    pub(super) format: u16,
    pub(super) timing: Timing,
    pub(super) tracks: Vec<Chunk>,
    /// What is wrong with the header.
    pub(super) flaws: Vec<Cause>,
}

/// Where a track is.
pub(super) struct Chunk {
    /// The bytes of the track. If the length that the chunk says cannot be right, these are all bytes up to the next
    /// track.
    pub(super) bytes: Range<usize>,
    /// The length that the chunk says.
    pub(super) said: usize,
    /// How many bytes after the track belong to no chunk.
    pub(super) stray: usize,
}

impl Layout {
    /// Finds the header and the tracks.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, TuneError> {
        let file = without_wrapping(bytes);
        let start = file.start;
        let file = File(bytes.get(..file.end).unwrap_or(bytes));
        let mut flaws = Vec::new();
        let lead = file.0.get(start..).unwrap_or_default();
        let lead = lead.get(..MAX_LEADING_BYTES + HEADER.len()).unwrap_or(lead);
        let leading = find(lead, HEADER).ok_or(TuneError::NoHeader)?;
        if leading > 0 {
            flaws.push(Cause::Leading(leading));
        }
        let begin = start + leading + 8;
        let Some([format_high, format, count_high, count, division_high, division]) =
            file.0.get(begin..).and_then(<[u8]>::first_chunk::<6>).copied()
        else {
            return Err(TuneError::CutHeader);
        };
        let format = u16::from_be_bytes([format_high, format]);
        let timing = timing([division_high, division], &mut flaws);
        let said = file.length_at(begin - 8);
        // A later standard may make the header longer.
        let is_right = said >= 6 && (begin + said == file.0.len() || file.has_chunk_at(begin + said));
        if !is_right {
            flaws.push(Cause::HeaderLength(said));
        }
        let tracks = file.tracks(if is_right { begin + said } else { begin + 6 })?;
        if format > 2 || (format == 0 && tracks.len() > 1) {
            flaws.push(Cause::Format(format));
        }
        let said = usize::from(u16::from_be_bytes([count_high, count]));
        if said != tracks.len() {
            flaws.push(Cause::Tracks { said, found: tracks.len() });
        }
        Ok(Self { format, timing, tracks, flaws })
    }
}

/// The part of a file that is a MIDI file, if the file is wrapped in RIFF (MMA RP-029).
fn without_wrapping(bytes: &[u8]) -> Range<usize> {
    let is_wrapped = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"RMID");
    let mut at = 12;
    while is_wrapped && let Some([head @ .., a, b, c, d]) = bytes.get(at..at + 8) {
        let length = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
        let end = (at + 8).saturating_add(length).min(bytes.len());
        if head == b"data" {
            return at + 8..end;
        }
        at = end + end % 2;
    }
    0..bytes.len()
}

fn timing(division: [u8; 2], flaws: &mut Vec<Cause>) -> Timing {
    let number = u16::from_be_bytes(division);
    let [frames, ticks] = division;
    if frames < 0x80 {
        if number == 0 {
            flaws.push(Cause::Division(number));
        }
        return Timing::quarters(if number == 0 { USUAL_TICKS } else { number });
    }
    let frames = frames.wrapping_neg();
    if !matches!(frames, 24 | 25 | 29 | 30) || ticks == 0 {
        flaws.push(Cause::Division(number));
    }
    Timing::frames(frames, ticks.max(1))
}

/// The bytes of a MIDI file, without what follows its end.
struct File<'b>(&'b [u8]);

impl File<'_> {
    /// The tracks from `at` on.
    fn tracks(&self, mut at: usize) -> Result<Vec<Chunk>, TuneError> {
        let mut tracks: Vec<Chunk> = Vec::new();
        while at < self.0.len() {
            if !self.has_chunk_at(at) {
                let next = self.find_track(at);
                if let Some(before) = tracks.last_mut() {
                    before.stray = next - at;
                }
                at = next;
                continue;
            }
            let (begin, said) = (at + 8, self.length_at(at));
            if !self.has(at, TRACK) {
                // Programs put other chunks beside the tracks, which other programs skip.
                at = begin + said;
                continue;
            }
            if tracks.len() == MAX_TRACKS {
                return Err(TuneError::TooManyTracks);
            }
            at = self.end_of_track(begin, said);
            tracks.push(Chunk { bytes: begin..at, said, stray: 0 });
        }
        Ok(tracks)
    }

    /// Where a track ends that begins at `begin` and says that it has `said` bytes. The said end is right if the file
    /// ends there, if a chunk begins there, or if End-of-Track stands just before; but if the next track begins before
    /// the said end, just after an End-of-Track, the track ends there. Otherwise the track ends where the next track
    /// begins.
    fn end_of_track(&self, begin: usize, said: usize) -> usize {
        let (end, next) = (begin + said, self.find_track(begin));
        let is_ended = |end| self.0.get(begin..end).is_some_and(|track| track.ends_with(END_OF_TRACK));
        let is_end = end == self.0.len() || self.has_chunk_at(end) || is_ended(end);
        if is_end && (next >= end || !is_ended(next)) { end } else { next }
    }

    /// Whether a chunk begins at `at`: a track of any length, or a name of four characters and a length that fits.
    fn has_chunk_at(&self, at: usize) -> bool {
        let Some(head) = self.0.get(at..at + 8) else { return false };
        let is_named = head.iter().take(4).all(|byte| byte.is_ascii_graphic() || *byte == b' ');
        head.starts_with(TRACK) || (is_named && at + 8 + self.length_at(at) <= self.0.len())
    }

    /// The length that the chunk at `at` says it has.
    fn length_at(&self, at: usize) -> usize {
        let length = self.0.get(at + 4..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX)
    }

    fn has(&self, at: usize, text: &[u8]) -> bool {
        self.0.get(at..).is_some_and(|rest| rest.starts_with(text))
    }

    /// Where the first track begins at or after `at`; the end of the file if there is none.
    fn find_track(&self, at: usize) -> usize {
        let rest = self.0.get(at..).unwrap_or_default();
        find(rest, TRACK).filter(|found| found + 8 <= rest.len()).map_or(self.0.len(), |found| at + found)
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
