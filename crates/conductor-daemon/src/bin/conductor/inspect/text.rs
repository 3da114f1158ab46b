//! The facts as lines for people.

use std::fmt::Write as _;

use conductor_abi::{Manifest, Risk, SecretSpec, SettingSpec};
use conductor_signing::escape::terminal;

use super::facts::{CapabilityFacts, Facts, SignatureFacts};

/// The lines. Text that came from the file or its signature is escaped.
pub(super) fn render(facts: &Facts) -> String {
    let mut lines = Lines(String::new());
    lines.put("Plugin", &facts.file);
    lines.put("Size", &format!("{} bytes", facts.size));
    lines.put("SHA-256", &facts.digest);
    signature(&mut lines, &facts.signature);
    match (&facts.manifest, &facts.manifest_error) {
        (Some(manifest), _) => describe(&mut lines, manifest),
        (None, Some(error)) => lines.put("Manifest", &format!("unusable: {error}")),
        (None, None) => lines.put("Manifest", "none; the plugin is asked when it is loaded"),
    }
    if facts.manifest.is_some() && facts.capabilities.is_empty() {
        lines.put("Capabilities", "none");
    }
    facts.capabilities.iter().for_each(|capability| lines.put("Capability", &ask(capability)));
    if let Some(manifest) = &facts.manifest {
        manifest.settings.iter().for_each(|setting| lines.put("Setting", &set(setting)));
        manifest.secrets.iter().for_each(|secret| lines.put("Secret", &keep(secret)));
    }
    match &facts.imports_error {
        // The line about the manifest says what the file is.
        Some(_) if facts.manifest_error.is_some() => {}
        Some(error) => lines.put("Imports", &format!("unknown: {error}")),
        None if facts.imports.is_empty() => lines.put("Imports", "none"),
        None => {
            for (module, names) in &facts.imports {
                lines.put("Imports", &format!("{module}: {}", names.join(", ")));
            }
        }
    }
    lines.0
}

/// A setting that the user may change.
fn set(setting: &SettingSpec) -> String {
    let range = setting.range().map(|range| format!(", {range}")).unwrap_or_default();
    let shown = setting.default.as_ref().filter(|_| !setting.secret);
    let default = shown.map(|default| format!("; default {default}")).unwrap_or_default();
    let secret = if setting.secret { ", not shown" } else { "" };
    let description = setting.description.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    format!("{} ({}{range}{secret}{default}){description}", setting.name, setting.kind.name())
}

/// A secret that the plugin would have sent to hosts, and never gets.
fn keep(secret: &SecretSpec) -> String {
    let reason = secret.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{}, to {}{reason}", secret.name, secret.hosts.join(", "))
}

struct Lines(String);

impl Lines {
    fn put(&mut self, label: &str, text: &str) {
        // Writing to a string does not fail.
        let label = if label.is_empty() { String::new() } else { format!("{label}:") };
        let _ = writeln!(self.0, "{label:<13} {}", terminal(text));
    }
}

fn signature(lines: &mut Lines, signature: &SignatureFacts) {
    let state = match (&signature.key_name, &signature.error) {
        (Some(name), _) => format!("valid, by the trusted key \"{name}\""),
        (None, Some(error)) => format!("{}: {error}", signature.state),
        (None, None) => signature.state.to_owned(),
    };
    lines.put("Signature", &state);
    if let Some(hint) = &signature.hint {
        lines.put("", hint);
    }
    let doubt = if signature.authenticated { "" } else { " (unauthenticated)" };
    if let Some(key) = &signature.key {
        lines.put("Key", key);
    }
    if let Some(developer) = &signature.developer {
        lines.put("Developer", &format!("{developer}{doubt}"));
    }
    if let Some(signed_at) = &signature.signed_at {
        lines.put("Signed at", &format!("{signed_at}{doubt}"));
    }
}

fn describe(lines: &mut Lines, manifest: &Manifest) {
    lines.put("Name", &format!("{} {}", manifest.name, manifest.version));
    for (label, text) in
        [("Description", &manifest.description), ("Author", &manifest.author), ("License", &manifest.license)]
    {
        if let Some(text) = text {
            lines.put(label, text);
        }
    }
    match &manifest.actions {
        None => lines.put("Actions", "any"),
        Some(actions) => {
            for action in actions {
                let description = action.description.as_deref().unwrap_or_default();
                lines.put("Action", &format!("{:<12} {description}", action.name));
            }
        }
    }
}

fn ask(capability: &CapabilityFacts) -> String {
    let CapabilityFacts { name, scope, reason, risk, error } = capability;
    let mut text = name.clone();
    if let Some(scope) = scope {
        let _ = write!(text, "={scope}");
    }
    let _ = match (risk, error) {
        (_, Some(error)) => write!(text, ", not understood: {error}"),
        (Some(Risk::Low), None) => write!(text, ", low risk: granted automatically"),
        (Some(risk), None) => write!(text, ", {risk} risk: needs approval"),
        (None, None) => Ok(()),
    };
    if let Some(reason) = reason {
        let _ = write!(text, " (\"{reason}\")");
    }
    text
}
