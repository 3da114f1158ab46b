//! Small trees with circles, and trees that only seem to have one.

use super::*;
use crate::tidy::modules;
use crate::tidy::small_tree::SmallTree;

/// The violations in a crate `x` with these files below `src`.
fn rules(files: &[(&str, &str)], known: &Exceptions) -> Vec<String> {
    let tree = SmallTree::new(&[]);
    for (path, text) in files {
        tree.write(&format!("crates/x/src/{path}"), text);
    }
    let found = check(&modules::read(&tree.sources()), known);
    found.iter().map(ToString::to_string).collect()
}

/// Only the shortest circles: `x: a -> b -> a`.
fn ways(files: &[(&str, &str)]) -> Vec<String> {
    let tree = SmallTree::new(&[]);
    for (path, text) in files {
        tree.write(&format!("crates/x/src/{path}"), text);
    }
    let trees = modules::read(&tree.sources());
    let knots = trees.iter().flat_map(knots);
    knots.map(|knot| format!("{}: {}", knot.place(), knot.way())).collect()
}

const ROOT: (&str, &str) =
    ("lib.rs", "mod a;\nmod b;\nmod c;\npub use c::{Low, deeper::{self, Deep as Sea}};\n");

/// A module that all others may use.
const LOW: (&str, &str) = ("c.rs", "pub struct Low;\npub mod deeper { pub struct Deep; }\n");

/// The circles of two modules: `a` uses `b`, and `b` has this text.
fn with_b(b: &str) -> Vec<String> {
    ways(&[ROOT, LOW, ("a.rs", "use crate::b::B;\npub struct A;\npub fn f() {}\n"), ("b.rs", b)])
}

#[test]
fn a_circle_names_its_arrows_and_what_to_do() {
    let found = rules(
        &[
            ROOT,
            LOW,
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "use crate::Low;\n\nfn f() -> super::a::A {}\n"),
        ],
        &Exceptions::NONE,
    );
    let rule = "crates/x/src/a.rs:1: modules of `x` use each other in a circle: a -> b -> a
    a -> b: crates/x/src/a.rs:1 `crate::b::B`
    b -> a: crates/x/src/b.rs:3 `super::a::A`
    cut one arrow: move what it names down into a module that both use, or hand it over as an argument; \
                `cargo xtask tidy --circles` lists every arrow";
    assert_eq!(found, [rule]);
}

#[test]
fn arrows_that_go_one_way_are_no_circle() {
    assert_eq!(with_b("use crate::c::Low;\npub struct B;\n"), [""; 0]);
    assert_eq!(
        with_b("//! [`crate::a::A`]\n// crate::a::A\npub const B: &str = \"crate::a::A\";\n"),
        [""; 0]
    );
}

#[test]
fn every_way_to_name_a_module_is_an_arrow() {
    for b in [
        "use crate::a::A;\n",
        "use crate::{Low, a};\n",
        "use crate::{Low, a::{self as other}};\n",
        "use super::{c::{Low}, a::A as _};\n",
        "use crate::a::*;\n",
        "pub use self::super::a::A;\n",
        "fn f() { crate::a::f() }\n",
        "fn f() { use super::a; a::f() }\n",
        "fn f() -> Vec<Option<super::a::A>> { Vec::new() }\n",
        "impl From<crate::a::A> for Low {}\n",
        "fn f() { println!(\"{}\", crate::a::f()) }\n",
        "macro_rules! m { () => { $crate::a::f() }; }\n",
        "#[derive(Deserialize)]\nstruct B { #[serde(default = \"crate::a::f\")] b: u8 }\n",
        "#[derive(Parser)]\nstruct B { #[arg(value_parser = crate::a::f)] b: u8 }\n",
        "mod inner { fn f() { super::super::a::f() } }\n",
        "use super::*;\nfn f() { a::f() }\n",
        "#[cfg(not(test))]\nuse crate::a::A;\n",
        "#[cfg(any(test, unix))]\nuse crate::a::A;\n",
    ] {
        assert_eq!(with_b(b), ["x: a -> b -> a"], "{b}");
    }
}

#[test]
fn other_crates_and_variables_are_no_arrows() {
    for b in ["use ::a::A;\n", "fn f(a: u8) -> u8 { a }\n", "fn f() { println!(\"{}\", ::a::f()) }\n"] {
        assert_eq!(with_b(b), [""; 0], "{b}");
    }
}

#[test]
fn tests_may_use_everything() {
    for b in [
        "#[cfg(test)]\nuse crate::a::A;\n",
        "#[cfg(test)]\nmod tests { use crate::a::A; }\n",
        "#[cfg(all(test, unix))]\nfn f() { crate::a::f() }\n",
        "pub struct B { #[cfg(test)] b: crate::a::A }\nimpl B { #[cfg(test)] fn f() { crate::a::f() } }\n",
        "fn f() { #[cfg(test)] let x = crate::a::f(); }\n",
        "#[cfg(test)]\nmod fake;\nmod tests;\n",
    ] {
        let files = [
            ROOT,
            LOW,
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", b),
            ("b/fake.rs", "use crate::a::A;\n"),
            ("b/tests.rs", "use crate::a::A;\n"),
        ];
        assert_eq!(ways(&files), [""; 0], "{b}");
    }
}

