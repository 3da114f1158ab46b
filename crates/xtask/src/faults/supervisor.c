/*
 * Runs a program, counts its system calls at which something could go wrong, and at one of them kills the program or lets the
 * call fail.
 *
 *   supervisor ROOT LOG ACT AT CHOICE SCOPE ARMED PROGRAM [ARGUMENT...]
 *
 * ROOT is what the paths of files begin with that are looked at. ACT is what happens at site AT, counted from 1 (0: nothing):
 * `kill` ends the program just before a call that changes a file; `fail` lets a call fail that uses a file, or that makes a
 * process, thread, socket, connection or descriptor, or, once the first site was reached, one that asks for memory. The error
 * is one that this call may return: CHOICE, modulo how many there are. It is returned once, and the call is not made.
 *
 * SCOPE is `program` for the program alone, `files` for only its calls about files, `children` for all the processes that it
 * starts as well. Sites count from when the file ARMED exists; `-` for from the beginning. SIGTERM is passed on to the program.
 * Ends as the program does: with its status, with 128 and the signal, or with 137 if the program was killed from here.
 *
 * Each site that is counted is one line of LOG, as soon as it is reached: `!` where something was done and else `.`, `changes` a
 * file or `uses` one, the call, how many errors it may return, the error that was returned or `-`, the name of the thread, and the path without ROOT.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum about { PATH_FIRST, PATH_SECOND, DESCRIPTOR, NO_FILE };

/* What a call does with a file: changes it, reads it, opens it for either; or what else it asks for. */
enum kind { CHANGES, READS, OPENS, MEMORY, OTHER };

struct call {
    long number;
    const char *name;
    enum about about;
    enum kind kind;
    /* Up to 0. */
    int errors[6];
};

/* Where a file that is opened may be created, there may be no space for it: the first error. */
#define OPEN_ERRORS {ENOSPC, EIO, EMFILE, ENOMEM, EINTR}

