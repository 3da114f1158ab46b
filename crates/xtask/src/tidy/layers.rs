//! The layers: a crate may name only crates that stand above it in the table of ARCHITECTURE.md.

use crate::tidy::Violation;
use crate::tidy::source::{Source, has_word};

/// One crate of the workspace, and the crates that it may and may not name.
struct Layer {
    name: &'static str,
    /// Crates of the workspace that the crate may name.
    may: &'static [&'static str],
    /// Crates of the workspace that the crate's macros name in their expansion, without depending on them.
    emits: &'static [&'static str],
    /// Other crates that the crate must not name, with the reason.
    never: &'static [(&'static str, &'static str)],
}

const WIRE_ONLY: &str = "this crate is compiled into plugins and holds no I/O";
const NO_ENGINE: &str = "verification must not depend on what it guards";
const NO_ASYNC: &str = "signing is plain, blocking and small";
const NO_FORMAT: &str = "whoever keeps a file reads and writes its format";
const WORDS: &str = "this crate holds words about calls and does nothing itself";
const DECIDES: &str = "this crate decides what may be done and does none of it";
const NO_REASON: &str = "this crate holds processes and does not know what they run";
const ASKED: &str = "the broker does not know what code asks it";
const COUNTS: &str = "the ledger counts what sounds and knows neither plugins nor devices";
const RUNS: &str = "the engine runs code and does nothing that the code asks for";
const HOST_ONLY: &str = "wasm is known to conductor-engine alone; use its types";
const GUEST: &str = "this crate runs inside plugins";

