//! `conductor init`: writes a configuration to fill in.

use std::io;
use std::path::PathBuf;

use conductor_daemon::paths::Paths;
use conductor_signing::{atomic_file, escape};

use crate::exit::{Failure, Status};
use crate::logging;

/// The text of the file. Each line of an example is a comment.
const CONFIGURATION: &str = include_str!("init.toml");

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// File to write [default: config.toml in the configuration directory]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn init(arguments: &Arguments, paths: &Paths) -> Result<std::process::ExitCode, Failure> {
    let file = arguments.config.clone().unwrap_or_else(|| paths.config_file());
    let shown = escape::path(&file);
    let written = match &arguments.config {
        Some(_) => Ok(()),
        None => atomic_file::create_private_directory(paths.config_dir()),
    };
    let written = written
        .and_then(|()| atomic_file::create(&file, CONFIGURATION.as_bytes(), atomic_file::PRIVATE))
        .map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                let hint = "write another one with --config FILE, and take over what you need";
                let failure = Failure::failed(format!("{shown} exists already, and is left as it is"));
                return failure.with_hint(Some(hint.to_owned()));
            }
            Failure::failed(format!("{shown} cannot be written: {error}"))
        });
    written?;
    logging::say(&format!("{shown} is written; nothing in it is switched on yet"));
    logging::say("to change it, take the `#` away from what you need; to start: conductor run");
    logging::say("to add a plugin while the daemon runs: conductorctl plugin install FILE.wasm");
    Ok(Status::Ok.into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use conductor_daemon::config::Config;

    use super::*;

    #[test]
    fn the_configuration_can_be_used_as_it_is_and_with_all_of_its_examples() {
        let paths = Paths::new("/c".into(), "/d".into(), "/s".into(), "/k".into());
        let parse = |text: &str| Config::parse(text, Path::new("/c/config.toml"), &paths);
        assert!(parse(CONFIGURATION).expect("no fault").does_nothing());
        let lines = CONFIGURATION.lines().map(|line| {
            let example = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
            example.unwrap_or(line)
        });
        let config = parse(&lines.collect::<Vec<_>>().join("\n")).expect("no fault");
        assert_eq!((config.plugins.len(), config.inputs.len(), config.outputs.len()), (1, 3, 1));
        assert_eq!(config.mappings.all().len(), 1);
    }
}