static const struct call calls[] = {
#ifdef SYS_open
    {SYS_open, "open", PATH_FIRST, OPENS, OPEN_ERRORS},
    {SYS_creat, "creat", PATH_FIRST, CHANGES, OPEN_ERRORS},
    {SYS_rename, "rename", PATH_FIRST, CHANGES, {ENOSPC, EIO}},
    {SYS_link, "link", PATH_FIRST, CHANGES, {ENOSPC, EIO}},
    {SYS_symlink, "symlink", PATH_FIRST, CHANGES, {ENOSPC, EIO}},
    {SYS_unlink, "unlink", PATH_FIRST, CHANGES, {EIO}},
    {SYS_mkdir, "mkdir", PATH_FIRST, CHANGES, {ENOSPC, EIO}},
    {SYS_rmdir, "rmdir", PATH_FIRST, CHANGES, {EIO}},
    {SYS_chmod, "chmod", PATH_FIRST, CHANGES, {EIO}},
    {SYS_chown, "chown", PATH_FIRST, CHANGES, {EIO}},
    {SYS_stat, "stat", PATH_FIRST, READS, {EIO, ENOMEM}},
    {SYS_lstat, "lstat", PATH_FIRST, READS, {EIO, ENOMEM}},
    {SYS_fork, "fork", NO_FILE, OTHER, {EAGAIN, ENOMEM}},
    {SYS_vfork, "vfork", NO_FILE, OTHER, {EAGAIN, ENOMEM}},
#endif
#ifdef SYS_renameat
    {SYS_renameat, "renameat", PATH_SECOND, CHANGES, {ENOSPC, EIO}},
#endif
#ifdef SYS_newfstatat
    {SYS_newfstatat, "newfstatat", PATH_SECOND, READS, {EIO, ENOMEM}},
#endif
    {SYS_statx, "statx", PATH_SECOND, READS, {EIO, ENOMEM}},
    {SYS_openat, "openat", PATH_SECOND, OPENS, OPEN_ERRORS},
    {SYS_openat2, "openat2", PATH_SECOND, OPENS, OPEN_ERRORS},
    {SYS_renameat2, "renameat2", PATH_SECOND, CHANGES, {ENOSPC, EIO}},
    {SYS_linkat, "linkat", PATH_SECOND, CHANGES, {ENOSPC, EIO}},
    {SYS_symlinkat, "symlinkat", PATH_SECOND, CHANGES, {ENOSPC, EIO}},
    {SYS_unlinkat, "unlinkat", PATH_SECOND, CHANGES, {EIO}},
    {SYS_mkdirat, "mkdirat", PATH_SECOND, CHANGES, {ENOSPC, EIO}},
    {SYS_fchmodat, "fchmodat", PATH_SECOND, CHANGES, {EIO}},
    {SYS_fchownat, "fchownat", PATH_SECOND, CHANGES, {EIO}},
    {SYS_truncate, "truncate", PATH_FIRST, CHANGES, {EIO}},
    {SYS_read, "read", DESCRIPTOR, READS, {EIO}},
    {SYS_pread64, "pread64", DESCRIPTOR, READS, {EIO}},
    {SYS_getdents64, "getdents64", DESCRIPTOR, READS, {EIO}},
    {SYS_flock, "flock", DESCRIPTOR, READS, {ENOLCK, EINTR}},
    {SYS_write, "write", DESCRIPTOR, CHANGES, {ENOSPC, EIO, EINTR}},
    {SYS_writev, "writev", DESCRIPTOR, CHANGES, {ENOSPC, EIO, EINTR}},
    {SYS_pwrite64, "pwrite64", DESCRIPTOR, CHANGES, {ENOSPC, EIO, EINTR}},
    {SYS_pwritev, "pwritev", DESCRIPTOR, CHANGES, {ENOSPC, EIO, EINTR}},
    {SYS_pwritev2, "pwritev2", DESCRIPTOR, CHANGES, {ENOSPC, EIO, EINTR}},
    {SYS_sendfile, "sendfile", DESCRIPTOR, CHANGES, {EIO, ENOMEM}},
    {SYS_fsync, "fsync", DESCRIPTOR, CHANGES, {EIO, ENOSPC}},
    {SYS_fdatasync, "fdatasync", DESCRIPTOR, CHANGES, {EIO, ENOSPC}},
    {SYS_ftruncate, "ftruncate", DESCRIPTOR, CHANGES, {EIO, EINTR}},
    {SYS_fallocate, "fallocate", DESCRIPTOR, CHANGES, {ENOSPC, EIO, EINTR}},
    {SYS_fchmod, "fchmod", DESCRIPTOR, CHANGES, {EIO}},
    {SYS_fchown, "fchown", DESCRIPTOR, CHANGES, {EIO}},
    {SYS_clone, "clone", NO_FILE, OTHER, {EAGAIN, ENOMEM}},
    {SYS_clone3, "clone3", NO_FILE, OTHER, {EAGAIN, ENOMEM}},
    {SYS_mmap, "mmap", NO_FILE, MEMORY, {ENOMEM}},
    {SYS_mprotect, "mprotect", NO_FILE, MEMORY, {ENOMEM}},
    {SYS_mremap, "mremap", NO_FILE, MEMORY, {ENOMEM}},
    {SYS_socket, "socket", NO_FILE, OTHER, {EMFILE, ENOMEM}},
    {SYS_socketpair, "socketpair", NO_FILE, OTHER, {EMFILE, ENOMEM}},
    /* EAGAIN is what a local connection ends with that takes longer than the caller waits: no error of the system's. */
    {SYS_connect, "connect", NO_FILE, OTHER, {ENOMEM, EINTR}},
    {SYS_accept, "accept", NO_FILE, OTHER, {EMFILE, ENOMEM, EINTR}},
    {SYS_accept4, "accept4", NO_FILE, OTHER, {EMFILE, ENOMEM, EINTR}},
    {SYS_pipe2, "pipe2", NO_FILE, OTHER, {EMFILE}},
    {SYS_memfd_create, "memfd_create", NO_FILE, OTHER, {EMFILE, ENOMEM}},
    {SYS_eventfd2, "eventfd2", NO_FILE, OTHER, {EMFILE, ENOMEM}},
    {SYS_epoll_create1, "epoll_create1", NO_FILE, OTHER, {EMFILE, ENOMEM}},
    {SYS_pidfd_open, "pidfd_open", NO_FILE, OTHER, {EMFILE, ENOMEM}},
};

static const struct { int number; const char *name; } error_names[] = {
    {ENOSPC, "ENOSPC"}, {EIO, "EIO"}, {EMFILE, "EMFILE"}, {ENOMEM, "ENOMEM"},
    {EINTR, "EINTR"}, {EAGAIN, "EAGAIN"}, {ENOLCK, "ENOLCK"},
};

static pid_t program;

static void pass_on(int signal) {
    if (program > 0) kill(program, signal);
}

static void fail(const char *what) {
    fprintf(stderr, "supervisor: %s: %s\n", what, strerror(errno));
    if (program > 0) kill(program, SIGKILL);
    exit(125);
}

