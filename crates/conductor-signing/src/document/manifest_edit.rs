//! Puts a manifest into a module that was built without the Rust SDK.

use conductor_abi::{MANIFEST_SECTION, Manifest, ManifestError};
use conductor_store::escape;

use crate::document::module_scan::{self, ModuleError};
use crate::document::nearest_key::with_nearest;

/// Reads a manifest that is written as TOML, with the member names of the JSON manifest.
///
/// # Errors
///
/// Fails if the text is not TOML or breaks a rule of manifests.
pub fn manifest_from_toml(text: &str) -> Result<Manifest, ManifestEditError> {
    let manifest: Manifest = toml::from_str(text).map_err(|error| {
        let before = text.bytes().take(error.span().map_or(0, |span| span.start));
        let line = 1 + before.filter(|byte| *byte == b'\n').count();
        ManifestEditError::Toml { line, cause: with_nearest(error.message()) }
    })?;
    manifest.check()?;
    Ok(manifest)
}

/// Appends the custom section `conductor:manifest` to a module, in place of an existing one if `replace` is set.
///
/// # Errors
///
/// Fails if the bytes are not a module, if the manifest breaks a rule, or if the module has a manifest and `replace` is
/// not set.
pub fn add_manifest(wasm: &[u8], manifest: &Manifest, replace: bool) -> Result<Vec<u8>, ManifestEditError> {
    let (before, after) = match module_scan::scan(wasm)? {
        Some(_) if !replace => return Err(ManifestEditError::Exists),
        Some(section) => {
            let cut = |offset: u64| wasm.split_at_checked(offset as usize).unwrap_or((wasm, &[]));
            (cut(section.start).0, cut(section.end).1)
        }
        None => (wasm, &[][..]),
    };
    let json = serde_json::to_vec(manifest).map_err(|source| ManifestEditError::Encode { source })?;
    // The rules are checked on the exact bytes that will be read back.
    module_scan::parse_manifest(&json)?;
    let name = MANIFEST_SECTION.as_bytes();
    let mut content = leb128(name.len());
    content.extend_from_slice(name);
    content.extend_from_slice(&json);
    Ok([before, after, &[0], &leb128(content.len()), &content].concat())
}

