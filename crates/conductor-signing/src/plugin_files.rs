//! The files that a plugin consists of: its module and whatever verification reads beside it. They are named here and nowhere else.

use std::path::{Path, PathBuf};

use crate::PluginParts;
use crate::document::{MAX_DOCUMENT_BYTES, signature_path};
use crate::plugin_file::ReadError;
use crate::text::{Digest, Hasher};
use crate::trust::{MAX_ROTATION_BYTES, rotation_path};

/// A file beside a module that verification reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Companion {
    /// The signature document.
    Signature,
    /// The rotations that lead from the publisher's earlier key to the one that signed.
    Rotation,
}

impl Companion {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Signature, Self::Rotation];

    /// Where it is for the module at `module`.
    #[must_use]
    pub fn path(self, module: &Path) -> PathBuf {
        match self {
            Self::Signature => signature_path(module),
            Self::Rotation => rotation_path(module),
        }
    }

    /// Most bytes. Stops a file beside a module from taking all memory.
    #[must_use]
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Signature => MAX_DOCUMENT_BYTES,
            Self::Rotation => MAX_ROTATION_BYTES,
        }
    }

    /// What it is, in one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Rotation => "rotation",
        }
    }
}

/// A module and its companions as they were read, once, to be copied as one piece. Nothing is known about them.
#[derive(Clone, PartialEq, Eq)]
pub struct PluginFiles {
    file_name: String,
    module: Vec<u8>,
    companions: [Option<Vec<u8>>; Companion::ALL.len()],
}

impl PluginFiles {
    /// Reads a module of at most `max_bytes` and everything beside it that verification reads.
    ///
    /// # Errors
    ///
    /// Fails if one of the files cannot be read or is too large; a companion that is missing is none.
    pub fn read(path: &Path, max_bytes: u64) -> Result<Self, ReadError> {
        let PluginParts { file_name, module, document, rotation } = PluginParts::read(path, max_bytes)?;
        let companions = [document, rotation];
        for (companion, bytes) in Companion::ALL.into_iter().zip(&companions) {
            if bytes.as_ref().is_some_and(|bytes| bytes.len() > companion.max_bytes()) {
                let (path, max) = (companion.path(path), companion.max_bytes() as u64);
                return Err(ReadError::CompanionTooLarge { path, max });
            }
        }
        Ok(Self { file_name, module, companions })
    }

    /// The same under another file name.
    #[must_use]
    pub fn named(self, file_name: &str) -> Self {
        Self { file_name: file_name.to_owned(), ..self }
    }

    /// The name of the module's file: what a module without manifest and statement goes by.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> &[u8] {
        &self.module
    }

    /// The companions, each with its bytes if it is there.
    pub fn companions(&self) -> impl Iterator<Item = (Companion, Option<&[u8]>)> {
        Companion::ALL.into_iter().zip(self.companions.iter().map(Option::as_deref))
    }

    /// Digest of the module alone.
    #[must_use]
    pub fn module_digest(&self) -> Digest {
        Digest::from_bytes(&self.module)
    }

    /// Digest over all files and the name of the module's: each is preceded by what it is and its length in 8 bytes, so that no
    /// two sets of files have the same input.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        let mut add = |label: &[u8], bytes: &[u8]| {
            for part in [label, bytes] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        };
        add(b"name", self.file_name.as_bytes());
        add(b"module", &self.module);
        for (companion, bytes) in self.companions() {
            if let Some(bytes) = bytes {
                add(companion.name().as_bytes(), bytes);
            }
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_digest_is_over_every_file() {
        let directory = tempfile::tempdir().expect("directory");
        let module = directory.path().join("a.wasm");
        let digest = || PluginFiles::read(&module, 10).expect("read").digest();
        fs::write(&module, "module").expect("written");
        let mut digests = vec![digest()];
        for companion in Companion::ALL {
            for text in ["", "one", "two"] {
                fs::write(companion.path(&module), text).expect("written");
                digests.push(digest());
            }
        }
        let count = digests.len();
        digests.sort_unstable_by_key(ToString::to_string);
        digests.dedup();
        assert_eq!(digests.len(), count, "each is another");
        fs::write(&module, "module, longer").expect("written");
        assert!(matches!(PluginFiles::read(&module, 10), Err(ReadError::TooLarge { .. })));
    }

    #[test]
    fn a_companion_that_is_too_large_is_named() {
        let directory = tempfile::tempdir().expect("directory");
        let module = directory.path().join("a.wasm");
        fs::write(&module, "module").expect("written");
        for companion in Companion::ALL {
            let path = companion.path(&module);
            fs::write(&path, vec![b' '; companion.max_bytes() + 1]).expect("written");
            let refused = PluginFiles::read(&module, 10).map(|_| ()).expect_err("too large");
            assert!(matches!(refused, ReadError::CompanionTooLarge { path: named, .. } if named == path));
            fs::remove_file(&path).expect("removed");
        }
    }
}
