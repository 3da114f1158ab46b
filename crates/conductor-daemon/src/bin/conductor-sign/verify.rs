//! `verify`: says whether a signature holds, who signed, and whether the signatures are enough.

use std::path::{Path, PathBuf};

use conductor_daemon::config;
use conductor_daemon::say;
use conductor_signing::{
    ALGORITHM, CheckedSignature, Cosignature, DOCUMENT_VERSION, Decision, PluginFile, PublicKey,
    SignatureDocument, SignaturePolicy, Standing, TrustStore, UtcTime, VerificationPolicy, VerifyError,
    escape, signature_path,
};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, a .wasm file with its .wasm.sig beside it
    plugin: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    // Whatever the configuration demands, `verify` says whether a trusted key vouches for the plugin.
    let policy = VerificationPolicy {
        signature: SignaturePolicy::TrustedSigner,
        ..config::verification_policy(config)?
    };
    let trust = TrustStore::load(config)?;
    let plugin = PluginFile::scan(&arguments.plugin)?;
    let signature_file = signature_path(&arguments.plugin);
    output.line(format!("Verifying plugin: {}", escape::path(&arguments.plugin)));
    output.line(format!("Signature file: \"{}\"", escape::path(&signature_file)));
    output.line(format!("Trusted keys: {}", trust.keys().len()));

    if let Err(error) = plugin.manifest()
        && error.is_about_module()
    {
        say::line(format_args!("warning: {error}; no Conductor will load it"));
    }
    let decision = plugin.judge(&policy, &trust);
    // A document that does not hold is shown too, so that the user can compare it with another.
    let document = plugin.document().ok().flatten();
    if let Some(document) = &document {
        details(document, decision.signature(), output);
    }
    output.line("");
    verdict(&decision, output);
    let refusal = decision.refusal();
    output.json(|| {
        json!({
            "plugin": arguments.plugin.to_string_lossy(),
            "plugin_hash": plugin.digest().to_string(),
            "plugin_size": plugin.size(),
            "signature_file": signature_file.to_string_lossy(),
            "trusted_keys": trust.keys().len(),
            "valid": decision.signature().is_some(),
            "trusted": refusal.is_none(),
            "key_name": decision.signature().and_then(|checked| checked.standing().key_name()),
            "exit_code": refusal.map_or(0, VerifyError::exit_code),
            "error": refusal.map(VerifyError::to_string),
            "hint": refusal.and_then(VerifyError::hint),
            "signature": document.as_ref().map(|document| signature(document, decision.signature())),
        })
    });
    refusal.map_or(Ok(()), |refusal| Err(refusal.clone().into()))
}

/// The document's fields. Fields that no signature covers are marked.
fn details(document: &SignatureDocument, checked: Option<&CheckedSignature>, output: &mut Output) {
    let mark = |signed: bool| if signed { "" } else { " (unauthenticated)" };
    let signer = &document.signer;
    let signed = mark(signer.statement.is_some());
    output.line("");
    output.line("Signature Details:");
    output.line(format!("  Version:     {DOCUMENT_VERSION}"));
    output.line(format!("  Algorithm:   {ALGORITHM}"));
    output.line(format!("  Signed at:   {}{signed}", signer.signed_at));
    output.line(format!("  Developer:   {}{signed}", signer.developer));
    output.line(format!("  Public key:  {}", signer.public_key));
    // A cosigner's name is part of what the cosigner signed, so it is shown only if the cosignature holds.
    let stated = |place: usize| checked.and_then(|checked| checked.cosigners().get(place));
    for (place, cosignature) in document.cosignatures.iter().enumerate() {
        let developer = stated(place).map(|cosigner| format!("{} ", cosigner.statement.developer));
        output.line(format!("  Cosigned by: {}{}", developer.unwrap_or_default(), cosignature.public_key));
    }
}

