//! Plugins in the host's own address space, with only the wall of WebAssembly around them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use conductor_call::{CallReport, Flavour, HostSession, Isolation, Limits, Walls};
use conductor_signing::{Digest, VerifiedPlugin};

use crate::checked::CheckedPlugin;
#[cfg(target_os = "linux")]
use crate::code_cache::CodeCache;
use crate::compiled::CompiledPlugin;
use crate::engine::{Code, Compilable, CompileError, Engine, EngineError, Instances, POOLED_TABLE_ELEMENTS};
use crate::files::{AskedHere, Files};
#[cfg(target_os = "linux")]
use crate::fingerprint::Fingerprint;
use crate::instance::Metadata;
use crate::local::{Local, StartError, Surroundings};
use crate::run_error::RunError;
use crate::runtime::{Prepared, Running, Runtime, Switch};
#[cfg(target_os = "linux")]
use crate::sealed::SealedFile;

/// Size of the stack in bytes, and how instances are made.
type EngineKey = (u32, Instances);

/// Runs plugins with engines in this process. There is one engine for each stack size and way of making instances,
/// because both are settings of an engine and not of a plugin.
pub struct InProcess {
    engines: Mutex<BTreeMap<EngineKey, Engine>>,
    /// Code of the loaded plugins, shared by plugins with the same bytes.
    codes: Mutex<HashMap<(Digest, EngineKey), Weak<Code>>>,
    #[cfg(target_os = "linux")]
    cache: Option<CodeCache>,
}

impl InProcess {
    /// Starts with the engine that most plugins use.
    ///
    /// # Errors
    ///
    /// Fails if this machine cannot run the engine.
    pub fn new(max_stack_bytes: u32) -> Result<Self, EngineError> {
        let runtime = Self {
            engines: Mutex::default(),
            codes: Mutex::default(),
            #[cfg(target_os = "linux")]
            cache: None,
        };
        runtime.engine((max_stack_bytes, Instances::OnDemand)).map(|_| runtime)
    }

    /// The same runtime, which keeps compiled code between runs in this cache.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn keeping_code_in(self, cache: CodeCache) -> Self {
        Self { cache: Some(cache), ..self }
    }

    fn engine(&self, which: EngineKey) -> Result<Engine, EngineError> {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engines.get(&which) {
            return Ok(engine.clone());
        }
        let engine = Engine::with(which.0, which.1)?;
        engines.insert(which, engine.clone());
        Ok(engine)
    }

    /// The code of a plugin: shared with a loaded plugin of the same bytes, or else from the cache, or else compiled.
    fn code(
        &self,
        engine: &Engine,
        which: EngineKey,
        plugin: &CheckedPlugin,
    ) -> Result<Arc<Code>, CompileError> {
        let key = (plugin.plugin().digest(), which);
        let known =
            self.codes.lock().unwrap_or_else(PoisonError::into_inner).get(&key).and_then(Weak::upgrade);
        if let Some(code) = known {
            return Ok(code);
        }
        let code = Arc::new(self.made(engine, plugin)?);
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, code| code.strong_count() > 0);
        codes.insert(key, Arc::downgrade(&code));
        Ok(code)
    }

    #[cfg(target_os = "linux")]
    fn made(&self, engine: &Engine, plugin: &CheckedPlugin) -> Result<Code, CompileError> {
        let verified = plugin.plugin();
        let Some(cache) = &self.cache else { return Code::compile(engine, Compilable::verified(verified)) };
        let (digest, fingerprint) = (verified.digest(), Fingerprint::of(engine.inner()));
        let kept = cache.for_this_process(&digest, &fingerprint);
        // If the cached code cannot be used, the plugin is compiled.
        if let Some(module) = kept.and_then(|code| code.map(engine).ok()) {
            return Code::link(engine, &module);
        }
        let code = Code::compile(engine, Compilable::verified(verified))?;
        let bytes = code.serialize().map_err(std::io::Error::other);
        if let Ok(code) = bytes.and_then(|bytes| SealedFile::of("conductor-code", &bytes)) {
            cache.keep_own(&digest, &fingerprint, &code);
        }
        Ok(code)
    }

    #[cfg(not(target_os = "linux"))]
    fn made(&self, engine: &Engine, plugin: &CheckedPlugin) -> Result<Code, CompileError> {
        Code::compile(engine, Compilable::verified(plugin.plugin()))
    }
}

/// How the instances of a plugin are made.
fn instances(limits: &Limits, flavour: Flavour) -> Instances {
    let is_fresh = limits.isolation == Isolation::Fresh || flavour == Flavour::Command;
    if is_fresh && limits.max_table_elements <= POOLED_TABLE_ELEMENTS {
        Instances::Pooled
    } else {
        Instances::OnDemand
    }
}

impl Runtime for InProcess {
    fn files(&self) -> Arc<dyn Files> {
        Arc::new(AskedHere)
    }

    fn check(&self, plugin: VerifiedPlugin) -> Result<CheckedPlugin, CompileError> {
        #[cfg(target_os = "linux")]
        if let Some(cache) = &self.cache {
            return CheckedPlugin::check_once(plugin, cache).map_err(|source| CompileError::Shape { source });
        }
        CheckedPlugin::check(plugin).map_err(|source| CompileError::Shape { source })
    }

    fn prepare(&self, plugin: CheckedPlugin, limits: &Limits) -> Result<Box<dyn Prepared>, RunError> {
        let flavour = plugin.flavour().ok_or(RunError::NotAPlugin)?;
        let which = (limits.max_stack_bytes, instances(limits, flavour));
        let engine = self.engine(which).map_err(|source| RunError::Engine { source })?;
        let code = self.code(&engine, which, &plugin);
        let code = code.map_err(|error| RunError::Compile { source: plugin.explain(error) })?;
        Ok(Box::new(Ready { engine, compiled: CompiledPlugin::of(plugin, code), flavour }))
    }
}

struct Ready {
    engine: Engine,
    compiled: CompiledPlugin,
    flavour: Flavour,
}

impl Prepared for Ready {
    fn plugin(&self) -> &CheckedPlugin {
        self.compiled.checked()
    }

    fn start(
        &self,
        surroundings: Surroundings,
        session: Arc<dyn HostSession>,
        _: Arc<Switch>,
    ) -> Result<(Box<dyn Running>, Metadata), RunError> {
        let code = Arc::clone(self.compiled.code());
        let mut local = Local::new(self.engine.clone(), code, self.flavour, surroundings, session);
        let metadata = local.start().map_err(|error| match error {
            StartError::Setup(source) => RunError::Setup { source },
            StartError::Outcome(outcome) => RunError::Start { outcome },
        })?;
        Ok((Box::new(local), metadata))
    }
}

impl Running for Local {
    fn execute(&mut self, request: &[u8], started: Instant) -> CallReport {
        Self::execute(self, request, started)
    }

    fn walls(&self) -> Walls {
        Walls::in_process()
    }

    fn rest(&mut self) {
        Self::rest(self);
    }

    fn restart_with(&mut self, surroundings: Surroundings) {
        Self::restart_with(self, surroundings);
    }
}
