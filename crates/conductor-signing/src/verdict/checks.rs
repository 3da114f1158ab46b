//! The checks of a plugin, the finding of each, and the trail that records them as they are made.

use std::fmt;

use crate::text::RuleSource;
use crate::verdict::error::VerifyError;

/// One check and its finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    check: Check,
    subject: Option<String>,
    verdict: Verdict,
    finding: String,
    rule: Option<RuleSource>,
    steps: Vec<Step>,
}

impl Step {
    fn new(check: Check) -> Self {
        Self {
            check,
            subject: None,
            verdict: Verdict::NotReached,
            finding: String::new(),
            rule: None,
            steps: Vec::new(),
        }
    }

    /// The check.
    #[must_use]
    pub const fn check(&self) -> Check {
        self.check
    }

    /// Which of several things was checked, such as a key.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Whether the check passed.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The finding in words. It holds text from files: escape it before showing it.
    #[must_use]
    pub fn finding(&self) -> &str {
        &self.finding
    }

    /// The place of the rule that decided, if the rule is in a file.
    #[must_use]
    pub const fn rule(&self) -> Option<&RuleSource> {
        self.rule.as_ref()
    }

    /// The checks that this check consists of.
    #[must_use]
    pub fn steps(&self) -> &[Self] {
        &self.steps
    }

    /// Records which of several things is checked.
    pub(crate) fn about(&mut self, subject: impl fmt::Display) {
        self.subject = Some(subject.to_string());
    }

    /// Records the finding.
    pub(crate) fn found(&mut self, finding: impl fmt::Display) {
        self.finding = finding.to_string();
    }

    /// Records that there was nothing to check, and why.
    pub(crate) fn not_applicable(&mut self, why: impl fmt::Display) {
        self.verdict = Verdict::NotApplicable;
        self.found(why);
    }

    /// Records that the check failed, where the failure alone does not refuse the plugin.
    pub(crate) fn noted(&mut self, finding: impl fmt::Display) {
        self.verdict = Verdict::Noted;
        self.found(finding);
    }

    /// Records the place of the rule that decides.
    pub(crate) fn by(&mut self, rule: Option<RuleSource>) {
        self.rule = rule;
    }

    /// Makes a check that is part of this check.
    pub(crate) fn run<T>(
        &mut self,
        check: Check,
        action: impl FnOnce(&mut Self) -> Result<T, VerifyError>,
    ) -> Result<T, VerifyError> {
        run(&mut self.steps, check, action)
    }
}

/// Records checks as they are made.
#[derive(Default)]
pub(crate) struct Trail(Vec<Step>);

impl Trail {
    /// Makes a check: the value of `action` is what it found, and an error means that the check failed.
    pub(crate) fn run<T>(
        &mut self,
        check: Check,
        action: impl FnOnce(&mut Step) -> Result<T, VerifyError>,
    ) -> Result<T, VerifyError> {
        run(&mut self.0, check, action)
    }

    /// The checks that were made, and the checks of [`Check::ORDER`] that were not.
    pub(crate) fn finish(self) -> Vec<Step> {
        let mut made = self.0;
        let mut steps = Vec::with_capacity(Check::ORDER.len());
        for check in Check::ORDER {
            match made.iter().position(|step| step.check == check) {
                Some(place) => steps.push(made.remove(place)),
                None => steps.push(Step::new(check)),
            }
        }
        steps
    }
}

fn run<T>(
    steps: &mut Vec<Step>,
    check: Check,
    action: impl FnOnce(&mut Step) -> Result<T, VerifyError>,
) -> Result<T, VerifyError> {
    let mut step = Step::new(check);
    let result = action(&mut step);
    match &result {
        Ok(_) if step.verdict == Verdict::NotReached => step.verdict = Verdict::Passed,
        Ok(_) => {}
        Err(error) => {
            step.verdict = Verdict::Failed;
            step.finding = error.to_string();
        }
    }
    steps.push(step);
    result
}

