//! Changes to `config.toml` that keep what the user wrote as it is.

use serde_json::Value as Json;
use toml_edit::{DocumentMut, Item, Table, Value, value};

/// Sets whether a plugin runs.
pub(crate) fn switch(text: &str, plugin: &str, enabled: bool) -> Result<String, String> {
    let mut document = parse(text)?;
    let table = plugin_table(&mut document, plugin)?;
    if enabled {
        table.remove("enabled");
    } else {
        table.insert("enabled", value(false));
    }
    Ok(document.to_string())
}

/// Adds a plugin, unless the text names the plugin already. Fails if the plugin has a `path`, and so is not in the
/// plugin store.
pub(crate) fn add(text: &str, plugin: &str) -> Result<String, String> {
    let mut document = parse(text)?;
    let plugins = document.entry("plugins").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let plugins = plugins.as_table_like_mut().ok_or("`plugins` is no table")?;
    if !plugins.contains_key(plugin) {
        plugins.insert(plugin, Item::Table(Table::new()));
    } else if plugins
        .get(plugin)
        .and_then(Item::as_table_like)
        .is_some_and(|table| table.contains_key("path"))
    {
        return Err(format!(
            "`{plugin}` is kept elsewhere, as its `path` says; put the new file there, and reload"
        ));
    }
    Ok(document.to_string())
}

/// Whether the text names the plugin, and the plugin is kept in the plugin store.
pub(crate) fn is_stored(text: &str, plugin: &str) -> Result<bool, String> {
    Ok(add(text, plugin)? == parse(text)?.to_string())
}

/// Removes the `path` of a plugin. A plugin without `path` is kept in the plugin store.
pub(crate) fn store(text: &str, plugin: &str) -> Result<String, String> {
    let mut document = parse(text)?;
    plugin_table(&mut document, plugin)?.remove("path");
    Ok(document.to_string())
}

/// Sets a setting of a plugin, or removes it.
pub(crate) fn set(text: &str, plugin: &str, setting: &str, to: Option<&Json>) -> Result<String, String> {
    let mut document = parse(text)?;
    let table = plugin_table(&mut document, plugin)?;
    if to.is_none() && !table.contains_key("settings") {
        return Ok(document.to_string());
    }
    let settings = table.entry("settings").or_insert_with(|| Item::Table(Table::new()));
    let settings = settings.as_table_like_mut().ok_or("`settings` is no table")?;
    let Some(to) = to else {
        settings.remove(setting);
        return Ok(document.to_string());
    };
    let mut new = match to {
        Json::Bool(flag) => Value::from(*flag),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(float)) => Value::from(float),
            (None, None) => return Err(format!("`{setting}` is out of range")),
        },
        Json::Null | Json::Array(_) | Json::Object(_) => return Err(format!("`{setting}` is no setting")),
    };
    // What the user wrote behind the old value stays.
    if let Some(old) = settings.get(setting).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    settings.insert(setting, Item::Value(new));
    Ok(document.to_string())
}

/// Removes a plugin from the text.
pub(crate) fn remove(text: &str, plugin: &str) -> Result<String, String> {
    let mut document = parse(text)?;
    plugin_table(&mut document, plugin)?;
    if let Some(plugins) = document.get_mut("plugins").and_then(Item::as_table_like_mut) {
        plugins.remove(plugin);
    }
    Ok(document.to_string())
}

fn parse(text: &str) -> Result<DocumentMut, String> {
    text.parse().map_err(|error: toml_edit::TomlError| error.to_string())
}

fn plugin_table<'d>(
    document: &'d mut DocumentMut,
    plugin: &str,
) -> Result<&'d mut dyn toml_edit::TableLike, String> {
    document
        .get_mut("plugins")
        .and_then(|plugins| plugins.get_mut(plugin))
        .and_then(Item::as_table_like_mut)
        .ok_or_else(|| format!("the configuration has no plugin `{plugin}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine\nversion = 1\n\n[plugins.a] # the first\npath = \"a.wasm\"\n\n[plugins.b]\n";

    #[test]
    fn what_the_user_wrote_stays() {
        let off = switch(TEXT, "a", false).expect("edits");
        assert_eq!(off, TEXT.replace("\"a.wasm\"\n", "\"a.wasm\"\nenabled = false\n"));
        assert_eq!(switch(&off, "a", true).expect("edits"), TEXT);
        assert_eq!(add(TEXT, "b").expect("edits"), TEXT, "it is there");
        assert!(add(TEXT, "a").is_err(), "it is kept elsewhere");
        let added = add(TEXT, "c").expect("edits");
        assert_eq!(added, format!("{TEXT}\n[plugins.c]\n"));
        assert_eq!(remove(&added, "c").expect("edits"), TEXT);
        assert_eq!(add("", "c").expect("edits"), "[plugins.c]\n");
        assert_eq!(store(TEXT, "a").expect("edits"), TEXT.replace("path = \"a.wasm\"\n", ""));
        assert_eq!(store(TEXT, "b").expect("edits"), TEXT);
        assert_eq!((is_stored(TEXT, "b"), is_stored(TEXT, "c")), (Ok(true), Ok(false)));
        assert!(is_stored(TEXT, "a").is_err(), "it is kept elsewhere");
    }

    #[test]
    fn a_setting_is_put_into_the_plugins_own_table() {
        let gain = serde_json::json!(0.5);
        let one = set(TEXT, "b", "gain", Some(&gain)).expect("edits");
        assert_eq!(one, format!("{TEXT}\n[plugins.b.settings]\ngain = 0.5\n"));
        let commented = one.replace("0.5\n", "0.5 # soft\n");
        let two = set(&commented, "b", "gain", Some(&serde_json::json!(1))).expect("edits");
        assert_eq!(two, commented.replace("0.5 #", "1 #"));
        let text = set("[plugins.a]\nsettings = { x = true }\n", "a", "y", Some(&serde_json::json!("\"\n")));
        let read: toml::Table = text.expect("edits").parse().expect("TOML");
        assert_eq!(read["plugins"]["a"]["settings"]["y"].as_str(), Some("\"\n"));
        assert_eq!(set(&one, "b", "gain", None).expect("edits"), format!("{TEXT}\n[plugins.b.settings]\n"));
        assert_eq!(set(TEXT, "a", "gain", None).expect("edits"), TEXT);
        assert!(set(TEXT, "c", "gain", Some(&gain)).is_err());
    }

    #[test]
    fn what_is_not_there_is_not_changed() {
        assert!(switch(TEXT, "c", false).is_err() && remove(TEXT, "c").is_err() && remove("", "a").is_err());
        assert!(switch("[plugins", "a", false).is_err());
    }
}