/// Every crate, from the top layer down. A crate that is not listed is a violation.
const LAYERS: [Layer; 17] = [
    Layer {
        name: "conductor-abi",
        may: &[],
        emits: &[],
        never: &[("wasmtime", WIRE_ONLY), ("tokio", WIRE_ONLY), ("rustix", WIRE_ONLY), ("std", WIRE_ONLY)],
    },
    Layer {
        name: "conductor-store",
        may: &[],
        emits: &[],
        never: &[
            ("wasmtime", NO_ENGINE),
            ("wasmtime-wasi", NO_ENGINE),
            ("tokio", NO_ASYNC),
            ("toml", NO_FORMAT),
            ("serde", NO_FORMAT),
        ],
    },
    Layer {
        name: "conductor-signing",
        may: &["conductor-abi", "conductor-store"],
        emits: &[],
        never: &[
            ("wasmtime", NO_ENGINE),
            ("wasmtime-wasi", NO_ENGINE),
            ("tokio", NO_ASYNC),
            ("futures", NO_ASYNC),
            ("reqwest", NO_ASYNC),
        ],
    },
    Layer {
        name: "conductor-keys",
        may: &["conductor-store", "conductor-signing"],
        emits: &[],
        never: &[("wasmtime", NO_ENGINE), ("tokio", NO_ASYNC)],
    },
    Layer {
        name: "conductor-call",
        may: &["conductor-abi"],
        emits: &[],
        never: &[("wasmtime", WORDS), ("tokio", WORDS), ("rustix", WORDS)],
    },
    Layer {
        name: "conductor-sounding",
        may: &["conductor-store"],
        emits: &[],
        never: &[
            ("wasmtime", COUNTS),
            ("tokio", COUNTS),
            ("midir", COUNTS),
            ("alsa", COUNTS),
            ("jack", COUNTS),
        ],
    },
    Layer {
        name: "conductor-policy",
        may: &["conductor-abi", "conductor-signing"],
        emits: &[],
        never: &[("wasmtime", DECIDES), ("tokio", DECIDES), ("hyper", DECIDES)],
    },
    Layer {
        name: "conductor-confine",
        may: &["conductor-call"],
        emits: &[],
        never: &[("wasmtime", NO_REASON), ("tokio", NO_REASON)],
    },
    Layer {
        name: "conductor-engine",
        may: &["conductor-abi", "conductor-signing", "conductor-call", "conductor-confine"],
        emits: &[],
        never: &[("hyper", RUNS), ("alsa", RUNS), ("midir", RUNS)],
    },
    Layer {
        name: "conductor-broker",
        may: &[
            "conductor-abi",
            "conductor-signing",
            "conductor-call",
            "conductor-sounding",
            "conductor-policy",
            "conductor-confine",
        ],
        emits: &[],
        never: &[("wasmtime", ASKED), ("wasmtime-wasi", ASKED), ("wasmparser", ASKED)],
    },
    Layer {
        name: "conductor-secrets",
        may: &["conductor-signing", "conductor-policy", "conductor-broker"],
        emits: &[],
        never: &[("wasmtime", HOST_ONLY), ("tokio", NO_ASYNC)],
    },
    Layer {
        name: "conductor-surface",
        may: &[
            "conductor-abi",
            "conductor-store",
            "conductor-signing",
            "conductor-sounding",
            "conductor-broker",
        ],
        emits: &[],
        never: &[
            ("wasmtime", HOST_ONLY),
            ("wasmtime-wasi", HOST_ONLY),
            ("clap", "the command line belongs to the programs"),
            ("hyper", "the control interface and the page belong to the daemon"),
            ("tokio", "an input is a thread that blocks"),
        ],
    },
    Layer {
        name: "conductor-core",
        may: &[
            "conductor-abi",
            "conductor-signing",
            "conductor-call",
            "conductor-sounding",
            "conductor-policy",
            "conductor-confine",
            "conductor-engine",
            "conductor-broker",
        ],
        emits: &[],
        never: &[
            ("clap", "embedders bring their own command line"),
            ("dirs", "embedders bring their own places"),
        ],
    },
    Layer {
        name: "conductor-daemon",
        may: &[
            "conductor-abi",
            "conductor-store",
            "conductor-signing",
            "conductor-keys",
            "conductor-core",
            "conductor-secrets",
            "conductor-surface",
        ],
        emits: &[],
        never: &[
            ("wasmtime", HOST_ONLY),
            ("wasmtime-wasi", HOST_ONLY),
            ("wasmparser", HOST_ONLY),
            ("wiggle", HOST_ONLY),
        ],
    },
    Layer {
        name: "conductor-plugin-macros",
        may: &["conductor-abi"],
        emits: &["conductor-plugin"],
        never: &[("wasmtime", GUEST)],
    },
    Layer {
        name: "conductor-plugin",
        may: &["conductor-abi", "conductor-plugin-macros"],
        emits: &[],
        never: &[("wasmtime", GUEST), ("tokio", GUEST), ("reqwest", GUEST)],
    },
    Layer {
        name: "xtask",
        may: &["conductor-abi", "conductor-store", "conductor-signing"],
        emits: &[],
        never: &[("wasmtime", "tasks must run before a large tree was built")],
    },
];

/// Checks the dependencies in every manifest and the names in every source file of `crates/`.
pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        let Some(name) = source.crate_name() else { continue };
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
            if source.path.ends_with("Cargo.toml") {
                violations
                    .push(source.violation(0, format!("crate `{name}` has no layer; give it one in xtask")));
            }
            continue;
        };
        if source.path.ends_with("Cargo.toml") {
            violations.extend(check_manifest(source, layer));
        } else if source.is_rust() {
            violations.extend(check_code(source, layer));
        }
    }
    violations
}

fn check_manifest(source: &Source, layer: &Layer) -> Vec<Violation> {
    let manifest: toml::Table = match source.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![source.violation(0, format!("is not TOML: {}", error.message()))],
    };
    let mut violations = Vec::new();
    for name in dependencies(&manifest) {
        if let Some(reason) = refusal(layer, &name) {
            let line =
                source.text.lines().position(|line| line.starts_with(&name)).map_or(0, |index| index + 1);
            violations.push(source.violation(line, reason));
        }
    }
    violations
}

/// Names of all dependencies: normal, development and build ones, for every target. A renamed dependency counts under
/// its package's name.
pub(crate) fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let of = |table: &toml::Table| -> Vec<String> {
        let found = tables.iter().filter_map(|name| table.get(*name)?.as_table());
        let entries = found.flat_map(|table| table.iter());
        entries
            .map(|(name, value)| {
                value.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned()
            })
            .collect()
    };
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let for_targets =
        targets.into_iter().flat_map(|targets| targets.values()).filter_map(toml::Value::as_table);
    let mut names = of(manifest);
    names.extend(for_targets.flat_map(of));
    names
}

