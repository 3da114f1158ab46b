//! Verifying a signed file of 100 MB.

use std::fs;
use std::process::{Command, Stdio};

use crate::report::{MILLISECONDS, Row};
use crate::sample::{Effort, Subject, alternate};
use crate::stage::{Built, Result, Stage};

const BYTES: usize = 100_000_000;

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    // A module with a single section of arbitrary numbers.
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    let numbers: Vec<u8> =
        (0..BYTES as u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let section = wasm_encoder::CustomSection { name: "numbers".into(), data: numbers.as_slice().into() };
    wasm_encoder::Section::append_to(&section, &mut module);
    let path = stage.plugin("large", &module)?;
    drop((numbers, module));
    assert!(fs::metadata(&path)?.len() > BYTES as u64);
    let run = |command: &mut Command| {
        let status = command.stdout(Stdio::null()).stderr(Stdio::inherit()).status();
        assert!(status.is_ok_and(|status| status.success()));
    };
    let (subject, yardstick) = alternate(
        effort.some / 3,
        Subject {
            batch: 1,
            call: &mut || {
                let mut verify = Command::new(&built.conductor_sign);
                verify.arg("verify").arg(&path).env("CONDUCTOR_CONFIG_DIR", stage.config_dir());
                run(&mut verify);
            },
        },
        Subject { batch: 1, call: &mut || run(Command::new("openssl").args(["dgst", "-sha256"]).arg(&path)) },
    );
    let what = "verify of a signed file of 100 MB; openssl dgst -sha256";
    Ok(vec![Row::ratio(what, MILLISECONDS, &subject, &yardstick, 1.05)])
}
