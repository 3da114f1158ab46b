//! Files outside of the worker's own directory.

use std::ffi::{CStr, CString};

use super::{Log, Targets, Verdict, c_path};
use crate::raw::{call, value};

pub(super) fn attempt(targets: &Targets, code_is_done: bool, log: &mut Log) {
    if code_is_done {
        // Before that, the worker has the plugin's bytes open.
        open_already(log);
    }
    own(targets, log);
    for path in &targets.outside {
        regular(path, targets, log);
        from_descriptors(path, log);
    }
    for path in [c"/etc/passwd", c"/dev/zero", c"/proc/self/mem", c"/proc/self/environ", c"/proc/1/environ"] {
        open(path, log);
    }
    // The last path shows another thread's view of the process, and there is no other way to it.
    for path in [c"/", c"/etc", c"/root", c"/tmp", c"/proc/self/fd", c"/proc/self/task"] {
        let verdict = if path == targets.own.as_c_str() { Verdict::Works } else { Verdict::OutOfReach };
        log.note(format!("list {}", path.to_string_lossy()), verdict, read(path));
    }
    for (who, pid) in [("supervisor", targets.supervisor), ("other", targets.other)] {
        for file in ["mem", "environ", "maps", "fd/0", "oom_score_adj"] {
            let path = c_path(format!("/proc/{pid}/{file}"));
            log.note(format!("read {file} of {who}"), Verdict::OutOfReach, read(&path));
            log.note(format!("write {file} of {who}"), Verdict::OutOfReach, write(&path));
        }
    }
}

/// The worker has only its channel, its code, its directory and null devices open, and inherited nothing else.
fn open_already(log: &mut Log) {
    for descriptor in 0..64 {
        // The kernel's `struct statx`; the 16 bits of the mode are at byte 28.
        let mut found = [0u32; 64];
        let flags = libc::AT_EMPTY_PATH;
        call!(SYS_statx, descriptor, c"".as_ptr(), flags, libc::STATX_TYPE, found.as_mut_ptr());
        let [low, high, _, _] = found[7].to_ne_bytes();
        let kind = u32::from(u16::from_ne_bytes([low, high])) & libc::S_IFMT;
        // The only file is the code, which is in memory and sealed.
        let is_file = kind == libc::S_IFREG && !super::memory::is_sealed(descriptor);
        let errno = if is_file { libc::EEXIST } else { 0 };
        log.note(format!("descriptor {descriptor} is no file"), Verdict::Works, errno);
    }
}

/// The purposes of the worker's own directory.
fn own(targets: &Targets, log: &mut Log) {
    let file = own_path(targets, "own");
    log.note("create own", Verdict::Works, opened(&file, libc::O_CREAT | libc::O_RDWR));
    log.note("read own", Verdict::Works, read(&file));
    // A plugin may not make devices, sockets and queues.
    let node = own_path(targets, "node");
    for (name, mode) in [("device", libc::S_IFCHR), ("fifo", libc::S_IFIFO), ("socket", libc::S_IFSOCK)] {
        log.filtered(
            format!("make a {name}"),
            call!(SYS_mknodat, libc::AT_FDCWD, node.as_ptr(), mode | 0o600, 0x103),
        );
    }
    log.filtered("fallocate", call!(SYS_fallocate, -1isize, 0, 0, 1));
    log.filtered("chmod own", call!(SYS_fchmodat, libc::AT_FDCWD, file.as_ptr(), 0o4755));
    log.filtered("execve own", call!(SYS_execve, file.as_ptr(), 0, 0));
}

