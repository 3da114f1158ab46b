//! The proof that the module of a verified plugin may be given to the compiler.

use conductor_call::Flavour;
use conductor_signing::VerifiedPlugin;

#[cfg(target_os = "linux")]
use crate::code_cache::CodeCache;
use crate::engine::CompileError;
use crate::shape::{self, ShapeError};

/// A verified plugin whose module has a shape that is allowed for plugins.
pub struct CheckedPlugin {
    plugin: VerifiedPlugin,
    flavour: Option<Flavour>,
}

impl CheckedPlugin {
    pub(crate) fn check(plugin: VerifiedPlugin) -> Result<Self, ShapeError> {
        let flavour = shape::check(plugin.bytes())?;
        Ok(Self { plugin, flavour })
    }

    /// As [`CheckedPlugin::check`], but skips the check if the cache remembers that these bytes passed it.
    #[cfg(target_os = "linux")]
    pub(crate) fn check_once(plugin: VerifiedPlugin, cache: &CodeCache) -> Result<Self, ShapeError> {
        let digest = plugin.digest();
        if let Some(flavour) = cache.shape(&digest) {
            return Ok(Self { plugin, flavour: Some(flavour) });
        }
        let checked = Self::check(plugin)?;
        if let Some(flavour) = checked.flavour {
            cache.remember_shape(&digest, flavour);
        }
        Ok(checked)
    }

    /// The plugin.
    #[must_use]
    pub const fn plugin(&self) -> &VerifiedPlugin {
        &self.plugin
    }

    /// Explains an error of a compiler: if the module is not valid WebAssembly, the error says what is wrong; otherwise
    /// it stays as it is.
    pub(crate) fn explain(&self, error: CompileError) -> CompileError {
        if !matches!(error, CompileError::Compiler { .. } | CompileError::InWorker { .. }) {
            return error;
        }
        match shape::validate(self.plugin.bytes()) {
            Ok(()) => error,
            Err(source) => CompileError::Shape { source },
        }
    }

    /// The flavour that the module's exports give it; `None` if the module is not a plugin.
    #[must_use]
    pub const fn flavour(&self) -> Option<Flavour> {
        self.flavour
    }
}
