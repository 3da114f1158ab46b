//! Row disk, with hand-written guests: everything that a plugin adds to the disk counts, through whichever function, in
//! this process and in a worker.

use std::fs::{self, File};
use std::path::PathBuf;

use conductor_core::worker::WorkerProgram;
use conductor_core::{Host, Limit, Limits, Outcome, Plugin, PluginOptions, WasmConfig};
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::hosts;
use crate::support::{REQUEST, load};

/// Bytes that each plugin here may keep.
const QUOTA: u64 = 100_000;

/// WASI's error numbers.
const EDQUOT: i32 = 19;
const EINVAL: i32 = 28;

/// A test, and its name.
type Test = (&'static str, fn(&Place));

pub(crate) fn trials() -> Vec<Trial> {
    const TESTS: [Test; 13] = [
        ("files_without_names", files_that_lost_their_name_count_while_they_are_open),
        ("descriptors_of_one_file", a_file_without_a_name_counts_once),
        ("long_lists", lists_longer_than_the_host_looks_at_are_refused),
        ("holes", holes_count_as_if_they_were_filled),
        ("other_ways_to_grow", every_function_that_makes_a_file_longer_is_held_to_the_quota),
        ("overwriting", overwriting_takes_nothing),
        ("entries", entries_count_when_they_are_made),
        ("links", the_text_of_links_counts_and_a_file_counts_once),
        ("names_that_are_gone", directories_count_by_what_they_keep_of_names_that_are_gone),
        ("names_that_come_and_go", names_that_have_room_where_others_were_take_nothing),
        ("shared", several_that_share_a_directory_share_its_quota),
        ("beyond", what_is_beyond_the_quota_at_the_start_stays_beyond_it),
        ("too_many_to_look_at", a_directory_that_cannot_be_measured_is_full),
    ];
    let mut trials = Vec::new();
    for (name, run) in TESTS {
        for in_workers in [false, true] {
            let wall = if in_workers { "in_workers" } else { "in_process" };
            trials.push(Trial::test(format!("disk::{name}::{wall}"), move || {
                run(&Place::new(in_workers));
                Ok(())
            }));
        }
    }
    trials
}

/// A host, and the directory in which its plugins keep their data.
pub(crate) struct Place {
    data: TempDir,
    host: Host,
}

impl Place {
    pub(crate) fn new(in_workers: bool) -> Self {
        let data = tempfile::tempdir().expect("directory");
        let config = WasmConfig { data_dir: Some(data.path().to_owned()), ..WasmConfig::default() };
        let host = if in_workers {
            hosts::with(config, WorkerProgram::this(["worker"]))
        } else {
            Host::new(config).expect("host")
        };
        Self { data, host }
    }

    /// The data directory of the plugin.
    pub(crate) fn own(&self) -> PathBuf {
        self.data.path().join("writer")
    }

    /// A plugin that may keep [`QUOTA`] bytes and `files` files, and executes `body`, which leaves the code to return.
    pub(crate) fn plugin(&self, files: u32, body: &str) -> Box<dyn Plugin> {
        let manifest =
            r#"{\"name\":\"writer\",\"version\":\"1\",\"capabilities\":[{\"name\":\"Filesystem\"}]}"#;
        let text = format!(
            r#"(module {PRELUDE}
                (func (export "execute") (param i32 i32) (result i32) (local $i i32) (local $error i32) {body})
                (@custom "conductor:manifest" "{manifest}"))"#
        );
        // The time of file operations is charged as fuel, and a busy machine takes long.
        let max_fuel = 10 * Limits::default().max_fuel;
        let limits = Limits { max_disk_bytes: QUOTA, max_disk_files: files, max_fuel, ..Limits::default() };
        let options = PluginOptions {
            limits: Some(limits),
            granted: vec!["Filesystem".parse().expect("a grant")],
            accept_unsigned: true,
            ..PluginOptions::default()
        };
        let wasm = wat::parse_str(text).expect("valid text");
        load(&self.host, "writer.wasm", wasm, &options).expect("loads")
    }

    fn len(&self, name: &str) -> u64 {
        fs::metadata(self.own().join(name)).expect("there").len()
    }
}

