//! Whether a plugin carries on from what was loaded under its name before: publisher, cosigners, version.

use std::cmp::Ordering;

use super::{CheckedSignature, Question, Standing, VerifyError};
use crate::decision::{Check, Step, Trail};
use crate::plugin_version;
use crate::rotation::{Ancestor, Lineage};
use crate::trust::Pin;
use crate::{PluginName, PublicKey};

/// What the load of a plugin adds to what is known about its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Continuity {
    /// The key that is pinned from now on.
    pub(crate) publisher: PublicKey,
    /// The keys that it follows from by rotations that hold, nearest first.
    pub(crate) predecessors: Vec<PublicKey>,
    /// The highest version so far.
    pub(crate) version: Option<String>,
    /// The keys that have to sign from now on, the publisher's among them.
    pub(crate) signers: Vec<PublicKey>,
}

impl Question<'_> {
    pub(super) fn continuity(
        &self,
        trail: &mut Trail,
        lineage: &Lineage<'_>,
        signature: &CheckedSignature,
        name: &PluginName,
        version: Option<&str>,
    ) -> Result<Continuity, VerifyError> {
        let pin = self.trust.pin(name);
        let publisher =
            trail.run(Check::Publisher, |step| self.check_publisher(step, lineage, signature, name, pin))?;
        let signers =
            trail.run(Check::Cosigners, |step| self.check_cosigners(step, lineage, signature, name, pin))?;
        let version = trail.run(Check::Version, |step| {
            self.check_version(step, name, version, pin)?;
            check_signs_no_new_version(
                lineage,
                &signature.document().signer.public_key,
                &publisher,
                version,
                pin,
            )?;
            Ok(version.map(str::to_owned))
        })?;
        let predecessors = self.predecessors(lineage, &publisher).collect();
        Ok(Continuity { publisher, predecessors, version, signers })
    }

    /// The key to be pinned: the signer's, or the pinned one where the signer came before it.
    fn check_publisher(
        &self,
        step: &mut Step,
        lineage: &Lineage<'_>,
        signature: &CheckedSignature,
        name: &PluginName,
        pin: Option<&Pin>,
    ) -> Result<PublicKey, VerifyError> {
        let signer = signature.document().signer.public_key;
        let Some((pin, publisher)) = pin.and_then(|pin| Some((pin, pin.publisher()?))) else {
            step.not_applicable(format_args!("`{name}` is not pinned to a publisher yet"));
            return Ok(signer);
        };
        step.by(self.trust.source_of_pin(pin));
        let since = &publisher.since;
        if publisher.key == signer {
            step.found(format_args!("pinned since {since}"));
            return Ok(signer);
        }
        if self.follows(lineage, &signer, &publisher.key) {
            step.found(format_args!("follows by rotation from {}, pinned since {since}", publisher.key));
            return Ok(signer);
        }
        if self.follows(lineage, &publisher.key, &signer) {
            step.found(format_args!("signed before the rotation to {}", publisher.key));
            return Ok(publisher.key);
        }
        Err(VerifyError::PublisherChanged {
            name: name.clone(),
            pinned: publisher.key,
            since: since.clone(),
            found: signer,
        })
    }

    fn follows(&self, lineage: &Lineage<'_>, key: &PublicKey, ancestor: &PublicKey) -> bool {
        self.predecessors(lineage, key).any(|predecessor| predecessor == *ancestor)
    }

    /// The keys that `key` follows from by rotations that hold now, nearest first. One from a key that a thief may have
    /// counts only if it was accepted before and the user trusts its end.
    fn predecessors(&self, lineage: &Lineage<'_>, key: &PublicKey) -> impl Iterator<Item = PublicKey> {
        let has_users_word = self.trust.get(key).is_some();
        let holds = move |step: &Ancestor<'_>| {
            let doubtful = self.trust.is_compromised(&step.link.old) && !(step.accepted && has_users_word);
            !doubtful && step.link.valid_from.is_past(self.now)
        };
        lineage.ancestors(key).take_while(holds).map(|step| step.link.old)
    }

    /// The keys that are to be demanded from now on.
    ///
    /// Anyone can add a cosignature, so what is pinned are signers that the user trusts or the statement demands: a
    /// stranger's cosignature that is missing next time means nothing.
    fn check_cosigners(
        &self,
        step: &mut Step,
        lineage: &Lineage<'_>,
        signature: &CheckedSignature,
        name: &PluginName,
        pin: Option<&Pin>,
    ) -> Result<Vec<PublicKey>, VerifyError> {
        let present: Vec<PublicKey> = signature.document().endorsements().map(|e| e.public_key).collect();
        let stated = signature.statement().map_or(&[][..], |statement| &statement.cosigners);
        let pinned = pin.map_or(&[][..], Pin::signers);
        let signed_by = |key: &PublicKey| {
            present.contains(key) || present.iter().any(|signer| self.follows(lineage, signer, key))
        };
        if let Some(key) = stated.iter().find(|key| !signed_by(key)) {
            return Err(VerifyError::CosignerMissing { key: *key, seen_of: None });
        }
        // An earlier release may have been signed by the key that the pinned one follows from.
        let or_before = |key: &PublicKey| {
            signed_by(key) || present.iter().any(|signer| self.follows(lineage, key, signer))
        };
        if let Some(key) = pinned.iter().find(|key| !or_before(key)) {
            step.by(pin.and_then(|pin| self.trust.source_of_pin(pin)));
            return Err(VerifyError::CosignerMissing { key: *key, seen_of: Some(name.clone()) });
        }
        match stated.len() + pinned.len() {
            0 => step.not_applicable("neither statement nor pin demands anybody"),
            _ => step.found(format_args!("{} by the statement, {} by the pin", stated.len(), pinned.len())),
        }
        let wanted = |(signer, standing): (&crate::Cosignature, &Standing)| {
            let is_publisher = signer.public_key == signature.document().signer.public_key;
            let is_stated = stated
                .iter()
                .any(|key| *key == signer.public_key || self.follows(lineage, &signer.public_key, key));
            let counts =
                if stated.is_empty() { matches!(standing, Standing::Trusted { .. }) } else { is_stated };
            let is_pinned = pinned
                .iter()
                .any(|key| *key == signer.public_key || self.follows(lineage, &signer.public_key, key));
            (is_publisher || counts || is_pinned).then_some(signer.public_key)
        };
        let seen: Vec<PublicKey> = signature.signers().filter_map(wanted).collect();
        let is_earlier_release = pinned.iter().any(|key| !signed_by(key));
        Ok(if is_earlier_release { pinned.to_vec() } else { seen })
    }

    /// No version below the highest so far.
    fn check_version(
        &self,
        step: &mut Step,
        name: &PluginName,
        version: Option<&str>,
        pin: Option<&Pin>,
    ) -> Result<(), VerifyError> {
        let highest = pin.and_then(Pin::version);
        match (version, highest) {
            (Some(version), Some(highest)) => {
                step.by(pin.and_then(|pin| self.trust.source_of_pin(pin)));
                if plugin_version::compare(version, highest) == Ordering::Less {
                    return Err(VerifyError::Downgrade {
                        name: name.clone(),
                        highest: highest.to_owned(),
                        found: version.to_owned(),
                    });
                }
                step.found(format_args!("{version}, the highest so far is {highest}"));
                Ok(())
            }
            (None, Some(highest)) => {
                step.by(pin.and_then(|pin| self.trust.source_of_pin(pin)));
                Err(VerifyError::VersionMissing { name: name.clone(), highest: highest.to_owned() })
            }
            (_, None) => {
                step.not_applicable(format_args!("`{name}` was not loaded with a version before"));
                Ok(())
            }
        }
    }
}

/// Refuses a version that is new under a key that signs no more. When it was signed is the signer's word alone, and what
/// the publisher made before the key passed on cannot be newer than what was loaded from the key that followed.
fn check_signs_no_new_version(
    lineage: &Lineage<'_>,
    signer: &PublicKey,
    publisher: &PublicKey,
    version: Option<&str>,
    pin: Option<&Pin>,
) -> Result<(), VerifyError> {
    let (Some(version), Some(highest)) = (version, pin.and_then(Pin::version)) else { return Ok(()) };
    let Some((link, _)) = lineage.successor(signer).filter(|_| signer != publisher) else { return Ok(()) };
    if link.keeps_signing() || plugin_version::compare(version, highest) != Ordering::Greater {
        return Ok(());
    }
    Err(VerifyError::KeySuperseded { key: *signer, by: link.new, since: link.valid_from.clone() })
}
