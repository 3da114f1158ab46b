//! Changes to `config.toml` that keep what the user wrote as it is.

use toml_edit::{DocumentMut, Item, Table, value};

/// Lets a plugin run, or not.
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

/// Adds a plugin, unless it is there.
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

/// Whether a plugin is there, and is kept in the plugin store.
pub(crate) fn is_stored(text: &str, plugin: &str) -> Result<bool, String> {
    Ok(add(text, plugin)? == parse(text)?.to_string())
}

/// Has a plugin kept in the plugin store, where what has no `path` is.
pub(crate) fn store(text: &str, plugin: &str) -> Result<String, String> {
    let mut document = parse(text)?;
    plugin_table(&mut document, plugin)?.remove("path");
    Ok(document.to_string())
}

/// Takes a plugin away.
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
    fn what_is_not_there_is_not_changed() {
        assert!(switch(TEXT, "c", false).is_err() && remove(TEXT, "c").is_err() && remove("", "a").is_err());
        assert!(switch("[plugins", "a", false).is_err());
    }
}
