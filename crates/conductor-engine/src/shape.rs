//! Static checks on a module's bytes before they reach the compiler.
//!
//! A compiler's cost is not linear in the size of its input: a module of 68 KB can take 19 seconds and 820 MB. So
//! everything that can be counted is counted first, in one pass, and without allocating for sizes that the module
//! claims.
//!
//! Some counts may be higher in a larger module, or in a function with more code, as unoptimised output of toolchains
//! needs: the cost for each byte stays the same. Counting refuses well-known bombs early, and names what is wrong. Any
//! other bomb is ended by the limits on processor time and memory of the worker that compiles.

use conductor_abi::{IMPORT_CALL, IMPORT_MODULE, IMPORT_REQUEST};
use conductor_call::Flavour;
use wasmparser::{
    BinaryReaderError, CompositeInnerType, ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef,
    Validator, WasmFeatures,
};

pub use crate::guest::MAX_TABLES;
use crate::guest::{WASI_MODULE, wasi_offers};

/// Most functions, including imported ones; stops hundreds of thousands of empty functions.
pub const MAX_FUNCTIONS: Growing = Growing { least: 50_000, bytes: 128, count: 1 };
/// Most blocks, loops and conditionals in one function; stops the million-block function.
pub const MAX_FUNCTION_BLOCKS: u32 = 50_000;
/// Deepest nesting of blocks; a large `switch` nests one block for each case.
pub const MAX_NESTING: u32 = 8_192;
/// Most branch targets in all tables of one function; stops the million-target `br_table`.
pub const MAX_FUNCTION_BRANCH_TARGETS: u32 = 65_536;
/// Most locals of one function; each costs the compiler a variable.
pub const MAX_FUNCTION_LOCALS: Growing = Growing { least: 5_000, bytes: 4, count: 1 };
/// Largest product of loops and locals in one function: every loop may carry every local, and the compiler's time and
/// memory grow faster than the product. A function of 6 KB with 400 of each takes five seconds.
pub const MAX_LOOP_LOCALS: Growing = Growing { least: 50_000, bytes: 1, count: 8 };
/// Largest product of blocks and locals in one function, because blocks and conditionals merge locals.
pub const MAX_BLOCK_LOCALS: Growing = Growing { least: 250_000, bytes: 1, count: 128 };
/// Most locals of all functions together; stops thousands of functions that each have as many locals as one function
/// may.
pub const MAX_TOTAL_LOCALS: u64 = 2_000_000;
/// Most imports; stops a function that is imported a million times. The host offers fewer than a hundred.
pub const MAX_IMPORTS: u32 = 1_000;
/// Most exports; stops a list of names that the engine keeps for as long as the module lives.
pub const MAX_EXPORTS: u32 = 10_000;
/// Most types; each is registered with the engine, for all plugins of the engine.
pub const MAX_TYPES: u32 = 20_000;
/// Most parameters and results of one type together. The validator keeps them in the host's memory at four times their
/// size, so 20,000 types with the 2,000 values that WebAssembly allows would fill the memory, and each call of such a
/// function moves all of them.
pub const MAX_TYPE_VALUES: u32 = 256;
/// Most globals; each costs every instance a place and the computation of its initial value.
pub const MAX_GLOBALS: u32 = 10_000;

/// A maximum that grows with the size of the module or function in which something is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growing {
    /// The maximum for a small module or function.
    pub least: u64,
    /// For each of this many bytes of the module or function…
    pub bytes: u64,
    /// …this many are allowed, where that gives more than `least`.
    pub count: u64,
}

impl Growing {
    fn of(self, bytes: usize) -> u64 {
        self.least.max((bytes as u64 / self.bytes).saturating_mul(self.count))
    }
}

/// The proposals that plugins may use: the first release and what Rust and C toolchains emit by default.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::BULK_MEMORY_OPT)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::GC_TYPES);

/// Every number that a module is checked against; a module that was accepted under other numbers is checked again.
pub(crate) const RULES: [u64; 22] = [
    MAX_FUNCTIONS.least,
    MAX_FUNCTIONS.bytes,
    MAX_FUNCTIONS.count,
    MAX_FUNCTION_BLOCKS as u64,
    MAX_NESTING as u64,
    MAX_FUNCTION_BRANCH_TARGETS as u64,
    MAX_FUNCTION_LOCALS.least,
    MAX_FUNCTION_LOCALS.bytes,
    MAX_FUNCTION_LOCALS.count,
    MAX_LOOP_LOCALS.least,
    MAX_LOOP_LOCALS.bytes,
    MAX_LOOP_LOCALS.count,
    MAX_BLOCK_LOCALS.least,
    MAX_BLOCK_LOCALS.bytes,
    MAX_BLOCK_LOCALS.count,
    MAX_TOTAL_LOCALS,
    MAX_IMPORTS as u64,
    MAX_EXPORTS as u64,
    MAX_TYPES as u64,
    MAX_TYPE_VALUES as u64,
    MAX_GLOBALS as u64,
    MAX_TABLES as u64,
];

