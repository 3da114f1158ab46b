//! A preview of a plugin that is not installed. The plugin is read and decided about as when it is loaded, but nothing
//! of it is compiled or runs.

mod own;

use std::path::Path;
use std::sync::Arc;

use conductor_abi::{Capability, CapabilityRequest, Manifest, Risk};
use conductor_core::binding::BindingChange;
use conductor_core::grant::GrantSpec;
use conductor_core::scope::Scope;
use conductor_core::{Host, LoadError, PluginOptions};
use conductor_signing::{
    Decision, PluginFile, Standing, Step, TrustError, TrustStore, UnverifiedPlugin, Verdict,
};

use super::describe::{actions, publisher, publisher_of, word_of_refusal};
use super::excerpt::excerpt;
use super::message::{
    InstalledStatus, PluginPreview, PublisherStatus, Refusal, RefusalCause, RequestStatus, TrustWord,
};
use super::{approval, binding, shown};
use crate::dispatch::{KnownPlugin, Phase};

/// Most requests in an answer.
const MAX_REQUESTS: usize = 100;

/// The place at which a plugin would be installed.
pub(crate) struct Place {
    /// The user's name for the plugin.
    pub(crate) alias: String,
    /// The host that would load the plugin.
    pub(crate) host: Arc<Host>,
    /// What the configuration grants to the plugin of this name, whichever it is.
    pub(crate) granted: Vec<GrantSpec>,
    /// The plugin that has this name now.
    pub(crate) before: Option<Arc<KnownPlugin>>,
}

/// Previews the module at `path`, which would be installed at `place`.
pub(crate) fn preview(place: &Place, path: &Path) -> Result<PluginPreview, Refusal> {
    let Place { alias, host, before, .. } = place;
    let (config, before) = (host.config(), before.as_deref());
    let refused = |message: String, hint| Refusal { hint, ..Refusal::new(RefusalCause::NotChanged, message) };
    conductor_surface::config::check_name(alias)
        .map_err(|why| refused(format!("`{}` is no name: {why}", excerpt(alias)), None))?;
    let plugin = UnverifiedPlugin::read(path, config.limits().max_module_bytes)
        .map_err(|error| refused(error.to_string(), error.hint()))?;
    // A plugin without manifest and statement is named after its file.
    let plugin = plugin.named(&format!("{alias}.wasm"));
    let unusable = |error: TrustError| refused(error.to_string(), error.hint());
    let trust = match &config.trust_dir {
        Some(directory) => TrustStore::load(directory).map_err(unusable)?,
        None => TrustStore::default(),
    };
    let file = plugin.file();
    let decision = file.judge(&config.verification_policy(), &trust);
    let manifest = file.manifest();
    let trust_level = trust_word(&decision, file);
    let (question, unread) = match place.question(&plugin) {
        Ok(question) => (question, None),
        // A refusal for another reason than the binding was found above.
        Err(error) => (None, matches!(error, LoadError::Binding { .. }).then(|| excerpt(&error.to_string()))),
    };
    let (mut why, hint) = match (decision.refusal().filter(|_| question.is_none()), &manifest) {
        (Some(refusal), _) => (Some(excerpt(&refusal.to_string())), refusal.hint()),
        (None, Err(error)) => (Some(excerpt(&error.to_string())), None),
        (None, Ok(_)) => (unread, None),
    };
    let manifest = manifest.ok().flatten();
    let stated = decision.signature().and_then(|checked| checked.statement());
    let text =
        |of: fn(&Manifest) -> Option<&String>| manifest.as_ref().and_then(of).map(|text| excerpt(text));
    let name = manifest.as_ref().map(|manifest| excerpt(&manifest.name));
    let version = manifest.as_ref().map(|manifest| excerpt(&manifest.version));
    let requests = match (&manifest, stated) {
        (Some(manifest), _) => manifest.capabilities.as_slice(),
        (None, Some(stated)) => stated.capabilities.as_deref().unwrap_or_default(),
        (None, None) => &[],
    };
    let mut requested = Vec::new();
    for asked in requests {
        let (status, fault) = request(asked);
        why = why.or(fault);
        if requested.len() < MAX_REQUESTS {
            requested.push(status);
        }
    }
    let why = why.or_else(|| own::fault(manifest.as_ref()));
    let accepted = why.is_none();
    let why = why.or_else(|| match &question {
        Some(change) => change.ignored.as_deref().map(ignored_for),
        None => ignored(&decision, trust_level),
    });
    let mut preview = PluginPreview {
        id: String::new(),
        plugin: alias.clone(),
        name: name.or_else(|| stated.and_then(|stated| Some(stated.plugin_name.as_ref()?.to_string()))),
        version: version.or_else(|| stated.and_then(|stated| stated.plugin_version.as_deref().map(excerpt))),
        description: text(|manifest| manifest.description.as_ref()),
        author: text(|manifest| manifest.author.as_ref()),
        license: text(|manifest| manifest.license.as_ref()),
        bytes: file.size(),
        digest: file.digest().to_string(),
        accepted,
        why,
        hint,
        trust: trust_in_words(&decision, trust_level),
        trust_level,
        publisher: signer(&decision, file, trust_level),
        requested,
        actions: actions(manifest.as_ref()),
        settings: own::settings(manifest.as_ref()),
        secrets: own::secrets(manifest.as_ref()),
        installed: before.and_then(installed),
        changes: Vec::new(),
        waits: question.as_ref().map(binding::change),
    };
    preview.changes = changes(&preview, before);
    preview.id = shown::preview(&preview);
    Ok(preview)
}