/// The result: first for the signatures together, then for each signer, then for the plugin.
fn verdict(decision: &Decision, output: &mut Output) {
    let Some(checked) = decision.signature() else {
        output.line(match decision.refusal() {
            Some(VerifyError::NoSignature { .. }) => "✗ Plugin is not signed",
            Some(error) if error.is_revocation() => "✗ Plugin or key was revoked",
            Some(_) | None => "✗ Signature verification failed",
        });
        return;
    };
    let count = checked.signers().count();
    output.line(match count {
        1 => "✓ Signature verified successfully!".to_owned(),
        _ => format!("✓ All {count} signatures verified successfully!"),
    });
    for (place, (signer, standing)) in checked.signers().enumerate() {
        output.line(standing_line(if place == 0 { "signed" } else { "cosigned" }, &signer.key, standing));
    }
    let is_about_signer = checked.standing().refusal(&checked.publisher());
    if let Some(refusal) = decision.refusal()
        && is_about_signer.as_ref() != Some(refusal)
    {
        output.line(format!("✗ Plugin is refused: {}", escape::terminal(&refusal.to_string())));
    }
}

/// How one signer stands with the user.
fn standing_line(verb: &str, key: &PublicKey, standing: &Standing) -> String {
    match standing {
        Standing::Trusted { root, .. } if root == key => format!("✓ Plugin {verb} by trusted key"),
        Standing::Trusted { root, .. } => {
            format!("✓ Plugin {verb} by a key that the trusted key {root} passed on to")
        }
        Standing::Untrusted => format!("⚠️  Plugin {verb} by a key that is not trusted"),
        Standing::TrustExpired { .. } => format!("⚠️  Plugin {verb} by a key whose trust has ended"),
        Standing::OtherPlugins { .. } => {
            format!("⚠️  Plugin {verb} by a key that is trusted for other plugins")
        }
        Standing::OtherRole { role, .. } => {
            format!("⚠️  Plugin {verb} by a key that is trusted to {role} only")
        }
        Standing::Superseded { by, .. } => format!("⚠️  Plugin {verb} by a key that passed on to {by}"),
        Standing::NotYetActive { from, .. } => {
            format!("⚠️  Plugin {verb} by a key that is passed on to only from {from} on")
        }
        Standing::FromCompromised { .. } => {
            format!("⚠️  Plugin {verb} by a key that a revoked key passed on to")
        }
    }
}

/// The document, its signer's statement, and how each signer stands; the last two only if the document holds.
fn signature(document: &SignatureDocument, checked: Option<&CheckedSignature>) -> Value {
    let signer = &document.signer;
    let statement = checked.and_then(CheckedSignature::statement);
    let cosigner = |(place, cosignature): (usize, &Cosignature)| {
        let checked = checked.and_then(|checked| checked.cosigners().get(place));
        json!({
            "public_key": cosignature.public_key.to_string(),
            "signed_at": checked.map(|cosigner| cosigner.statement.signed_at.to_string()),
            "developer": checked.map(|cosigner| &cosigner.statement.developer),
            "plugin_version": checked.map(|cosigner| &cosigner.statement.plugin_version),
            "expires_at": checked.map(|cosigner| cosigner.statement.expires_at.as_ref().map(UtcTime::to_string)),
            "authenticated": checked.is_some(),
            "standing": checked.map(|cosigner| cosigner.standing.name()),
            "key_name": checked.and_then(|cosigner| cosigner.standing.key_name()),
        })
    };
    json!({
        "version": DOCUMENT_VERSION,
        "algorithm": ALGORITHM,
        "plugin_hash": document.plugin_hash.to_string(),
        "plugin_size": document.plugin_size,
        "signed_at": signer.signed_at.to_string(),
        "developer": signer.developer,
        "public_key": signer.public_key.to_string(),
        "authenticated": statement.is_some(),
        "standing": checked.map(|checked| checked.standing().name()),
        "statement": statement.map(|statement| json!({
            "plugin_name": statement.plugin_name.as_ref().map(conductor_signing::PluginName::as_str),
            "plugin_version": statement.plugin_version,
            "capabilities": statement.capabilities,
            "cosigners": statement.cosigners.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "expires_at": statement.expires_at.as_ref().map(UtcTime::to_string),
            "min_host_version": statement.min_host_version.map(|version| version.to_string()),
        })),
        "cosignatures": document.cosignatures.iter().enumerate().map(cosigner).collect::<Vec<_>>(),
    })
}
