//! A plugin's own settings and secrets in words.

use conductor_daemon::control::{DeclaredSecret, DeclaredSetting, SecretStatus, SettingStatus};
use conductor_signing::escape::terminal;

/// A setting in words.
pub(super) fn setting_lines(status: &SettingStatus) -> Vec<String> {
    let SettingStatus { name, kind, description, value, is_set, default, secret, range, .. } = status;
    let value = match (value, secret) {
        (Some(value), _) => terminal(&value.to_string()).to_string(),
        (None, true) if *is_set => "(set, and not shown)".to_owned(),
        (None, _) => "(not set)".to_owned(),
    };
    let mut lines = vec![format!("{} = {value}\n", terminal(name))];
    let range = range.as_ref().map(|range| format!(", {}", terminal(range))).unwrap_or_default();
    let default = match default {
        Some(default) if *is_set => format!("; default {}", terminal(&default.to_string())),
        Some(_) => "; that is the default".to_owned(),
        None => String::new(),
    };
    lines.push(format!("    {kind}{range}{default}\n"));
    if let Some(description) = description {
        lines.push(format!("    in its own words: {}\n", terminal(description)));
    }
    lines
}

/// A setting of a plugin that is not installed, in words.
pub(super) fn declared_setting_lines(setting: &DeclaredSetting) -> Vec<String> {
    let DeclaredSetting { name, kind, description, range, default, secret } = setting;
    let mut line = format!("{}: {}", terminal(name), terminal(kind));
    if let Some(range) = range {
        line += &format!(", {}", terminal(range));
    }
    if let Some(default) = default {
        line += &format!("; default {}", terminal(default));
    }
    if *secret {
        line += "; its value is not shown";
    }
    let mut lines = vec![line + "\n"];
    lines.extend(description.iter().map(|text| format!("    in its own words: {}\n", terminal(text))));
    lines
}

/// A secret of a plugin that is not installed, in words.
pub(super) fn declared_secret_lines(secret: &DeclaredSecret) -> Vec<String> {
    let DeclaredSecret { name, reason, hosts } = secret;
    let mut lines = vec![format!("{}: would go to: {}\n", terminal(name), terminal(&hosts.join(", ")))];
    lines.extend(reason.iter().map(|reason| format!("    reason, in its own words: {}\n", terminal(reason))));
    lines
}

/// A secret in words.
pub(super) fn secret_lines(secret: &SecretStatus, alias: &str) -> Vec<String> {
    let SecretStatus { name, reason, hosts, confirmed, waiting, kept_in, set_at, .. } = secret;
    let (alias, name) = (terminal(alias), terminal(name));
    let mut lines = Vec::new();
    match (kept_in, set_at) {
        (Some(kept_in), Some(set_at)) => {
            lines.push(format!("{name}: entered on {set_at}, kept in: {kept_in}\n"));
            lines.push(format!("    goes to: {}\n", terminal(&confirmed.join(", "))));
        }
        (_, _) => {
            lines.push(format!(
                "{name}: not entered; to enter it: conductorctl plugin secret set {alias} {name}\n"
            ));
            lines.push(format!("    would go to: {}\n", terminal(&hosts.join(", "))));
        }
    }
    if !waiting.is_empty() {
        lines.push(format!(
            "    needs your approval to go to: {}; to decide: conductorctl plugin secret confirm {alias} {name}\n",
            terminal(&waiting.join(", "))
        ));
    }
    if let Some(reason) = reason {
        lines.push(format!("    reason, in its own words: {}\n", terminal(reason)));
    }
    lines
}
