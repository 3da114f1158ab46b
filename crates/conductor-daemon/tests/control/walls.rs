//! Where the kernel cannot confine plugins, nothing starts unless the user permits it.
//!
//! A kernel without landlock has none of landlock's system calls. A seccomp filter simulates that for a thread and for
//! everything that the thread starts.

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use super::ctl::{json, shown};
use crate::scratch::{LENIENT, Scratch, interval, plugin};
use crate::wasm;

#[test]
fn without_landlock_neither_the_daemon_nor_exec_starts() {
    without_landlock(|| {
        let scratch = configured();
        let ended = scratch.conductor(&["run"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(
            ended.stderr.contains("this system cannot confine plugins: its kernel offers no landlock"),
            "{ended:?}"
        );
        assert!(
            ended.stderr.contains("hint: ") && ended.stderr.contains("--allow-weak-isolation"),
            "{ended:?}"
        );

        let module = wasm::plugin("notes");
        let module = module.to_str().expect("a path in UTF-8");
        let arguments = ["exec", module, "--unsigned-ok", "--grant", "Filesystem", "--action", "read"];
        let ended = scratch.conductor(&arguments);
        assert_eq!(ended.code, 4, "{ended:?}");
        assert!(ended.stderr.contains("its kernel offers no landlock"), "{ended:?}");
        let ended = scratch.conductor(&[&arguments[..], &["--allow-weak-isolation"]].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stderr.contains("behind one wall"), "{ended:?}");
        let ended = scratch.conductor(&[&arguments[..], &["--in-process"]].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
    });
}

#[test]
fn the_user_may_accept_one_wall_and_status_says_which_stand() {
    without_landlock(|| {
        let scratch = configured();
        let mut daemon = scratch.start(&["--allow-weak-isolation"]);
        daemon.wait_for_log("they run behind one wall, as --allow-weak-isolation permits");
        let (_, row) = daemon.next_call();
        assert_eq!(row["outcome"], "ok", "{row}");
        let status = json(&scratch, &["status"]);
        assert_eq!(status["walls"], serde_json::json!(["webassembly"]), "{status:#}");
        assert_eq!((&status["landlock"]["abi"], &status["seccomp"]), (&0.into(), &true.into()), "{status:#}");
        let words = shown(&scratch, &["status"]);
        assert!(words.contains("no landlock"), "{words}");
        daemon.stop();
    });
}

#[test]
fn on_this_kernel_both_walls_stand_and_status_says_so() {
    let scratch = configured();
    let mut daemon = scratch.start(&[]);
    let (_, row) = daemon.next_call();
    assert_eq!(row["outcome"], "ok", "{row}");
    let status = json(&scratch, &["status"]);
    assert_eq!(status["walls"], serde_json::json!(["webassembly", "process"]), "{status:#}");
    assert!(status["landlock"]["abi"].as_u64() >= Some(1), "{status:#}");
    assert_eq!(status["seccomp"], true, "{status:#}");
    let plugins = json(&scratch, &["plugin", "list"]);
    assert!(plugins.to_string().contains("\"process\""), "{plugins:#}");
    daemon.stop();
}

fn configured() -> Scratch {
    let scratch = Scratch::new();
    let notes = plugin("notes", &wasm::plugin("notes"), "granted_capabilities = [\"Filesystem\"]");
    let clock = interval("clock", "20ms", "");
    scratch.config(&format!(
        "{LENIENT}{notes}{clock}
        [[mappings]]
        trigger = {{ event = \"interval\" }}
        plugin = \"notes\"
        action = \"append\""
    ));
    scratch
}

/// Runs `test` on a thread for which, with everything it starts, the kernel has no landlock.
fn without_landlock(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        let calls = [
            libc::SYS_landlock_create_ruleset,
            libc::SYS_landlock_add_rule,
            libc::SYS_landlock_restrict_self,
        ];
        let rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
        let missing = SeccompAction::Errno(libc::ENOSYS as u32);
        let arch = std::env::consts::ARCH.try_into().expect("a known processor");
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, missing, arch).expect("a filter");
        let filter: BpfProgram = filter.try_into().expect("a program");
        apply_filter(&filter).expect("filtered");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
