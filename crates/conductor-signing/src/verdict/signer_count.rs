//! Whether enough trusted signers have signed for the rules of the policy.

use conductor_abi::CapabilityRequest;

use crate::key::PublicKey;
use crate::text::PluginName;
use crate::verdict::checks::{Check, Step};
use crate::verdict::error::VerifyError;
use crate::verdict::policy::SignerRule;

/// A line of keys, each following from the key before by rotation. The line belongs to one holder and counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustedSigner {
    /// The oldest key of the line, whether the rotations from it are valid or not.
    pub(crate) origin: PublicKey,
    /// The trusted keys that signed, and the keys that they follow from by valid rotations.
    pub(crate) keys: Vec<PublicKey>,
}

/// Checks every rule. Returns the rules about capabilities that are not satisfied and may still cover the plugin: a
/// plugin without manifest and statement declares its capabilities only when it is asked.
pub(super) fn check(
    step: &mut Step,
    rules: &[SignerRule],
    name: Option<&PluginName>,
    declared: Option<&[CapabilityRequest]>,
    trusted: &[TrustedSigner],
) -> Result<Vec<SignerRule>, VerifyError> {
    if rules.is_empty() {
        step.not_applicable("there are none");
    }
    let mut unmet = Vec::new();
    for rule in rules {
        step.run(Check::Rule, |step| {
            step.about(rule);
            step.by(rule.source().cloned());
            if name.is_some_and(|name| !rule.covers_name(name)) {
                step.not_applicable("does not cover the plugin's name");
                return Ok(());
            }
            if declared.is_some_and(|declared| !rule.covers_declared(declared)) {
                step.not_applicable("the plugin declares none of these capabilities");
                return Ok(());
            }
            let found = count(rule, trusted);
            step.found(format_args!("{found} signed"));
            match refusal(rule, trusted) {
                Some(_) if rule.is_about_capabilities() && declared.is_none() => {
                    step.noted(format_args!("{found} signed; what the plugin declares is not known yet"));
                    unmet.push(rule.clone());
                    Ok(())
                }
                Some(refusal) => Err(refusal),
                None => Ok(()),
            }
        })?;
    }
    Ok(unmet)
}

/// The refusal of a plugin that one of these rules covers, once its declared capabilities are known.
pub(crate) fn refusal_of_declared(
    unmet: &[SignerRule],
    declared: &[CapabilityRequest],
    trusted: &[TrustedSigner],
) -> Option<VerifyError> {
    unmet.iter().filter(|rule| rule.covers_declared(declared)).find_map(|rule| refusal(rule, trusted))
}

fn refusal(rule: &SignerRule, trusted: &[TrustedSigner]) -> Option<VerifyError> {
    let found = count(rule, trusted);
    (found < rule.signers()).then(|| VerifyError::TooFewSigners {
        rule: rule.to_string(),
        needed: rule.signers(),
        found,
        place: rule.source().cloned(),
    })
}

/// Number of lines that count for a rule. `trusted` holds each line once, so a rule that names two keys of one line
/// counts the line once.
fn count(rule: &SignerRule, trusted: &[TrustedSigner]) -> usize {
    trusted.iter().filter(|signer| signer.keys.iter().any(|key| rule.counts(key))).count()
}
