//! Who signs, as a command line names them.

use conductor_daemon::say;
use conductor_signing::{Developer, escape};

use crate::error::CliError;

/// A developer.
#[derive(clap::Args)]
pub(crate) struct DeveloperArguments {
    /// Your name
    #[arg(long)]
    name: String,

    /// Your address
    #[arg(long)]
    email: String,
}

impl DeveloperArguments {
    /// The developer. Says beforehand what others will be asked about the name.
    pub(crate) fn read(&self) -> Result<Developer, CliError> {
        let developer = Developer::new(&self.name, &self.email)?;
        if developer.mixes_scripts() {
            say::line(format_args!(
                "warning: the name `{}` mixes alphabets; whoever is to trust it by this name will be asked twice",
                escape::terminal(developer.name())
            ));
        }
        Ok(developer)
    }
}
