//! Finds the manifest in a module by walking over section headers, without parsing or compiling the rest.
//!
//! The scan takes the file in pieces of any size, so that the same pieces can be hashed: digest and manifest then
//! belong to the same bytes, however large the file is.

use conductor_abi::{MANIFEST_SECTION, MAX_MANIFEST_BYTES, Manifest, ManifestError};

use crate::document::json::{self, FormatError};
use crate::document::nearest_key::with_nearest;

/// Most sections that are walked over; a file with nothing but empty sections would otherwise keep the scan busy byte
/// by byte. Real modules have a few dozen sections.
const MAX_SECTIONS: u32 = 10_000;

/// Magic number and version of a core module (WebAssembly Core Specification, section 5.5.16).
const MODULE_HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Identifier of custom sections.
const CUSTOM: u8 = 0;

/// Copies the content of the custom section `conductor:manifest` out of a module.
///
/// # Errors
///
/// Fails if the bytes are not a module, its sections do not fit together, or the section is too large or occurs twice.
pub fn manifest_section(wasm: &[u8]) -> Result<Option<Vec<u8>>, ModuleError> {
    Ok(scan(wasm)?.map(|section| section.content))
}

/// Finds the manifest section of a module in memory.
pub(crate) fn scan(wasm: &[u8]) -> Result<Option<ManifestSection>, ModuleError> {
    let mut scan = ModuleScan::default();
    scan.update(wasm);
    scan.finish()
}

/// Parses the content of a manifest section.
pub(crate) fn parse_manifest(content: &[u8]) -> Result<Manifest, ModuleError> {
    let manifest = Manifest::from_json(content).map_err(|error| {
        if let ManifestError::Json { cause } = &error {
            return ManifestError::Json { cause: with_nearest(cause) };
        }
        error
    })?;
    json::parse(content)?;
    Ok(manifest)
}

/// The manifest section and where it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestSection {
    /// Offset of the section's first byte, its identifier.
    pub(crate) start: u64,
    /// Offset behind the section's last byte.
    pub(crate) end: u64,
    /// The content after the section's name.
    pub(crate) content: Vec<u8>,
}

/// A scan in progress.
pub(crate) struct ModuleScan {
    state: State,
    /// Number of bytes taken so far.
    offset: u64,
    /// First bytes of the file.
    head: Vec<u8>,
    sections: u32,
    /// Offset of the section that the scan is in.
    start: u64,
    found: Option<ManifestSection>,
    error: Option<ModuleError>,
}

/// The part of the file that the next byte belongs to. `left` counts the bytes of the section that were not taken yet.
#[derive(Clone)]
enum State {
    Header,
    Id,
    Size { id: u8, number: Leb },
    NameLength { left: u32, number: Leb },
    Name { left: u32, position: usize },
    Manifest { left: u32, content: Vec<u8> },
    Skip { left: u32 },
}

impl Default for ModuleScan {
    fn default() -> Self {
        Self {
            state: State::Header,
            offset: 0,
            head: Vec::with_capacity(MODULE_HEADER.len()),
            sections: 0,
            start: 0,
            found: None,
            error: None,
        }
    }
}

impl ModuleScan {
    /// Takes the next piece of the file.
    pub(crate) fn update(&mut self, mut piece: &[u8]) {
        while self.error.is_none() && !piece.is_empty() {
            match self.step(piece) {
                Ok(taken) => {
                    self.offset += taken as u64;
                    piece = piece.get(taken..).unwrap_or_default();
                    self.close_section();
                }
                Err(error) => self.error = Some(error),
            }
        }
    }

    /// The manifest section of the file, once all pieces were taken.
    pub(crate) fn finish(self) -> Result<Option<ManifestSection>, ModuleError> {
        match (self.error, self.state) {
            (Some(error), _) => Err(error),
            (None, State::Id) => Ok(self.found),
            (None, State::Header) => Err(ModuleError::NotModule { found: FileKind::of(&self.head) }),
            (
                None,
                State::Size { .. }
                | State::NameLength { .. }
                | State::Name { .. }
                | State::Manifest { .. }
                | State::Skip { .. },
            ) => Err(ModuleError::Truncated { offset: self.offset }),
        }
    }