/// Previews the module at `path` again, and refuses it if the preview's id is not `id`.
pub(crate) fn previewed(place: &Place, path: &Path, id: &str) -> Result<PluginPreview, Refusal> {
    let preview = preview(place, path)?;
    if preview.id == id {
        return Ok(preview);
    }
    // A file of decisions that cannot be read now is named, because then the module may be what it was.
    let why = preview.why.filter(|_| !preview.accepted).map_or_else(String::new, |why| format!(": {why}"));
    let file = path.display();
    let message = format!("{file} is no longer what was shown of it, so it was not installed{why}");
    let look = "look at it again, as it is now, with: conductorctl plugin preview PLUGIN.wasm".to_owned();
    Err(shown::is_other(message, look))
}

impl Place {
    /// The change that the user would have to accept before the plugin is loaded.
    fn question(&self, plugin: &UnverifiedPlugin) -> Result<Option<BindingChange>, LoadError> {
        let options = PluginOptions {
            alias: self.alias.parse().ok(),
            granted: self.granted.clone(),
            ..PluginOptions::default()
        };
        self.host.question(plugin.clone(), &options)
    }
}

fn trust_word(decision: &Decision, file: &PluginFile) -> TrustWord {
    if let Some(word) = decision.refusal().and_then(word_of_refusal) {
        return word;
    }
    match decision.signature().map(|checked| checked.standing()) {
        Some(Standing::Trusted { .. }) => TrustWord::Trusted,
        Some(Standing::TrustExpired { .. }) => TrustWord::Expired,
        Some(
            Standing::Untrusted
            | Standing::OtherPlugins { .. }
            | Standing::OtherRole { .. }
            | Standing::Superseded { .. }
            | Standing::NotYetActive { .. }
            | Standing::FromCompromised { .. },
        ) => TrustWord::SelfSigned,
        None if matches!(file.document(), Ok(None)) => TrustWord::Unsigned,
        None => TrustWord::Invalid,
    }
}

fn trust_in_words(decision: &Decision, level: TrustWord) -> String {
    let name = decision.signature().and_then(|checked| checked.standing().key_name());
    match (level, name) {
        (TrustWord::Unsigned, _) => "unsigned".to_owned(),
        (TrustWord::SelfSigned, _) => "signed by an untrusted key".to_owned(),
        (TrustWord::Trusted, Some(name)) => excerpt(&format!("signed by the trusted key {name}")),
        (TrustWord::Trusted, None) => "signed by a trusted key".to_owned(),
        (TrustWord::Expired, _) => "signed, and trust in that has ended".to_owned(),
        (TrustWord::Revoked, _) => "revoked".to_owned(),
        (TrustWord::Invalid, _) => "the signature does not hold".to_owned(),
    }
}

/// Who signed the plugin. If the signature does not hold, nobody is named.
fn signer(decision: &Decision, file: &PluginFile, level: TrustWord) -> Option<PublisherStatus> {
    match level {
        TrustWord::Unsigned | TrustWord::Invalid => None,
        TrustWord::SelfSigned | TrustWord::Trusted | TrustWord::Expired | TrustWord::Revoked => {
            let document = file.document().ok().flatten()?;
            let authenticated = decision.signature().is_some_and(|checked| checked.statement().is_some());
            Some(publisher(&document.signer.public_key, &document.signer.developer, authenticated))
        }
    }
}

