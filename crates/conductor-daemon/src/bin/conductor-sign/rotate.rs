//! `rotate`: passes on from one key to the next.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use conductor_keys::{KeyError, KeySpec};
use conductor_signing::{
    KeyPaths, MAX_ROTATION_BYTES, Purpose, RotationChain, RotationError, RotationRequest, UtcTime,
    atomic_file, escape,
};
use serde_json::json;

use crate::error::CliError;
use crate::keys::{warn_about, with_ring};
use crate::output::Output;
use crate::read;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The key that passes on: a key file, a PKCS#11 URI, `ssh-agent[:KEY]`, or a device
    old: String,

    /// The key that follows
    new: String,

    /// Where the chain goes [default: NEW.rotation.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The chain that led to the old key [default: OLD.rotation.json, if there is one]
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,

    /// From when on the new key signs and the old one does not, as in 2027-01-31T00:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    valid_from: Option<UtcTime>,

    /// What the old key may go on doing: `sign` or `revoke`
    #[arg(long, value_name = "PURPOSE")]
    keep: Vec<Purpose>,

    /// File with the passphrase of encrypted keys [default: asked for]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let Arguments { old, new, out, chain, valid_from, keep, passphrase_file, force } = arguments;
    let (old_key, new_key, beside_old, out) = with_ring(config, passphrase_file.as_deref(), |ring| {
        let spec = |text: &str| KeySpec::argument(text, ring.devices()).map_err(KeyError::from);
        let (old, new) = (spec(&old)?, spec(&new)?);
        [&old, &new].into_iter().for_each(warn_about);
        let beside_old = chain_beside(&old)?;
        let out = match out.or(chain_beside(&new)?) {
            Some(out) => out,
            None => return Err(CliError::NoPlace),
        };
        if !force && out.symlink_metadata().is_ok() {
            return Err(CliError::Exists { path: out });
        }
        Ok((ring.open(&old)?, ring.open(&new)?, beside_old, out))
    })?;
    let before = match chain {
        Some(path) => Some(read_chain(&path)?),
        None => match beside_old {
            Some(path) if path.symlink_metadata().is_ok() => Some(read_chain(&path)?),
            Some(_) | None => None,
        },
    };
    let request = RotationRequest { valid_from, keeps: keep };
    let chain = RotationChain::rotate(before.as_ref(), old_key.as_ref(), new_key.as_ref(), &request)?;
    let write = if force { atomic_file::replace } else { atomic_file::create };
    write(&out, chain.to_json().as_bytes(), atomic_file::PUBLIC)
        .map_err(|source| CliError::write(&out, source))?;
    let Some(link) = chain.links().last() else {
        return Err(CliError::Chain { path: out, source: RotationError::Empty });
    };
    output.line("✓ Key rotated");
    output.line("");
    output.line(format!("Old key:    {}", link.old));
    output.line(format!("New key:    {}", link.new));
    output.line(format!("Number:     {}", link.sequence));
    output.line(format!("Valid from: {}", link.valid_from));
    if !link.keeps.is_empty() {
        let keeps: Vec<&str> = link.keeps.iter().map(|purpose| purpose.name()).collect();
        output.line(format!("Old key may go on to: {}", keeps.join(", ")));
    }
    output.line(format!("Chain file: {}", escape::path(&out)));
    output.line("");
    output
        .line("Ship the chain file beside every plugin that the new key signs, as PLUGIN.wasm.rotation.json");
    output.json(|| {
        json!({
            "chain_file": out.to_string_lossy(),
            "links": chain.links().iter().map(super::link_json).collect::<Vec<_>>(),
        })
    });
    Ok(())
}

/// The chain beside a key file.
fn chain_beside(spec: &KeySpec) -> Result<Option<PathBuf>, KeyError> {
    let KeySpec::File(path) = spec else { return Ok(None) };
    let mut path = OsString::from(KeyPaths::from_argument(path)?.public.with_extension(""));
    path.push(".rotation.json");
    Ok(Some(path.into()))
}

fn read_chain(path: &Path) -> Result<RotationChain, CliError> {
    let bytes = read::capped(path, MAX_ROTATION_BYTES as u64)?;
    RotationChain::parse(&bytes).map_err(|source| CliError::Chain { path: path.into(), source })
}
