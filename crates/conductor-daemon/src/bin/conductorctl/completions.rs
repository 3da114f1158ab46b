//! `conductorctl completions`: what a shell needs to complete command lines.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::error::CliError;
use crate::{Cli, output};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    // The text is made before it is printed: `generate` would end the program if nobody read its output.
    let mut completions = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "conductorctl", &mut completions);
    output::text(&String::from_utf8_lossy(&completions))
}
