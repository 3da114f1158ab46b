//! The workspaces of WebAssembly crates: examples for users, and hostile programs for tests.

use std::path::PathBuf;

use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;

/// The target that guests are compiled to.
pub(crate) const TARGET: &str = "wasm32-wasip1";

/// A workspace of guests. Its output directory below the target directory is the one that the tests use too, so that
/// nothing is built twice, and it is separate, so that no build waits for another.
#[derive(Clone, Copy)]
pub(crate) struct Guests {
    /// Directory of the workspace, relative to the root.
    directory: &'static str,
    /// Directory of its artefacts, below the target directory.
    output: &'static str,
}

/// Examples for users.
pub(crate) const PLUGINS: Guests = Guests { directory: "plugins", output: "plugins" };

/// Programs with which tests attack the host.
pub(crate) const FIXTURES: Guests = Guests { directory: "tests/fixtures", output: "fixtures" };

/// Guests that are measured.
pub(crate) const BENCH: Guests = Guests { directory: "bench/guests", output: "bench-guests" };

/// The workspaces that tests need.
pub(crate) const ALL: [Guests; 2] = [PLUGINS, FIXTURES];

impl Guests {
    /// `cargo COMMAND` for this workspace, in the form in which it is typed at the root.
    pub(crate) fn cargo(self, places: &Places, command: &str) -> Program {
        let manifest = format!("{}/Cargo.toml", self.directory);
        Program::cargo(&places.root).args([command, "--manifest-path", &manifest])
    }

    /// `cargo COMMAND` for this workspace, with artefacts in its own directory.
    pub(crate) fn cargo_building(self, places: &Places, command: &str) -> Result<Program, TaskError> {
        let target = places.target()?.join(self.output);
        Ok(self.cargo(places, command).args([
            "--locked".as_ref(),
            "--target-dir".as_ref(),
            target.as_os_str(),
        ]))
    }

    /// Builds all modules with the profile in which they are shipped.
    pub(crate) fn build(self, places: &Places) -> Result<(), TaskError> {
        self.building(places)?.show_and_run()
    }

    /// The command that [`Guests::build`] runs.
    pub(crate) fn building(self, places: &Places) -> Result<Program, TaskError> {
        Ok(self.cargo_building(places, "build")?.args(["--release", "--target", TARGET]))
    }

    /// Directory of the modules after [`Guests::build`].
    pub(crate) fn modules(self, places: &Places) -> Result<PathBuf, TaskError> {
        Ok(places.target()?.join(self.output).join(TARGET).join("release"))
    }

    /// Path of a guest's module after [`Guests::build`].
    pub(crate) fn module(self, places: &Places, name: &str) -> Result<PathBuf, TaskError> {
        let modules = self.modules(places)?;
        Ok(modules.join(format!("{}.wasm", name.replace('-', "_"))))
    }
}
