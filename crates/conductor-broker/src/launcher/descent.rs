//! Whether a process that asks something of this one is a program that a plugin runs.
//!
//! Such a program is in the process namespace of its keeper or in one below, and no process leaves its namespace: whatever
//! loses its parent there becomes a child of the first process of its namespace, and the keeper is that of the outermost. So
//! the chain of its parents leads to the keeper. A process of this process's own namespace is none, whoever started it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};

use super::inside::KEEPER_NAME;
use super::keeper::is_known;
use super::process_descriptor::{has_ended, pid_of};

/// Most processes of a chain of parents; stops one that is made long from keeping whoever looks busy.
const MAX_CHAIN: usize = 1024;

/// Most bytes of a file of `/proc` that are read; stops a command line or a list of groups that is made long.
const MAX_PROC_BYTES: u64 = 1024 * 1024;

/// How often the chain of parents is looked at again while it changes.
const MAX_LOOKS: usize = 4;

/// Proof that a process which asks something is no program of a plugin, and which process it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pid: Option<u32>,
    program: Option<PathBuf>,
}

impl Peer {
    /// Its process identifier; none where it is in a namespace that is not to be seen from here.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The file of its program, if it can be read. Escape it where it is shown.
    #[must_use]
    pub fn program(&self) -> Option<&Path> {
        self.program.as_deref()
    }
}

/// Why nobody is told or told by a process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// A plugin runs it.
    #[error("process {pid} is a program that a plugin runs, or was started by one")]
    Program {
        /// The process.
        pid: u32,
    },
    /// It has ended, so that nobody can say what it was.
    #[error("the process that asked is gone")]
    Gone,
    /// It cannot be found out what it is.
    #[error("it cannot be found out which process asks: {0}")]
    Unknown(io::Error),
}

/// The user of the process at the other end of a Unix socket, as the kernel noted it then (unix(7), `SO_PEERCRED`).
///
/// # Errors
///
/// Fails if the kernel does not know.
pub fn user_of(socket: impl AsFd) -> io::Result<u32> {
    // `rustix` has no form for a process whose identifier is 0, which one has that is not to be seen from here.
    Ok(getsockopt(&socket.as_fd(), sockopt::PeerCredentials)?.uid())
}

/// The process at the other end of a Unix socket: the one that connected, whoever holds the socket now.
///
/// # Errors
///
/// Fails for a program of a plugin, and for a process of which it cannot be said that it is none.
pub fn peer_of(socket: impl AsFd) -> Result<Peer, PeerError> {
    let socket = socket.as_fd();
    // Linux 6.5 and later hand out a descriptor, which stands for that process even if its identifier is given out again.
    let descriptor = match getsockopt(&socket, sockopt::PeerPidfd) {
        Ok(descriptor) => Some(descriptor),
        Err(Errno::ENOPROTOOPT) => None,
        Err(Errno::ESRCH | Errno::EINVAL | Errno::ENODATA) => return Err(PeerError::Gone),
        Err(errno) => return Err(PeerError::Unknown(errno.into())),
    };
    let credentials = getsockopt(&socket, sockopt::PeerCredentials);
    let pid = credentials.map_err(|errno| PeerError::Unknown(errno.into()))?.pid();
    match u32::try_from(pid) {
        // It has no identifier here, so it is in no namespace below this one's, where all programs of plugins are.
        Ok(0) | Err(_) => match descriptor {
            Some(descriptor) if has_ended(descriptor.as_fd()) => Err(PeerError::Gone),
            Some(_) | None => Ok(Peer { pid: None, program: None }),
        },
        Ok(pid) => judge(pid, descriptor.as_ref()),
    }
}

/// Whether any program of a plugin holds the socket of this inode. What cannot be found out counts as if one did.
#[must_use]
pub fn programs_hold_socket(inode: u64) -> bool {
    let Ok(own_depth) = own_depth() else { return true };
    let Ok(processes) = fs::read_dir("/proc") else { return true };
    let name = format!("socket:[{inode}]");
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).any(|pid| {
        // What has ended meanwhile holds nothing.
        let Ok(link) = Link::read(pid) else { return false };
        link.depth > own_depth && may_be_below_a_keeper(pid, own_depth) && holds(pid, &name)
    })
}

