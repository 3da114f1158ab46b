//! One run of the daemon: plugins, inputs and outputs from start to a graceful stop.

mod inputs;
mod plugins;
mod trust_watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conductor_core::audit::AuditError;
use conductor_core::{AuditLog, HostError};

use crate::calls::{CallFormat, CallLog};
use crate::config::{Config, OutputConfig};
use crate::control::{Interface, Server, SocketError};
use crate::dispatch::{PluginTotals, Router};
use crate::hosting::{self, Hosting};
use crate::input::{Emitter, InputError};
use crate::output::MidiPorts;
use crate::stop::{Stop, Wake};
use inputs::Inputs;
use plugins::Plugins;

/// Longest wait at the end for calls that are under way or queued; a call is ended by its own limits before that.
const DRAIN_WAIT: Duration = Duration::from_secs(10);

/// How often the end of all inputs and calls is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How the daemon is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Print every call to standard output in this form.
    pub calls: Option<CallFormat>,
    /// End when the inputs that end of themselves have ended and their events were worked on.
    pub exit_at_end: bool,
}

/// Where the files of one run are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The configuration that the daemon runs, to be shown.
    pub config_file: PathBuf,
    /// The control socket.
    pub control_socket: PathBuf,
    /// The audit log.
    pub audit_file: PathBuf,
}

/// Runs until `stop` is given or, if so asked, the inputs have ended. Returns what each plugin did.
///
/// A plugin that is refused, an input or an output that is not available here is logged, and the rest goes on.
///
/// # Errors
///
/// Fails if nothing could start at all, or something that is marked as required could not.
pub fn run(
    config: &Config,
    options: RunOptions,
    hosting: &Hosting,
    places: &Places,
    stop: &Stop,
) -> Result<Vec<PluginTotals>, RunError> {
    let socket = Server::claim(&places.control_socket).map_err(|source| RunError::Control { source })?;
    let audit = AuditLog::open(&places.audit_file).map_err(|source| RunError::Audit { source })?;
    let audit = Arc::new(audit);
    if config.inputs.is_empty() || config.mappings.all().is_empty() {
        tracing::warn!(
            inputs = config.inputs.len(),
            mappings = config.mappings.all().len(),
            "nothing will happen: the configuration needs at least one input and one mapping"
        );
    }
    let calls = options.calls.map(CallLog::to_stdout);
    let mut daemon = Daemon::new(config, options, hosting, stop);
    let interface = Arc::new(Interface::new(places, &audit, daemon.plugins.published()));
    let server = Server::start(socket, Arc::clone(&interface));
    let server = server.map_err(|source| RunError::Thread { source })?;
    let result = daemon.start(calls.as_ref().map(|(log, _)| log), &audit, &interface);
    if result.is_ok() {
        daemon.wait();
    }
    let deadline = Instant::now() + DRAIN_WAIT;
    let totals = daemon.finish(deadline);
    join(server.stop(), deadline, "the control interface");
    if let Some((log, writer)) = calls {
        drop(log);
        join(writer, deadline, "the table of calls");
    }
    result.map(|()| totals)
}

struct Daemon<'r> {
    config: &'r Config,
    options: RunOptions,
    hosting: &'r Hosting,
    stop: &'r Stop,
    plugins: Plugins,
    inputs: Inputs,
    ports: Arc<MidiPorts>,
    trust_watch: Option<JoinHandle<()>>,
}

impl<'r> Daemon<'r> {
    fn new(config: &'r Config, options: RunOptions, hosting: &'r Hosting, stop: &'r Stop) -> Self {
        let plugins = Plugins::new(config);
        let router = Router::new(config.mappings.clone(), plugins.queues());
        let inputs = Inputs::new(config, Arc::new(move |event| router.dispatch(event)));
        let ports = Arc::new(MidiPorts::new(&config.outputs, inputs.jack_ports()));
        Self { config, options, hosting, stop, plugins, inputs, ports, trust_watch: None }
    }

