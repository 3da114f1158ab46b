//! Row confusion: a signature in a place that it was not made for, and one thing in two spellings.

use serde_json::{Value, json};

use super::super::other::{self, COSIGNATURE, PLUGIN, Party, with};
use super::Vector;

pub(super) fn vectors() -> Vec<Vector> {
    let (publisher, auditor, thief) = (Party::of(1), Party::of(3), Party::of(7));
    let wasm = other::bare(0);
    let sound = || publisher.release(&wasm, json!({}));
    let cosigned = || with(sound(), vec![auditor.cosignature(&publisher, &wasm, json!({}))]);
    let changed = |member: &str, value: Value| {
        let mut document = sound();
        document[member] = value;
        document
    };
    // Both keys are trusted, and nothing is pinned yet: these plugins are refused at a first install.
    let vector = |name, document: &Value| {
        Vector::new(name, &wasm, document)
            .trusting("Acme", &publisher, "max_risk = \"medium\"\n")
            .trusting("Auditor", &auditor, "")
    };
    let (p, a, t) = (publisher.key(), auditor.key(), thief.key());
    let cosignature = &cosigned()["cosignatures"][0];

    let mut alone = auditor.document(&wasm, "Bob");
    alone["signature"] = cosignature["statement_signature"].clone();
    let mut stated = alone.clone();
    stated["statement"] = cosignature["statement"].clone();
    stated["statement_signature"] = cosignature["statement_signature"].clone();
    let raw = with(
        sound(),
        vec![{
            let mut old = cosignature.clone();
            old["signature"] = auditor.document(&wasm, "Bob")["signature"].clone();
            old
        }],
    );
    let swapped = with(
        stated.clone(),
        vec![json!({
            "public_key": p, "statement": sound()["statement"], "statement_signature": sound()["statement_signature"],
        })],
    );
    let as_plugin = with(sound(), vec![auditor.cosignature_of(PLUGIN, &json!({ "endorses": p }))]);
    let as_cosignature = {
        let mut document = sound();
        let body = data_encoding::BASE64.decode(document["statement"].as_str().expect("a text").as_bytes());
        document["statement_signature"] = publisher.signs_as(COSIGNATURE, &body.expect("base64")).into();
        document
    };
    let of_another_key = with(thief.release(&wasm, json!({})), vec![cosignature.clone()]);
    let of_another_file = with(sound(), vec![auditor.cosignature(&publisher, &other::bare(1), json!({}))]);
    let of_another_name =
        with(sound(), vec![auditor.cosignature(&publisher, &wasm, json!({ "plugin_name": "drum" }))]);
    let of_another_version =
        with(sound(), vec![auditor.cosignature(&publisher, &wasm, json!({ "plugin_version": "9" }))]);
    let by_the_publisher = with(sound(), vec![publisher.cosignature(&publisher, &wasm, json!({}))]);
    let twice = with(sound(), vec![cosignature.clone(), cosignature.clone()]);
    let mut bent = cosigned();
    bent["cosignatures"][0]["statement_signature"] = sound()["signature"].clone();
    let without_statement = with(sound(), vec![json!({ "public_key": a })]);

    vec![
        vector("sound", &cosigned()).expect("0: let in, medium at most"),
        vector("cosignature-as-document", &alone).expect(&format!("4: signature is not valid for key {a}")),
        vector("cosignature-as-document-with-statement", &stated)
            .expect(&format!("4: signature is not valid for key {a}")),
        vector("places-swapped", &swapped).expect(&format!("4: signature is not valid for key {a}")),
        vector("cosigner-signs-the-digest", &raw)
            .expect("4: signature document is malformed: member `cosignatures[0].signature` is not known"),
        vector("cosignature-without-statement", &without_statement)
            .expect("4: signature document is malformed: member `cosignatures[0].statement` is missing"),
        vector("cosignature-changed", &bent).expect(&format!("4: cosignature is not valid for key {a}")),
        vector("statement-as-cosignature", &as_plugin)
            .expect(&format!("4: cosignature is not valid for key {a}")),
        vector("cosignature-as-statement", &as_cosignature)
            .expect(&format!("4: statement signature is not valid for key {p}")),
        vector("cosignature-of-another-publisher", &of_another_key)
            .policy("signature = any\n")
            .expect(&format!("4: key {a} endorses what {p} published, and this is signed by {t}")),
        vector("cosignature-of-another-file", &of_another_file).expect(&format!(
            "4: statement of key {a} disagrees with the signature document about `plugin_hash`"
        )),
        vector("cosignature-of-another-name", &of_another_name)
            .expect("4: statements of the signers disagree about `plugin_name`"),
        vector("cosignature-of-another-version", &of_another_version)
            .expect("4: statements of the signers disagree about `plugin_version`"),
        vector("publisher-cosigns", &by_the_publisher)
            .expect(&format!("4: key {p} signed more than once in the same document")),
        vector("cosigner-twice", &twice)
            .expect(&format!("4: key {a} signed more than once in the same document")),
        vector("algorithm-changed", &changed("algorithm", "Ed25519ph".into()))
            .expect("4: signature document has algorithm `Ed25519ph`, this program knows Ed25519"),
        vector("version-changed", &changed("version", 2.into()))
            .expect("4: signature document has version 2, this program knows version 1"),
        vector("hash-upper-case", &changed("plugin_hash", other::hash(&wasm).to_uppercase().into())).expect(
            "4: signature document is malformed: member `plugin_hash`: expected 64 lower-case hex digits",
        ),
        vector("member-twice", &sound())
            .file("plugin.wasm.sig", &sound().to_string().replacen('{', "{\"version\":1,", 1))
            .expect("4: signature document is malformed: member `version` occurs twice"),
        vector("document-too-large", &sound())
            .file("plugin.wasm.sig", &(sound().to_string() + &" ".repeat(64 * 1024)))
            .expect("4: signature document is larger than 65536 bytes"),
        vector("developer-of-nothing", &publisher.document(&wasm, "\u{2800}"))
            .expect("0: let in, medium at most"),
    ]
}
