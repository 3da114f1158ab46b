//! `impact`: what would stop working if a key were revoked.

mod activity;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use conductor_core::grant::store::{GrantStore, StoredGrant, Subject};
use conductor_daemon::config::{self, Config};
use conductor_daemon::paths::Paths;
use conductor_daemon::say;
use conductor_signing::keeper::Keeper;
use conductor_signing::{
    Admission, PluginFile, PluginName, PublicKey, Revoked, TrustStore, UtcTime, VerificationPolicy,
    VerifyError, escape,
};
use serde_json::{Value, json};

use self::activity::Activity;
use crate::error::CliError;
use crate::output::Output;
use crate::trust::known_key;

/// Days of the audit log that count as recent.
const RECENT_DAYS: i64 = 30;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The public key, at least its first 8 hex digits, or its name
    #[arg(value_name = "KEY|NAME")]
    key: String,
}

/// A plugin that would be refused.
struct Affected {
    name: Option<PluginName>,
    alias: Option<String>,
    path: PathBuf,
    cause: VerifyError,
    declared: Vec<String>,
    granted: Vec<String>,
    approved: Vec<Approved>,
    activity: Activity,
}

/// A grant that the user gave, not one from the configuration.
struct Approved {
    grant: String,
    until: Option<String>,
}

impl Approved {
    fn in_words(&self) -> String {
        match &self.until {
            Some(until) => format!("{} until {until}", self.grant),
            None => self.grant.clone(),
        }
    }
}

pub(crate) fn run(arguments: &Arguments, config_dir: &Path, output: &mut Output) -> Result<(), CliError> {
    let paths = Paths::from_environment().map_err(CliError::Paths)?.with_config_dir(config_dir.to_owned());
    let policy = config::verification_policy(config_dir)?;
    let configured = Config::load_or_default(&paths.config_file(), &paths)?;
    let trust = TrustStore::load(config_dir)?;
    let key = known_key(&trust, &arguments.key)?;
    let grants = GrantStore::load(&Keeper::of(config_dir))?;
    let activity = activity::read(&paths.audit_file(), RECENT_DAYS);
    let mut affected = Vec::new();
    for (path, alias) in plugins(&paths, &configured) {
        let file = match PluginFile::scan(&path) {
            Ok(file) => file,
            Err(error) => {
                say::line(format_args!("warning: not looked at: {}", escape::terminal(&error.to_string())));
                continue;
            }
        };
        let Some((admission, cause)) = would_be_refused(&file, &policy, &trust, key) else { continue };
        let name = admission.name().cloned();
        let granted = configured.plugins.iter().find(|plugin| Some(&*plugin.alias) == alias.as_deref());
        affected.push(Affected {
            activity: name.as_ref().and_then(|name| activity.get(name.as_str())).cloned().unwrap_or_default(),
            declared: declared(&file),
            approved: approved(&grants, &file, &admission),
            granted: granted
                .map_or(Vec::new(), |plugin| plugin.granted.iter().map(ToString::to_string).collect()),
            name,
            alias,
            path,
            cause,
        });
    }
    report(&trust, key, &affected, output);
    Ok(())
}

/// Every plugin file that is installed or configured, with the user's name for it.
fn plugins(paths: &Paths, config: &Config) -> Vec<(PathBuf, Option<String>)> {
    let mut plugins: BTreeMap<PathBuf, Option<String>> = BTreeMap::new();
    let entries = |directory: PathBuf| {
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>()
    };
    // Plugins that are not in the store lie in the directory of plugins itself; the store has a directory for each
    // plugin, and in it one for each version.
    let mut directories = vec![paths.plugins_dir()];
    for plugin in entries(paths.plugins_dir()).into_iter().filter(|path| path.is_dir()) {
        directories.extend(entries(plugin).into_iter().filter(|path| path.is_dir()));
    }
    let installed = directories.into_iter().flat_map(entries);
    for path in installed.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")) {
        plugins.insert(path, None);
    }
    for plugin in &config.plugins {
        plugins.insert(plugin.path.clone(), Some(plugin.alias.to_string()));
    }
    plugins.into_iter().collect()
}

