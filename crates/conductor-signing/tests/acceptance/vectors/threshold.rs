//! Row threshold: which signers count towards the number that a rule demands, and which keys must sign.

use serde_json::{Value, json};

use super::super::other::{self, DATE, Party, chain, with};
use super::Vector;

pub(super) fn vectors() -> Vec<Vector> {
    let (publisher, next) = (Party::of(1), Party::of(2));
    let (auditor, second, stranger) = (Party::of(3), Party::of(4), Party::of(5));
    let wasm = other::bare(0);
    let release = || publisher.release(&wasm, json!({}));
    let by = |party: &Party| party.cosignature(&publisher, &wasm, json!({}));
    let cosigned = |parties: &[&Party]| with(release(), parties.iter().map(|party| by(party)).collect());
    let vector = |name, document: &Value| {
        Vector::new(name, &wasm, document)
            .trusting("Acme", &publisher, "")
            .trusting("Auditor", &auditor, "max_risk = \"low\"\n")
            .trusting("Second", &second, "max_risk = \"high\"\n")
    };
    let rotated = |keeps: &[&str]| chain(vec![publisher.passes_on_to(&next, 1, DATE, keeps)]).to_string();
    let short = |found: usize, needed: usize, of: &str| {
        format!("3: {found} of {needed} trusted signers; the policy demands {needed} trusted signers{of}")
    };
    let (p, n, a) = (publisher.key(), next.key(), auditor.key());
    let limited = |more: Value| with(release(), vec![auditor.cosignature(&publisher, &wasm, more)]);

    vec![
        vector("two-of-two", &cosigned(&[&auditor])).policy("signers = 2\n").expect("0: let in, low at most"),
        vector("three-of-three", &cosigned(&[&auditor, &second]))
            .policy("signers = 3\n")
            .expect("0: let in, low at most"),
        vector("one-short", &release()).policy("signers = 2\n").expect(&short(1, 2, "")),
        vector("untrusted-cosigner", &cosigned(&[&stranger]))
            .policy("signers = 2\n")
            .expect(&short(1, 2, "")),
        vector("revoked-cosigner", &cosigned(&[&auditor]))
            .revoked(&format!("public_key = \"{a}\""), "superseded")
            .policy("signers = 2\n")
            .expect(&format!("6: key {a} was revoked on {DATE}: gone")),
        vector("same-key-twice", &with(release(), vec![by(&auditor), by(&auditor)]))
            .policy("signers = 3\n")
            .expect(&format!("4: key {a} signed more than once in the same document")),
        // One holder with two keys; the user trusts the later key by an entry of its own as well.
        vector("two-keys-of-one-line", &cosigned(&[&next]))
            .trusting("Acme again", &next, "")
            .file("plugin.wasm.rotation.json", &rotated(&["sign"]))
            .policy("signers = 2\n")
            .expect(&short(1, 2, "")),
        vector("two-keys-of-one-line-named", &cosigned(&[&next]))
            .trusting("Acme again", &next, "")
            .file("plugin.wasm.rotation.json", &rotated(&["sign"]))
            .policy(&format!("signers = 2 of {p} {n} {a}\n"))
            .expect(&short(1, 2, " of 3 named keys")),
        vector("two-keys-of-a-line-that-holds-later", &cosigned(&[&next]))
            .trusting("Acme again", &next, "")
            .file(
                "plugin.wasm.rotation.json",
                &chain(vec![publisher.passes_on_to(&next, 1, "9999-01-01T00:00:00Z", &[])]).to_string(),
            )
            .policy("signers = 2\n")
            .expect(&short(1, 2, "")),
        // First installs: nothing is pinned yet.
        vector(
            "auditor-in-first-place",
            &with(auditor.release(&wasm, json!({})), vec![publisher.cosignature(&auditor, &wasm, json!({}))]),
        )
        .expect("0: let in, low at most"),
        Vector::new(
            "cosign-key-in-first-place",
            &wasm,
            &with(auditor.release(&wasm, json!({})), vec![publisher.cosignature(&auditor, &wasm, json!({}))]),
        )
        .trusting("Acme", &publisher, "")
        .trusting("Auditor", &auditor, "role = \"cosign\"\n")
        .expect(&format!("3: key {a} (`Auditor`) is trusted to cosign only, and signed as the publisher")),
        Vector::new("cosign-key-without-statement", &wasm, &auditor.document(&wasm, "Bob"))
            .trusting("Auditor", &auditor, "role = \"cosign\"\n")
            .policy("signature = any\n")
            .expect(&format!(
                "3: key {a} (`Auditor`) is trusted to cosign only, and signed as the publisher"
            )),
        Vector::new("publish-key-cosigns", &wasm, &cosigned(&[&auditor]))
            .trusting("Acme", &publisher, "")
            .trusting("Author", &auditor, "role = \"publish\"\nmax_risk = \"low\"\n")
            .policy("signers = 2\n")
            .expect(&short(1, 2, "")),
        Vector::new("publish-key-cosigns-uncounted", &wasm, &cosigned(&[&auditor]))
            .trusting("Acme", &publisher, "")
            .trusting("Author", &auditor, "role = \"publish\"\nmax_risk = \"low\"\n")
            .expect("0: let in"),
        vector("publisher-without-statement", &with(publisher.document(&wasm, "Ada"), vec![by(&auditor)]))
            .policy("signers = 2\n")
            .expect(&short(1, 2, "")),
        vector(
            "publisher-without-statement-always",
            &with(publisher.document(&wasm, "Ada"), vec![by(&auditor)]),
        )
        .policy("statement = always\n")
        .expect("4: signature of plugin.wasm has no signed statement"),
        vector("expired-cosigner", &limited(json!({ "expires_at": "2026-02-01T00:00:00Z" })))
            .expect("6: signature expired at 2026-02-01T00:00:00Z"),
        vector("cosigner-needs-newer-host", &limited(json!({ "min_host_version": "999.0.0" })))
            .expect("1: plugin needs Conductor 999.0.0 or newer, this is 0.1.0"),
        vector("cosigner-until-the-end-of-time", &limited(json!({ "expires_at": "9999-12-31T23:59:59Z" })))
            .expect("0: let in, low at most"),
        vector(
            "stated-cosigner-missing",
            &with(publisher.release(&wasm, json!({ "cosigners": [second.key()] })), vec![by(&auditor)]),
        )
        .expect(&format!("4: cosignature missing: key {} has to sign, says the statement", second.key())),
        vector("pinned-cosigner-missing", &release())
            .pinned(&publisher, &format!("signers = [\"{p}\", \"{a}\"]\n"))
            .expect(&format!("4: cosignature missing: key {a} has to sign, as it did before")),
    ]
}