    fn start(
        &mut self,
        calls: Option<&CallLog>,
        audit: &Arc<AuditLog>,
        interface: &Interface,
    ) -> Result<(), RunError> {
        let devices = hosting::devices(Arc::clone(&self.ports) as _);
        let host = self.hosting.host(self.config.wasm.clone(), devices);
        let host = host.map_err(|source| RunError::Host { source })?.audited(Arc::clone(audit) as _);
        interface.probed(host.walls());
        if let Some(directory) = self.config.wasm.trust_dir.clone() {
            let plugins = self.plugins.published().to_vec();
            let watch = trust_watch::start(directory, plugins, self.stop.clone());
            self.trust_watch = Some(watch.map_err(|source| RunError::Thread { source })?);
        }
        self.plugins.start(&Arc::new(host), self.config, calls, self.stop)?;
        open_outputs(&self.config.outputs, &self.ports)?;
        self.inputs.open(&self.ports)?;
        if self.options.exit_at_end && !self.inputs.any_ends() {
            return Err(RunError::NothingEnds);
        }
        self.inputs.start(&self.ports, self.stop)
    }

    /// Waits until the daemon is told to stop or, if so asked, has nothing left to do.
    fn wait(&self) {
        let is_over = || self.options.exit_at_end && self.inputs.have_ended() && self.plugins.are_idle();
        while !is_over() && self.stop.wait_for(LOOK_EVERY) == Wake::Elapsed {}
        tracing::info!("stopping");
    }

    /// Ends everything: inputs first, then plugins, then the ports that plugins send through.
    fn finish(mut self, deadline: Instant) -> Vec<PluginTotals> {
        self.stop.stop();
        self.inputs.join(deadline);
        let totals = self.plugins.finish(deadline);
        self.inputs.join_jack(deadline);
        if let Some(watch) = self.trust_watch {
            join(watch, deadline, "the watch over the trust store");
        }
        totals
    }
}

fn open_outputs(outputs: &[OutputConfig], ports: &MidiPorts) -> Result<(), RunError> {
    for output in outputs {
        match ports.open(&output.name) {
            Ok(()) => tracing::info!(output = output.name, "MIDI output open"),
            Err(reason) if output.required => {
                return Err(RunError::RequiredOutput { name: output.name.clone(), reason });
            }
            Err(reason) => tracing::warn!(output = output.name, "unavailable here, because {reason}"),
        }
    }
    Ok(())
}

/// Waits for a thread, at most until `deadline`; a thread that is late is left behind.
fn join<T>(thread: JoinHandle<T>, deadline: Instant, what: &str) -> Option<T> {
    while !thread.is_finished() {
        if Instant::now() >= deadline {
            tracing::error!("{what} did not end in time");
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
    let ended = thread.join();
    if ended.is_err() {
        tracing::error!("{what} ended with a bug in this program");
    }
    ended.ok()
}

/// Takes an event of an input.
type Sink = Arc<dyn Fn(crate::event::Event) + Send + Sync>;

/// The ports of the JACK client that events come from.
type JackPorts = Vec<(Emitter, Option<String>)>;

impl RunError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Control { source } => source.hint(),
            Self::Audit { source } => source.hint(),
            Self::Host { .. }
            | Self::Thread { .. }
            | Self::NoPlugin
            | Self::NoInput
            | Self::RequiredInput { .. }
            | Self::RequiredOutput { .. }
            | Self::NothingEnds => None,
        }
    }
}

/// Why the daemon did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The control socket cannot be had, such as because another daemon has it.
    #[error("{source}")]
    Control {
        /// Why.
        source: SocketError,
    },
    /// What plugins do could not be recorded.
    #[error("{source}")]
    Audit {
        /// Why.
        source: AuditError,
    },
    /// The host cannot work on this machine.
    #[error("{source}")]
    Host {
        /// Why.
        source: HostError,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: {source}")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// Every plugin of the configuration was refused.
    #[error("none of the plugins could be loaded")]
    NoPlugin,
    /// Every input of the configuration is unavailable.
    #[error("none of the inputs is available")]
    NoInput,
    /// An input that is marked as required is unavailable.
    #[error("the required input `{name}` is unavailable here, because {source}")]
    RequiredInput {
        /// Name of the input.
        name: Arc<str>,
        /// Why.
        source: InputError,
    },
    /// An output that is marked as required is unavailable.
    #[error("the required MIDI output `{name}` is unavailable here, because {reason}")]
    RequiredOutput {
        /// Name of the output.
        name: String,
        /// Why.
        reason: String,
    },
    /// The daemon was to run until its inputs end, and none of them ends.
    #[error("no available input ends of itself, so there is no end to wait for")]
    NothingEnds,
}
