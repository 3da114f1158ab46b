//! The workspaces of WebAssembly crates: examples for users, and programs that tests attack the host with.

use std::path::PathBuf;

use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;

/// The target that guests are compiled to.
pub(crate) const TARGET: &str = "wasm32-wasip1";

/// A workspace of guests. It has a directory of its own below the target directory, the one that tests use as well, so
/// that nothing is built twice and no build waits for another.
#[derive(Clone, Copy)]
pub(crate) struct Guests {
    /// Directory of the workspace, from the root.
    directory: &'static str,
    /// Directory of its artefacts, below the target directory.
    output: &'static str,
}

/// Examples for users.
pub(crate) const PLUGINS: Guests = Guests { directory: "plugins", output: "plugins" };

/// Programs that tests attack the host with.
pub(crate) const FIXTURES: Guests = Guests { directory: "tests/fixtures", output: "fixtures" };

/// What is measured.
pub(crate) const BENCH: Guests = Guests { directory: "bench/guests", output: "bench-guests" };

/// All that tests need.
pub(crate) const ALL: [Guests; 2] = [PLUGINS, FIXTURES];

impl Guests {
    /// `cargo COMMAND` for this workspace, as typed from the root.
    pub(crate) fn cargo(self, places: &Places, command: &str) -> Program {
        let manifest = format!("{}/Cargo.toml", self.directory);
        Program::cargo(&places.root).args([command, "--manifest-path", &manifest])
    }

    /// `cargo COMMAND` for this workspace with artefacts in its own directory.
    pub(crate) fn cargo_building(self, places: &Places, command: &str) -> Result<Program, TaskError> {
        let target = places.target()?.join(self.output);
        Ok(self.cargo(places, command).args([
            "--locked".as_ref(),
            "--target-dir".as_ref(),
            target.as_os_str(),
        ]))
    }

    /// Builds all modules as they are shipped.
    pub(crate) fn build(self, places: &Places) -> Result<(), TaskError> {
        self.building(places)?.show_and_run()
    }

    /// The command that [`Guests::build`] runs.
    pub(crate) fn building(self, places: &Places) -> Result<Program, TaskError> {
        Ok(self.cargo_building(places, "build")?.args(["--release", "--target", TARGET]))
    }

    /// Where the modules are after [`Guests::build`].
    pub(crate) fn modules(self, places: &Places) -> Result<PathBuf, TaskError> {
        Ok(places.target()?.join(self.output).join(TARGET).join("release"))
    }

    /// Where the module of a guest is after [`Guests::build`].
    pub(crate) fn module(self, places: &Places, name: &str) -> Result<PathBuf, TaskError> {
        let modules = self.modules(places)?;
        Ok(modules.join(format!("{}.wasm", name.replace('-', "_"))))
    }
}