static const char *error_name(int number) {
    for (size_t at = 0; at < sizeof error_names / sizeof *error_names; at++)
        if (error_names[at].number == number) return error_names[at].name;
    return "-";
}

/* A word at an address of a stopped thread; 0 if there is none. */
static uint64_t read_word(pid_t thread, uint64_t address) {
    errno = 0;
    long word = ptrace(PTRACE_PEEKDATA, thread, (void *)address, NULL);
    return errno ? 0 : (uint64_t)word;
}

/* Text at an address of a stopped thread. */
static void read_text(pid_t thread, uint64_t address, char *text, size_t size) {
    size_t length = 0;
    while (length + sizeof(long) < size) {
        errno = 0;
        long word = ptrace(PTRACE_PEEKDATA, thread, (void *)(address + length), NULL);
        if (errno != 0) break;
        memcpy(text + length, &word, sizeof word);
        if (memchr(&word, 0, sizeof word)) return;
        length += sizeof word;
    }
    text[length] = 0;
}

static void read_name(pid_t thread, int descriptor, char *text, size_t size) {
    char link[64];
    if (descriptor == AT_FDCWD) snprintf(link, sizeof link, "/proc/%d/cwd", thread);
    else snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, descriptor);
    ssize_t length = readlink(link, text, size - 1);
    text[length < 0 ? 0 : length] = 0;
}

/* The thread's own name, as one word. */
static void read_thread(pid_t thread, char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", thread);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, text, size - 1);
    if (file >= 0) close(file);
    if (length < 2) { text[0] = '?'; length = 2; }
    text[length - 1] = 0;
    for (char *at = text; *at; at++)
        if (*at == ' ') *at = '_';
}

/* How a file is opened. */
static uint64_t open_flags(pid_t thread, const struct call *call, const struct __ptrace_syscall_info *info) {
    if (call->about == PATH_FIRST) return info->entry.args[1];
    return call->number == SYS_openat2 ? read_word(thread, info->entry.args[2]) : info->entry.args[2];
}

struct site {
    const struct call *call;
    const int *errors;
    int count;
    int changes;
    char what[4096];
};

/* Whether the call is about a file whose path begins with `root`; says which. */
static int names_file(pid_t thread, const struct __ptrace_syscall_info *info, const char *root, struct site *site) {
    size_t size = sizeof site->what;
    if (site->call->about == DESCRIPTOR) {
        read_name(thread, (int)info->entry.args[0], site->what, size);
    } else {
        int second = site->call->about == PATH_SECOND;
        char path[2048];
        read_text(thread, info->entry.args[second], path, sizeof path);
        if (path[0] == '/') {
            snprintf(site->what, size, "%s", path);
        } else {
            read_name(thread, second ? (int)info->entry.args[0] : AT_FDCWD, site->what, size);
            size_t length = strlen(site->what);
            if (path[0]) snprintf(site->what + length, size - length, "/%s", path);
        }
    }
    return strncmp(site->what, root, strlen(root)) == 0;
}

/* Whether a call is a site. */
static int find_site(pid_t thread, const struct __ptrace_syscall_info *info, const char *root, int kills, int files_only,
                     int has_begun, struct site *site) {
    for (size_t at = 0; at < sizeof calls / sizeof *calls; at++) {
        if ((uint64_t)calls[at].number != info->entry.nr) continue;
        enum kind kind = calls[at].kind;
        site->call = &calls[at];
        site->errors = calls[at].errors;
        site->what[0] = 0;
        if (kind == OTHER || kind == MEMORY) {
            /* What loads the program asks for memory first of all. */
            if (kills || files_only || (kind == MEMORY && !has_begun)) return 0;
        } else if (!names_file(thread, info, root, site)) {
            return 0;
        }
        if (kind == OPENS) {
            uint64_t flags = open_flags(thread, site->call, info);
            kind = flags & (O_CREAT | O_WRONLY | O_RDWR) ? CHANGES : READS;
            /* Without a file to create, nothing takes space. */
            if (!(flags & O_CREAT)) site->errors++;
        }
        for (site->count = 0; site->errors[site->count]; site->count++) {}
        site->changes = kind == CHANGES;
        return kills ? site->changes : 1;
    }
    return 0;
}

/* Makes a thread that is about to make a call make none. */
static void skip_call(pid_t thread) {
#ifdef __x86_64__
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, thread, NULL, &registers)) fail("PTRACE_GETREGS");
    registers.orig_rax = -1;
    if (ptrace(PTRACE_SETREGS, thread, NULL, &registers)) fail("PTRACE_SETREGS");
