//! Plugins in worker processes, and workers that were taken over.
//!
//! A worker must be a process with one thread, which no program of the usual test harness is, so this program has its
//! own `main`. With the argument `worker` it is a worker; with `launch` a launcher of programs; with `launch-waiting` a
//! launcher that lacks a system call; with `misbehave` and a name a worker that misbehaves; with `restarts` and a
//! number it lets workers die that often and prints the cost; with `hold-up` and a name it is the host of one test in
//! which nobody may be held up; with `compile-cost` and files it prints the cost of compiling them; with `compile-bomb`
//! and a name it is the host of one such attack; with `random-calls` and a number of seconds it lets workers make system
//! calls at random. Otherwise it runs the tests, which start it in these roles.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up fails, and its functions do not carry the attribute of the usual harness"
)]

#[path = "../support/plugins.rs"]
mod support;

mod attempts;
mod bombs;
mod code_cache;
mod compile_bomb;
mod crash;
mod deeds;
mod disk;
mod ends;
mod hosts;
mod instances;
mod key;
mod large;
mod memory;
mod misbehave;
mod mute;
mod needs;
mod not_wasm;
#[path = "../../../../tests/vectors/notation.rs"]
mod notation;
mod programs;
mod random_calls;
mod raw;
mod restarts;
mod rules;
mod second_wall;
#[path = "../../../../tests/vectors/table.rs"]
mod table;
mod vectors;
mod waiting;
mod withdrawn;

use std::process::ExitCode;

use conductor_core::Host;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("worker") => hosts::as_exit_code(conductor_core::worker::run()),
        Some("launch") => {
            if conductor_core::launcher::run().is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Some("misbehave") => misbehave::run(arguments),
        Some("launch-waiting") => waiting::launch(arguments),
        Some("random-calls") => random_calls::run(arguments),
        Some("restarts") => restarts::run(arguments),
        Some("hold-up") => ends::run(&arguments.next().unwrap_or_default()),
        Some("compile-cost") => large::run(arguments),
        Some("compile-bomb") => compile_bomb::run(&arguments.next().unwrap_or_default()),
        _ => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

fn trials() -> Vec<Trial> {
    let test = |name: &str, run: fn()| {
        Trial::test(name, move || {
            run();
            Ok(())
        })
    };
    let mut trials = vec![
        test("vectors::in_process", || vectors::every_verdict_holds(&hosts::in_process())),
        test("vectors::in_workers", || vectors::every_verdict_holds(&hosts::in_workers())),
        test("rules::in_process", || rules::every_broken_one_is_refused(&hosts::in_process())),
        test("rules::in_workers", || rules::every_broken_one_is_refused(&hosts::in_workers())),
        test("second_wall::own_directory_as_root", second_wall::with_its_own_directory_as_root),
        test("second_wall::root_left_in_place", second_wall::with_the_root_left_in_place),
        test("second_wall::no_namespaces", second_wall::without_namespaces),
        test("second_wall::compiling", second_wall::while_it_compiles),
        test("crash::full_directory", crash::nothing_is_written_beyond_the_quota),
        test("crash::while_compiling", crash::while_compiling),
        test("crash::while_loading", crash::while_loading),
        test("crash::in_a_call", crash::in_a_call),
        test("crash::between_calls", crash::between_calls),
        test("crash::unseen_between_calls", crash::unseen_between_calls),
        test("crash::claims_are_clamped", crash::claims_are_clamped),
        test("crash::not_granted", crash::what_is_not_granted_is_denied),
        test("crash::quarantine", crash::failing_again_and_again_ends_in_quarantine),
        test("ends::turns", ends::a_turn_is_not_held_by_one_that_sleeps_in_it),
        test("ends::computing_a_little", ends::computing_a_little_at_a_time_is_noticed),
        test("ends::between_calls", ends::ending_between_calls_again_and_again_ends_in_quarantine),
        test("restarts::leave_nothing_behind", restarts::leave_nothing_behind),
        test("needs::every_call", needs::every_call_is_needed),
        test("needs::every_call_of_a_compiler", needs::every_call_of_a_compiler_is_needed),
        test("waiting::every_call", waiting::every_call_is_needed),
        test("waiting::nothing_else", waiting::nothing_else_is_allowed),
        test("large::many_segments", large::a_module_with_very_many_segments_loads),
        test("memory::in_workers", memory::a_worker_grows_by_no_more_than_its_plugin_may),
        test("code_cache::sound_code", code_cache::sound_code_is_used_again),
        test("code_cache::in_process", code_cache::a_host_does_not_believe_what_workers_write),
        test("code_cache::hit", code_cache::a_hit_runs_the_code_in_the_file),
        test("code_cache::anything_else", code_cache::anything_else_is_ignored_and_replaced),
        test("code_cache::directory", code_cache::a_directory_is_ignored),
        test("code_cache::least_recently_used", code_cache::what_was_not_used_for_longest_goes),
        test("code_cache::secret", code_cache::a_secret_that_is_none_is_refused),
        test("key::in_no_worker", key::is_in_no_worker),
    ];
    for (name, run) in instances::TESTS.into_iter().chain(not_wasm::TESTS).chain(withdrawn::TESTS) {
        trials.push(in_process(name, run));
        trials.push(in_workers(name, run));
    }
    let generated = "not_wasm::mutated_and_generated_modules_never_panic";
    trials.push(in_process(generated, not_wasm::mutated_and_generated_modules_never_panic));
    trials.push(in_workers(generated, not_wasm::some_mutated_and_generated_modules_never_panic));
    trials.extend(compile_bomb::trials());
    trials.extend(disk::trials());
    trials.extend(ends::trials());
    trials.extend(programs::trials());
    trials.extend(random_calls::trials());
    trials
}

/// A test on a host that runs plugins in this process.
fn in_process(name: &str, run: fn(&Host)) -> Trial {
    Trial::test(format!("{name}::in_process"), move || {
        run(&hosts::in_process());
        Ok(())
    })
}

/// The same test on a host that runs plugins in workers.
fn in_workers(name: &str, run: fn(&Host)) -> Trial {
    Trial::test(format!("{name}::in_workers"), move || {
        run(&hosts::in_workers());
        Ok(())
    })
}
