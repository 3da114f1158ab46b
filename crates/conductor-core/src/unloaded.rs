//! The secrets of a plugin that is not loaded: who it is says its file, if the file would be let in, or else what its
//! alias is bound to. Nothing of the plugin runs.

use std::sync::Arc;

use conductor_broker::audit::{AuditEvent, AuditRecord, AuditSink, AuditText};
use conductor_policy::binding::{Alias, Bindings};
use conductor_policy::grant::ApprovalError;
use conductor_policy::grant::store::Subject;
use conductor_policy::secret::{
    Declared, HeldSecrets, SecretHost, SecretPlace, SecretStore, SecretView, StoredSecret, Whose,
};
use conductor_signing::keeper::Keeper;
use conductor_signing::{Digest, PluginName, TrustLevel, VerifiedPlugin};

use crate::error::LoadError;
use crate::permission::{SecretError, put_secret};

/// The secrets of one plugin that is not loaded.
pub struct UnloadedSecrets {
    keeper: Keeper,
    audit: Option<Arc<dyn AuditSink>>,
    whose: Whose,
    file: Result<UnloadedPlugin, Option<LoadError>>,
}

/// A plugin that is not loaded, as its verified file says.
#[derive(Clone, Debug)]
pub struct UnloadedPlugin {
    /// Its name.
    pub name: PluginName,
    /// Its version, if it has one.
    pub version: Option<String>,
    /// SHA-256 of its module.
    pub digest: Digest,
    /// How far somebody vouches for it.
    pub trust: TrustLevel,
    /// Whom its secrets are bound to.
    subject: Subject,
    /// The secrets that it declares.
    declared: Vec<Declared>,
}

impl UnloadedPlugin {
    fn of(verified: &VerifiedPlugin) -> Result<Self, LoadError> {
        let manifest = verified.manifest();
        let specs = manifest.map_or(&[][..], |manifest| &manifest.secrets);
        let declared = Declared::read(specs).map_err(|source| LoadError::SecretHost { source })?;
        let (name, digest) = (verified.name().clone(), verified.digest());
        let subject = Subject { name: name.clone(), publisher: verified.publisher(), digest };
        let version = manifest.map(|manifest| manifest.version.clone());
        Ok(Self { name, version, digest, trust: verified.trust().clone(), subject, declared })
    }

    /// Whom its secrets are bound to, in words.
    #[must_use]
    pub fn bound_to(&self) -> String {
        self.subject.holder().to_string()
    }
}

impl UnloadedSecrets {
    /// The secrets of the plugin in a verified file or, if there is none, of the plugin that `alias` is bound to. Fails
    /// with why the file was refused, if the alias is bound to nothing either.
    pub(crate) fn of(
        keeper: Keeper,
        audit: Option<Arc<dyn AuditSink>>,
        alias: Option<&Alias>,
        verified: Option<Result<VerifiedPlugin, LoadError>>,
    ) -> Result<Option<Self>, LoadError> {
        let file = verified.map(|verified| verified.and_then(|verified| UnloadedPlugin::of(&verified)));
        let why = match file {
            Some(Ok(plugin)) => {
                let whose = Whose::Judged(plugin.subject.clone());
                return Ok(Some(Self { keeper, audit, whose, file: Ok(plugin) }));
            }
            Some(Err(why)) => Some(why),
            None => None,
        };
        let bindings = Bindings::load(&keeper).map_err(|source| LoadError::Binding { source })?;
        match (alias.and_then(|alias| bindings.of(alias)).cloned(), why) {
            (Some(bound), why) => {
                Ok(Some(Self { keeper, audit, whose: Whose::Bound(bound), file: Err(why) }))
            }
            (None, Some(why)) => Err(why),
            (None, None) => Ok(None),
        }
    }

    /// The plugin as its file says.
    ///
    /// # Errors
    ///
    /// Says why the file would not be let in, so that it is not known what the plugin declares; nothing if there is no
    /// file.
    pub fn file(&self) -> Result<&UnloadedPlugin, Option<&LoadError>> {
        self.file.as_ref().map_err(Option::as_ref)
    }

    /// The plugin's name.
    #[must_use]
    pub const fn plugin_name(&self) -> &PluginName {
        match &self.whose {
            Whose::Judged(subject) => &subject.name,
            Whose::Bound(bound) => &bound.name,
        }
    }

