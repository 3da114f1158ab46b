//! The settings and secrets that a plugin declares, before it is installed.

use conductor_abi::{Manifest, SecretSpec, SettingSpec};
use conductor_core::secret::{Declared, SecretHost};

use crate::control::excerpt::excerpt;
use crate::control::message::{DeclaredSecret, DeclaredSetting};

/// The settings that a manifest in a module declares.
pub(super) fn settings(manifest: Option<&Manifest>) -> Vec<DeclaredSetting> {
    manifest.map_or(&[][..], |manifest| &manifest.settings).iter().map(setting).collect()
}

fn setting(spec: &SettingSpec) -> DeclaredSetting {
    let SettingSpec { name, kind, default, description, secret, .. } = spec;
    DeclaredSetting {
        name: name.clone(),
        kind: kind.name().to_owned(),
        description: description.as_deref().map(excerpt),
        range: spec.range().map(|range| excerpt(&range)),
        default: default.as_ref().filter(|_| !secret).map(|default| excerpt(&default.to_string())),
        secret: *secret,
    }
}

/// The secrets that a manifest in a module declares.
pub(super) fn secrets(manifest: Option<&Manifest>) -> Vec<DeclaredSecret> {
    let declared = manifest.map_or(&[][..], |manifest| &manifest.secrets);
    declared
        .iter()
        .map(|SecretSpec { name, reason, hosts }| DeclaredSecret {
            name: name.clone(),
            reason: reason.as_deref().map(excerpt),
            hosts: hosts.iter().map(|text| host(text)).collect(),
        })
        .collect()
}

/// A host as it is compared with that of a URL; as it is written, if it is none.
fn host(text: &str) -> String {
    text.parse::<SecretHost>().map_or_else(|_| excerpt(text), |host| host.to_string())
}

/// Why the plugin would be refused for the hosts of its secrets.
pub(super) fn fault(manifest: Option<&Manifest>) -> Option<String> {
    let read = manifest.map(|manifest| Declared::read(&manifest.secrets))?;
    read.err().map(|error| excerpt(&error.to_string()))
}

/// How settings and secrets differ from those of the plugin that would be replaced.
pub(super) fn changes(
    settings: [&[DeclaredSetting]; 2],
    secrets: [&[DeclaredSecret]; 2],
) -> impl Iterator<Item = String> {
    let mut changes = Vec::new();
    let [old, new] = secrets;
    for secret in new {
        let DeclaredSecret { name, hosts, .. } = secret;
        match old.iter().find(|before| before.name == *name) {
            None => changes.push(format!("uses the secret {name} as well, for {}", hosts.join(", "))),
            Some(before) => {
                let more: Vec<&str> =
                    hosts.iter().filter(|host| !before.hosts.contains(host)).map(String::as_str).collect();
                if !more.is_empty() {
                    changes.push(format!("would send the secret {name} to {} as well", more.join(", ")));
                }
            }
        }
    }
    let is_gone = |name: &str| !new.iter().any(|secret| secret.name == name);
    let gone = old.iter().filter(|secret| is_gone(&secret.name));
    changes.extend(gone.map(|secret| format!("uses the secret {} no more", secret.name)));
    let [old, new] = settings.map(|settings| settings.iter().map(|setting| setting.name.as_str()));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.collect(), new.collect());
    let added = new.iter().filter(|name| !old.contains(name));
    changes.extend(added.map(|name| format!("has the setting {name} as well")));
    let gone = old.iter().filter(|name| !new.contains(name));
    changes.extend(gone.map(|name| format!("has the setting {name} no more")));
    changes.into_iter()
}
