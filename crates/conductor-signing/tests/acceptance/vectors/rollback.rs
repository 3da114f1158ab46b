//! Row rollback: an older release, another publisher, an old key, something revoked or expired.

use serde_json::json;

use super::super::other::{self, DATE, Party, chain};
use super::Vector;

/// The date on which the first key was rotated.
const ROTATED: &str = "2026-03-01T00:00:00Z";

pub(super) fn vectors() -> Vec<Vector> {
    let (publisher, next, thief) = (Party::of(1), Party::of(2), Party::of(7));
    let (p, n) = (publisher.key(), next.key());
    // A release of a version by the first key, where another version was loaded before.
    let after = |name, before: &str, version: &str| {
        let wasm = other::module(version, 0);
        Vector::new(name, &wasm, &publisher.release(&wasm, json!({ "plugin_version": version })))
            .trusting("Acme", &publisher, "")
            .pinned(&publisher, &format!("version = \"{before}\"\n"))
    };
    let older = |found: &str, highest: &str| {
        format!("1: plugin `chord` is of version {found}, older than {highest}, which was loaded before")
    };
    let unclear = |found: &str, highest: &str| {
        format!(
            "1: plugin `chord` is of version {found}, which may be older or newer than {highest}, which was loaded before"
        )
    };
    // A release by the first key after the key was rotated; its statement is dated before the rotation. `pin` holds
    // further lines of the plugin's pin.
    let by_the_old_key = |name, wasm: &[u8], pinned: &Party, pin: &str| {
        Vector::new(name, wasm, &publisher.release(wasm, json!({})))
            .trusting("Acme", &publisher, "")
            .file(
                "plugin.wasm.rotation.json",
                &chain(vec![publisher.passes_on_to(&next, 1, ROTATED, &[])]).to_string(),
            )
            .pinned(pinned, pin)
    };
    let superseded = format!("6: key {p} signs no more: it passed on to {n} at {ROTATED}");
    let loaded = |wasm: &[u8], version: &str| {
        format!("version = \"{version}\"\ndigests = [\"{}\"]\n", other::hash(wasm))
    };
    let (first, forged, built) =
        (other::module("1.0", 0), other::module("1.0", 1), other::module("1.0+evil", 0));
    let (bare, bare_forged) = (other::bare(0), other::bare(1));
    let bare_loaded = format!("digests = [\"{}\"]\n", other::hash(&bare));
    let foreign = other::module("2.0", 0);
    let release = |name| Vector::new(name, &first, &publisher.release(&first, json!({})));

    vec![
        after("older", "1.10.0", "1.9.0").expect(&older("1.9.0", "1.10.0")),
        after("newer", "1.9.0", "1.10.0").expect("0: let in"),
        after("candidate-after-release", "1.0", "1.0rc1").expect(&older("1.0rc1", "1.0")),
        after("release-after-candidate", "1.0rc1", "1.0").expect("0: let in"),
        after("beta-behind-a-dot-after-release", "1.0.0", "1.0.0.beta").expect(&older("1.0.0.beta", "1.0.0")),
        after("release-after-beta-behind-a-dot", "1.0.0.beta", "1.0.0").expect("0: let in"),
        after("tilde-after-release", "1.1", "1.1~rc1").expect(&older("1.1~rc1", "1.1")),
        after("release-after-tilde", "1.1~rc1", "1.1").expect("0: let in"),
        after("capital-v-is-nothing", "1.2", "V1.1").expect(&older("V1.1", "1.2")),
        after("release-after-capital-v", "V1.1", "1.2").expect("0: let in"),
        after("words-wait-for-the-user", "spring", "summer").expect(&unclear("summer", "spring")),
        after("letter-waits-for-the-user", "1.0", "1.0a").expect(&unclear("1.0a", "1.0")),
        by_the_old_key("old-key-same-file", &first, &next, &loaded(&first, "1.0")).expect("0: let in"),
        by_the_old_key("old-key-other-file", &forged, &next, &loaded(&first, "1.0")).expect(&superseded),
        by_the_old_key("old-key-other-build", &built, &next, &loaded(&first, "1.0")).expect(&superseded),
        by_the_old_key("old-key-still-pinned-other-file", &forged, &publisher, &loaded(&first, "1.0"))
            .expect(&superseded),
        by_the_old_key("old-key-later-version", &foreign, &next, &loaded(&first, "1.0")).expect(&superseded),
        by_the_old_key("old-key-without-version", &bare_forged, &publisher, &bare_loaded).expect(&superseded),
        by_the_old_key("old-key-without-version-same-file", &bare, &publisher, &bare_loaded)
            .expect("0: let in"),
        Vector::new("other-publisher", &foreign, &thief.release(&foreign, json!({})))
            .trusting("Acme", &publisher, "")
            .trusting("Somebody", &thief, "")
            .pinned(&publisher, "version = \"1.0\"\n")
            .expect(&format!(
                "3: plugin `chord` comes from another publisher: pinned to {p} since {DATE}, signed by {}",
                thief.key()
            )),
        release("revoked-key")
            .trusting("Acme", &publisher, "")
            .revoked(&format!("public_key = \"{p}\""), "compromised")
            .expect(&format!("6: key {p} was revoked on {DATE}: gone")),
        release("revoked-file")
            .trusting("Acme", &publisher, "")
            .revoked(&format!("digest = \"{}\"", other::hash(&first)), "")
            .expect(&format!("6: plugin {} was revoked on {DATE}: gone", other::hash(&first))),
        release("expired-trust")
            .trusting("Acme", &publisher, "expires_at = \"2026-02-01T00:00:00Z\"\n")
            .expect(&format!("6: trust in key {p} (`Acme`) ended at 2026-02-01T00:00:00Z")),
        Vector::new("from-a-stolen-key", &first, &next.release(&first, json!({})))
            .trusting("Acme", &publisher, "")
            .file(
                "plugin.wasm.rotation.json",
                &chain(vec![publisher.passes_on_to(&next, 1, ROTATED, &[])]).to_string(),
            )
            .revoked(&format!("public_key = \"{p}\""), "compromised")
            .expect(&format!(
                "3: key {n} follows from {p}, which was revoked as compromised, and was not known before that"
            )),
    ]
}