#elif defined __aarch64__
    int number = -1;
    struct iovec part = {&number, sizeof number};
    if (ptrace(PTRACE_SETREGSET, thread, (void *)NT_ARM_SYSTEM_CALL, &part)) fail("PTRACE_SETREGSET");
#else
#error "how a system call is skipped is not known for this processor"
#endif
}

/* Sets what the call returns from which a thread is about to come back. */
static void set_result(pid_t thread, long result) {
#ifdef __x86_64__
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, thread, NULL, &registers)) return;
    registers.rax = result;
    ptrace(PTRACE_SETREGS, thread, NULL, &registers);
#elif defined __aarch64__
    struct user_regs_struct registers;
    struct iovec all = {&registers, sizeof registers};
    if (ptrace(PTRACE_GETREGSET, thread, (void *)NT_PRSTATUS, &all)) return;
    registers.regs[0] = result;
    ptrace(PTRACE_SETREGSET, thread, (void *)NT_PRSTATUS, &all);
#endif
}

int main(int count, char **words) {
    if (count < 9) {
        fprintf(stderr, "supervisor ROOT LOG ACT AT CHOICE SCOPE ARMED PROGRAM [ARGUMENT...]\n");
        return 125;
    }
    const char *root = words[1], *armed = strcmp(words[7], "-") ? words[7] : NULL;
    int kills = !strcmp(words[3], "kill");
    int files_only = !strcmp(words[6], "files"), with_children = !strcmp(words[6], "children");
    long act_at = atol(words[4]), choice = atol(words[5]), sites = 0;
    FILE *log = fopen(words[2], "w");
    if (!log) fail(words[2]);
    program = fork();
    if (program < 0) fail("fork");
    if (program == 0) {
        fclose(log);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) _exit(125);
        raise(SIGSTOP);
        execvp(words[8], words + 8);
        fprintf(stderr, "supervisor: %s: %s\n", words[8], strerror(errno));
        _exit(125);
    }
    int status;
    if (waitpid(program, &status, 0) != program || !WIFSTOPPED(status)) fail("the program did not start");
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (with_children) options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    if (ptrace(PTRACE_SETOPTIONS, program, NULL, (void *)options)) fail("PTRACE_SETOPTIONS");
    struct sigaction action = {.sa_handler = pass_on};
    sigaction(SIGTERM, &action, NULL);
    if (ptrace(PTRACE_SYSCALL, program, NULL, NULL)) fail("PTRACE_SYSCALL");

    int is_killed = 0, has_begun = armed != NULL, error = 0;
    pid_t failing = 0;
    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0 && errno == EINTR) continue;
        if (thread < 0) fail("waitpid");
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread == failing) failing = 0;
            if (thread != program) continue;
            fclose(log);
            if (is_killed) return 137;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        if (!WIFSTOPPED(status)) continue;
        int signal = WSTOPSIG(status), event = status >> 16;
        if (signal == (SIGTRAP | 0x80)) {
            signal = 0;
            struct __ptrace_syscall_info info;
            struct site site;
            if (thread == failing) {
                set_result(thread, -error);
                failing = 0;
            } else if (!is_killed && ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof info, &info) > 0 &&
                       info.op == PTRACE_SYSCALL_INFO_ENTRY && (!armed || access(armed, F_OK) == 0) &&
                       find_site(thread, &info, root, kills, files_only, has_begun, &site)) {
                char name[32];
                int is_here = ++sites == act_at;
                has_begun = 1;
                error = is_here && !kills ? site.errors[choice % site.count] : error;
                read_thread(thread, name, sizeof name);
                fprintf(log, "%c %s %s %d %s %s %s\n", is_here ? '!' : '.', site.changes ? "changes" : "uses",
                        site.call->name, site.count, is_here && !kills ? error_name(error) : "-", name,
                        site.what[0] ? site.what + strlen(root) : "");
                fflush(log);
                if (is_here && kills) {
                    is_killed = 1;
                    kill(program, SIGKILL);
                    continue;
                }
                if (is_here) {
                    skip_call(thread);
                    failing = thread;
                }
            }
        } else if (event || signal == SIGSTOP) {
            /* A new thread or process, or the program that was asked for. */
            signal = 0;
        }
        ptrace(PTRACE_SYSCALL, thread, NULL, (void *)(long)signal);
    }
}