/// Whether a check passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The check passed.
    Passed,
    /// The check failed, and the plugin is refused, or counts as unsigned where the policy accepts unsigned plugins.
    Failed,
    /// The check failed, which matters only if a later check says so.
    Noted,
    /// There was nothing to check.
    NotApplicable,
    /// An earlier check failed, so this check was not made.
    NotReached,
}

impl Verdict {
    /// A word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Noted => "noted",
            Self::NotApplicable => "not-applicable",
            Self::NotReached => "not-reached",
        }
    }
}

/// The subject of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// The user did not revoke this exact file.
    DigestRevocation,
    /// There is a signature document.
    Document,
    /// The document is about this file.
    Subject,
    /// Every signature in the document is valid.
    Signatures,
    /// Every statement is sound and agrees with the document, the file and the other statements.
    Statements,
    /// The manifest is sound and agrees with the statements.
    Manifest,
    /// No signing key was revoked.
    KeyRevocation,
    /// The signature has not expired and fits this version of the host.
    Validity,
    /// The signature has a statement where one is required.
    StatementRequirement,
    /// The rotations that the plugin brings are sound and fit those that were accepted.
    Rotation,
    /// The standing of each signer with the user.
    Signers,
    /// The standing of one signer.
    Signer,
    /// The policy is satisfied by the signature, or by the lack of one.
    Policy,
    /// The plugin comes from the publisher that its name is pinned to.
    Publisher,
    /// Every key that the statement or the pin demands has signed.
    Cosigners,
    /// The plugin is not older than a version that was loaded before.
    Version,
    /// Every rule of `[policy]` is satisfied.
    Rules,
    /// One rule of `[policy]`.
    Rule,
}

impl Check {
    /// The checks of a decision, in the order in which they are made.
    pub const ORDER: [Self; 16] = [
        Self::DigestRevocation,
        Self::Document,
        Self::Subject,
        Self::Signatures,
        Self::Statements,
        Self::Manifest,
        Self::KeyRevocation,
        Self::Validity,
        Self::StatementRequirement,
        Self::Rotation,
        Self::Signers,
        Self::Policy,
        Self::Publisher,
        Self::Cosigners,
        Self::Version,
        Self::Rules,
    ];

    /// A word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DigestRevocation => "digest-revocation",
            Self::Document => "document",
            Self::Subject => "subject",
            Self::Signatures => "signatures",
            Self::Statements => "statements",
            Self::Manifest => "manifest",
            Self::KeyRevocation => "key-revocation",
            Self::Validity => "validity",
            Self::StatementRequirement => "statement-requirement",
            Self::Rotation => "rotation",
            Self::Signers => "signers",
            Self::Signer => "signer",
            Self::Policy => "policy",
            Self::Publisher => "publisher",
            Self::Cosigners => "cosigners",
            Self::Version => "version",
            Self::Rules => "rules",
            Self::Rule => "rule",
        }
    }

    /// The question that the check answers, for people.
    #[must_use]
    pub const fn question(self) -> &'static str {
        match self {
            Self::DigestRevocation => "Is this very file not revoked?",
            Self::Document => "Is there a signature document?",
            Self::Subject => "Is it about this file?",
            Self::Signatures => "Is every signature in it valid?",
            Self::Statements => "Do the statements hold?",
            Self::Manifest => "Does the manifest agree?",
            Self::KeyRevocation => "Is no signing key revoked?",
            Self::Validity => "Is it valid today, with this Conductor?",
            Self::StatementRequirement => "Is there a statement, if one is required?",
            Self::Rotation => "Do key rotations hold?",
            Self::Signers => "Who signed?",
            Self::Signer => "signer",
            Self::Policy => "Is that enough for the policy?",
            Self::Publisher => "Is it the publisher it was before?",
            Self::Cosigners => "Has everybody signed who must?",
            Self::Version => "Is it no older than before?",
            Self::Rules => "Are the rules of [policy] satisfied?",
            Self::Rule => "rule",
        }
    }
}