/// Every attempt on a file of somebody else.
fn regular(path: &CStr, targets: &Targets, log: &mut Log) {
    let name = path.to_string_lossy().into_owned();
    let at = libc::AT_FDCWD;
    let outside = Verdict::OutOfReach;
    open(path, log);
    let truncate = libc::O_WRONLY | libc::O_TRUNC;
    log.note(format!("open to truncate {name}"), outside, call!(SYS_openat, at, path.as_ptr(), truncate, 0));
    let beside = c_path(format!("{name}.new"));
    let create = libc::O_WRONLY | libc::O_CREAT;
    log.note(format!("create beside {name}"), outside, call!(SYS_openat, at, beside.as_ptr(), create, 0o600));
    log.note(
        format!("link beside {name}"),
        outside,
        call!(SYS_symlinkat, c"x".as_ptr(), at, beside.as_ptr()),
    );
    log.note(format!("mkdir beside {name}"), outside, call!(SYS_mkdirat, at, beside.as_ptr(), 0o700));
    log.note(format!("unlink {name}"), outside, call!(SYS_unlinkat, at, path.as_ptr(), 0));
    let taken = own_path(targets, "taken");
    log.note(format!("rename {name}"), outside, call!(SYS_renameat, at, path.as_ptr(), at, taken.as_ptr()));
    log.note(format!("link {name}"), outside, call!(SYS_linkat, at, path.as_ptr(), at, taken.as_ptr(), 0));
    roundabout(path, targets, log);

    let times = [libc::timespec { tv_sec: 1, tv_nsec: 0 }; 2];
    log.filtered(format!("utimensat {name}"), call!(SYS_utimensat, at, path.as_ptr(), times.as_ptr(), 0));
    log.filtered(format!("truncate {name}"), call!(SYS_truncate, path.as_ptr(), 0));
    log.filtered(format!("chmod {name}"), call!(SYS_fchmodat, at, path.as_ptr(), 0o777));
    log.filtered(format!("chown {name}"), call!(SYS_fchownat, at, path.as_ptr(), 1, 1, 0));
    log.filtered(format!("execve {name}"), call!(SYS_execve, path.as_ptr(), 0, 0));
    log.filtered(format!("execveat {name}"), call!(SYS_execveat, at, path.as_ptr(), 0, 0, 0));
    log.filtered(format!("xattr {name}"), call!(SYS_setxattr, path.as_ptr(), c"user.x".as_ptr(), 0, 0, 0));
    let mut found = [0u64; 64];
    log.note(
        format!("stat {name}"),
        Verdict::Hidden,
        call!(SYS_newfstatat, at, path.as_ptr(), found.as_mut_ptr(), 0),
    );
    let mut handle = [0u32; 64];
    let mut mount = 0i32;
    log.filtered(
        format!("handle of {name}"),
        call!(SYS_name_to_handle_at, at, path.as_ptr(), handle.as_mut_ptr(), &raw mut mount, 0),
    );
    log.filtered(format!("handle for {name}"), call!(SYS_open_by_handle_at, at, handle.as_mut_ptr(), 0));
}

/// Attempts to reach a file through the worker's own directory.
fn roundabout(path: &CStr, targets: &Targets, log: &mut Log) {
    let name = path.to_string_lossy().into_owned();
    let at = libc::AT_FDCWD;
    let link = own_path(targets, "way");
    log.note(
        format!("point a link at {name}"),
        Verdict::Works,
        call!(SYS_symlinkat, path.as_ptr(), at, link.as_ptr()),
    );
    log.note(format!("read {name} through a link"), Verdict::OutOfReach, read(&link));
    log.note(format!("write {name} through a link"), Verdict::OutOfReach, write(&link));
    log.note("remove the link", Verdict::Works, call!(SYS_unlinkat, at, link.as_ptr(), 0));

    let directory =
        value(libc::SYS_openat, &[at as usize, targets.own.as_ptr() as usize, libc::O_PATH as usize]);
    let climb = c_path(format!("{}{}", "../".repeat(16).trim_end_matches('/'), name));
    log.note(
        format!("climb to {name}"),
        Verdict::OutOfReach,
        call!(SYS_openat, directory, climb.as_ptr(), libc::O_RDONLY, 0),
    );
    log.note("close", Verdict::Works, call!(SYS_close, directory));
}

/// Attempts to reach a file from everything that the process has open.
fn from_descriptors(path: &CStr, log: &mut Log) {
    let climb = c_path(format!("{}{}", "../".repeat(16).trim_end_matches('/'), path.to_string_lossy()));
    for descriptor in 0..64 {
        let errno = call!(SYS_openat, descriptor, climb.as_ptr(), libc::O_RDONLY, 0);
        log.note(format!("climb from descriptor {descriptor}"), Verdict::Nowhere, errno);
    }
}

fn open(path: &CStr, log: &mut Log) {
    let name = path.to_string_lossy().into_owned();
    log.note(format!("read {name}"), Verdict::OutOfReach, read(path));
    log.note(format!("write {name}"), Verdict::OutOfReach, write(path));
}

fn read(path: &CStr) -> i32 {
    opened(path, libc::O_RDONLY)
}

fn write(path: &CStr) -> i32 {
    opened(path, libc::O_RDWR)
}

/// The error number of opening a file; a file that was opened is closed again.
fn opened(path: &CStr, flags: i32) -> i32 {
    let at = libc::AT_FDCWD as usize;
    let flags = flags | libc::O_CLOEXEC;
    let file = value(libc::SYS_openat, &[at, path.as_ptr() as usize, flags as usize, 0o600]);
    if file == -1 {
        return std::io::Error::last_os_error().raw_os_error().unwrap_or(-1);
    }
    call!(SYS_close, file)
}

pub(super) fn own_path(targets: &Targets, name: &str) -> CString {
    let own = targets.own.to_string_lossy();
    c_path(format!("{}/{name}", own.trim_end_matches('/')))
}