/// Why a signature does not count, if there is one and the policy accepts the plugin without it.
fn ignored(decision: &Decision, level: TrustWord) -> Option<String> {
    let failed = |step: &&Step| step.verdict() == Verdict::Failed;
    let step = decision.steps().iter().find(failed)?;
    (level != TrustWord::Unsigned).then(|| ignored_for(step.finding()))
}

fn ignored_for(why: &str) -> String {
    format!("its signature is ignored: {}", excerpt(why))
}

/// What is asked for and, if the request cannot be understood, why the plugin is refused.
fn request(request: &CapabilityRequest) -> (RequestStatus, Option<String>) {
    let scope = request.name.parse::<Capability>().map_err(|error| error.to_string());
    let scope = scope.and_then(|capability| match &request.scope {
        Some(text) => Scope::parse(capability, text).map_err(|error| error.to_string()),
        None => Ok(Scope::unnamed(capability)),
    });
    let (capability, text, risk, fault) = match scope {
        Ok(scope) => (scope.capability().to_string(), scope.to_string(), scope.risk(), None),
        Err(fault) => (
            request.name.clone(),
            request.scope.clone().unwrap_or_default(),
            Risk::High,
            Some(excerpt(&fault)),
        ),
    };
    let pending = fault.is_none() && risk != Risk::Low;
    let decision = match (&fault, pending) {
        (Some(fault), _) => fault.as_str(),
        (None, true) => "it will need your approval",
        (None, false) => "it is granted automatically",
    };
    let status = RequestStatus {
        // A request in a preview has no id of its own; the id of the preview covers it.
        id: String::new(),
        capability: excerpt(&capability),
        scope: excerpt(&text),
        risk: risk.to_string(),
        reason: request.reason.as_deref().map(excerpt),
        pending,
        earlier: None,
        granted: None,
        decision: Some(decision.to_owned()),
    };
    (status, fault)
}

fn installed(before: &KnownPlugin) -> Option<InstalledStatus> {
    let loaded = match before.snapshot().phase {
        Phase::Loaded(loaded) => loaded,
        Phase::Loading | Phase::Disabled { .. } | Phase::Refused { .. } | Phase::Waiting { .. } => {
            return None;
        }
    };
    let declares = loaded.info.manifest.as_ref().filter(|_| loaded.info.has_manifest_section);
    Some(InstalledStatus {
        name: loaded.info.name.as_str().to_owned(),
        version: loaded.info.version.as_deref().map(excerpt),
        publisher: loaded.info.signer.as_ref().map(publisher_of),
        requested: approval::requests(&loaded),
        settings: own::settings(declares),
        secrets: own::secrets(declares),
    })
}

/// The differences from the plugin that would be replaced.
fn changes(new: &PluginPreview, before: Option<&KnownPlugin>) -> Vec<String> {
    let mut changes = Vec::new();
    let Some(old) = &new.installed else {
        if before.is_some() {
            changes.push(format!("replaces `{}`, which is not loaded now", new.plugin));
        }
        return changes;
    };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    if new.name.as_ref().is_some_and(|name| *name != old.name) {
        changes.push(format!("another plugin: `{}` in place of `{}`", or_none(&new.name), old.name));
    }
    if new.version == old.version {
        changes.push(format!("the same version, {}", or_none(&old.version)));
    } else {
        changes.push(format!("version {} in place of {}", or_none(&new.version), or_none(&old.version)));
    }
    match (&new.publisher, &old.publisher) {
        (Some(new), Some(old)) if new.public_key == old.public_key => {}
        (None, None) => {}
        (Some(new), Some(_)) => changes.push(format!("signed by another key, {}", new.public_key)),
        (Some(new), None) => changes.push(format!("signed now, by {}", new.public_key)),
        (None, Some(_)) => changes.push("not signed any more".to_owned()),
    }
    let lacks = |list: &[RequestStatus], wanted: &RequestStatus| {
        !list.iter().any(|other| other.capability == wanted.capability && other.scope == wanted.scope)
    };
    let say = |request: &RequestStatus| match request.scope.as_str() {
        "" => format!("{}, of {} risk", request.capability, request.risk),
        scope => format!("{} ({scope}), of {} risk", request.capability, request.risk),
    };
    let more = new.requested.iter().filter(|request| lacks(&old.requested, request));
    changes.extend(more.map(|request| format!("asks for {} as well", say(request))));
    let fewer = old.requested.iter().filter(|request| lacks(&new.requested, request));
    changes.extend(fewer.map(|request| format!("asks for {} no more", say(request))));
    changes.extend(own::changes([&old.settings, &new.settings], [&old.secrets, &new.secrets]));
    changes
}