/// Whether a keeper, of whatever host of this machine, is among the parents of a process; what cannot be found out counts as if
/// one were.
///
/// A keeper has none above it and is no program: it runs nothing but what is written here, and lets nobody of its user see what
/// it holds. What calls itself so below one is.
fn may_be_below_a_keeper(pid: u32, own_depth: usize) -> bool {
    for _ in 0..MAX_LOOKS {
        let Ok(chain) = Chain::read(pid, own_depth) else { break };
        if Chain::read(pid, own_depth).is_ok_and(|again| again == chain) {
            return match chain.parents().finding(own_depth) {
                Finding::Program => true,
                Finding::Other | Finding::Gone => false,
            };
        }
    }
    Link::read(pid).is_ok()
}

/// Whether a process has a descriptor of this name; if that is not to be read, it might.
fn holds(pid: u32, name: &str) -> bool {
    let descriptors = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(descriptors) => descriptors,
        Err(error) => return error.kind() != io::ErrorKind::NotFound,
    };
    let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.any(|target| target.as_os_str().as_bytes() == name.as_bytes())
}

/// Holds a process against what a program of a plugin would be. The descriptor says whether it is still the same.
fn judge(pid: u32, descriptor: Option<&OwnedFd>) -> Result<Peer, PeerError> {
    let is_gone = || descriptor.is_some_and(|descriptor| has_ended(descriptor.as_fd()));
    if is_gone() {
        return Err(PeerError::Gone);
    }
    if let Some(descriptor) = descriptor {
        same_process(pid, descriptor.as_fd())?;
    }
    let own_depth = own_depth().map_err(PeerError::Unknown)?;
    for _ in 0..MAX_LOOKS {
        // A parent that ends gives its identifier back, so one look could mix two processes: two that agree do not.
        let (Ok(chain), program) = (Chain::read(pid, own_depth), program(pid)) else { break };
        if Chain::read(pid, own_depth).is_ok_and(|again| again == chain) {
            return match chain.finding(own_depth) {
                Finding::Other if is_gone() => Err(PeerError::Gone),
                Finding::Other => Ok(Peer { pid: Some(pid), program }),
                Finding::Program => Err(PeerError::Program { pid }),
                Finding::Gone => Err(PeerError::Gone),
            };
        }
    }
    if is_gone() || Link::read(pid).is_err() {
        return Err(PeerError::Gone);
    }
    Err(PeerError::Unknown(io::Error::other("its parents change all the time")))
}

/// Checks that an identifier stands for the process of a descriptor, both as `/proc` has it.
fn same_process(pid: u32, descriptor: BorrowedFd<'_>) -> Result<(), PeerError> {
    let known = pid_of(descriptor).map_err(|_| PeerError::Gone)?;
    if known == pid {
        return Ok(());
    }
    Err(PeerError::Unknown(io::Error::other("`/proc` belongs to another process namespace")))
}

fn program(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// In how many namespaces this process has an identifier, as `/proc` has it.
fn own_depth() -> io::Result<usize> {
    let pid = std::process::id();
    let link = Link::read(pid)?;
    let is_own = fs::read_link("/proc/self")?.to_str() == Some(&pid.to_string());
    if is_own && link.namespace_pid == pid {
        Ok(link.depth)
    } else {
        Err(io::Error::other("`/proc` belongs to another process namespace"))
    }
}

/// What a look at a chain of parents comes to.
enum Finding {
    /// A keeper is in it.
    Program,
    /// One that may have been a keeper is about to be gone.
    Gone,
    /// No keeper is in it.
    Other,
}

/// A process and its parents, up to the first one of a namespace that this process is in as well.
#[derive(PartialEq, Eq)]
struct Chain(Vec<Link>);

impl Chain {
    fn read(pid: u32, own_depth: usize) -> io::Result<Self> {
        let mut links = vec![Link::read(pid)?];
        while let Some(last) = links.last()
            && last.depth > own_depth
        {
            if links.len() == MAX_CHAIN {
                return Err(io::Error::other("it has too many parents"));
            }
            let parent = Link::read(last.parent)?;
            links.push(parent);
        }
        Ok(Self(links))
    }

    /// The chain without the process itself.
    fn parents(mut self) -> Self {
        self.0.remove(0);
        self
    }

    fn finding(&self, own_depth: usize) -> Finding {
        let below = self.0.iter().filter(|link| link.depth > own_depth);
        let mut finding = Finding::Other;
        for link in below {
            if is_known(link.pid) {
                return Finding::Program;
            }
            // Keepers of other programs, such as `conductor exec`, are known by their name, which nobody can take from them.
            if link.namespace_pid == 1 {
                match first_argument(link.pid) {
                    Some(name) if name == KEEPER_NAME.as_bytes() => return Finding::Program,
                    Some(name) if !name.is_empty() => {}
                    Some(_) | None => finding = Finding::Gone,
                }
            }
        }
        finding
    }
}

/// A process in a chain of parents.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    pid: u32,
    parent: u32,
    /// When it started, in ticks since the machine did: with `pid`, no two processes have the same.
    started: u64,
    /// In how many namespaces it has an identifier, from that of `/proc` on.
    depth: usize,
    /// Its identifier in the innermost.
    namespace_pid: u32,
}

