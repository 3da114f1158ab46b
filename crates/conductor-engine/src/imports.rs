//! The imports of a module, read without compiling the module.

use wasmparser::{Parser, Payload};

use crate::shape::MAX_IMPORTS;

/// An import of a module. The names are the module's own text: escape them before showing them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Name of the module that the import is from.
    pub module: String,
    /// Name of the imported item.
    pub name: String,
}

/// The imports of a module, in their order. Whether the host offers them is not checked here.
///
/// # Errors
///
/// Fails if the bytes up to the end of the imports are not a module, or if the module has more imports than a plugin
/// may have.
pub fn imports(wasm: &[u8]) -> Result<Vec<Import>, ImportsError> {
    let unreadable =
        |error: wasmparser::BinaryReaderError| ImportsError::Unreadable { cause: error.to_string() };
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::ImportSection(section) = payload.map_err(unreadable)? {
            if section.count() > MAX_IMPORTS {
                return Err(ImportsError::TooMany { found: section.count() });
            }
            let imports = section.into_imports().map(|import| {
                let import = import.map_err(unreadable)?;
                Ok(Import { module: import.module.to_owned(), name: import.name.to_owned() })
            });
            return imports.collect();
        }
    }
    Ok(Vec::new())
}

/// Why the imports could not be listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportsError {
    /// The bytes are not a module.
    #[error("not a module: {cause}")]
    Unreadable {
        /// The error of the parser.
        cause: String,
    },
    /// More imports than a plugin may have.
    #[error("{found} imports are more than {MAX_IMPORTS}")]
    TooMany {
        /// Number of imports that the module announces.
        found: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_listed_in_order_and_nothing_else_is_looked_at() {
        let module = wat::parse_str(
            r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
                       (import "elsewhere" "anything" (memory 1)))"#,
        )
        .expect("wat");
        let listed = imports(&module).expect("lists");
        let names: Vec<(&str, &str)> =
            listed.iter().map(|import| (import.module.as_str(), import.name.as_str())).collect();
        assert_eq!(names, [("wasi_snapshot_preview1", "fd_write"), ("elsewhere", "anything")]);
        assert!(matches!(imports(b"MZ"), Err(ImportsError::Unreadable { .. })));
    }
}
