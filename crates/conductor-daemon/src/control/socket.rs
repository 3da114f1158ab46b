//! The place of the control socket: at most one daemon has it, and only that daemon's user can reach it.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use conductor_signing::{FileError, atomic_file, escape};
use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Most bytes of a socket's path: what fits into a `sockaddr_un` of Linux with the NUL at its end (unix(7)).
pub(super) const MAX_PATH_BYTES: usize = 107;

/// Connections that wait to be accepted; the kernel lets further clients wait.
const BACKLOG: i32 = 128;

/// Mode of the socket. Connecting needs the right to write.
const SOCKET_MODE: u32 = 0o600;

/// Most bytes of a lock file that are read. It holds a process identifier.
const MAX_LOCK_BYTES: u64 = 32;

/// A listening socket, and the lock without which no daemon may replace it. Dropping it removes the socket.
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    lock: File,
}

impl ControlSocket {
    /// Claims the socket at `path` and listens. A socket that a dead daemon left behind is replaced.
    ///
    /// # Errors
    ///
    /// Fails if another daemon has the socket, if another user could replace it, or if the operating system refuses.
    pub(crate) fn claim(path: &Path) -> Result<Self, SocketError> {
        check_length(path)?;
        let directory = path.parent().unwrap_or(Path::new("/"));
        atomic_file::create_private_directory(directory)
            .map_err(|source| SocketError::Directory { path: directory.into(), source })?;
        check_directory(directory)?;
        let lock = lock(&path.with_extension("lock"), path)?;
        let fail = |source| SocketError::Bind { path: path.into(), source };
        remove_stale(path)?;
        let listener = listen(path).map_err(fail)?;
        Ok(Self { listener, path: path.into(), lock })
    }

    /// The listening socket. Accepting from it never waits.
    pub(crate) const fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // The path may be gone already. If it stays, the next daemon replaces it.
        let _ = fs::remove_file(&self.path);
        let _ = self.lock.set_len(0);
    }
}

/// Checks that a path fits into a socket address.
pub(super) fn check_length(path: &Path) -> Result<(), SocketError> {
    let found = path.as_os_str().len();
    if found > MAX_PATH_BYTES { Err(SocketError::PathTooLong { path: path.into(), found }) } else { Ok(()) }
}

/// Checks that no other user can replace what is in the directory.
fn check_directory(path: &Path) -> Result<(), SocketError> {
    let metadata =
        fs::metadata(path).map_err(|source| SocketError::Directory { path: path.into(), source })?;
    let (found, expected) = (metadata.uid(), rustix::process::geteuid().as_raw());
    let mode = metadata.mode() & 0o7777;
    let unfit = if !metadata.is_dir() {
        FileError::NotDirectory { path: path.into() }
    } else if found != expected {
        FileError::Owner { path: path.into(), found, expected }
    } else if mode & 0o022 != 0 {
        FileError::Mode { path: path.into(), found: mode, wanted: 0o700, private: false }
    } else {
        return Ok(());
    };
    Err(SocketError::Unfit { source: unfit })
}

/// The lock of the daemon whose socket is at `socket`. The lock ends with the process, however the process ends.
fn lock(path: &Path, socket: &Path) -> Result<File, SocketError> {
    let fail = |source| SocketError::Lock { path: path.into(), source };
    let nofollow = OFlags::NOFOLLOW.bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(atomic_file::PRIVATE)
        .custom_flags(nofollow)
        .open(path);
    let mut file = file.map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Even if its process identifier cannot be read, another daemon is running.
            let _ = file.take(MAX_LOCK_BYTES).read_to_string(&mut text);
            return Err(SocketError::Running { socket: socket.into(), pid: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(source)) => return Err(fail(source)),
    }
    let pid = std::process::id();
    file.set_len(0).and_then(|()| writeln!(file, "{pid}")).map_err(fail)?;
    Ok(file)
}

/// Removes the socket that a daemon left behind when it died. The lock is held, so no living daemon has the socket.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let fail = |source| SocketError::Bind { path: path.into(), source };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => fs::remove_file(path).map_err(fail),
        Ok(_) => Err(SocketError::InTheWay { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(fail(error)),
    }
}

