//! Which addresses count as inside, by the kernel's own routing tables: in network namespaces with neighbours that have
//! public addresses. No packet leaves the namespaces.
//!
//! A process enters a user namespace as a whole, so each scene is a process: this program with the argument `scene` and
//! a name. The tests need no privilege.

#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

mod machine;
mod plugin;
mod scenes;

use std::fs::File;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("scene") {
        let name = arguments.next().unwrap_or_default();
        let (_, scene) = scenes::ALL
            .into_iter()
            .chain(scenes::TUN)
            .find(|(known, _)| *known == name)
            .expect("the name of a scene");
        scene();
        return ExitCode::SUCCESS;
    }
    let has_tun = File::options().read(true).write(true).open("/dev/net/tun").is_ok();
    let tun = scenes::TUN.into_iter().filter(|_| has_tun);
    let trials = scenes::ALL.into_iter().chain(tun);
    let trials = trials.map(|(name, _)| Trial::test(name, move || play(name)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Runs a scene in its own namespaces.
fn play(scene: &str) -> Result<(), Failed> {
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--"])
        .arg(std::env::current_exe()?)
        .args(["scene", scene])
        .output()
        .map_err(|error| format!("unshare does not run, install util-linux: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}
