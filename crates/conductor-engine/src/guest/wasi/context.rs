//! The files and streams that one instance can reach through WASI, decided before its code runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use conductor_call::Limits;
use conductor_signing::atomic_file;
use serde::{Deserialize, Serialize};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::clocks::Clock;
use super::{Capture, Disk};

/// A directory of the host that a plugin sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Path of the directory in the host's file system.
    pub host: PathBuf,
    /// Path at which the plugin sees the directory.
    pub guest: String,
    /// Whether the plugin may change the content of the directory.
    pub writable: bool,
}

/// Everything that an instance gets from WASI when it starts.
pub(crate) struct Setup {
    pub(crate) context: WasiP1Ctx,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    /// The usage of the plugin's data directory, if it may write there.
    pub(crate) disk: Option<Disk>,
}

impl Setup {
    /// Builds a context with the given directories, arguments, environment and input, and nothing else.
    pub(crate) fn new(
        limits: &Limits,
        directories: &[Access],
        arguments: &[String],
        environment: &[(String, String)],
        input: Option<&[u8]>,
    ) -> Result<Self, SetupError> {
        let stdout =
            Capture::new(if input.is_some() { limits.max_reply_bytes } else { limits.max_log_bytes });
        let stderr = Capture::new(limits.max_log_bytes);
        let mut builder = WasiCtxBuilder::new();
        builder
            .args(arguments)
            .envs(environment)
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .wall_clock(Clock::wall(limits))
            .monotonic_clock(Clock::monotonic(limits))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .allow_blocking_current_thread(true);
        if let Some(input) = input {
            builder.stdin(MemoryInputPipe::new(bytes::Bytes::copy_from_slice(input)));
        }
        for directory in directories {
            let permissions = if directory.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            builder.preopened_dir(&directory.host, &directory.guest, permissions).map_err(|source| {
                SetupError::Directory { path: directory.host.clone(), source: io::Error::other(source) }
            })?;
        }
        Ok(Self { context: builder.build_p1(), stdout, stderr, disk: None })
    }
}

/// Creates the plugin's own directory below `parent` if it is missing, accessible to the user only.
pub(crate) fn data_directory(parent: &Path, name: &str) -> Result<PathBuf, SetupError> {
    let path = parent.join(name);
    let failed = |source| SetupError::Directory { path: path.clone(), source };
    atomic_file::create_private_directory(parent).map_err(failed)?;
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(SetupError::NotADirectory { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            atomic_file::create_private_directory(&path).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    Ok(path)
}

/// Why an instance's surroundings could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A directory cannot be made or opened.
    #[error("cannot open directory {} for the plugin", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The path of the plugin's directory is not a directory; it may be a link that somebody planted.
    #[error("{} is not a directory; remove it to let the plugin have its data there", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The file system of a directory does not answer in time.
    #[error("the file system of {} does not answer; the plugin starts when it does", path.display())]
    Unanswered {
        /// The directory.
        path: PathBuf,
    },
    /// A worker process could not open a directory.
    #[error("the plugin's worker cannot open its directories: {cause}")]
    InWorker {
        /// The cause, as the worker reported it.
        cause: String,
    },
}