/// Proposals that are off, each with the name for error messages.
const REFUSED_FEATURES: [(&str, WasmFeatures); 8] = [
    ("threads", WasmFeatures::THREADS),
    ("memory64", WasmFeatures::MEMORY64),
    ("multi-memory", WasmFeatures::MULTI_MEMORY),
    ("exceptions", WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS)),
    ("tail calls", WasmFeatures::TAIL_CALL),
    ("relaxed SIMD", WasmFeatures::RELAXED_SIMD),
    ("function references", WasmFeatures::FUNCTION_REFERENCES),
    ("garbage collection", WasmFeatures::FUNCTION_REFERENCES.union(WasmFeatures::GC)),
];

/// Why a module was refused before compilation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// The module uses a proposal that is off.
    #[error("module uses the WebAssembly feature \"{feature}\", which plugins may not use")]
    Feature {
        /// Name of the proposal.
        feature: &'static str,
    },
    /// The module is malformed or invalid.
    #[error("module is not valid WebAssembly: {source}")]
    Invalid {
        /// The error, with its offset.
        source: BinaryReaderError,
    },
    /// The module has more of something than allowed.
    #[error("module has {found} {what}, more than {max}")]
    TooMany {
        /// The thing that was counted.
        what: &'static str,
        /// The number that the module has, or the count at which counting stopped.
        found: u64,
        /// The number that is allowed.
        max: u64,
    },
    /// The module imports something that the host does not offer.
    #[error("module imports `{module}.{name}`, which this host does not offer")]
    UnknownImport {
        /// Name of the import's module, shortened and escaped.
        module: String,
        /// Name of the import, shortened and escaped.
        name: String,
    },
}

/// Checks the module before it is compiled: that it has not more of anything than the compiler can cope with, and
/// imports nothing that the host lacks. Returns the flavour that the module's exports give it; `None` if the module is
/// not a plugin.
///
/// Whether the module is valid WebAssembly is not checked here, because the compiler checks that anyway; for a module
/// that the compiler refused, [`validate`] says what is wrong.
pub(crate) fn check(bytes: &[u8]) -> Result<Option<Flavour>, ShapeError> {
    let mut counts = Counts { bytes: bytes.len(), ..Counts::default() };
    for payload in Parser::new(0).parse_all(bytes) {
        counts.payload(payload.map_err(|source| refuse(bytes, source))?)?;
    }
    Ok(counts.flavour)
}

/// Says what is wrong with a module that did not compile, if the module is not valid WebAssembly.
pub(crate) fn validate(bytes: &[u8]) -> Result<(), ShapeError> {
    match Validator::new_with_features(FEATURES).validate_all(bytes) {
        Ok(_) => Ok(()),
        Err(source) => Err(refuse(bytes, source)),
    }
}

/// The error for an invalid module. If a single feature would make the module valid, the error names that feature.
fn refuse(bytes: &[u8], source: BinaryReaderError) -> ShapeError {
    /// Largest module for which such a feature is searched; validating nine times must stay well under a second.
    const MAX_DIAGNOSED_BYTES: usize = 4 * 1024 * 1024;
    if bytes.len() <= MAX_DIAGNOSED_BYTES {
        let valid_with =
            |extra| Validator::new_with_features(FEATURES.union(extra)).validate_all(bytes).is_ok();
        let needed = REFUSED_FEATURES.into_iter().find(|(_, extra)| valid_with(*extra));
        if let Some((feature, _)) = needed {
            return ShapeError::Feature { feature };
        }
        if valid_with(WasmFeatures::all()) {
            return ShapeError::Feature { feature: "several proposals that are off" };
        }
    }
    ShapeError::Invalid { source }
}

#[derive(Default)]
struct Counts {
    /// Size of the module in bytes.
    bytes: usize,
    functions: u32,
    total_locals: u64,
    flavour: Option<Flavour>,
}

