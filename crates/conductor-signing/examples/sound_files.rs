//! Writes a document, a chain of rotations, a revocation list and the files of a trust store, made by the keys of this
//! run and sound in every part: `sound_files OUT` makes a directory for each kind in OUT. Fuzzing starts from them.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;

use conductor_signing::{
    CosigningRequest, Developer, NewKey, PluginFile, Purpose, RevocationKind, Revoked, RotationChain,
    RotationRequest, SigningKey, SigningRequest, TrustStore, signature_path,
};

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args_os().nth(1).ok_or("usage: sound_files OUT")?;
    write(out.as_ref())
}

fn write(out: &Path) -> Result<(), Box<dyn Error>> {
    let keys = [SigningKey::generate()?, SigningKey::generate()?, SigningKey::generate()?];
    let developer = Developer::new("Ada", "ada@example.org")?;
    let scratch = out.join("signed");
    fs::create_dir_all(&scratch)?;
    let plugin = scratch.join("plugin.wasm");
    fs::write(&plugin, b"\0asm\x01\0\0\0")?;
    let signed = PluginFile::scan(&plugin)?.sign(&keys[0], SigningRequest::of(developer.clone()))?;
    fs::write(signature_path(&plugin), signed.to_json())?;
    let cosigned = PluginFile::scan(&plugin)?.cosign(&keys[1], CosigningRequest::of(developer))?;
    let documents =
        vec![("signed", signed.to_json().into_bytes()), ("cosigned", cosigned.to_json().into_bytes())];
    write_all(&out.join("document"), documents)?;

    let request = RotationRequest { valid_from: None, keeps: vec![Purpose::Sign, Purpose::Revoke] };
    let one = RotationChain::rotate(None, &keys[0], &keys[1], &request)?;
    let two = RotationChain::rotate(Some(&one), &keys[1], &keys[2], &request)?;
    let chains = vec![("one", one.to_json().into_bytes()), ("two", two.to_json().into_bytes())];
    write_all(&out.join("rotation_chain"), chains)?;

    let config = scratch.join("config");
    let new = NewKey { plugins: Some(vec!["a*".parse()?]), ..NewKey::new("Ada", keys[0].public_key()) };
    TrustStore::add(&config, new)?;
    TrustStore::add(&config, NewKey::new("Somebody", keys[2].public_key()))?;
    TrustStore::remove(&config, &keys[2].public_key().to_string().parse()?)?;
    TrustStore::import_rotations(&config, &two, false)?;
    TrustStore::pin_publisher(&config, &"chord".parse()?, keys[0].public_key())?;
    let revoked = Revoked::Key(keys[2].public_key());
    TrustStore::revoke(&config, revoked, RevocationKind::Superseded, "out of use")?;
    TrustStore::revoke(&config, Revoked::Digest(cosigned.plugin_hash), RevocationKind::Compromised, "bad")?;
    let list = TrustStore::export_revocations(&config, &keys[0])?;
    write_all(&out.join("revocation_list"), vec![("list", list.json().as_bytes().to_vec())])?;
    let names = ["trusted", "revoked", "pins", "rotations"];
    let files = TrustStore::files(&config);
    let mut texts = Vec::new();
    for ((which, name), path) in (0u8..).zip(names).zip(&files) {
        #[expect(clippy::disallowed_methods, reason = "this program has just written the file")]
        let text = fs::read(path)?;
        texts.push((name, [&[which][..], &text].concat()));
    }
    write_all(&out.join("trust_file"), texts)?;
    fs::remove_dir_all(&scratch)?;
    Ok(())
}

fn write_all(directory: &Path, files: Vec<(&str, Vec<u8>)>) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    files.into_iter().try_for_each(|(name, bytes)| fs::write(directory.join(name), bytes))
}