    /// The secrets that the plugin declares, with what the user entered; none where that is not known.
    ///
    /// # Errors
    ///
    /// Fails if the user's decisions cannot be read.
    pub fn declared(&self) -> Result<Vec<SecretView>, SecretError> {
        let Ok(UnloadedPlugin { subject, declared, .. }) = &self.file else { return Ok(Vec::new()) };
        Ok(HeldSecrets::of(declared, subject, &SecretStore::load(&self.keeper)?).all().to_vec())
    }

    /// What the user decided about the plugin's secrets, whether it declares them or not.
    ///
    /// # Errors
    ///
    /// Fails if the user's decisions cannot be read.
    pub fn entered(&self) -> Result<Vec<StoredSecret>, SecretError> {
        Ok(SecretStore::load(&self.keeper)?.of(&self.whose).cloned().collect())
    }

    /// As [`Permission::check_secret`](crate::Permission::check_secret).
    ///
    /// # Errors
    ///
    /// Says what is otherwise.
    pub fn check(&self, name: &str, hosts: &[SecretHost]) -> Result<(), SecretError> {
        self.subject(name, hosts).map(drop)
    }

    /// As [`Permission::keep_secret`](crate::Permission::keep_secret).
    ///
    /// # Errors
    ///
    /// Says why the decision has no effect; nothing is changed then.
    pub fn keep(
        &self,
        name: &str,
        hosts: &[SecretHost],
        place: SecretPlace,
    ) -> Result<Option<SecretPlace>, SecretError> {
        let subject = self.subject(name, hosts)?;
        let before = self.put(subject, name, hosts, place)?;
        Ok(before.map(|before| before.place()))
    }

    /// As [`Permission::confirm_secret`](crate::Permission::confirm_secret).
    ///
    /// # Errors
    ///
    /// Says why the decision has no effect; nothing is changed then.
    pub fn confirm(&self, name: &str, hosts: &[SecretHost]) -> Result<(), SecretError> {
        let subject = self.subject(name, hosts)?;
        let store = SecretStore::load(&self.keeper)?;
        let stored = store.find(subject, name);
        let stored = stored.ok_or_else(|| SecretError::NotEntered { name: name.to_owned() })?;
        self.put(subject, name, hosts, stored.place()).map(drop)
    }

    /// Forgets a secret, also one that the plugin does not declare any more, and returns where it is kept.
    ///
    /// # Errors
    ///
    /// Fails if the user entered no such secret, or if the removal cannot be written down.
    pub fn remove(&self, name: &str) -> Result<Vec<StoredSecret>, SecretError> {
        let removed = SecretStore::remove_of(&self.keeper, &self.whose, |stored| stored.name == name)?;
        if removed.is_empty() {
            return Err(SecretError::NotEntered { name: name.to_owned() });
        }
        // What takes something away needs no record; if the record is lost, the sink reports it.
        let _ = self.record(AuditEvent::SecretRemoved { secret: AuditText::of(&name) });
        Ok(removed)
    }

    fn subject(&self, name: &str, hosts: &[SecretHost]) -> Result<&Subject, SecretError> {
        let undeclared = || SecretError::NotDeclared { name: name.to_owned() };
        let UnloadedPlugin { subject, declared, .. } = self.file.as_ref().map_err(|_| undeclared())?;
        let declared = declared.iter().find(|declared| declared.name == name).ok_or_else(undeclared)?;
        if declared.hosts != hosts {
            return Err(SecretError::OtherHosts { name: name.to_owned() });
        }
        if self.audit.as_ref().is_some_and(|audit| audit.is_failing()) {
            return Err(SecretError::NotAudited(ApprovalError::NotAudited));
        }
        Ok(subject)
    }

    fn put(
        &self,
        subject: &Subject,
        name: &str,
        hosts: &[SecretHost],
        place: SecretPlace,
    ) -> Result<Option<StoredSecret>, SecretError> {
        let record = |event| self.record(event);
        put_secret(
            &self.keeper,
            subject,
            StoredSecret::now(&self.keeper, subject, name, hosts, place),
            record,
        )
    }

    fn record(&self, event: AuditEvent) -> bool {
        let Some(audit) = &self.audit else { return true };
        audit.record(&AuditRecord::now(Some(self.plugin_name().as_str()), event)).is_ok()
    }
}