impl Counts {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not counted is left to the validator")]
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), ShapeError> {
        let invalid = |source| ShapeError::Invalid { source };
        match payload {
            Payload::TypeSection(section) => {
                at_most("types", section.count(), MAX_TYPES)?;
                for group in section {
                    for ty in group.map_err(invalid)?.types() {
                        // The validator refuses types of other kinds.
                        if let CompositeInnerType::Func(function) = &ty.composite_type.inner {
                            let values = function.params().len() + function.results().len();
                            let values = u32::try_from(values).unwrap_or(u32::MAX);
                            at_most("parameters and results of one type", values, MAX_TYPE_VALUES)?;
                        }
                    }
                }
                Ok(())
            }
            Payload::ImportSection(section) => {
                at_most("imports", section.count(), MAX_IMPORTS)?;
                for import in section.into_imports() {
                    let import = import.map_err(invalid)?;
                    if !offered(import.module, import.name, import.ty) {
                        return Err(ShapeError::UnknownImport {
                            module: shorten(import.module),
                            name: shorten(import.name),
                        });
                    }
                    self.functions += 1;
                }
                Ok(())
            }
            Payload::FunctionSection(section) => {
                self.functions = self.functions.saturating_add(section.count());
                no_more("functions", self.functions.into(), MAX_FUNCTIONS.of(self.bytes))
            }
            Payload::TableSection(section) => at_most("tables", section.count(), MAX_TABLES),
            Payload::GlobalSection(section) => at_most("globals", section.count(), MAX_GLOBALS),
            Payload::ExportSection(section) => {
                at_most("exports", section.count(), MAX_EXPORTS)?;
                for export in section {
                    let export = export.map_err(invalid)?;
                    match (export.name, export.kind) {
                        ("execute", ExternalKind::Func) => self.flavour = Some(Flavour::Reactor),
                        ("_start", ExternalKind::Func) => {
                            self.flavour = self.flavour.or(Some(Flavour::Command));
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            Payload::CodeSectionEntry(body) => self.function(&body),
            _ => Ok(()),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "straight code is bounded by its bytes")]
    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), ShapeError> {
        let invalid = |source| ShapeError::Invalid { source };
        let bytes = body.range().len();
        let mut locals = 0u32;
        for group in body.get_locals_reader().map_err(invalid)? {
            let (count, _) = group.map_err(invalid)?;
            locals = locals.saturating_add(count);
            no_more("locals in one function", locals.into(), MAX_FUNCTION_LOCALS.of(bytes))?;
        }
        self.total_locals += u64::from(locals);
        no_more("locals", self.total_locals, MAX_TOTAL_LOCALS)?;
        let (mut blocks, mut loops, mut depth, mut targets) = (0u32, 0u32, 0u32, 0u32);
        let mut operators = body.get_operators_reader().map_err(invalid)?;
        while !operators.eof() {
            let operator = operators.read().map_err(invalid)?;
            match operator {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    loops += u32::from(matches!(operator, Operator::Loop { .. }));
                    blocks += 1;
                    depth += 1;
                    at_most("blocks in one function", blocks, MAX_FUNCTION_BLOCKS)?;
                    at_most("nested blocks", depth, MAX_NESTING)?;
                }
                Operator::End => depth = depth.saturating_sub(1),
                Operator::BrTable { targets: table } => {
                    targets = targets.saturating_add(table.len());
                    at_most("branch targets in one function", targets, MAX_FUNCTION_BRANCH_TARGETS)?;
                }
                _ => {}
            }
        }
        let locals = u64::from(locals);
        let (loops, blocks) = (u64::from(loops) * locals, u64::from(blocks) * locals);
        no_more("loops × locals in one function", loops, MAX_LOOP_LOCALS.of(bytes))?;
        no_more("blocks × locals in one function", blocks, MAX_BLOCK_LOCALS.of(bytes))
    }
}

/// Whether the host defines this import. Only functions can be imported.
fn offered(module: &str, name: &str, ty: TypeRef) -> bool {
    let function = matches!(ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
    let known = match module {
        IMPORT_MODULE => matches!(name, IMPORT_CALL | IMPORT_REQUEST),
        WASI_MODULE => wasi_offers(name),
        _ => false,
    };
    function && known
}

/// At most 64 characters of a name from the module, escaped, so that an error stays one readable line.
fn shorten(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

fn at_most(what: &'static str, found: u32, max: u32) -> Result<(), ShapeError> {
    no_more(what, found.into(), max.into())
}

const fn no_more(what: &'static str, found: u64, max: u64) -> Result<(), ShapeError> {
    if found > max { Err(ShapeError::TooMany { what, found, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number with the separators that the manual uses.
    fn grouped(number: u64) -> String {
        let digits = number.to_string();
        let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
        String::from_utf8(groups.join(&b',')).expect("digits")
    }

    #[test]
    fn the_manual_has_every_limit() {
        let manual = include_str!("../../../docs/src/limits.md");
        let growing = |most: Growing| {
            let each = if most.bytes == 1 { "a byte".to_owned() } else { format!("{} bytes", most.bytes) };
            format!("{}, or {} for {each}", grouped(most.least), most.count)
        };
        for (what, max) in [
            ("functions", growing(MAX_FUNCTIONS)),
            ("blocks in one function", grouped(MAX_FUNCTION_BLOCKS.into())),
            ("nested blocks", grouped(MAX_NESTING.into())),
            ("branch targets in one function", grouped(MAX_FUNCTION_BRANCH_TARGETS.into())),
            ("locals in one function", growing(MAX_FUNCTION_LOCALS)),
            ("loops × locals in one function", growing(MAX_LOOP_LOCALS)),
            ("blocks × locals in one function", growing(MAX_BLOCK_LOCALS)),
            ("locals", grouped(MAX_TOTAL_LOCALS)),
            ("imports", grouped(MAX_IMPORTS.into())),
            ("exports", grouped(MAX_EXPORTS.into())),
            ("types", grouped(MAX_TYPES.into())),
            ("parameters and results of one type", grouped(MAX_TYPE_VALUES.into())),
            ("globals", grouped(MAX_GLOBALS.into())),
            ("tables", grouped(MAX_TABLES.into())),
        ] {
            let row = format!("\n| {what} | {max} |\n");
            assert!(manual.contains(&row), "limits.md lacks {row}");
        }
    }
}