fn check_code(source: &Source, layer: &Layer) -> Vec<Violation> {
    let ours = LAYERS.iter().map(|layer| layer.name).filter(|name| !layer.emits.contains(name));
    let foreign = layer.never.iter().map(|(name, _)| *name);
    let names: Vec<(&str, String)> = ours.chain(foreign).map(|name| (name, name.replace('-', "_"))).collect();
    let mut violations = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        for (name, identifier) in &names {
            if let Some(reason) = refusal(layer, name)
                && names_crate(line, identifier)
            {
                violations.push(source.violation(index + 1, reason));
            }
        }
    }
    violations
}

/// Whether a line of code names the crate: `use NAME…`, `extern crate NAME` or a path `NAME::…`.
fn names_crate(line: &str, identifier: &str) -> bool {
    let path = format!("{identifier}::");
    let import = ["use", "crate"].iter().any(|keyword| has_word(line, keyword));
    has_word(line, identifier) && (import || line.contains(&path))
}

fn refusal(layer: &Layer, name: &str) -> Option<String> {
    if let Some((_, reason)) = layer.never.iter().find(|(never, _)| *never == name) {
        return Some(format!("`{}` must not use `{name}`: {reason}", layer.name));
    }
    let ours = LAYERS.iter().any(|layer| layer.name == name);
    let upward = ours && name != layer.name && !layer.may.contains(&name);
    upward.then(|| format!("`{}` must not use `{name}`: it stands on a lower layer", layer.name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn rules(path: &str, text: &str) -> Vec<(usize, String)> {
        let violations = check(&[Source::new(Path::new(path), text.to_owned())]);
        violations.into_iter().map(|violation| (violation.line, violation.rule)).collect()
    }

    #[test]
    fn an_upward_dependency_is_found_in_every_table() {
        for table in
            ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"]
        {
            let text = format!("[{table}]\nserde = \"1\"\nconductor-core.workspace = true\n");
            let found = rules("crates/conductor-signing/Cargo.toml", &text);
            let rule =
                "`conductor-signing` must not use `conductor-core`: it stands on a lower layer".to_owned();
            assert_eq!(found, [(3, rule)], "{table}");
        }
    }

    #[test]
    fn a_renamed_dependency_is_found() {
        let text = "[dependencies]\nengine = { package = \"wasmtime\", version = \"48\" }\n";
        assert_eq!(rules("crates/conductor-daemon/Cargo.toml", text).len(), 1);
    }

    #[test]
    fn an_upward_path_in_the_code_is_found_and_a_comment_is_not() {
        let text = "//! Like conductor_core::Host.\nuse conductor_core::Host;\nlet x = wasmtime::Engine::default();\n";
        let lines: Vec<usize> =
            rules("crates/conductor-signing/src/lib.rs", text).iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3]);
        assert!(rules("crates/conductor-daemon/src/lib.rs", "use conductor_core::Host;\n").is_empty());
    }

    #[test]
    fn a_plugin_crate_names_only_the_wire() {
        assert!(rules("crates/conductor-plugin/src/lib.rs", "use conductor_abi::Op;\n").is_empty());
        assert_eq!(rules("crates/conductor-plugin/src/lib.rs", "use conductor_signing::Digest;\n").len(), 1);
    }

    #[test]
    fn a_macro_names_what_it_expands_to_and_does_not_depend_on_it() {
        let crate_of_macros = "crates/conductor-plugin-macros";
        assert!(
            rules(&format!("{crate_of_macros}/src/lib.rs"), "quote!(::conductor_plugin::Context)\n")
                .is_empty()
        );
        let text = "[dependencies]\nconductor-plugin.workspace = true\n";
        assert_eq!(rules(&format!("{crate_of_macros}/Cargo.toml"), text).len(), 1);
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        assert_eq!(rules("crates/conductor-extra/Cargo.toml", "[package]\n").len(), 1);
    }
}