/// Binds, narrows the mode and only then listens, so that nobody can connect in between, whatever the umask is.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

/// Why the control socket could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The path does not fit into a socket address.
    #[error(
        "the path of the control socket has {found} bytes, and at most {MAX_PATH_BYTES} are possible: {}",
        escape::path(path)
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        found: usize,
    },
    /// The directory could not be made or looked at.
    #[error("the directory {} cannot be used: {source}", escape::path(path))]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else could replace what is in the directory.
    #[error("the control socket is not safe: {source}")]
    Unfit {
        /// What is wrong with the directory.
        source: FileError,
    },
    /// Another daemon has it.
    #[error("another daemon is running{}, on {}", process(*pid), escape::path(socket))]
    Running {
        /// The socket.
        socket: PathBuf,
        /// The daemon's process identifier, if it could be read.
        pid: Option<u32>,
    },
    /// The lock file could not be used.
    #[error("the lock file {} cannot be used: {source}", escape::path(path))]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something that is no socket has its place.
    #[error("{} is not a socket", escape::path(path))]
    InTheWay {
        /// The path.
        path: PathBuf,
    },
    /// The socket could not be made.
    #[error("cannot listen on {}: {source}", escape::path(path))]
    Bind {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SocketError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::PathTooLong { .. } => {
                Some("choose a directory with a shorter name: CONDUCTOR_RUNTIME_DIR".to_owned())
            }
            Self::Unfit { source } => source.hint(),
            Self::Running { .. } => Some(
                "ask it with: conductorctl status; for a daemon beside it, set CONDUCTOR_RUNTIME_DIR and \
                 CONDUCTOR_STATE_DIR"
                    .to_owned(),
            ),
            Self::InTheWay { .. } => Some("move it out of the way".to_owned()),
            Self::Directory { .. } | Self::Lock { .. } | Self::Bind { .. } => None,
        }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" as process {pid}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("metadata").mode() & 0o7777
    }

    #[test]
    fn socket_and_directory_are_their_owners_only_and_the_socket_goes_with_its_daemon() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("made/conductor.sock");
        let socket = ControlSocket::claim(&path).expect("claimed");
        assert_eq!((mode(&path), mode(&directory.path().join("made"))), (0o600, 0o700));
        UnixStream::connect(&path).expect("connected");
        drop(socket);
        assert!(!path.exists());
        ControlSocket::claim(&path).expect("claimed again");
    }

    #[test]
    fn a_second_one_is_refused_and_a_dead_ones_socket_replaced() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("conductor.sock");
        drop(UnixListener::bind(&path).expect("a socket without a listener"));
        assert!(UnixStream::connect(&path).is_err());
        let _first = ControlSocket::claim(&path).expect("claimed");
        match ControlSocket::claim(&path) {
            Err(SocketError::Running { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("claimed twice"),
        }
        UnixStream::connect(&path).expect("the first one listens");
    }

    #[test]
    fn what_others_could_change_is_refused() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("conductor.sock");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).expect("mode");
        let error = ControlSocket::claim(&path).err().expect("refused");
        assert!(
            matches!(error, SocketError::Unfit { source: FileError::Mode { found: 0o777, .. } }),
            "{error}"
        );
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("mode");
        fs::write(&path, "not a socket").expect("written");
        let error = ControlSocket::claim(&path).err().expect("refused");
        assert!(matches!(error, SocketError::InTheWay { .. }), "{error}");
    }

    #[test]
    fn a_path_that_fits_no_address_is_refused() {
        let directory = tempfile::tempdir().expect("directory");
        let length = MAX_PATH_BYTES - directory.path().as_os_str().len() - "//conductor.sock".len();
        let fits = directory.path().join("x".repeat(length)).join("conductor.sock");
        assert_eq!(fits.as_os_str().len(), MAX_PATH_BYTES);
        ControlSocket::claim(&fits).expect("claimed");
        let long = directory.path().join("x".repeat(length + 1)).join("conductor.sock");
        let error = ControlSocket::claim(&long).err().expect("refused");
        assert!(matches!(error, SocketError::PathTooLong { found: 108, .. }), "{error}");
    }
}
