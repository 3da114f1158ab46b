//! `conductorctl plugin settings`: shows a plugin's own settings, and changes one.

use conductor_daemon::control::{Hidden, Request, Response, SettingStatus};
use conductor_signing::SecretText;
use conductor_signing::escape::terminal;

use super::own::setting_lines;
use super::secret::ask_for;
use super::show::details;
use crate::error::CliError;
use crate::{Ask, output};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    plugin: String,

    /// A setting to show or to change
    #[arg(value_name = "KEY")]
    setting: Option<String>,

    /// Its new value
    #[arg(value_name = "VALUE", requires = "setting", allow_negative_numbers = true)]
    value: Option<String>,

    /// Ask for the value on the terminal, without showing it
    #[arg(long, requires = "setting", conflicts_with_all = ["value", "reset"])]
    ask: bool,

    /// Put the setting back to its default
    #[arg(long, requires = "setting", conflicts_with = "value")]
    reset: bool,
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Arguments { plugin, setting, value, ask: asks, reset } = arguments;
    let value = match (value, setting) {
        (Some(value), _) => Some(SecretText::new(value.clone())),
        (None, Some(setting)) if *asks => Some(ask_for(&format!("Value of {}", terminal(setting)))?),
        (None, _) => None,
    };
    let all = match setting {
        Some(setting) if value.is_some() || *reset => {
            let value = value.map(Hidden::new);
            let request = Request::PluginSet { plugin: plugin.clone(), setting: setting.clone(), value };
            let Response::PluginSet { settings } = ask(&request)? else { return Err(CliError::OtherAnswer) };
            settings
        }
        Some(_) | None => details(plugin, ask)?.settings,
    };
    let is_meant = |status: &&SettingStatus| setting.as_ref().is_none_or(|setting| status.name == *setting);
    let shown: Vec<&SettingStatus> = all.iter().filter(is_meant).collect();
    if let (Some(setting), []) = (setting, shown.as_slice()) {
        let known = all.iter().map(|status| status.name.clone()).collect();
        return Err(CliError::NoSetting { plugin: plugin.clone(), setting: setting.clone(), known });
    }
    if as_json {
        return output::json(&shown);
    }
    if shown.is_empty() {
        return output::text(&format!("{} has no settings\n", terminal(plugin)));
    }
    output::text(&shown.iter().flat_map(|status| setting_lines(status)).collect::<String>())
}