/// An unsigned number in LEB128 (WebAssembly Core Specification, section 5.2.2).
fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5);
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Why a manifest was not put into a module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestEditError {
    /// The text is not the TOML of a manifest.
    #[error("line {line}: {}", escape::terminal(cause))]
    Toml {
        /// Line, from 1.
        line: usize,
        /// The message of the parser.
        cause: String,
    },
    /// The manifest breaks a rule.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The file is not a module, or has a manifest that breaks a rule.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The module has a manifest already.
    #[error("the module has a manifest already")]
    Exists,
    /// The manifest could not be written as JSON.
    #[error("cannot write the manifest as JSON: {source}")]
    Encode {
        /// The cause.
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use conductor_abi::{ABI_VERSION, ActionSpec, CapabilityRequest};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const TOML: &str = r#"
        name = "chord"
        version = "1.0.0"
        [[actions]]
        name = "play"
        parameters = { notes = "how many" }
        [[capabilities]]
        name = "Midi"
        scope = "synth"
        reason = "plays"
    "#;

    #[test]
    fn a_manifest_is_added_once_and_replaced_on_demand() {
        let module = [&b"\0asm\x01\0\0\0"[..], &[1, 1, 0]].concat();
        let manifest = manifest_from_toml(TOML).expect("a manifest");
        let once = add_manifest(&module, &manifest, false).expect("added");
        let read = |wasm: &[u8]| {
            let content = module_scan::manifest_section(wasm).expect("a module").expect("a section");
            module_scan::parse_manifest(&content).expect("a manifest")
        };
        assert_eq!(read(&once), manifest);
        assert!(matches!(add_manifest(&once, &manifest, false), Err(ManifestEditError::Exists)));
        let other = Manifest { version: "2".into(), ..manifest.clone() };
        let twice = add_manifest(&[&once[..], &[11, 1, 0]].concat(), &other, true).expect("replaced");
        assert_eq!(read(&twice), other);
        assert!(twice.starts_with(&[&module[..], &[11, 1, 0]].concat()));
    }

    #[test]
    fn errors_name_the_line_or_the_rule() {
        let error = manifest_from_toml("name = \"a\"\nversoin = \"1\"\n").expect_err("a misspelt key");
        assert!(matches!(error, ManifestEditError::Toml { line: 2, .. }), "{error}");
        assert!(error.to_string().contains("unknown field `versoin`; did you mean `version`?"), "{error}");
        let misspelt = TOML.replace("scope =", "scop =");
        let error = manifest_from_toml(&misspelt).expect_err("a misspelt key of a capability");
        assert!(error.to_string().contains("unknown field `scop`; did you mean `scope`?"), "{error}");
        let error = manifest_from_toml(&TOML.replace("name = \"Midi\"", ""))
            .expect_err("a capability without a name");
        assert!(error.to_string().contains("missing field `name`"), "{error}");
        let error = manifest_from_toml("name = \"../a\"\nversion = \"1\"\n").expect_err("a bad name");
        assert!(matches!(error, ManifestEditError::Manifest(ManifestError::Name { .. })), "{error}");
        let manifest = manifest_from_toml(TOML).expect("a manifest");
        assert!(matches!(add_manifest(b"(module)", &manifest, false), Err(ManifestEditError::Module(_))));
    }

    fn name() -> impl Strategy<Value = String> {
        "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
    }

    /// Text that an author may write, and such as would end a field of another format.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z ]{0,12}", "[\"'\\\\\\[\\]{}:,#=\n\t\u{0}\u{7f}\u{202e}]{0,9}", "\\PC{0,60}"]
    }

    /// JSON that an author may choose: what is written of it is read to the last digit.
    fn parameters() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i16>().prop_map(|eighths| json!(f64::from(eighths) / 8.0)),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text(), inner, 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    fn manifest() -> impl Strategy<Value = Manifest> {
        let maybe = || prop::option::of(text());
        let action = (name(), maybe(), prop::option::of(parameters()));
        let action =
            action.prop_map(|(name, description, parameters)| ActionSpec { name, description, parameters });
        let request = (text(), maybe(), maybe());
        let request = request.prop_map(|(name, scope, reason)| CapabilityRequest { name, scope, reason });
        let lists =
            (prop::option::of(prop::collection::vec(action, 0..4)), prop::collection::vec(request, 0..4));
        (name(), text(), maybe(), maybe(), maybe(), lists).prop_map(
            |(name, version, description, author, license, (actions, capabilities))| Manifest {
                name,
                version,
                description,
                author,
                license,
                actions,
                capabilities,
                settings: Vec::new(),
                secrets: Vec::new(),
                abi: ABI_VERSION,
            },
        )
    }

    proptest! {
        /// Whatever keeps the rules is read from the module as it was put into it, and nothing else is put there.
        #[test]
        fn what_is_put_into_a_module_is_read_from_it(manifest in manifest(), before in manifest()) {
            let module = [&b"\0asm\x01\0\0\0"[..], &[1, 1, 0]].concat();
            let added = add_manifest(&module, &manifest, false);
            prop_assert_eq!(added.is_ok(), manifest.check().is_ok(), "{:?}", added.err());
            if let Ok(once) = added {
                let section = module_scan::manifest_section(&once).expect("a module").expect("a section");
                prop_assert_eq!(module_scan::parse_manifest(&section).expect("a manifest"), manifest.clone());
                // In place of another one as well.
                if let Ok(other) = add_manifest(&module, &before, false) {
                    prop_assert_eq!(add_manifest(&other, &manifest, true).expect("replaced"), once);
                }
            }
        }
    }
}