    /// Takes at least one byte of a piece that is not empty; returns the number of bytes taken.
    fn step(&mut self, piece: &[u8]) -> Result<usize, ModuleError> {
        let Some(&byte) = piece.first() else { return Ok(0) };
        let offset = self.offset;
        let malformed = || ModuleError::Malformed { offset };
        let mut taken = 1;
        self.state = match std::mem::replace(&mut self.state, State::Id) {
            State::Header => {
                self.head.push(byte);
                if self.head.len() < MODULE_HEADER.len() {
                    State::Header
                } else if self.head == MODULE_HEADER {
                    State::Id
                } else {
                    return Err(ModuleError::NotModule { found: FileKind::of(&self.head) });
                }
            }
            State::Id => {
                self.sections += 1;
                if self.sections > MAX_SECTIONS {
                    return Err(ModuleError::TooManySections);
                }
                self.start = self.offset;
                State::Size { id: byte, number: Leb::default() }
            }
            State::Size { id, number } => match number.push(byte).ok_or_else(malformed)? {
                Progress::More(number) => State::Size { id, number },
                Progress::Done(left) if id == CUSTOM => State::NameLength { left, number: Leb::default() },
                Progress::Done(left) => State::Skip { left },
            },
            State::NameLength { left, number } => {
                let left = left.checked_sub(1).ok_or_else(malformed)?;
                match number.push(byte).ok_or_else(malformed)? {
                    Progress::More(number) => State::NameLength { left, number },
                    Progress::Done(length) if length > left => return Err(malformed()),
                    Progress::Done(length) if length as usize == MANIFEST_SECTION.len() => {
                        State::Name { left, position: 0 }
                    }
                    Progress::Done(_) => State::Skip { left },
                }
            }
            State::Name { left, position } => {
                let (left, next) = (left - 1, position + 1);
                if MANIFEST_SECTION.as_bytes().get(position) != Some(&byte) {
                    State::Skip { left }
                } else if next < MANIFEST_SECTION.len() {
                    State::Name { left, position: next }
                } else if self.found.is_some() {
                    return Err(ModuleError::DuplicateManifest);
                } else if left as usize > MAX_MANIFEST_BYTES {
                    return Err(ModuleError::ManifestTooLarge { bytes: left });
                } else {
                    State::Manifest { left, content: Vec::with_capacity(left as usize) }
                }
            }
            State::Manifest { left, mut content } => {
                taken = piece.len().min(left as usize);
                content.extend(piece.iter().take(taken));
                State::Manifest { left: left - taken as u32, content }
            }
            State::Skip { left } => {
                taken = piece.len().min(left as usize);
                State::Skip { left: left - taken as u32 }
            }
        };
        Ok(taken)
    }

    /// Continues with the next section if no byte of this section is left.
    fn close_section(&mut self) {
        match &mut self.state {
            State::Manifest { left: 0, content } => {
                let content = std::mem::take(content);
                self.found = Some(ManifestSection { start: self.start, end: self.offset, content });
                self.state = State::Id;
            }
            State::Skip { left: 0 } => self.state = State::Id,
            State::Header
            | State::Id
            | State::Size { .. }
            | State::NameLength { .. }
            | State::Name { .. }
            | State::Manifest { .. }
            | State::Skip { .. } => {}
        }
    }
}

/// An unsigned 32-bit number in LEB128 (WebAssembly Core Specification, section 5.2.2), of which some bytes were read.
#[derive(Clone, Copy, Default)]
struct Leb {
    value: u32,
    shift: u32,
}

enum Progress {
    More(Leb),
    Done(u32),
}