/// As whom the plugin is let in now, and why it would be refused if the key were revoked.
fn would_be_refused(
    file: &PluginFile,
    policy: &VerificationPolicy,
    trust: &TrustStore,
    key: PublicKey,
) -> Option<(Admission, VerifyError)> {
    let admission = file.judge(policy, trust).into_result().ok()?;
    let refusal = file.judge(policy, &trust.supposing_revoked(Revoked::Key(key))).refusal().cloned()?;
    Some((admission, refusal))
}

/// What the user granted to the plugin, as far as the grants still hold.
fn approved(grants: &GrantStore, file: &PluginFile, admission: &Admission) -> Vec<Approved> {
    let Some(name) = admission.name().cloned() else { return Vec::new() };
    let subject = Subject { name, publisher: admission.publisher(), digest: file.digest() };
    let now = UtcTime::now().timestamp();
    let approved = |stored: &StoredGrant| Approved {
        grant: stored.grant.to_string(),
        until: stored.until.as_ref().map(UtcTime::to_string),
    };
    grants.grants_of(&subject).filter(|stored| stored.holds(now)).map(approved).collect()
}

fn declared(file: &PluginFile) -> Vec<String> {
    let manifest = file.manifest().ok().flatten();
    let capabilities = manifest.map(|manifest| manifest.capabilities).unwrap_or_default();
    let in_words = |request: conductor_abi::CapabilityRequest| match request.scope {
        Some(scope) => format!("{}={scope}", request.name),
        None => request.name,
    };
    capabilities.into_iter().map(in_words).collect()
}

fn report(trust: &TrustStore, key: PublicKey, affected: &[Affected], output: &mut Output) {
    let name =
        trust.get(&key).map(|entry| format!(" ({})", escape::terminal(&entry.name))).unwrap_or_default();
    output.line(format!("Revoking {key}{name}"));
    output.line(match affected.len() {
        0 => "would stop no plugin that is installed or configured here.".to_owned(),
        1 => "would stop 1 plugin:".to_owned(),
        count => format!("would stop {count} plugins:"),
    });
    for plugin in affected {
        output.line("");
        let name = plugin.name.as_ref().map_or("?", PluginName::as_str);
        output.line(format!("{name}  {}", escape::path(&plugin.path)));
        output.line(format!("  Refused for: {}", escape::terminal(&plugin.cause.to_string())));
        if let Some(alias) = &plugin.alias {
            output.line(format!("  Configured:  [plugins.{alias}]"));
        }
        if !plugin.declared.is_empty() {
            output.line(format!("  Declares:    {}", escape::terminal(&plugin.declared.join(", "))));
        }
        if !plugin.granted.is_empty() {
            output.line(format!("  Granted:     {}", escape::terminal(&plugin.granted.join(", "))));
        }
        if !plugin.approved.is_empty() {
            let approved: Vec<String> = plugin.approved.iter().map(Approved::in_words).collect();
            output.line(format!("  By you:      {}", escape::terminal(&approved.join(", "))));
        }
        output.line(format!("  Last {RECENT_DAYS} days: {}", escape::terminal(&plugin.activity.in_words())));
    }
    let lineage = trust.lineage(None).ok();
    let after: Vec<PublicKey> =
        lineage.iter().flat_map(|lineage| lineage.descendants(&key)).map(|link| link.new).collect();
    if !after.is_empty() {
        output.line("");
        output.line("It passed on to keys that would need your approval:");
        after.iter().for_each(|key| output.line(format!("  {key}")));
    }
    output.json(|| {
        json!({
            "public_key": key.to_string(),
            "plugins": affected.iter().map(Affected::json).collect::<Vec<_>>(),
            "passed_on_to": after.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    });
}

impl Affected {
    fn json(&self) -> Value {
        json!({
            "name": self.name.as_ref().map(PluginName::as_str),
            "alias": self.alias,
            "path": self.path.to_string_lossy(),
            "refused_for": self.cause.to_string(),
            "declared": self.declared,
            "granted": self.granted,
            "granted_by_user": self.approved.iter().map(|approved| json!({
                "grant": approved.grant,
                "until": approved.until,
            })).collect::<Vec<_>>(),
            "recent": self.activity.json(),
        })
    }
}
