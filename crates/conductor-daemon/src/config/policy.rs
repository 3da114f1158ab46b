//! `[policy]`: which plugins need more than one signer.

use std::path::Path;

use conductor_abi::Capability;
use conductor_signing::{MAX_SIGNER_RULES, NamePattern, PublicKey, RuleSource, SignerRule};
use conductor_surface::config::reader::{Located, Table};

/// Reads `[[policy.rules]]` of the file at `path`.
pub(super) fn read(root: &Table<'_, '_>, path: &Path) -> Vec<SignerRule> {
    let Some(policy) = root.table("policy") else { return Vec::new() };
    let tables = policy.tables("rules");
    if let Some(table) = tables.get(MAX_SIGNER_RULES) {
        policy.fault(table.place(), format!("more than {MAX_SIGNER_RULES} rules"), None);
        return Vec::new();
    }
    let rules = tables.into_iter().filter_map(|table| rule(table, path)).collect();
    policy.finish();
    rules
}

fn rule(table: Table<'_, '_>, path: &Path) -> Option<SignerRule> {
    let plugins = super::plugins::list(&table, "plugins", str::parse::<NamePattern>);
    let capabilities = super::plugins::list(&table, "capabilities", str::parse::<Capability>);
    let keys = super::plugins::list(&table, "keys", str::parse::<PublicKey>);
    let signers: Option<Located<u32>> = table.require("signers");
    for key in ["plugins", "capabilities", "keys"] {
        if let Some(list) = table.get::<Vec<Located<String>>>(key)
            && list.value.is_empty()
        {
            let hint = format!("leave `{key}` out to set no condition");
            table.fault(&list.place, "the list is empty, so the rule is about nothing", Some(hint));
        }
    }
    let (line, place) = (table.line(), table.place().clone());
    let source = RuleSource { path: path.to_owned(), line };
    let signers = signers.map(|signers| signers.value as usize)?;
    let rule = SignerRule::new(plugins, capabilities, signers, keys, Some(source));
    if let Err(error) = &rule {
        table.fault(&place, error.to_string(), None);
    }
    table.finish().then_some(rule.ok()).flatten()
}
