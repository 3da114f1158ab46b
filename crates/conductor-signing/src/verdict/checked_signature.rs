//! A signature document that is valid for its file, and where each signer stands with the user.

use conductor_abi::Risk;

use crate::document::{CosignerStatement, Endorsement, SignatureDocument, Statement};
use crate::key::PublicKey;
use crate::trust::Standing;
use crate::verdict::signer::Signer;

/// A signature document that is valid for the file that it was checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedSignature {
    pub(super) document: SignatureDocument,
    pub(super) statement: Option<Statement>,
    pub(super) standing: Standing,
    pub(super) cosigners: Vec<CheckedCosigner>,
}

/// A cosigner whose signature and statement are valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedCosigner {
    /// The key that cosigned.
    pub key: PublicKey,
    /// The statement of the cosigner.
    pub statement: CosignerStatement,
    /// Where the cosigner stands with the user.
    pub standing: Standing,
}

impl CheckedSignature {
    /// The document. Without a statement, its date and developer are not signed by anybody.
    #[must_use]
    pub const fn document(&self) -> &SignatureDocument {
        &self.document
    }

    /// The statement of the publisher.
    #[must_use]
    pub const fn statement(&self) -> Option<&Statement> {
        self.statement.as_ref()
    }

    /// Where the publisher stands with the user.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The cosigners, in the order of the document.
    #[must_use]
    pub fn cosigners(&self) -> &[CheckedCosigner] {
        &self.cosigners
    }

    /// The signer who published the plugin.
    #[must_use]
    pub fn publisher(&self) -> Signer {
        let Endorsement { public_key, developer, signed_at, .. } = &self.document.signer;
        let (developer, signed_at) = (developer.clone(), signed_at.clone());
        Signer { key: *public_key, developer, signed_at, authenticated: self.statement.is_some() }
    }

    /// All signers, the publisher first, and where each stands with the user.
    pub fn signers(&self) -> impl Iterator<Item = (Signer, &Standing)> {
        let cosigners = self.cosigners.iter().map(|checked| {
            let (developer, signed_at) =
                (checked.statement.developer.clone(), checked.statement.signed_at.clone());
            (Signer { key: checked.key, developer, signed_at, authenticated: true }, &checked.standing)
        });
        std::iter::once((self.publisher(), &self.standing)).chain(cosigners)
    }

    /// Highest risk of a capability that may be granted: the lowest limit that the user set for any signer who counts;
    /// `None` sets no limit.
    #[must_use]
    pub fn max_risk(&self) -> Option<Risk> {
        let cosigners = self.cosigners.iter().map(|cosigner| &cosigner.standing);
        std::iter::once(&self.standing).chain(cosigners).filter_map(Standing::max_risk).min()
    }
}
