//! Decisions whose file cannot be read or written.

use super::*;

#[test]
fn a_revocation_that_stands_nowhere_holds_until_the_host_ends_and_is_told() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let host = place.host();
    let mut plugin = load(&host, &path);
    approve(plugin.as_ref(), &GrantDuration::Always);
    let held = [hold(&place, "grants.lock"), hold(&place, "denials.lock")];
    plugin.permission().deny(Capability::Filesystem).expect_err("kept nowhere");
    assert_eq!(host.denials().unkept().len(), 1);
    plugin.permission().refresh().expect("decided");
    assert_eq!(call(plugin.as_mut()), BADF, "it holds whatever is looked at");
    let mut again = load(&host, &path);
    assert_eq!(call(again.as_mut()), BADF, "loaded again");
    drop(held);
    plugin.permission().refresh().expect("decided");
    assert!(host.denials().unkept().is_empty(), "it is written as soon as it can be");
    assert_eq!(call(load(&place.host(), &path).as_mut()), BADF);
}

#[test]
fn a_revocation_that_stood_nowhere_is_known_to_the_next_host() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let directories = ["runtime", "state"].map(|directory| place.path(directory));
    fs::write(&directories[0], "no directory").expect("written");
    let begin = || {
        let host = place.host();
        let recalled = host.recall_denials(&directories);
        (host, recalled.len())
    };
    let (host, recalled) = begin();
    assert_eq!(recalled, 0);
    let plugin = load(&host, &path);
    approve(plugin.as_ref(), &GrantDuration::Always);
    let held = [hold(&place, "grants.lock"), hold(&place, "denials.lock")];
    plugin.permission().deny(Capability::Filesystem).expect_err("kept nowhere");
    assert!(host.notes_denials(), "one directory is enough");
    drop((plugin, host));

    let (host, recalled) = begin();
    assert_eq!((recalled, host.denials().unkept().len()), (1, 1));
    let mut plugin = load(&host, &path);
    assert_eq!(call(plugin.as_mut()), BADF, "though the grant stands in the file");
    drop(held);
    plugin.permission().refresh().expect("decided");
    assert!(host.denials().unkept().is_empty(), "it is written as soon as it can be");
    let (after, recalled) = begin();
    assert_eq!(recalled, 0);
    assert_eq!(call(load(&after, &path).as_mut()), BADF);
    approve(plugin.as_ref(), &GrantDuration::Always);
    assert_eq!(call(load(&begin().0, &path).as_mut()), 0, "a later grant is the user's decision");
}

#[test]
fn a_grant_ends_though_the_file_cannot_be_read_any_more() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let host = place.host();
    let mut plugin = load(&host, &path);
    let soon = jiff::Timestamp::now() + Duration::from_secs(3);
    let until = format!("{soon:.0}").parse().expect("a time");
    approve(plugin.as_ref(), &GrantDuration::Until(until));
    assert_eq!(call(plugin.as_mut()), 0);
    fs::write(GrantStore::file(&place.path("config")), "").expect("written");
    let permission = plugin.permission();
    let start = Instant::now();
    while !permission.has_ended_grants(jiff::Timestamp::now()) {
        assert!(start.elapsed() < PATIENCE, "it does not end");
        thread::sleep(Duration::from_millis(20));
    }
    permission.refresh().expect_err("the file is empty");
    assert_eq!(call(plugin.as_mut()), BADF);
    assert!(!permission.has_ended_grants(jiff::Timestamp::now()), "it is not complained of for ever");
    permission.deny(Capability::Filesystem).expect("kept in the journal");
    assert_eq!(call(plugin.as_mut()), BADF);
}

/// Four port names that have three times as many letters when written as when read.
#[test]
fn a_scope_that_could_not_be_read_again_never_enters() {
    let port = |digit: char| format!("{digit}{}", "=".repeat(239));
    let ports: Vec<String> = ('1'..='4').map(port).collect();
    let scope = format!("Midi=ports={}", ports.join(","));
    let refused = scope.parse::<conductor_core::GrantSpec>().expect_err("too long");
    assert_eq!(refused.to_string(), "scope of Midi has 2875 bytes, more than 1024");
    assert!(scope.len() < 1024, "though it is shorter as it was given");
}