#[test]
fn what_a_parent_takes_from_elsewhere_is_followed() {
    let found = ways(&[
        ("lib.rs", "mod a;\nmod b;\npub use a::{self as first, A};\npub use b::*;\n"),
        ("a.rs", "use crate::B;\npub struct A;\n"),
        ("b.rs", "pub struct B;\nfn f() -> crate::first::A { crate::A }\n"),
    ]);
    assert_eq!(found, ["x: a -> b -> a"]);
}

#[test]
fn files_of_a_folder_have_no_circle_and_their_parent_may() {
    let parent = "mod one;\nmod two;\npub use one::One;\npub fn shared() {}\n";
    let one = "use super::shared;\nuse super::two::Two;\npub struct One;\n";
    let files = [("lib.rs", "mod a;\n"), ("a.rs", parent), ("a/one.rs", one)];
    let with_two = |two| ways(&[files.as_slice(), &[("a/two.rs", two)]].concat());
    assert_eq!(with_two("use super::shared;\npub struct Two;\n"), [""; 0]);
    assert_eq!(with_two("use super::One;\npub struct Two;\n"), ["x::a: one -> two -> one"]);
    assert_eq!(with_two("use super::*;\nfn f(one: One) {}\n"), ["x::a: one -> two -> one"]);
}

#[test]
fn files_in_other_places_are_read() {
    let found = ways(&[
        ("lib.rs", "#[path = \"elsewhere/first.rs\"]\nmod a;\nmod b { mod deep; }\n"),
        ("elsewhere/first.rs", "mod below;\n"),
        ("elsewhere/below.rs", "use crate::b::deep;\n"),
        ("b/deep.rs", "use crate::a::A;\n"),
    ]);
    assert_eq!(found, ["x: a -> b -> a"]);
}

#[test]
fn programs_have_trees_of_their_own() {
    let found = ways(&[
        ("lib.rs", "mod a;\n"),
        ("a.rs", ""),
        ("bin/tool/main.rs", "mod a;\nmod b;\n"),
        ("bin/tool/a.rs", "use crate::b::B;\n"),
        ("bin/tool/b.rs", "use crate::a::A;\n"),
    ]);
    assert_eq!(found, ["tool: a -> b -> a"]);
}

#[test]
fn a_larger_knot_shows_its_shortest_circle_and_names_all() {
    let files = [
        ROOT,
        ("a.rs", "use crate::b::B;\n"),
        ("b.rs", "use crate::c::C;\n"),
        ("c.rs", "use crate::{a::A, b::B};\n"),
    ];
    assert_eq!(ways(&files), ["x: b -> c -> b"]);
    let found = rules(&files, &Exceptions::NONE);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("\n    it is the shortest of the circles among a, b, c\n"), "{}", found[0]);
}

#[test]
fn a_known_circle_passes_for_as_long_as_it_is_there() {
    let a = ("a.rs", "use crate::b::B;\n");
    let circle = [ROOT, LOW, a, ("b.rs", "use crate::a::A;\n")];
    let none = [ROOT, LOW, a, ("b.rs", "")];
    assert_eq!(rules(&circle, &Exceptions::of(&["x"])), [""; 0]);
    assert_eq!(
        rules(&none, &Exceptions::of(&["x"])),
        ["crates/xtask/src/tidy/not_yet.rs: `x` has no circle any more: take it out of `TEST`"]
    );
}

#[test]
fn a_file_that_cannot_be_parsed_is_found() {
    let found = rules(&[("lib.rs", "mod a;\n"), ("a.rs", "fn f() {}\nfn 7\n")], &Exceptions::NONE);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("crates/x/src/a.rs:2: cannot be parsed, so its modules are not known: "),
        "{}",
        found[0]
    );
}

#[test]
fn the_list_has_every_arrow_and_how_often_it_is_there() {
    let tree = SmallTree::new(&[
        ("crates/x/src/lib.rs", "mod a;\nmod b;\n"),
        ("crates/x/src/a.rs", "use crate::b::B;\nfn f() { crate::b::f() }\n"),
        ("crates/x/src/b.rs", "use crate::a::A;\n"),
    ]);
    let trees = modules::read(&tree.sources());
    assert_eq!(
        list(&trees[0]),
        "  x: 2 modules in a circle: a, b
    shortest: a -> b -> a
    a -> b, 2x, first crates/x/src/a.rs:1 `crate::b::B`
    b -> a, 1x, first crates/x/src/b.rs:1 `crate::a::A`
"
    );
    assert_eq!(count(&trees[0]), (2, 0));
}
