//! `[wasm]`: which plugins load, and within which limits.

use std::path::Path;

use conductor_abi::Risk;
use conductor_core::WasmConfig;
use conductor_signing::{RequireStatement, RuleSource};
use conductor_surface::config::reader::Table;

use super::limits;
use crate::paths::Paths;

/// Reads `[wasm]`. The library accepts unsigned plugins unless told otherwise; the daemon requires a trusted signature
/// unless told otherwise.
pub(super) fn read(root: &Table<'_, '_>, path: &Path, paths: &Paths) -> WasmConfig {
    let source = |line| Some(RuleSource { path: path.to_owned(), line });
    let mut config = WasmConfig {
        require_signature: true,
        allow_self_signed: false,
        trust_dir: Some(paths.config_dir().to_owned()),
        data_dir: Some(paths.plugin_data_dir()),
        ..WasmConfig::default()
    };
    let Some(table) = root.table("wasm") else { return config };
    let require = table.get::<bool>("require_signature");
    let allow = table.get::<bool>("allow_self_signed");
    config.require_signature = require.as_ref().map_or(config.require_signature, |require| require.value);
    config.allow_self_signed = allow.as_ref().map_or(config.allow_self_signed, |allow| allow.value);
    // Where the setting is that decides, if the file has one.
    let decisive = if config.require_signature { allow.or(require) } else { require };
    config.signature_source = decisive.and_then(|setting| source(table.line_of(&setting.place)));
    if let Some(require) = table.parse("require_statement", |word: String| word.parse::<RequireStatement>()) {
        config.require_statement = require.value;
        config.statement_source = source(table.line_of(&require.place));
    }
    if let Some(risk) = risk(&table, "unsigned_max_risk") {
        config.unsigned_max_risk = risk;
    }
    if let Some(risk) = risk(&table, "self_signed_max_risk") {
        config.self_signed_max_risk = risk;
    }
    config.set_limits(limits::read(&table).apply(config.limits()));
    table.finish();
    config
}

fn risk(table: &Table<'_, '_>, key: &'static str) -> Option<Risk> {
    table.parse(key, |word: String| word.parse::<Risk>()).map(|risk| risk.value)
}