impl Leb {
    /// Takes the next byte; `None` if the number does not fit into 32 bits.
    fn push(self, byte: u8) -> Option<Progress> {
        let bits = u32::from(byte & 0x7f);
        if self.shift == 28 && byte > 0x0f {
            return None;
        }
        let value = self.value | bits << self.shift;
        Some(if byte & 0x80 == 0 {
            Progress::Done(value)
        } else {
            Progress::More(Self { value, shift: self.shift + 7 })
        })
    }
}

/// The kind of a file that is not a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// No bytes at all.
    Empty,
    /// WebAssembly in text format.
    Text,
    /// A WebAssembly component.
    Component,
    /// The magic number with a version that is neither a module's nor a component's.
    OtherVersion,
    /// Machine code that an engine compiled ahead of time.
    Precompiled,
    /// A program or library of the operating system.
    Elf,
    /// Anything else.
    Other,
}

impl FileKind {
    /// Recognises the kind by the first eight bytes, or fewer in a short file.
    fn of(head: &[u8]) -> Self {
        /// `EI_OSABI` of the compiled code that wasmtime writes.
        const WASMTIME_OSABI: u8 = 200;
        let text = head.trim_ascii_start();
        if head.is_empty() {
            Self::Empty
        } else if let Some(version) = head.strip_prefix(b"\0asm") {
            if matches!(version, [_, _, 1, 0]) { Self::Component } else { Self::OtherVersion }
        } else if head.starts_with(b"\x7fELF") {
            if head.get(7) == Some(&WASMTIME_OSABI) { Self::Precompiled } else { Self::Elf }
        } else if text.starts_with(b"(") || text.starts_with(b";;") {
            Self::Text
        } else {
            Self::Other
        }
    }
}

impl std::fmt::Display for FileKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty file",
            Self::Text => "WebAssembly text, not a compiled module",
            Self::Component => "a WebAssembly component, not a core module",
            Self::OtherVersion => "WebAssembly of an unknown version",
            Self::Precompiled => "machine code compiled ahead of time, not a module",
            Self::Elf => "an ELF program or library, not a module",
            Self::Other => "not a WebAssembly module",
        })
    }
}

/// Why no manifest could be read from a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// The file is not a core module.
    #[error("the file is {found}")]
    NotModule {
        /// The kind of the file.
        found: FileKind,
    },
    /// The file ends inside a section.
    #[error("the module ends inside a section, at byte {offset}")]
    Truncated {
        /// Length of the file.
        offset: u64,
    },
    /// A length does not fit into its section or the file.
    #[error("the module has a malformed section header at byte {offset}")]
    Malformed {
        /// Offset of the malformed header.
        offset: u64,
    },
    /// More sections than any real module has.
    #[error("the module has more than {MAX_SECTIONS} sections")]
    TooManySections,
    /// The module has two manifests, and nothing says which one counts.
    #[error("the module has more than one section `{MANIFEST_SECTION}`")]
    DuplicateManifest,
    /// A manifest that is too large.
    #[error("the manifest of {bytes} bytes is larger than {MAX_MANIFEST_BYTES} bytes")]
    ManifestTooLarge {
        /// Bytes found.
        bytes: u32,
    },
    /// The manifest breaks a rule.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest holds a member twice.
    #[error("manifest is not valid: {0}")]
    ManifestFormat(#[from] FormatError),
}

impl ModuleError {
    /// Whether the error means that the file is not a sound module, rather than a sound module with an unsound
    /// manifest. Such a file can be signed, but no host loads it.
    #[must_use]
    pub fn is_about_module(&self) -> bool {
        match self {
            Self::NotModule { .. }
            | Self::Truncated { .. }
            | Self::Malformed { .. }
            | Self::TooManySections => true,
            Self::DuplicateManifest
            | Self::ManifestTooLarge { .. }
            | Self::Manifest(_)
            | Self::ManifestFormat(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
