//! The manifest of a definition, checked with the parser that the host uses.

use conductor_abi::{ABI_VERSION, ActionSpec, Capability, CapabilityRequest, Manifest};
use proc_macro2::Span;
use syn::LitStr;

use crate::definition::Definition;

/// The JSON of a manifest that the host's parser accepts.
pub(crate) struct CheckedManifest(String);

impl std::fmt::Display for CheckedManifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Builds the manifest part by part. It is checked after each part, so that an error points at the part that broke it.
pub(crate) fn build(definition: &Definition) -> syn::Result<CheckedManifest> {
    let mut builder = Builder::default();
    builder.text(definition.name.as_ref(), "CARGO_PKG_NAME", |manifest, text| manifest.name = text)?;
    builder
        .text(definition.version.as_ref(), "CARGO_PKG_VERSION", |manifest, text| manifest.version = text)?;
    builder.text(definition.description.as_ref(), "CARGO_PKG_DESCRIPTION", |manifest, text| {
        manifest.description = Some(text);
    })?;
    builder.text(definition.license.as_ref(), "CARGO_PKG_LICENSE", |manifest, text| {
        manifest.license = Some(text)
    })?;
    if let Some(author) = &definition.author {
        builder.add(author.span(), |manifest| manifest.author = Some(author.value()))?;
    }
    for item in &definition.capabilities {
        let capability: Capability =
            item.name.to_string().parse().map_err(|error| syn::Error::new(item.name.span(), error))?;
        let request = |scope: Option<&LitStr>, reason: Option<&LitStr>| CapabilityRequest {
            name: capability.name().to_owned(),
            scope: scope.map(LitStr::value),
            reason: reason.map(LitStr::value),
        };
        builder.add(item.name.span(), |manifest| manifest.capabilities.push(request(None, None)))?;
        if let Some(scope) = &item.scope {
            builder.add(scope.span(), |manifest| {
                manifest.capabilities.pop();
                manifest.capabilities.push(request(Some(scope), None));
            })?;
        }
        builder.add(item.reason.span(), |manifest| {
            manifest.capabilities.pop();
            manifest.capabilities.push(request(item.scope.as_ref(), Some(&item.reason)));
        })?;
    }
    for item in &definition.settings {
        builder.add(item.span, |manifest| manifest.settings.push(item.spec.clone()))?;
    }
    for item in &definition.secrets {
        builder.add(item.span, |manifest| manifest.secrets.push(item.spec.clone()))?;
    }
    for item in &definition.actions {
        let mut action = ActionSpec { name: item.name.value(), description: None, parameters: None };
        if !item.parameters.is_empty() {
            let parameters = item
                .parameters
                .iter()
                .map(|parameter| (parameter.name.to_string(), parameter.description.value().into()));
            action.parameters = Some(serde_json::Value::Object(parameters.collect()));
        }
        builder.add(item.name.span(), |manifest| {
            manifest.actions.get_or_insert_default().push(action.clone());
        })?;
        if let Some(description) = &item.description {
            action.description = Some(description.value());
            builder.add(description.span(), |manifest| {
                let actions = manifest.actions.get_or_insert_default();
                actions.pop();
                actions.push(action);
            })?;
        }
    }
    Ok(CheckedManifest(builder.json))
}

/// A manifest that stays valid after every step.
struct Builder {
    manifest: Manifest,
    json: String,
}

impl Default for Builder {
    fn default() -> Self {
        let manifest = Manifest {
            name: "plugin".into(),
            version: "0".into(),
            description: None,
            author: None,
            license: None,
            actions: None,
            capabilities: Vec::new(),
            settings: Vec::new(),
            secrets: Vec::new(),
            abi: ABI_VERSION,
        };
        Self { manifest, json: String::new() }
    }
}

impl Builder {
    /// Adds a text from the definition or, if the definition has none, from the crate's `Cargo.toml`.
    fn text(
        &mut self,
        literal: Option<&LitStr>,
        variable: &str,
        set: impl FnOnce(&mut Manifest, String),
    ) -> syn::Result<()> {
        match literal {
            Some(literal) => self.add(literal.span(), |manifest| set(manifest, literal.value())),
            None => match cargo_variable(variable) {
                Some(text) => self.add(Span::call_site(), |manifest| set(manifest, text)),
                None => Ok(()),
            },
        }
    }

    /// Adds one part and checks the whole manifest.
    fn add(&mut self, span: Span, change: impl FnOnce(&mut Manifest)) -> syn::Result<()> {
        change(&mut self.manifest);
        let error = |error: &dyn std::fmt::Display| syn::Error::new(span, error);
        self.json = serde_json::to_string(&self.manifest).map_err(|cause| error(&cause))?;
        Manifest::from_json(self.json.as_bytes()).map_err(|cause| error(&cause))?;
        Ok(())
    }
}

