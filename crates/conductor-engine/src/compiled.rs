//! The proof that code was compiled from a verified plugin.

use std::sync::Arc;

use conductor_call::Flavour;
use conductor_signing::VerifiedPlugin;

use crate::checked::CheckedPlugin;
use crate::engine::{Code, Compilable, CompileError, Engine};

/// A verified plugin as machine code, not yet running. It can be made only from a [`VerifiedPlugin`], so bytes that
/// were not verified cannot be compiled:
///
/// ```compile_fail,E0308
/// # fn example(engine: &conductor_engine::Engine, bytes: Vec<u8>) {
/// let unverified = conductor_signing::UnverifiedPlugin::from_parts("x.wasm", bytes, None);
/// let compiled = conductor_engine::CompiledPlugin::compile(engine, unverified); // expects a VerifiedPlugin
/// # }
/// ```
///
/// With the step that is missing above, the example compiles:
///
/// ```
/// # use conductor_signing::{SignaturePolicy, TrustStore, UnverifiedPlugin};
/// # fn example(engine: &conductor_engine::Engine, trust: &TrustStore, unverified: UnverifiedPlugin)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let verified = unverified.verify(&SignaturePolicy::TrustedSigner.into(), trust)?;
/// let compiled = conductor_engine::CompiledPlugin::compile(engine, verified)?;
/// # Ok(()) }
/// ```
pub struct CompiledPlugin {
    checked: CheckedPlugin,
    code: Arc<Code>,
}

impl CompiledPlugin {
    /// Checks the module's shape, compiles it and links it to the host functions that it imports.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a module that is allowed for plugins, see [`ShapeError`](crate::shape::ShapeError),
    /// or do not compile.
    pub fn compile(engine: &Engine, plugin: VerifiedPlugin) -> Result<Self, CompileError> {
        let checked = CheckedPlugin::check(plugin).map_err(|source| CompileError::Shape { source })?;
        match Code::compile(engine, Compilable::verified(checked.plugin())) {
            Ok(code) => Ok(Self::of(checked, Arc::new(code))),
            Err(error) => Err(checked.explain(error)),
        }
    }

    /// A plugin with the code that was compiled from it.
    pub(crate) const fn of(checked: CheckedPlugin, code: Arc<Code>) -> Self {
        Self { checked, code }
    }

    pub(crate) const fn checked(&self) -> &CheckedPlugin {
        &self.checked
    }

    pub(crate) const fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// The verified plugin that was compiled.
    #[must_use]
    pub const fn plugin(&self) -> &VerifiedPlugin {
        self.checked.plugin()
    }

    /// The flavour that the module's exports give it; `None` if the module is not a plugin.
    #[must_use]
    pub const fn flavour(&self) -> Option<Flavour> {
        self.checked.flavour()
    }
}
