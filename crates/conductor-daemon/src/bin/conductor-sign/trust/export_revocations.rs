//! `trust export-revocations`: signs a list of the user's revocations for others.

use std::path::{Path, PathBuf};

use conductor_signing::{TrustStore, atomic_file, escape};
use serde_json::json;

use crate::error::CliError;
use crate::keys::KeyArguments;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    key: KeyArguments,

    /// Where the list goes
    #[arg(long, value_name = "FILE", default_value = "revocations.json")]
    out: PathBuf,

    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let out = &arguments.out;
    if !arguments.force && out.symlink_metadata().is_ok() {
        return Err(CliError::Exists { path: out.clone() });
    }
    let key = arguments.key.open(config)?;
    let list = TrustStore::export_revocations(config, key.as_ref())?;
    let write = if arguments.force { atomic_file::replace } else { atomic_file::create };
    write(out, list.json().as_bytes(), atomic_file::PUBLIC).map_err(|source| CliError::write(out, source))?;
    output.line("✓ Revocations exported");
    output.line("");
    output.line(format!("List:     {}", escape::path(out)));
    output.line(format!("Issuer:   {}", list.issuer()));
    output.line(format!("Number:   {}", list.sequence()));
    output.line(format!("Revoked:  {}", list.entries().len()));
    output.json(|| {
        json!({
            "file": out.to_string_lossy(),
            "issuer": list.issuer().to_string(),
            "sequence": list.sequence(),
            "issued_at": list.issued_at().to_string(),
            "revoked": list.entries().iter().map(super::revocation_json).collect::<Vec<_>>(),
        })
    });
    Ok(())
}
