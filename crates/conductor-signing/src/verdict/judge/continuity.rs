//! Whether a plugin carries on from what was loaded under its name before: the same publisher, the cosigners, no lower
//! version.

use std::cmp::Ordering;

use super::Question;
use crate::key::PublicKey;
use crate::text::{PluginName, plugin_version};
use crate::trust::{Continuity, Lineage, Pin, RotationLink};
use crate::verdict::checked_signature::CheckedSignature;
use crate::verdict::checks::{Check, Step, Trail};
use crate::verdict::error::VerifyError;

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
            self.unless_it_runs(self.check_version(step, name, version, pin))?;
            if let Some(pin) = pin {
                let signer = &signature.document().signer.public_key;
                let found = self.check_brings_nothing_new(lineage, signer, &publisher, version, pin);
                self.unless_it_runs(found)?;
            }
            Ok(version.map(str::to_owned))
        })?;
        let descent = self.trust.descent(lineage, &publisher, self.now);
        let predecessors = descent.predecessors().copied().collect();
        Ok(Continuity { publisher, predecessors, version, signers })
    }

    /// The key to pin: the signer's key, or the pinned key where that one follows from the signer's.
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
        self.trust.descent(lineage, key, self.now).predecessors().any(|predecessor| predecessor == ancestor)
    }

    /// The keys to demand from now on: the publisher's key and those of cosigners.
    ///
    /// Anybody can add a cosignature. So only those cosigners are pinned whom the user trusts, whom the statement
    /// demands or who were pinned before; a stranger's cosignature may be missing next time.
    fn check_cosigners(
        &self,
        step: &mut Step,
        lineage: &Lineage<'_>,
        signature: &CheckedSignature,
        name: &PluginName,
        pin: Option<&Pin>,
    ) -> Result<Vec<PublicKey>, VerifyError> {
        let publisher = signature.document().signer.public_key;
        // A cosignature that does not count is treated as missing.
        let counting = signature.cosigners().iter().filter(|cosigner| cosigner.standing.may_count());
        let present: Vec<PublicKey> =
            std::iter::once(publisher).chain(counting.clone().map(|cosigner| cosigner.key)).collect();
        let stated = signature.statement().map_or(&[][..], |statement| &statement.cosigners);
        let pinned = pin.map_or(&[][..], Pin::signers);
        let signed_by = |key: &PublicKey| {
            present.contains(key) || present.iter().any(|signer| self.follows(lineage, signer, key))
        };
        if let Some(key) = stated.iter().find(|key| !signed_by(key)) {
            self.unless_it_runs(Err(VerifyError::CosignerMissing { key: *key, seen_of: None }))?;
        }
        // An earlier release may have been signed by a key that the pinned key follows from.
        let or_before = |key: &PublicKey| {
            signed_by(key) || present.iter().any(|signer| self.follows(lineage, key, signer))
        };
        if let Some(key) = pinned.iter().find(|key| !or_before(key)) {
            step.by(pin.and_then(|pin| self.trust.source_of_pin(pin)));
            let missing = VerifyError::CosignerMissing { key: *key, seen_of: Some(name.clone()) };
            self.unless_it_runs(Err(missing))?;
        }
        match stated.len() + pinned.len() {
            0 => step.not_applicable("neither statement nor pin demands anybody"),
            _ => step.found(format_args!("{} by the statement, {} by the pin", stated.len(), pinned.len())),
        }
        let demanded = |key: &PublicKey| {
            stated.iter().chain(pinned).any(|other| other == key || self.follows(lineage, key, other))
        };
        let wanted = counting.filter(|cosigner| cosigner.standing.is_trusted() || demanded(&cosigner.key));
        let seen = std::iter::once(publisher).chain(wanted.map(|cosigner| cosigner.key)).collect();
        let is_earlier_release = pinned.iter().any(|key| !signed_by(key));
        Ok(if is_earlier_release { pinned.to_vec() } else { seen })
    }

    /// Checks that the version is not below the highest so far.
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
                let (name, highest, found) = (name.clone(), highest.to_owned(), version.to_owned());
                match plugin_version::compare(&found, &highest) {
                    Some(Ordering::Equal | Ordering::Greater) => {}
                    Some(Ordering::Less) => return Err(VerifyError::Downgrade { name, highest, found }),
                    None => return Err(VerifyError::VersionUnordered { name, highest, found }),
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

    /// Refuses a new file that is signed by a publisher's key which was rotated.
    fn check_brings_nothing_new(
        &self,
        lineage: &Lineage<'_>,
        signer: &PublicKey,
        publisher: &PublicKey,
        version: Option<&str>,
        pin: &Pin,
    ) -> Result<(), VerifyError> {
        match self.passed_on_before(lineage, signer, publisher, version, pin) {
            Some(link) => {
                let since = link.valid_from.clone();
                Err(VerifyError::KeySuperseded { key: *signer, by: link.new, since })
            }
            None => Ok(()),
        }
    }

    /// The rotation of a cosigner's key, if the key was rotated and the file is new; see [`Self::passed_on_before`].
    pub(super) fn cosigner_passed_on_before<'l>(
        &self,
        lineage: &Lineage<'l>,
        cosigner: &PublicKey,
        version: Option<&str>,
        pin: &Pin,
    ) -> Option<&'l RotationLink> {
        let later = pin.signers().iter().find(|key| self.follows(lineage, key, cosigner));
        self.passed_on_before(lineage, cosigner, later.unwrap_or(cosigner), version, pin)
    }

    /// The rotation of the signer's key, if the key may no longer sign and this file is new. `pinned` is the last key
    /// of the signer's line that was met in a load. The date of a signature is only the signer's claim: whoever holds
    /// an old key can write a date from before the rotation. Once a later key of the line was met, or the user named
    /// it, the old key brings only files that were loaded before. Until then it may bring a later version, but no other
    /// file of the version that was loaded, and no file at all where no version shows that it is later.
    fn passed_on_before<'l>(
        &self,
        lineage: &Lineage<'l>,
        signer: &PublicKey,
        pinned: &PublicKey,
        version: Option<&str>,
        pin: &Pin,
    ) -> Option<&'l RotationLink> {
        let has_passed_on =
            |(link, _): &(&RotationLink, bool)| link.valid_from.is_past(self.now) && !link.keeps_signing();
        let (link, _) = lineage.successor(signer).filter(has_passed_on)?;
        if pin.has_loaded(&self.file.digest) {
            return None;
        }
        let is_later = || match (version, pin.version()) {
            (Some(version), Some(highest)) => {
                plugin_version::compare(version, highest) == Some(Ordering::Greater)
            }
            (Some(_) | None, None) | (None, Some(_)) => false,
        };
        let may_be_from_before = signer == pinned && (!pin.has_loaded_any() || is_later());
        (!may_be_from_before).then_some(link)
    }
}
