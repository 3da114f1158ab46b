//! What is wrong with a MIDI file, whether or not the file can be played.

use std::fmt;

/// Most tracks. The header of a file cannot count more, and each track costs memory beside its bytes.
pub(super) const MAX_TRACKS: usize = 65_535;

/// Most events of a file. A day of music at ten events a second has fewer.
pub(super) const MAX_EVENTS: usize = 1_000_000;

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub(super) enum TuneError {
    /// The file is no MIDI file.
    #[error("it has no header (`MThd`)")]
    NoHeader,
    /// The file ends within its header.
    #[error("it ends within its header")]
    CutHeader,
    /// The file has more tracks than the format can count.
    #[error("it has more than {MAX_TRACKS} tracks")]
    TooManyTracks,
    /// The file has more events than anybody plays.
    #[error("it has more than {MAX_EVENTS} events")]
    TooManyEvents,
    /// The file has nothing to play.
    #[error("it has no events{}", .0.as_ref().map(|damage| format!(" that can be read; {damage}")).unwrap_or_default())]
    Empty(Option<Damage>),
}

/// The first damage of a file, and how much more there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The track, counted from 1, and the tick in it; none for damage in the header.
    pub(super) place: Option<(usize, u64)>,
    /// What is wrong there.
    pub(super) cause: Cause,
    /// How many other places are damaged.
    pub(super) more: usize,
}

/// What is wrong at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// This many bytes stand before the header.
    Leading(usize),
    /// The header has another length than it says, or no chunk follows it.
    HeaderLength(usize),
    /// The header names a format that does not exist, or the format for one track although there are several.
    Format(u16),
    /// The header counts another number of tracks than the file has.
    Tracks {
        /// The number in the header.
        said: usize,
        /// The number in the file.
        found: usize,
    },
    /// The header divides time by zero, or into frames of an unknown rate.
    Division(u16),
    /// Running status is used after an event that ends it.
    RunningStatus,
    /// This many bytes are not an event.
    Unreadable(usize),
    /// A data byte of a message is above 127.
    DataByte,
    /// A byte that may only be in F7 events.
    System(u8),
    /// A system exclusive event has another length than it says.
    ExclusiveLength,
    /// A system exclusive message has no end.
    Unended,
    /// A tempo without a value, or of zero.
    Tempo,
    /// The track ends within an event.
    Cut,
    /// The track ends without an End-of-Track event.
    NoEnd,
    /// The track has another length than it says.
    Length {
        /// The length that the chunk says.
        said: usize,
        /// The length up to the track's End-of-Track event.
        is: usize,
    },
    /// This many bytes behind the track belong to no chunk.
    Stray(usize),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((track, tick)) => write!(f, "track {track}, tick {tick}: {}", self.cause)?,
            None => write!(f, "header: {}", self.cause)?,
        }
        match self.more {
            0 => Ok(()),
            1 => f.write_str("; one more place is damaged"),
            more => write!(f, "; {more} more places are damaged"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leading(bytes) => write!(f, "{bytes} bytes stand before it"),
            Self::HeaderLength(said) => {
                write!(f, "it says that it has {said} bytes, and no chunk follows these")
            }
            Self::Format(format) => write!(f, "its tracks are not of format {format}, which it names"),
            Self::Tracks { said, found } => write!(f, "it counts {said} tracks, and there are {found}"),
            Self::Division(division) => write!(f, "its division of time, {division:#06x}, means nothing"),
            Self::RunningStatus => {
                f.write_str("running status goes on after a meta or system exclusive event, which ends it")
            }
            Self::Unreadable(1) => f.write_str("a byte is no event"),
            Self::Unreadable(bytes) => write!(f, "{bytes} bytes are no event"),
            Self::DataByte => f.write_str("a data byte is above 127"),
            Self::System(status) => write!(f, "the byte {status:#04x} stands outside of an F7 event"),
            Self::ExclusiveLength => f.write_str("a system exclusive event says another length than it has"),
            Self::Unended => f.write_str("a system exclusive message has no end"),
            Self::Tempo => f.write_str("a tempo has no value"),
            Self::Cut => f.write_str("the track ends within an event"),
            Self::NoEnd => f.write_str("the track ends without End-of-Track"),
            Self::Length { said, is } => {
                write!(f, "the track says that it has {said} bytes, and ends after {is}")
            }
            Self::Stray(bytes) => write!(f, "{bytes} bytes follow that belong to nothing"),
        }
    }
}
