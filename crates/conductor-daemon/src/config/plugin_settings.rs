//! `[plugins.NAME.settings]`: what the user set of a plugin's own settings.
//!
//! What the plugin declares is known once it is read. So only the form is checked here, and the values are held against
//! the declaration when the plugin is loaded.

use std::path::Path;

use conductor_abi::MAX_SETTINGS;
use conductor_core::{GivenSetting, GivenSettings};
use conductor_signing::escape;
use conductor_surface::config::check_name;
use conductor_surface::config::reader::Table;

use super::json::to_json;

pub(super) fn read(table: &Table<'_, '_>, alias: &str, path: &Path) -> GivenSettings {
    let mut given = GivenSettings::new();
    for (name, place, value) in table.named_values("settings", MAX_SETTINGS) {
        if let Err(why) = check_name(&name.value) {
            table.fault(&name.place, why, None);
            continue;
        }
        if value.is_table() || value.is_array() {
            table.fault(&place, "a setting is true, false, a number or a text", None);
            continue;
        }
        match to_json(value, place.offset()) {
            Ok(value) => {
                let line = table.line_of(&name.place);
                let source =
                    format!("{}:{line}: plugins.{alias}.settings.{}", escape::path(path), name.value);
                given.insert(name.value, GivenSetting { value, source: Some(source) });
            }
            // The error may quote the value, which may be a secret.
            Err((offset, _)) => table.fault(&place.at_offset(offset), "this number is out of range", None),
        }
    }
    given
}