/// A field of the `Cargo.toml` of the crate that is being compiled; empty fields are absent.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo hands the package's fields to macros in the environment"
)]
fn cargo_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Manifest {
        let definition = syn::parse_str(text).expect("parses");
        let json = build(&definition).expect("valid").to_string();
        Manifest::from_json(json.as_bytes()).expect("accepted by the host")
    }

    /// The error message that the author gets.
    fn error(text: &str) -> String {
        let error = match syn::parse_str(text) {
            Ok(definition) => build(&definition).err().expect("an error"),
            Err(error) => error,
        };
        error.to_string()
    }

    #[test]
    fn every_field_arrives() {
        let manifest = manifest(
            r#"name: "chord", version: "1.2.3", description: "d", author: "a", license: "MIT",
               capabilities: { Midi("synth"): "plays", Filesystem: "keeps" },
               actions: {
                   /// Plays
                   /// a chord.
                   play { port: "output" },
                   modes::stop as "all-off",
               },"#,
        );
        assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("chord", "1.2.3"));
        assert_eq!(manifest.author.as_deref(), Some("a"));
        assert_eq!(manifest.capabilities[0].scope.as_deref(), Some("synth"));
        assert_eq!(manifest.capabilities[1].reason.as_deref(), Some("keeps"));
        let actions = manifest.actions.expect("actions");
        assert_eq!(actions[0].description.as_deref(), Some("Plays a chord."));
        assert_eq!(actions[0].parameters, Some(serde_json::json!({"port": "output"})));
        assert_eq!(actions[1].name, "all-off");
    }

    #[test]
    fn settings_and_secrets_are_declared_in_their_own_syntax() {
        let manifest = manifest(
            r#"settings: {
                   /// How loud
                   /// it is.
                   gain: number(0..=1.5) = 0.5,
                   offset: integer(-12..) = -7,
                   port: text(64),
                   "read-only": bool = false,
                   mode: choice("major", "minor") = "major",
                   word: secret text = "x",
               },
               secrets: { token("api.example.org", "localhost:8123"): "to fetch the weather" },
               actions: { play },"#,
        );
        let expected = serde_json::json!([
            {"name": "gain", "type": "number", "min": 0, "max": 1.5, "default": 0.5,
             "description": "How loud it is."},
            {"name": "offset", "type": "integer", "min": -12, "default": -7},
            {"name": "port", "type": "text", "max_length": 64},
            {"name": "read-only", "type": "bool", "default": false},
            {"name": "mode", "type": "choice", "choices": ["major", "minor"], "default": "major"},
            {"name": "word", "type": "text", "default": "x", "secret": true},
        ]);
        assert_eq!(serde_json::to_value(&manifest.settings).expect("json"), expected);
        let expected = serde_json::json!([{
            "name": "token",
            "reason": "to fetch the weather",
            "hosts": ["api.example.org", "localhost:8123"],
        }]);
        assert_eq!(serde_json::to_value(&manifest.secrets).expect("json"), expected);
        for (text, message) in [
            (r#"settings: { a: colour }, actions: { a }"#, "unknown type"),
            (r#"settings: { a: bool(1) }, actions: { a }"#, "has no bounds"),
            (r#"settings: { a: bool = 1 }, actions: { a }"#, "expected true or false"),
            (r#"settings: { a: number(2..=1) }, actions: { a }"#, "less than `min`"),
            (r#"settings: { a: text, a: bool }, actions: { a }"#, "same name twice"),
            (r#"secrets: { a("*.example.org"): "r" }, actions: { a }"#, "written as `HOST`"),
            (r#"secrets: { a(): "r" }, actions: { a }"#, "`secrets.hosts` is empty"),
        ] {
            let found = error(text);
            assert!(found.contains(message), "{text}: {found}");
        }
    }

    #[test]
    fn absent_fields_come_from_the_package() {
        let manifest = manifest("actions: { play }");
        assert_eq!(manifest.name, env!("CARGO_PKG_NAME"));
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(manifest.description.as_deref(), Some(env!("CARGO_PKG_DESCRIPTION")));
        assert_eq!(manifest.author, None);
    }

    #[test]
    fn errors_name_the_rule_that_is_broken() {
        let name = "must start with a letter or digit";
        let long = "x".repeat(1025);
        let cases = [
            (r#"name: "../x", actions: { a }"#, name),
            (r#"version: "", actions: { a }"#, "`version` is empty"),
            (r#"actions: { a, b as "b c" }"#, name),
            (r#"actions: { a, b as "a" }"#, "same name twice"),
            (r#"capabilities: { Net: "r" }, actions: { a }"#, "unknown capability"),
            (r#"nme: "x", actions: { a }"#, "unknown field"),
            (r#"name: "x", name: "y", actions: { a }"#, "given twice"),
            (r#"actions: { #[cfg(test)] a }"#, "only a doc comment"),
            (&format!(r#"capabilities: {{ Midi("{long}"): "r" }}, actions: {{ a }}"#), "scope` is longer"),
            (&format!(r#"capabilities: {{ Midi("s"): "{long}" }}, actions: {{ a }}"#), "reason` is longer"),
        ];
        for (text, message) in cases {
            let found = error(text);
            assert!(found.contains(message), "{text}: {found}");
        }
        assert!(error("").contains("at least one action"));
    }
}
