/*
 * Runs a program, counts its system calls that write, open or rename something below a directory, and kills it just before
 * one of them.
 *
 *   supervisor ROOT LOG AT ARMED PROGRAM [ARGUMENT...]
 *
 * ROOT is the directory. Each site is one line of LOG: the call and what it is about. AT is the number of the site at which the
 * program is killed, from 1; 0 for never. Sites count from when the file ARMED exists; `-` for from the beginning. Threads of
 * the program are followed, processes that it starts are not. SIGTERM is passed on to it. Ends as the program does, with status
 * 137 if it was killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum about { PATH_FIRST, PATH_SECOND, DESCRIPTOR };

struct call {
    long number;
    const char *name;
    enum about about;
};

static const struct call calls[] = {
#ifdef SYS_open
    {SYS_open, "open", PATH_FIRST},
    {SYS_creat, "creat", PATH_FIRST},
    {SYS_rename, "rename", PATH_FIRST},
    {SYS_link, "link", PATH_FIRST},
    {SYS_symlink, "symlink", PATH_FIRST},
    {SYS_unlink, "unlink", PATH_FIRST},
    {SYS_mkdir, "mkdir", PATH_FIRST},
    {SYS_rmdir, "rmdir", PATH_FIRST},
    {SYS_chmod, "chmod", PATH_FIRST},
    {SYS_chown, "chown", PATH_FIRST},
#endif
#ifdef SYS_renameat
    {SYS_renameat, "renameat", PATH_SECOND},
#endif
    {SYS_openat, "openat", PATH_SECOND},
    {SYS_openat2, "openat2", PATH_SECOND},
    {SYS_renameat2, "renameat2", PATH_SECOND},
    {SYS_linkat, "linkat", PATH_SECOND},
    {SYS_unlinkat, "unlinkat", PATH_SECOND},
    {SYS_mkdirat, "mkdirat", PATH_SECOND},
    {SYS_fchmodat, "fchmodat", PATH_SECOND},
    {SYS_fchownat, "fchownat", PATH_SECOND},
    {SYS_truncate, "truncate", PATH_FIRST},
    {SYS_write, "write", DESCRIPTOR},
    {SYS_writev, "writev", DESCRIPTOR},
    {SYS_pwrite64, "pwrite64", DESCRIPTOR},
    {SYS_pwritev, "pwritev", DESCRIPTOR},
    {SYS_pwritev2, "pwritev2", DESCRIPTOR},
    {SYS_sendfile, "sendfile", DESCRIPTOR},
    {SYS_fsync, "fsync", DESCRIPTOR},
    {SYS_fdatasync, "fdatasync", DESCRIPTOR},
    {SYS_ftruncate, "ftruncate", DESCRIPTOR},
    {SYS_fallocate, "fallocate", DESCRIPTOR},
    {SYS_fchmod, "fchmod", DESCRIPTOR},
    {SYS_fchown, "fchown", DESCRIPTOR},
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

/* Whether a call is a site; says what it is about. */
static const struct call *site(pid_t thread, const struct __ptrace_syscall_info *info, const char *root, char *what, size_t size) {
    for (size_t at = 0; at < sizeof calls / sizeof *calls; at++) {
        const struct call *call = &calls[at];
        if ((uint64_t)call->number != info->entry.nr) continue;
        if (call->about == DESCRIPTOR) {
            read_name(thread, (int)info->entry.args[0], what, size);
        } else {
            int second = call->about == PATH_SECOND;
            char path[2048];
            read_text(thread, info->entry.args[second], path, sizeof path);
            if (path[0] == '/') {
                snprintf(what, size, "%s", path);
            } else {
                read_name(thread, second ? (int)info->entry.args[0] : AT_FDCWD, what, size);
                size_t length = strlen(what);
                snprintf(what + length, size - length, "/%s", path);
            }
        }
        size_t length = strlen(root);
        return strncmp(what, root, length) == 0 && (what[length] == '/' || !what[length]) ? call : NULL;
    }
    return NULL;
}

int main(int count, char **words) {
    if (count < 6) {
        fprintf(stderr, "supervisor ROOT LOG AT ARMED PROGRAM [ARGUMENT...]\n");
        return 125;
    }
    const char *root = words[1], *armed = strcmp(words[4], "-") ? words[4] : NULL;
    long kill_at = atol(words[3]), sites = 0;
    FILE *log = fopen(words[2], "w");
    if (!log) fail(words[2]);
    program = fork();
    if (program < 0) fail("fork");
    if (program == 0) {
        fclose(log);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) _exit(125);
        raise(SIGSTOP);
        execvp(words[5], words + 5);
        fprintf(stderr, "supervisor: %s: %s\n", words[5], strerror(errno));
        _exit(125);
    }
    int status;
    if (waitpid(program, &status, 0) != program || !WIFSTOPPED(status)) fail("the program did not start");
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, program, NULL, (void *)options)) fail("PTRACE_SETOPTIONS");
    struct sigaction action = {.sa_handler = pass_on};
    sigaction(SIGTERM, &action, NULL);
    if (ptrace(PTRACE_SYSCALL, program, NULL, NULL)) fail("PTRACE_SYSCALL");

    int is_killed = 0;
    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0 && errno == EINTR) continue;
        if (thread < 0) fail("waitpid");
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
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
            char what[4096];
            const struct call *call = NULL;
            if (!is_killed && ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof info, &info) > 0 &&
                info.op == PTRACE_SYSCALL_INFO_ENTRY && (!armed || access(armed, F_OK) == 0))
                call = site(thread, &info, root, what, sizeof what);
            if (call) {
                sites++;
                fprintf(log, "%s %s\n", call->name, what + strlen(root));
                fflush(log);
                if (sites == kill_at) {
                    is_killed = 1;
                    kill(program, SIGKILL);
                    continue;
                }
            }
        } else if (event || signal == SIGSTOP) {
            /* A new thread, or the program that was asked for. */
            signal = 0;
        }
        ptrace(PTRACE_SYSCALL, thread, NULL, (void *)(long)signal);
    }
}
