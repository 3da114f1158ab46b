//! Settings of plugins that run: a change reaches a plugin with its next call.

use conductor_abi::{SettingSpec, SettingValues};
use conductor_core::{GivenSettings, SettingMisfit, fit_settings};
use conductor_signing::SecretText;
use conductor_signing::escape::terminal;

use super::Daemon;
use super::plugin_files::refused;
use crate::config;
use crate::config::PluginConfig;
use crate::config::rewrite::Writer;
use crate::control::{Changed, Refusal, RefusalCause, Response, settings};
use crate::dispatch::{KnownPlugin, Phase};
use crate::words::load_error;

/// Settings that fit what a plugin declares, if it is loaded.
pub(super) struct NewSettings {
    given: GivenSettings,
    /// What the next call gets.
    values: Option<SettingValues>,
}

impl NewSettings {
    /// Holds what the user set against what the plugin declares.
    pub(super) fn of(known: &KnownPlugin, given: &GivenSettings) -> Result<Self, String> {
        let values = match known.snapshot().phase {
            Phase::Loaded(loaded) => {
                let declared = loaded.info.declared_settings();
                let values =
                    fit_settings(declared, given).map_err(|misfits| load_error::settings(&misfits))?;
                Some(values).filter(|_| !declared.is_empty())
            }
            Phase::Loading if !given.is_empty() => {
                return Err(format!("`{}` is still being loaded; try again in a moment", known.alias()));
            }
            Phase::Loading | Phase::Disabled { .. } | Phase::Refused { .. } | Phase::Waiting { .. } => None,
        };
        Ok(Self { given: given.clone(), values })
    }

    /// Puts the settings in place.
    pub(super) fn put(self, known: &KnownPlugin, config: &mut PluginConfig) {
        known.set_settings(self.values, self.given.keys().cloned().collect());
        config.settings = self.given;
    }
}

impl Daemon<'_> {
    /// Sets one setting of a plugin in the configuration file, or takes it out of the file, and gives it to the plugin
    /// with its next call.
    pub(super) fn set(&mut self, alias: &str, name: &str, text: Option<&SecretText>) -> Changed {
        let spec = self.declared_setting(alias, name)?;
        let value = text.map(|text| spec.read(text.expose())).transpose();
        let value = value.map_err(|fault| refused(format!("`{}`: {fault}", terminal(name))))?;
        let writer = Writer::new(&self.places.config_file, &self.places.paths);
        let edit = |text: &str| config::edit::set(text, alias, name, value.as_ref());
        let rewritten = writer.rewrite(edit).map_err(refused)?;
        if let Err(refusal) = self.take_settings(alias) {
            match rewritten.take_back() {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(
                        "the configuration was saved by somebody else meanwhile, and stays as it is"
                    );
                }
                Err(error) => tracing::error!("the configuration could not be put back: {error}"),
            }
            return Err(refusal);
        }
        let is = if value.is_some() { "set" } else { "back at its default" };
        tracing::info!(plugin = alias, "setting {} is {is}", terminal(name));
        let statuses = self.roster.find(alias).map(|known| settings::of(&known)).unwrap_or_default();
        Ok(Response::PluginSet { settings: statuses })
    }

    /// Gives a plugin the settings that the file has for it.
    fn take_settings(&mut self, alias: &str) -> Result<(), Refusal> {
        let config = self.read_config()?;
        let plugin = config.plugins.into_iter().find(|plugin| *plugin.alias == *alias);
        let given = plugin.map(|plugin| plugin.settings);
        let given = given.ok_or_else(|| refused(format!("the configuration names `{alias}` no more")))?;
        self.plugins.set_settings(alias, &given).map_err(refused)?;
        if let Some(plugin) = self.config.plugins.iter_mut().find(|plugin| *plugin.alias == *alias) {
            plugin.settings = given;
        }
        Ok(())
    }

    fn declared_setting(&self, alias: &str, name: &str) -> Result<SettingSpec, Refusal> {
        let known = self.roster.find(alias);
        let Some(Phase::Loaded(loaded)) = known.map(|known| known.snapshot().phase) else {
            let message = format!("`{alias}` is not loaded, so what it lets you set is not known");
            let hint = format!("set it in `[plugins.{alias}.settings]` of the configuration");
            return Err(Refusal { hint: Some(hint), ..Refusal::new(RefusalCause::NotLoaded, message) });
        };
        let declared = loaded.info.declared_settings();
        if let Some(spec) = declared.iter().find(|spec| spec.name == name) {
            return Ok(spec.clone());
        }
        let misfit = SettingMisfit {
            name: name.to_owned(),
            source: None,
            fault: conductor_abi::SettingFault::Unknown,
            known: declared.iter().map(|spec| spec.name.clone()).collect(),
        };
        let hint = load_error::setting(&misfit);
        let message = format!("`{alias}` has no setting `{}`", terminal(name));
        Err(Refusal { hint, ..Refusal::new(RefusalCause::NotChanged, message) })
    }
}
