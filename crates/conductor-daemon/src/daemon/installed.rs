//! The files of plugins that the daemon installs: `NAME.wasm` and its signature in the directory of plugins.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use conductor_signing::{Digest, MAX_DOCUMENT_BYTES, PluginName, atomic_file, signature_path};

use crate::control::{Refusal, RefusalCause};
use crate::paths::Paths;

/// Mode of a module and its signature.
const MODE: u32 = 0o600;

/// The files of one plugin that were put in place, with what was there before.
pub(super) struct Installed {
    /// Each file, with its bytes of before.
    before: [(PathBuf, Option<Vec<u8>>); 2],
}

impl Installed {
    /// Copies a module and its signature into the directory of plugins, if it is the module with this digest.
    pub(super) fn put(
        paths: &Paths,
        plugin: &str,
        source: &Path,
        digest: Option<&str>,
        max_module_bytes: u64,
    ) -> Result<Self, Refusal> {
        let name = crate::config::check_name(plugin);
        name.map_err(|why| Refusal::new(RefusalCause::NotChanged, format!("`{plugin}` is no name: {why}")))?;
        let module = module_path(paths, plugin);
        let (signature, source_signature) = (signature_path(&module), signature_path(source));
        let new_module = read(source, max_module_bytes)?.ok_or_else(|| {
            Refusal::new(RefusalCause::NotChanged, format!("there is no file {}", source.display()))
        })?;
        if digest.is_some_and(|digest| Digest::from_bytes(&new_module).to_string() != digest) {
            let message = format!("{} is no longer the file that was looked at", source.display());
            return Err(Refusal::new(RefusalCause::NotChanged, message));
        }
        let new_signature = read(&source_signature, MAX_DOCUMENT_BYTES as u64)?;
        let before = [
            (module.clone(), read(&module, max_module_bytes)?),
            (signature.clone(), read(&signature, MAX_DOCUMENT_BYTES as u64)?),
        ];
        let installed = Self { before };
        let put = atomic_file::create_private_directory(&paths.plugins_dir())
            .and_then(|()| atomic_file::replace(&module, &new_module, MODE))
            .and_then(|()| match new_signature {
                Some(bytes) => atomic_file::replace(&signature, &bytes, MODE),
                None => absent(fs::remove_file(&signature)),
            });
        put.map(|()| Self { before: installed.before.clone() }).map_err(|error| {
            let message = format!("{} cannot be written: {error}", module.display());
            installed.take_back();
            Refusal::new(RefusalCause::NotChanged, message)
        })
    }

    /// Puts the files of before in place again.
    pub(super) fn take_back(self) {
        for (path, bytes) in self.before {
            let back = match bytes {
                Some(bytes) => atomic_file::replace(&path, &bytes, MODE),
                None => absent(fs::remove_file(&path)),
            };
            if let Err(error) = back {
                tracing::error!("{} could not be put back: {error}", path.display());
            }
        }
    }

    /// Deletes the files of a plugin; those of one that is kept elsewhere are the user's own.
    pub(super) fn delete(paths: &Paths, plugin: &str) -> Result<(), Refusal> {
        let module = module_path(paths, plugin);
        for path in [signature_path(&module), module] {
            absent(fs::remove_file(&path)).map_err(|error| not_deleted(&path, &error))?;
        }
        Ok(())
    }

    /// Deletes what a plugin wrote.
    pub(super) fn delete_data(paths: &Paths, name: &PluginName) -> Result<(), Refusal> {
        let directory = paths.plugin_data_dir().join(name.as_str());
        // It does not follow links.
        absent(fs::remove_dir_all(&directory)).map_err(|error| not_deleted(&directory, &error))
    }
}

fn module_path(paths: &Paths, plugin: &str) -> PathBuf {
    paths.plugins_dir().join(format!("{plugin}.wasm"))
}

fn not_deleted(path: &Path, error: &io::Error) -> Refusal {
    let message = format!("the plugin is removed, but {} cannot be deleted: {error}", path.display());
    Refusal::new(RefusalCause::NotChanged, message)
}

/// What is not there need not be deleted.
fn absent(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// The bytes of a plain file, if there is one.
fn read(path: &Path, max: u64) -> Result<Option<Vec<u8>>, Refusal> {
    let refused = |cause: String| {
        Refusal::new(RefusalCause::NotChanged, format!("{} cannot be read: {cause}", path.display()))
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(error.to_string())),
        // Opening a FIFO would wait for a writer.
        Ok(metadata) if !metadata.is_file() => return Err(refused("it is no plain file".to_owned())),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(max + 1).read_to_end(&mut bytes));
    read.map_err(|error| refused(error.to_string()))?;
    if bytes.len() as u64 > max {
        return Err(refused(format!("it is larger than {max} bytes")));
    }
    Ok(Some(bytes))
}
