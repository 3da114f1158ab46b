//! The bytes of a plugin and of its companions, read once and not checked yet.

use std::io::Read as _;
use std::path::Path;

use crate::text::{Digest, Hasher};
use crate::verdict::companion::Companion;
use crate::verdict::plugin_file::{self, ReadError};

/// The bytes of a plugin and of its companions, for a process that reads them for another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginParts {
    /// The last part of the module's path.
    pub file_name: String,
    /// The module.
    pub module: Vec<u8>,
    /// The signature document, if there is one. If it is too large, the first bytes, enough to show that.
    pub document: Option<Vec<u8>>,
    /// The rotations, if there are any. If they are too large, the first bytes, enough to show that.
    pub rotation: Option<Vec<u8>>,
}

impl PluginParts {
    /// Reads a plugin of at most `max_bytes` and its companions. Each file is opened and read once.
    ///
    /// # Errors
    ///
    /// Fails if one of the files cannot be read or the plugin is too large; a missing companion is not an error.
    pub fn read(path: &Path, max_bytes: u64) -> Result<Self, ReadError> {
        let too_large = || ReadError::TooLarge { path: path.into(), max: max_bytes };
        let unreadable = |source| ReadError::Unreadable { path: path.into(), source };
        let file = plugin_file::open(path)?;
        let size = file.metadata().map_err(unreadable)?.len();
        if size > max_bytes {
            return Err(too_large());
        }
        let mut module = Vec::with_capacity(usize::try_from(size).map_err(|_| too_large())?);
        file.take(max_bytes.saturating_add(1)).read_to_end(&mut module).map_err(unreadable)?;
        if module.len() as u64 > max_bytes {
            return Err(too_large());
        }
        let (document, rotation) = (plugin_file::read_document(path)?, plugin_file::read_rotation(path)?);
        Ok(Self { file_name: plugin_file::file_name(path), module, document, rotation })
    }
}

/// The bytes of a module and its companions, read once, for copying the plugin as a whole. Nothing is checked yet.
#[derive(Clone, PartialEq, Eq)]
pub struct PluginFiles {
    file_name: String,
    module: Vec<u8>,
    companions: [Option<Vec<u8>>; Companion::ALL.len()],
}

impl PluginFiles {
    /// Reads a module of at most `max_bytes` and its companions.
    ///
    /// # Errors
    ///
    /// Fails if one of the files cannot be read or is too large; a missing companion is not an error.
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

    /// The same files, with another name for the module.
    #[must_use]
    pub fn named(self, file_name: &str) -> Self {
        Self { file_name: file_name.to_owned(), ..self }
    }

    /// The name of the module's file, which is the plugin's name if it has neither manifest nor statement.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> &[u8] {
        &self.module
    }

    /// The companions, each with its bytes if it exists.
    pub fn companions(&self) -> impl Iterator<Item = (Companion, Option<&[u8]>)> {
        Companion::ALL.into_iter().zip(self.companions.iter().map(Option::as_deref))
    }

    /// Digest of the module alone.
    #[must_use]
    pub fn module_digest(&self) -> Digest {
        Digest::from_bytes(&self.module)
    }

    /// Digest over the name of the module's file and all files. Each part is preceded by a label and by its length in 8
    /// bytes, so that no two different sets of files are hashed alike.
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