impl Link {
    fn read(pid: u32) -> io::Result<Self> {
        let (stat, status) = (read(pid, "stat")?, read(pid, "status")?);
        Self::parse(pid, &stat, &status)
            .ok_or_else(|| io::Error::other("`/proc` has another form than expected"))
    }

    /// Reads what proc(5) describes under `/proc/pid/stat` and `/proc/pid/status`.
    fn parse(pid: u32, stat: &[u8], status: &[u8]) -> Option<Self> {
        // The name of the program is in parentheses and may hold any others; nothing after it does.
        let name_ends = stat.iter().rposition(|byte| *byte == b')')?;
        let fields = std::str::from_utf8(stat.get(name_ends + 1..)?).ok()?;
        let mut fields = fields.split_ascii_whitespace();
        let parent = fields.nth(1)?.parse().ok()?;
        let started = fields.nth(17)?.parse().ok()?;
        let pids = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"NSpid:"))?;
        let pids: Vec<u32> = std::str::from_utf8(pids)
            .ok()?
            .split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect();
        Some(Self { pid, parent, started, depth: pids.len(), namespace_pid: *pids.last()? })
    }
}

/// The beginning of a file that `/proc` has about a process.
fn read(pid: u32, name: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/{name}"))?.take(MAX_PROC_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The first argument of a process; empty if it is about to be gone.
fn first_argument(pid: u32) -> Option<Vec<u8>> {
    let line = read(pid, "cmdline").ok()?;
    line.split(|byte| *byte == 0).next().map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn this_process_is_no_program_of_a_plugin() {
        let (one, _other) = UnixStream::pair().expect("sockets");
        let peer = peer_of(&one).expect("a peer");
        assert_eq!(peer.pid(), Some(std::process::id()));
        assert_eq!(peer.program(), Some(std::env::current_exe().expect("a program").as_path()));
    }

    #[test]
    fn where_the_kernel_has_no_descriptor_of_the_peer_its_identifier_does() {
        let pid = std::process::id();
        assert_eq!(judge(pid, None).expect("a peer").pid(), Some(pid));
    }

    #[test]
    fn a_process_that_is_gone_is_not_judged_by_what_has_its_place() {
        let mut child = std::process::Command::new("/bin/true").spawn().expect("a process");
        let pid = child.id();
        let descriptor = rustix::process::pidfd_open(
            rustix::process::Pid::from_child(&child),
            rustix::process::PidfdFlags::empty(),
        );
        let descriptor = descriptor.expect("a descriptor");
        child.wait().expect("ended");
        assert!(matches!(judge(pid, Some(&descriptor)), Err(PeerError::Gone)));
        assert!(matches!(judge(pid, None), Err(PeerError::Gone)));
        // Its place is taken: by this process, as far as the identifier says.
        assert!(matches!(judge(std::process::id(), Some(&descriptor)), Err(PeerError::Gone)));
    }

    #[test]
    fn what_a_process_calls_itself_changes_nothing() {
        let stat = b"7 (a) S 1 (b) S 5 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1 1".as_slice();
        let status = b"Name:\ta\\nNSpid:\t1\nPid:\t7\nNSpid:\t7\t3\t1\nVmRSS:\t1 kB\n".as_slice();
        let link = Link::parse(7, stat, status).expect("a process");
        let expected = Link { pid: 7, parent: 5, started: 4242, depth: 3, namespace_pid: 1 };
        assert_eq!(link, expected);
        for broken in [&b""[..], b"7 (a", b"7 (a) S", b"7 (a) S x"] {
            assert_eq!(Link::parse(7, broken, status), None);
        }
        assert_eq!(Link::parse(7, stat, b"Pid:\t7\n"), None);
    }
}
