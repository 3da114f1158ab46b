//! `conductorctl completions`: what a shell needs to complete command lines.

use std::io;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::Cli;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) {
    clap_complete::generate(arguments.shell, &mut Cli::command(), "conductorctl", &mut io::stdout());
}
