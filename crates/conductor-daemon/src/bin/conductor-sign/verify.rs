//! `verify`: says whether a signature holds and whether its key is trusted.

use std::path::{Path, PathBuf};

use conductor_signing::{
    ALGORITHM, CheckedSignature, DOCUMENT_VERSION, PluginFile, RequireStatement, SignatureDocument, Standing,
    TrustStore, UtcTime, VerifyError, escape, signature_path,
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
    let trust = TrustStore::load(config)?;
    let plugin = PluginFile::scan(&arguments.plugin)?;
    let signature_file = signature_path(&arguments.plugin);
    output.line(format!("Verifying plugin: {}", escape::path(&arguments.plugin)));
    output.line(format!("Signature file: \"{}\"", escape::path(&signature_file)));
    output.line(format!("Trusted keys: {}", trust.keys().len()));

    if let Err(error) = plugin.manifest()
        && error.is_about_module()
    {
        eprintln!("warning: {error}; no Conductor will load it");
    }
    let checked = plugin.check(RequireStatement::default(), &trust);
    // A document that does not hold is shown all the same, so that it can be told apart from another.
    let document = plugin.document().ok().flatten();
    if let Some(document) = &document {
        details(document, output);
    }
    let refusal = match &checked {
        Ok(checked) => checked.standing().refusal(&checked.document().signer),
        Err(error) => Some(error.clone()),
    };
    output.line("");
    match &checked {
        Ok(checked) => {
            output.line("✓ Signature verified successfully!");
            output.line(verdict(checked.standing()));
        }
        Err(VerifyError::NoSignature { .. }) => output.line("✗ Plugin is not signed"),
        Err(error) if error.is_revocation() => output.line("✗ Plugin or key was revoked"),
        Err(_) => output.line("✗ Signature verification failed"),
    }
    output.json(|| {
        json!({
            "plugin": arguments.plugin.to_string_lossy(),
            "plugin_hash": plugin.digest().to_string(),
            "plugin_size": plugin.size(),
            "signature_file": signature_file.to_string_lossy(),
            "trusted_keys": trust.keys().len(),
            "valid": checked.is_ok(),
            "trusted": refusal.is_none(),
            "key_name": key_name(checked.as_ref().ok()),
            "exit_code": refusal.as_ref().map_or(0, VerifyError::exit_code),
            "error": refusal.as_ref().map(VerifyError::to_string),
            "hint": refusal.as_ref().and_then(VerifyError::hint),
            "signature": document.as_ref().map(|document| signature(document, checked.as_ref().ok())),
        })
    });
    refusal.map_or(Ok(()), |refusal| Err(refusal.into()))
}

/// The document's fields, marked where nothing vouches for them.
fn details(document: &SignatureDocument, output: &mut Output) {
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
    for cosigner in &document.cosignatures {
        let signed = mark(cosigner.statement.is_some());
        output.line(format!("  Cosigned by: {}{signed} {}", cosigner.developer, cosigner.public_key));
    }
}

/// What the user's own trust says about a valid signature.
fn verdict(standing: &Standing) -> &'static str {
    match standing {
        Standing::Trusted { .. } => "✓ Plugin signed by trusted key",
        Standing::Untrusted => "⚠️  Plugin signed by a key that is not trusted",
        Standing::TrustExpired { .. } => "⚠️  Plugin signed by a key whose trust has ended",
        Standing::OtherPlugins { .. } => "⚠️  Plugin signed by a key that is trusted for other plugins",
    }
}

fn key_name(checked: Option<&CheckedSignature>) -> Option<&str> {
    match checked?.standing() {
        Standing::Trusted { key_name, .. }
        | Standing::TrustExpired { key_name, .. }
        | Standing::OtherPlugins { key_name } => Some(key_name),
        Standing::Untrusted => None,
    }
}

/// The document and what its signer states; the statement only if it holds.
fn signature(document: &SignatureDocument, checked: Option<&CheckedSignature>) -> Value {
    let signer = &document.signer;
    let statement = checked.and_then(CheckedSignature::statement);
    let cosigner = |cosigner: &conductor_signing::Cosignature| {
        json!({
            "public_key": cosigner.public_key.to_string(),
            "signed_at": cosigner.signed_at.to_string(),
            "developer": cosigner.developer,
            "authenticated": checked.is_some() && cosigner.statement.is_some(),
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
        "statement": statement.map(|statement| json!({
            "plugin_name": statement.plugin_name.as_ref().map(conductor_signing::PluginName::as_str),
            "plugin_version": statement.plugin_version,
            "capabilities": statement.capabilities,
            "expires_at": statement.expires_at.as_ref().map(UtcTime::to_string),
            "min_host_version": statement.min_host_version.map(|version| version.to_string()),
        })),
        "cosignatures": document.cosignatures.iter().map(cosigner).collect::<Vec<_>>(),
    })
}
