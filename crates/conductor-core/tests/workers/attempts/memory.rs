//! Executable memory, and memory that no limit counts.

use super::files::own_path;
use super::{Log, Targets, Verdict};
use crate::main;
use crate::raw::{call, value};

const PAGE: usize = 4096;

/// A mapping with `MAP_GROWSDOWN` counts as stack, not as data.
const UNCOUNTED: [(&str, i32); 3] = [
    ("shared", libc::MAP_SHARED | libc::MAP_ANONYMOUS),
    ("stack", libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_GROWSDOWN),
    ("huge pages", libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB),
];

pub(super) fn attempt(targets: &Targets, code_is_done: bool, log: &mut Log) {
    code_file(log);
    let read_write = libc::PROT_READ | libc::PROT_WRITE;
    let read_execute = libc::PROT_READ | libc::PROT_EXEC;
    let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    log.filtered("map executable", call!(SYS_mmap, 0, PAGE, read_execute, anonymous, -1isize, 0));
    log.filtered(
        "map writable and executable",
        call!(SYS_mmap, 0, PAGE, read_write | libc::PROT_EXEC, anonymous, -1isize, 0),
    );
    let file = own_path(targets, "code");
    let flags = (libc::O_CREAT | libc::O_RDWR | libc::O_CLOEXEC) as usize;
    let at = libc::AT_FDCWD as usize;
    let file = value(libc::SYS_openat, &[at, file.as_ptr() as usize, flags, 0o700]);
    log.note("size a file", Verdict::Works, call!(SYS_ftruncate, file, PAGE));
    for (name, flags) in [("private", libc::MAP_PRIVATE), ("shared", libc::MAP_SHARED)] {
        log.filtered(
            format!("map a file executable, {name}"),
            call!(SYS_mmap, 0, PAGE, read_execute, flags, file, 0),
        );
    }
    // A mapped file would keep its space on the disk, without a name and without a descriptor.
    log.filtered("map a file", call!(SYS_mmap, 0, PAGE, libc::PROT_READ, libc::MAP_PRIVATE, file, 0));
    log.filtered("execute a file", call!(SYS_execveat, file, c"".as_ptr(), 0, 0, libc::AT_EMPTY_PATH));
    log.note("close the file", Verdict::Works, call!(SYS_close, file));

    let fresh = value(libc::SYS_mmap, &[0, PAGE, read_write as usize, anonymous as usize, usize::MAX, 0]);
    log.note("map", Verdict::Works, if fresh == -1 { libc::ENOMEM } else { 0 });
    if code_is_done {
        log.filtered("make executable", call!(SYS_mprotect, fresh, PAGE, read_execute));
        log.filtered(
            "make writable and executable",
            call!(SYS_mprotect, fresh, PAGE, read_write | libc::PROT_EXEC),
        );
        let main = main as fn() -> std::process::ExitCode as usize & !(PAGE - 1);
        log.filtered("make code writable", call!(SYS_mprotect, main, PAGE, read_write | libc::PROT_EXEC));
    }
    log.filtered("pkey_mprotect", call!(SYS_pkey_mprotect, fresh, PAGE, read_execute, -1isize));
    log.filtered("remap_file_pages", call!(SYS_remap_file_pages, fresh, PAGE, 0, 0, 0));
    log.filtered("shmget", call!(SYS_shmget, libc::IPC_PRIVATE, PAGE, 0o600));
    log.filtered("shmat", call!(SYS_shmat, 0, 0, libc::SHM_EXEC));
    log.filtered("userfaultfd", call!(SYS_userfaultfd, 1));
    log.filtered("memfd_secret", call!(SYS_memfd_secret, 0));
    log.filtered("mlockall", call!(SYS_mlockall, libc::MCL_CURRENT));
    log.filtered("process_madvise", call!(SYS_process_madvise, 0, 0, 0, 0, 0));

    for (name, flags) in UNCOUNTED {
        log.filtered(
            format!("map uncounted: {name}"),
            call!(SYS_mmap, 0, PAGE, read_write, flags, -1isize, 0),
        );
    }
    log.filtered("memfd_create", call!(SYS_memfd_create, c"x".as_ptr(), 0));
    log.filtered("mremap", call!(SYS_mremap, fresh, PAGE, 2 * PAGE, libc::MREMAP_MAYMOVE, 0));
    log.note("unmap", Verdict::Works, call!(SYS_munmap, fresh, PAGE));
}

/// The only file that may be mapped stays the code: its number is not given to another file, and its bytes do not
/// change.
fn code_file(log: &mut Log) {
    for file in (0..64).filter(|file| is_sealed(*file)) {
        log.filtered("close the code", call!(SYS_close, file));
        log.filtered("put another file in place of the code", call!(SYS_dup3, 0, file, 0));
        log.filtered("the same with the older call", call!(SYS_dup2, 0, file));
        log.filtered("write to the code", call!(SYS_pwrite64, file, c"x".as_ptr(), 1, 0));
    }
}

/// Whether a descriptor refers to a file in memory that nobody can change.
pub(super) fn is_sealed(descriptor: i32) -> bool {
    value(libc::SYS_fcntl, &[descriptor as usize, libc::F_GET_SEALS as usize]) > 0
}