/// WASI functions, with short names for calling them. File names have one letter, `a` for 0. Lists of one entry are
/// built at address 16, answers are written to 8 and 24, and the written bytes are whatever is in memory.
const PRELUDE: &str = r#"
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_pwrite" (func $fd_pwrite (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_pread" (func $fd_pread (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_allocate" (func $fd_allocate (param i32 i64 i64) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $set_size (param i32 i64) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $set_flags (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file" (func $path_unlink (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_create_directory" (func $path_mkdir (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_symlink"
        (func $path_symlink (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_link"
        (func $path_link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 8)
    (data (i32.const 100) "abcdefghijklmnopqrstuvwxyz")
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    ;; Opens for reading and writing, with O_CREAT = 1, O_EXCL = 4, O_TRUNC = 8; the descriptor, or less than 0.
    (func $open (param $name i32) (param $how i32) (result i32)
        (local $error i32)
        (local.set $error (call $path_open (i32.const 3) (i32.const 0)
            (i32.add (i32.const 100) (local.get $name)) (i32.const 1) (local.get $how)
            (i64.const 0x200042) (i64.const 0) (i32.const 0) (i32.const 8)))
        (if (result i32) (local.get $error)
            (then (i32.sub (i32.const 0) (local.get $error)))
            (else (i32.load (i32.const 8)))))
    (func $list (param $bytes i32)
        (i32.store (i32.const 16) (i32.const 4096))
        (i32.store (i32.const 20) (local.get $bytes)))
    (func $write (param $fd i32) (param $bytes i32) (result i32)
        (call $list (local.get $bytes))
        (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24)))
    (func $write_at (param $fd i32) (param $bytes i32) (param $at i64) (result i32)
        (call $list (local.get $bytes))
        (call $fd_pwrite (local.get $fd) (i32.const 16) (i32.const 1) (local.get $at) (i32.const 24)))
    (func $seek (param $fd i32) (param $to i64)
        (call $must (call $fd_seek (local.get $fd) (local.get $to) (i32.const 0) (i32.const 24))))
    (func $unlink (param $name i32) (result i32)
        (call $path_unlink (i32.const 3) (i32.add (i32.const 100) (local.get $name)) (i32.const 1)))
    (func $mkdir (param $name i32) (result i32)
        (call $path_mkdir (i32.const 3) (i32.add (i32.const 100) (local.get $name)) (i32.const 1)))
    (func $must (param $error i32) (if (local.get $error) (then (unreachable))))
    (func $refused (param $error i32) (if (i32.ne (local.get $error) (i32.const 19)) (then (unreachable))))
"#;

fn ended(plugin: &mut dyn Plugin) -> (Outcome, Vec<Limit>) {
    let report = plugin.execute(REQUEST);
    (report.outcome, report.limits_refused)
}

fn files_that_lost_their_name_count_while_they_are_open(place: &Place) {
    // The first call fills the quota with files without names, and keeps them open; the second call closes one of them.
    let body = r"
        (local.set $i (i32.load (i32.const 40)))
        (if (local.get $i) (then
            (call $must (call $fd_close (i32.const 4)))
            (call $must (call $write (i32.const 5) (i32.const 20000)))
            (return (call $write (i32.const 5) (i32.const 1)))))
        (loop $more
            (call $must (i32.lt_s (call $open (i32.const 0) (i32.const 5)) (i32.const 0)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (i32.store (i32.const 40) (local.get $i))
            (if (call $write (i32.load (i32.const 8)) (i32.const 20000)) (then (return (local.get $i))))
            (call $must (call $unlink (i32.const 0)))
            (br $more))
        (unreachable)";
    let mut plugin = place.plugin(100, body);
    assert_eq!(ended(plugin.as_mut()), (Outcome::Failed { code: 6 }, vec![Limit::DiskBytes]));
    assert_eq!(place.len("a"), 0);
    assert_eq!(ended(plugin.as_mut()), (Outcome::Failed { code: EDQUOT }, vec![Limit::DiskBytes]));
}

fn a_file_without_a_name_counts_once(place: &Place) {
    // Two descriptors of one file, and the rest of the quota in another file.
    let body = r"
        (drop (call $open (i32.const 0) (i32.const 5)))
        (drop (call $open (i32.const 0) (i32.const 0)))
        (call $must (call $write (i32.const 4) (i32.const 60000)))
        (call $must (call $unlink (i32.const 0)))
        (drop (call $open (i32.const 1) (i32.const 5)))
        (call $must (call $write (i32.const 6) (i32.const 40000)))
        (call $refused (call $write (i32.const 6) (i32.const 1)))
        (call $must (call $fd_close (i32.const 4)))
        (call $refused (call $write (i32.const 6) (i32.const 1)))
        (call $must (call $fd_close (i32.const 5)))
        (call $write (i32.const 6) (i32.const 60000))";
    let mut plugin = place.plugin(100, body);
    assert_eq!(ended(plugin.as_mut()), (Outcome::Ok, vec![Limit::DiskBytes]));
    assert_eq!(place.len("b"), 100_000);
}

fn lists_longer_than_the_host_looks_at_are_refused(place: &Place) {
    for (call, longest) in [
        ("(call $fd_write (i32.const 4) (i32.const 8192) (local.get $i) (i32.const 24))", QUOTA),
        (
            "(call $fd_pwrite (i32.const 4) (i32.const 8192) (local.get $i) (i64.const 0) (i32.const 24))",
            QUOTA,
        ),
        ("(call $fd_read (i32.const 4) (i32.const 8192) (local.get $i) (i32.const 24))", 0),
        ("(call $fd_pread (i32.const 4) (i32.const 8192) (local.get $i) (i64.const 0) (i32.const 24))", 0),
    ] {
        // Entries from address 8192 on, all empty except the last.
        let body = |count: i32| {
            format!(
                r"
                (drop (call $open (i32.const 0) (i32.const 9)))
                (local.set $i (i32.const {count}))
                (i32.store (i32.sub (i32.add (i32.const 8192) (i32.mul (local.get $i) (i32.const 8))) (i32.const 8))
                    (i32.const 65536))
                (i32.store (i32.sub (i32.add (i32.const 8192) (i32.mul (local.get $i) (i32.const 8))) (i32.const 4))
                    (i32.const 100000))
                {call}"
            )
        };
        let mut plugin = place.plugin(100, &body(1_025));
        assert_eq!(ended(plugin.as_mut()), (Outcome::Failed { code: EINVAL }, vec![]), "{call}");
        assert_eq!(place.len("a"), 0, "{call}");
        let mut plugin = place.plugin(100, &body(1_024));
        assert_eq!(ended(plugin.as_mut()), (Outcome::Ok, vec![]), "{call}");
        assert_eq!(place.len("a"), longest, "{call}");
    }
}

fn holes_count_as_if_they_were_filled(place: &Place) {
    let body = r"
        (drop (call $open (i32.const 0) (i32.const 9)))
        (call $seek (i32.const 4) (i64.const 10995116277760))
        (call $refused (call $write (i32.const 4) (i32.const 1)))
        (call $seek (i32.const 4) (i64.const 100000))
        (call $refused (call $write (i32.const 4) (i32.const 1)))
        (call $seek (i32.const 4) (i64.const 99999))
        (call $must (call $write (i32.const 4) (i32.const 1)))
        (call $seek (i32.const 4) (i64.const 0))
        (call $must (call $write (i32.const 4) (i32.const 100000)))
        (drop (call $open (i32.const 1) (i32.const 9)))
        (call $write (i32.const 5) (i32.const 1))";
    let mut plugin = place.plugin(100, body);
    assert_eq!(ended(plugin.as_mut()), (Outcome::Failed { code: EDQUOT }, vec![Limit::DiskBytes]));
    assert_eq!((place.len("a"), place.len("b")), (QUOTA, 0));
}

fn every_function_that_makes_a_file_longer_is_held_to_the_quota(place: &Place) {
    // The file `a` leaves 1,000 bytes of the quota; each function would take more than these.
    for (name, grow) in [
        ("fd_pwrite", "(call $write_at (i32.const 5) (i32.const 1) (i64.const 1000))"),
        ("fd_filestat_set_size", "(call $set_size (i32.const 5) (i64.const 1001))"),
        ("fd_allocate", "(call $fd_allocate (i32.const 5) (i64.const 1000) (i64.const 1))"),
        ("fd_allocate of everything", "(call $fd_allocate (i32.const 5) (i64.const 8) (i64.const -9))"),
        (
            "appending",
            "(call $must (call $write (i32.const 5) (i32.const 1000)))
            (call $must (call $set_flags (i32.const 5) (i32.const 1)))
            (call $seek (i32.const 5) (i64.const 0))
            (call $write (i32.const 5) (i32.const 1))",
        ),
        (
            "appending at an offset",
            "(call $must (call $write (i32.const 5) (i32.const 1000)))
            (call $must (call $set_flags (i32.const 5) (i32.const 1)))
            (call $write_at (i32.const 5) (i32.const 1) (i64.const 0))",
        ),
    ] {
        let body = format!(
            r"
            (drop (call $open (i32.const 0) (i32.const 9)))
            (call $must (call $set_size (i32.const 4) (i64.const 99000)))
            (drop (call $open (i32.const 1) (i32.const 9)))
            {grow}"
        );
        let mut plugin = place.plugin(100, &body);
        let refused = (Outcome::Failed { code: EDQUOT }, vec![Limit::DiskBytes]);
        assert_eq!(ended(plugin.as_mut()), refused, "{name}");
        assert!(place.len("a") + place.len("b") <= QUOTA, "{name}");
    }
}

fn overwriting_takes_nothing(place: &Place) {
    // In total forty times the quota, but never more than the quota at once, and without a measurement in between.
    let body = r"
        (drop (call $open (i32.const 0) (i32.const 9)))
        (local.set $i (i32.const 20))
        (loop $more
            (call $seek (i32.const 4) (i64.const 0))
            (call $must (call $write (i32.const 4) (i32.const 100000)))
            (call $must (call $write_at (i32.const 4) (i32.const 100000) (i64.const 0)))
            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (br_if $more (local.get $i)))
        (i32.const 0)";
    let mut plugin = place.plugin(1, body);
    assert_eq!(ended(plugin.as_mut()), (Outcome::Ok, vec![]));
    assert_eq!(place.len("a"), QUOTA);
}

fn entries_count_when_they_are_made(place: &Place) {
    let body = r"
        (call $must (call $mkdir (i32.const 1)))
        (call $must (i32.lt_s (call $open (i32.const 0) (i32.const 1)) (i32.const 0)))
        ;; What is there already, and what fails, is no entry more.
        (call $must (i32.lt_s (call $open (i32.const 0) (i32.const 1)) (i32.const 0)))
        (call $must (i32.ne (call $mkdir (i32.const 1)) (i32.const 20)))
        (call $must (i32.lt_s (call $open (i32.const 2) (i32.const 1)) (i32.const 0)))
        ;; A file that lost its name still is one.
        (call $must (call $unlink (i32.const 2)))
        (call $refused (call $mkdir (i32.const 3)))
        (call $must (call $fd_close (i32.const 6)))
        (call $must (call $mkdir (i32.const 3)))
        (i32.sub (i32.const 0) (call $open (i32.const 4) (i32.const 1)))";
    let mut plugin = place.plugin(3, body);
    assert_eq!(ended(plugin.as_mut()), (Outcome::Failed { code: EDQUOT }, vec![Limit::DiskFiles]));
    assert_eq!(fs::read_dir(place.own()).expect("readable").count(), 3);
}

fn the_text_of_links_counts_and_a_file_counts_once(place: &Place) {
    // Beside 97,000 bytes, a link of 4,000 bytes does not fit; a second name for the file does, because it takes no
    // space.
    let body = r"
        (memory.fill (i32.const 4096) (i32.const 120) (i32.const 4000))
        (drop (call $open (i32.const 0) (i32.const 9)))
        (call $must (call $write (i32.const 4) (i32.const 97000)))
        (call $refused (call $path_symlink (i32.const 4096) (i32.const 4000) (i32.const 3) (i32.const 101) (i32.const 1)))
        (call $must (call $path_link (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1)
            (i32.const 3) (i32.const 102) (i32.const 1)))
        (call $refused (call $write (i32.const 4) (i32.const 3001)))
        (call $must (call $path_symlink (i32.const 4096) (i32.const 2000) (i32.const 3) (i32.const 101) (i32.const 1)))
        (call $must (call $write (i32.const 4) (i32.const 1000)))
        (call $write (i32.const 4) (i32.const 1))";
    let mut plugin = place.plugin(100, body);
    assert_eq!(ended(plugin.as_mut()), (Outcome::Failed { code: EDQUOT }, vec![Limit::DiskBytes]));
    assert_eq!((place.len("a"), place.len("c")), (98_000, 98_000));
}

/// Makes a directory and gives one file up to `names` names of 250 bytes in it, each of which is removed `at_once` or
/// at the end. The directory is `b`, and a different one with each call.
fn many_names(names: u32, at_once: bool) -> String {
    let remove = "(call $must (call $path_unlink (i32.const 3) (i32.const 8192) (i32.const 252)))";
    let (now, later) = if at_once { (remove, "") } else { ("", remove) };
    let name = "
        (i32.store8 (i32.const 8194) (i32.add (i32.const 97) (i32.and (local.get $i) (i32.const 15))))
        (i32.store8 (i32.const 8195)
            (i32.add (i32.const 97) (i32.and (i32.shr_u (local.get $i) (i32.const 4)) (i32.const 15))))
        (i32.store8 (i32.const 8196)
            (i32.add (i32.const 97) (i32.and (i32.shr_u (local.get $i) (i32.const 8)) (i32.const 15))))";
    format!(
        r"
        (i32.store (i32.const 40) (i32.add (i32.load (i32.const 40)) (i32.const 1)))
        (call $must (i32.lt_s (call $open (i32.const 0) (i32.const 1)) (i32.const 0)))
        (local.set $error (call $mkdir (i32.load (i32.const 40))))
        (if (local.get $error) (then (return (local.get $error))))
        (memory.fill (i32.const 8192) (i32.const 120) (i32.const 252))
        (i32.store8 (i32.const 8192) (i32.add (i32.const 97) (i32.load (i32.const 40))))
        (i32.store8 (i32.const 8193) (i32.const 47))
        (block $full (loop $more
            {name}
            (local.set $error (call $path_link (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1)
                (i32.const 3) (i32.const 8192) (i32.const 252)))
            (br_if $full (local.get $error))
            {now}
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const {names})))))
        (block $none (loop $more
            (br_if $none (i32.eqz (local.get $i)))
            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            {name}
            {later}
            (br $more)))
        (local.get $error)"
    )
}

fn directories_count_by_what_they_keep_of_names_that_are_gone(place: &Place) {
    /// Bytes that one name may take beyond the quota, and that are not counted of a directory.
    const SLACK: u64 = 4 * 4096;
    const NAMES: u32 = 2_000;
    let mut plugin = place.plugin(10_000, &many_names(NAMES, false));
    let first = ended(plugin.as_mut());
    // Some file systems keep little or nothing of a removed name.
    let alike = tempfile::tempdir_in(place.data.path()).expect("a directory");
    for number in 0..NAMES {
        File::create(alike.path().join(format!("{number:x>250}"))).expect("made");
    }
    let of_names = fs::metadata(alike.path()).expect("there").len();
    let full = (Outcome::Failed { code: EDQUOT }, vec![Limit::DiskBytes]);
    let expected = if of_names > QUOTA + SLACK { full } else { (Outcome::Ok, vec![]) };
    assert_eq!(first, expected, "a directory of {of_names} bytes");
    for _ in 0..4 {
        ended(plugin.as_mut());
    }
    let inner = fs::read_dir(place.own()).expect("readable").map(|entry| entry.expect("an entry").path());
    let kept: Vec<u64> =
        inner.filter(|path| path.is_dir()).map(|path| path.metadata().expect("there").len()).collect();
    assert!(kept.iter().sum::<u64>() <= QUOTA + SLACK, "{kept:?}");
}

fn names_that_have_room_where_others_were_take_nothing(place: &Place) {
    let mut plugin = place.plugin(100, &many_names(2_000, true));
    assert_eq!(ended(plugin.as_mut()), (Outcome::Ok, vec![]));
    assert!(fs::metadata(place.own().join("b")).expect("there").len() < QUOTA);
}

fn several_that_share_a_directory_share_its_quota(place: &Place) {
    /// Number of loads of one plugin, as for several aliases of it.
    const LOADS: usize = 8;
    // Each plugin adds 1,000 bytes to its own file in each call. The letter of its file is the first that was free at
    // its first call.
    let body = r"
        (local.set $i (i32.load (i32.const 40)))
        (if (i32.eqz (local.get $i)) (then
            (local.set $i (i32.const 1))
            (loop $next
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (local.set $error (call $open (local.get $i) (i32.const 5)))
                (br_if $next (i32.eq (local.get $error) (i32.const -20))))
            (i32.store (i32.const 40) (local.get $i))))
        (call $write (i32.const 4) (i32.const 1000))";
    let mut plugins: Vec<_> = (0..LOADS).map(|_| place.plugin(100, body)).collect();
    for _ in 0..QUOTA / 1_000 {
        for plugin in &mut plugins {
            ended(plugin.as_mut());
        }
    }
    let own = fs::read_dir(place.own()).expect("readable").map(|entry| entry.expect("an entry"));
    let bytes: u64 = own.map(|entry| entry.metadata().expect("there").len()).sum();
    // Each plugin may add an eighth of the quota between two measurements.
    assert!((QUOTA - 10_000..=2 * QUOTA).contains(&bytes), "{bytes}");
    assert_eq!(ended(plugins[0].as_mut()), (Outcome::Failed { code: EDQUOT }, vec![Limit::DiskBytes]));
}

fn what_is_beyond_the_quota_at_the_start_stays_beyond_it(place: &Place) {
    fs::create_dir(place.own()).expect("made");
    fs::write(place.own().join("a"), vec![1; 4 * QUOTA as usize]).expect("written");
    fs::write(place.own().join("b"), "b").expect("written");
    // Nothing can be written or made, not even over existing bytes; existing files can be read, shortened and deleted.
    let body = r"
        (if (i32.lt_s (call $open (i32.const 0) (i32.const 0)) (i32.const 0)) (then
            (drop (call $open (i32.const 2) (i32.const 9)))
            (return (call $write (i32.load (i32.const 8)) (i32.const 1)))))
        (call $list (i32.const 10))
        (call $must (call $fd_read (i32.const 4) (i32.const 16) (i32.const 1) (i32.const 24)))
        (call $refused (call $write_at (i32.const 4) (i32.const 1) (i64.const 0)))
        (call $refused (call $mkdir (i32.const 3)))
        (call $refused (i32.sub (i32.const 0) (call $open (i32.const 2) (i32.const 1))))
        (call $must (call $set_size (i32.const 4) (i64.const 100000)))
        (call $refused (call $write_at (i32.const 4) (i32.const 1) (i64.const 0)))
        (call $must (call $fd_close (i32.const 4)))
        (call $unlink (i32.const 1))";
    let mut plugin = place.plugin(100, body);
    let (outcome, refused) = ended(plugin.as_mut());
    assert_eq!((outcome, refused), (Outcome::Ok, vec![Limit::DiskBytes]));
    assert_eq!((place.len("a"), fs::read_dir(place.own()).expect("readable").count()), (QUOTA, 1));
    fs::remove_file(place.own().join("a")).expect("removed");
    assert_eq!(ended(plugin.as_mut()), (Outcome::Ok, vec![]));
    assert_eq!(place.len("c"), 1);
}

fn a_directory_that_cannot_be_measured_is_full(place: &Place) {
    fs::create_dir(place.own()).expect("made");
    for number in 0..50 {
        File::create(place.own().join(number.to_string())).expect("made");
    }
    fs::write(place.own().join("a"), "a").expect("written");
    let body = r"
        (drop (call $open (i32.const 0) (i32.const 0)))
        (call $write (i32.const 4) (i32.const 1))";
    let mut plugin = place.plugin(10, body);
    assert_eq!(ended(plugin.as_mut()), (Outcome::Failed { code: EDQUOT }, vec![Limit::DiskBytes]));
    assert_eq!(place.len("a"), 1);
}
