//! One run of the daemon: plugins, inputs and outputs from start to a graceful stop.

mod accept;
mod change;
mod descriptors;
mod input_threads;
mod install;
mod notices;
mod plugin_files;
mod plugin_threads;
mod reload;
mod removal;
mod retry;
mod settings;
mod sounding;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conductor_core::audit::AuditError;
use conductor_core::{AuditLog, Host, HostError, MidiOutputs, Sounding};
use conductor_signing::escape::terminal;
use conductor_signing::{atomic_file, escape};
use conductor_surface::config::OutputConfig;
use conductor_surface::input::{Emitter, InputError, Sink, Taps};
use conductor_surface::output::{CurrentPorts, MidiPorts};
use conductor_surface::stop::{Stop, Wake};

use crate::calls::{CallFormat, CallLog};
use crate::config::Config;
use crate::config::rewrite::Writer;
use crate::control::{Change, ChangeOrder, Installed, Interface, Response, Server, SocketError, Watched};
use crate::dispatch::{Panic, PluginTotals, Roster, Router};
use crate::hangup::Hangup;
use crate::hosting::{self, Hosting};
use crate::page::{self, Staging};
use crate::paths::Places;
use crate::trust_watch;
use input_threads::Inputs;
use plugin_threads::{Plugins, Surroundings};
use retry::Retry;

/// Longest wait at the end for calls that run or are queued. A call's own limits end it sooner.
const DRAIN_WAIT: Duration = Duration::from_secs(10);

/// Longest wait at the end for rows of calls to be read.
const ROWS_WAIT: Duration = Duration::from_secs(2);

/// Time between two looks whether all inputs and calls have ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Time between two samples of what each plugin does.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// How the daemon is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Print every call to standard output in this form.
    pub calls: Option<CallFormat>,
    /// Run in safe mode: load no plugin.
    pub safe: bool,
    /// End when all inputs that end of themselves have ended and their events were handled.
    pub exit_at_end: bool,
}

/// Runs until `stop` is given or, if the options say so, until the inputs have ended. Reads the configuration again
/// when `hangup` came. Returns what each plugin did.
///
/// A plugin that is refused, an input or an output that is not available here is logged, and the rest goes on.
///
/// # Errors
///
/// Fails if something that is marked as required could not start, or if the run is to end with its inputs and nothing
/// could start.
pub fn run(
    config: &Config,
    options: RunOptions,
    hosting: &Hosting,
    places: &Places,
    stop: &Stop,
    hangup: &Hangup,
) -> Result<Vec<PluginTotals>, RunError> {
    descriptors::raise();
    let socket = Server::claim(&places.control_socket).map_err(|source| RunError::Control { source })?;
    let audit = AuditLog::open(&places.audit_file).map_err(|source| RunError::Audit { source })?;
    let audit = Arc::new(audit);
    let recorded = Arc::clone(&audit);
    if config.does_nothing() {
        first_steps(places);
    } else if config.inputs.is_empty() || config.mappings.all().is_empty() {
        tracing::warn!(
            inputs = config.inputs.len(),
            mappings = config.mappings.all().len(),
            "nothing will happen: the configuration needs at least one input and one mapping"
        );
    }
    let mut config = plugin_files::adopt(config.clone(), places);
    if options.safe {
        config.hold_plugins_back();
        tracing::warn!("safe mode: no plugin is loaded; to load them: conductorctl safe off");
    }
    let config = &config;
    plugin_files::clean(config, places);
    notices::tell(config, places);
    let (calls, writer) = match options.calls {
        Some(format) => {
            let written = CallLog::to_stdout(format).map_err(|source| RunError::Thread { source })?;
            (written.0, Some(written.1))
        }
        None => (CallLog::default(), None),
    };
    let (orders, ordered) = channel();
    let mut daemon = Daemon::new(config, options, hosting, places, calls.clone(), audit, stop);
    let watched = Watched {
        audit: Arc::clone(&daemon.audit),
        roster: Arc::clone(&daemon.roster),
        router: Arc::clone(&daemon.router),
        inputs: Arc::clone(daemon.inputs.states()),
        panic: Arc::clone(&daemon.panic),
        is_safe: Arc::clone(&daemon.is_safe),
        installed: Arc::clone(&daemon.installed),
        calls: calls.clone(),
    };
    let interface = Interface::new(places, watched, orders);
    let interface = Arc::new(interface);
    let server = Server::start(socket, Arc::clone(&interface));
    let server = server.map_err(|source| RunError::Thread { source })?;
    let staging = Staging::new(places.paths.state_dir(), config.wasm.limits().max_module_bytes);
    let page = page::Server::start(config.ui, staging, &interface);
    let page = page.map_err(|source| RunError::Thread { source })?;
    try_programs(&interface).map_err(|source| RunError::Thread { source })?;
    let result = daemon.start(&interface);
    if result.is_ok() {
        daemon.wait(&ordered, hangup);
    }
    drop(ordered);
    let deadline = Instant::now() + DRAIN_WAIT;
    let totals = daemon.finish(deadline);
    join(server.stop(), deadline, "the control interface");
    if let Some(page) = page {
        join(page.stop(), deadline, "the Plugin Manager");
    }
    drop(calls);
    drop(interface);
    if let Some(writer) = writer {
        join(writer, Instant::now() + ROWS_WAIT, "the table of calls");
    }
    // Threads that were left behind may hold the log, and the end of this program could cut off a record that they
    // write.
    recorded.close();
    result.map(|()| totals)
}

/// Finds out, on a thread of its own, whether this machine can run programs for plugins.
#[cfg(target_os = "linux")]
fn try_programs(interface: &Arc<Interface>) -> io::Result<()> {
    let interface = Arc::clone(interface);
    let check = move || {
        let checked = hosting::check_programs();
        if let Err(why) = &checked {
            tracing::info!("Subprocess is unavailable here: {}", terminal(why));
        }
        interface.programs_are(checked);
    };
    thread::Builder::new().name("programs".into()).spawn(check).map(drop)
}

#[cfg(not(target_os = "linux"))]
fn try_programs(_interface: &Arc<Interface>) -> io::Result<()> {
    Ok(())
}

/// Says what to do first if nothing is configured.
fn first_steps(places: &Places) {
    tracing::info!("nothing is configured yet in {}", escape::path(&places.config_file));
    tracing::info!(
        "to add a plugin: conductorctl plugin install FILE.wasm, or on the page that conductorctl ui opens"
    );
    tracing::info!("to say which input calls it: conductor init writes a configuration to fill in");
}

struct Daemon<'r> {
    config: Config,
    options: RunOptions,
    hosting: &'r Hosting,
    places: &'r Places,
    stop: &'r Stop,
    calls: CallLog,
    audit: Arc<AuditLog>,
    host: Option<Arc<Host>>,
    plugins: Plugins,
    roster: Arc<Roster>,
    router: Arc<Router>,
    inputs: Inputs,
    ports: Arc<CurrentPorts>,
    sounding: Sounding,
    panic: Arc<Panic>,
    /// Whether no plugin is loaded.
    is_safe: Arc<AtomicBool>,
    installed: Arc<Installed>,
    taps: Arc<Taps>,
    trust_watch: Option<JoinHandle<()>>,
    /// How many calls each plugin had made when its current version was installed.
    trials: HashMap<String, u64>,
    retry: Retry,
}

impl<'r> Daemon<'r> {
    fn new(
        config: &Config,
        options: RunOptions,
        hosting: &'r Hosting,
        places: &'r Places,
        calls: CallLog,
        audit: Arc<AuditLog>,
        stop: &'r Stop,
    ) -> Self {
        let roster = Arc::new(Roster::default());
        let plugins = Plugins::new(config, &roster);
        roster.set(plugins.known());
        let taps = Arc::new(Taps::default());
        taps.set(&config.inputs);
        // The outputs may share a JACK client with inputs, whose events go to the router, which silences the outputs.
        let ports = Arc::new(CurrentPorts::new(Arc::new(MidiPorts::new(&[], Vec::new()))));
        let midi = Arc::clone(&ports) as Arc<dyn MidiOutputs>;
        let sounding = sounding::kept(&places.paths.sounding_file(), &midi);
        let panic =
            Panic::new(sounding.clone(), Arc::clone(&ports), Arc::clone(&roster), Arc::clone(&audit) as _);
        let panic = Arc::new(panic);
        let router = Router::new(config.mappings.clone(), &plugins.queues(), Arc::clone(&panic));
        let router = Arc::new(router);
        let sink: Sink = Arc::new({
            let (router, taps) = (Arc::clone(&router), Arc::clone(&taps));
            move |event, input| {
                taps.pass(&event);
                router.dispatch(event, input);
            }
        });
        let mut inputs = Inputs::new(sink, &config.inputs);
        ports.set(Arc::new(MidiPorts::new(&config.outputs, inputs.jack_ports(&config.inputs))));
        let (config, retry) = (config.clone(), Retry::new(config));
        Self {
            config,
            options,
            hosting,
            places,
            stop,
            calls,
            audit,
            host: None,
            plugins,
            roster,
            router,
            inputs,
            ports,
            sounding,
            panic,
            is_safe: Arc::new(AtomicBool::new(options.safe)),
            installed: Arc::default(),
            taps,
            trust_watch: None,
            trials: HashMap::new(),
            retry,
        }
    }

    fn start(&mut self, interface: &Interface) -> Result<(), RunError> {
        let host = self.new_host(&self.config)?;
        interface.begun(host.walls(), host.denials());
        let paths = &self.places.paths;
        for directory in [paths.config_dir(), paths.state_dir(), &paths.plugins_dir()] {
            atomic_file::remove_leftovers(directory);
        }
        Writer::new(&self.places.config_file, paths).remove_leftovers();
        let directories = [paths.runtime_dir(), paths.state_dir()].map(Path::to_path_buf);
        for denial in host.recall_denials(&directories) {
            let denial = denial.to_string();
            tracing::error!(
                "revoked before the last stop, and holds, but is in no file of decisions yet: {}",
                terminal(&denial)
            );
        }
        self.installed.set(&host, &self.config.plugins);
        self.host = Some(Arc::clone(&host));
        if let Some(directory) = self.config.wasm.trust_dir.clone() {
            let watch = trust_watch::start(directory, Arc::clone(&self.roster), self.stop.clone());
            self.trust_watch = Some(watch.map_err(|source| RunError::Thread { source })?);
        }
        let around = Surroundings {
            host: &host,
            roster: &self.roster,
            mappings: &self.config.mappings,
            calls: &self.calls,
            panic: &self.panic,
            stop: self.stop,
        };
        if !self.plugins.start(around)? {
            if self.options.exit_at_end {
                return Err(RunError::NoPlugin);
            }
            tracing::warn!(
                "none of the plugins could be loaded; each is tried again when its files or the trusted keys change; \
                 to see why: conductorctl plugin list"
            );
        }
        let ports = self.ports.get();
        open_outputs(&self.config.outputs, &ports)?;
        sounding::end_what_was_left(&self.sounding);
        if !self.inputs.open(&self.config.inputs, &ports)? {
            if self.options.exit_at_end {
                return Err(RunError::NoInput);
            }
            tracing::warn!("none of the inputs is available; to try them again: conductorctl reload");
        }
        if self.options.exit_at_end && !self.inputs.any_ends() {
            return Err(RunError::NothingEnds);
        }
        self.inputs.start(&ports)?;
        tracing::info!("ready");
        Ok(())
    }

    fn new_host(&self, config: &Config) -> Result<Arc<Host>, RunError> {
        let (ports, taps) = (Arc::clone(&self.ports), Arc::clone(&self.taps));
        let devices = hosting::devices(
            ports as _,
            self.sounding.clone(),
            taps as _,
            &config.networks,
            &self.places.paths,
        );
        let host = self.hosting.host(config.wasm.clone(), devices);
        let host = host.map_err(|source| RunError::Host { source })?;
        let host = match &self.host {
            Some(before) => host.in_place_of(before),
            None => host,
        };
        if let Err(error) = host.prepare_denials() {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            tracing::error!(
                "a revocation would not survive a full disk: {}{}",
                terminal(&error.to_string()),
                terminal(&hint)
            );
        }
        Ok(Arc::new(host.audited(Arc::clone(&self.audit) as _)))
    }

    /// Carries out orders until the daemon is told to stop or, if the options say so, has nothing left to do.
    fn wait(&mut self, orders: &Receiver<ChangeOrder>, hangup: &Hangup) {
        let mut next_sample = Instant::now() + SAMPLE_EVERY;
        while !(self.options.exit_at_end && self.inputs.have_ended() && self.plugins.are_idle()) {
            if self.stop.wait_for(LOOK_EVERY) != Wake::Elapsed {
                break;
            }
            let now = Instant::now();
            if next_sample <= now {
                next_sample = now + SAMPLE_EVERY;
                self.roster.all().iter().for_each(|plugin| plugin.sample());
                self.end_trials();
            }
            self.try_again(now);
            if hangup.take() {
                // The outcome of the reload is in the log.
                let _ = self.change(Change::Reload);
            }
            for ChangeOrder { change, reply, turn: _turn } in orders.try_iter() {
                let changed = self.change(change);
                // Whoever asked may have stopped waiting; the outcome is in the log.
                let _ = reply.send(changed.unwrap_or_else(Response::Refused));
            }
        }
        tracing::info!("stopping");
    }

    /// Ends everything: first inputs, then plugins, then the ports through which plugins send.
    fn finish(mut self, deadline: Instant) -> Vec<PluginTotals> {
        self.stop.stop();
        self.installed.forget();
        self.inputs.finish(deadline);
        let totals = self.plugins.finish(deadline);
        if let Some(host) = &self.host {
            let unkept = host.denials().unkept();
            let from_now_on = match unkept.is_empty() || host.notes_denials() {
                true => "the next start knows of it",
                false => "and so granted again from now on",
            };
            for denial in unkept {
                let denial = denial.to_string();
                tracing::error!("revoked, but not written, {from_now_on}: {}", terminal(&denial));
            }
        }
        // Plugins that did not end in time play nothing more.
        self.sounding.ledger().close();
        self.inputs.finish_jack(deadline);
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

/// Waits for a thread until `deadline`. A thread that is late is left behind.
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

/// The input ports of the JACK client.
type JackPorts = Vec<(Emitter, Option<String>)>;

impl RunError {
    /// What the user can do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Control { source } => source.hint(),
            Self::Audit { source } => source.hint(),
            Self::Host { .. }
            | Self::Thread { .. }
            | Self::NoPlugin
            | Self::NoInput
            | Self::RequiredPlugin { .. }
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
    /// The control socket cannot be claimed, for example because another daemon has it.
    #[error("{source}")]
    Control {
        /// Why.
        source: SocketError,
    },
    /// The audit log cannot be written.
    #[error("{source}")]
    Audit {
        /// Why.
        source: AuditError,
    },
    /// The host cannot be made on this machine.
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
    /// A plugin that is marked as required was not loaded.
    #[error("the required plugin `{name}` was not loaded: {why}")]
    RequiredPlugin {
        /// The user's name for the plugin.
        name: Arc<str>,
        /// Why.
        why: String,
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
    /// The daemon was to run until its inputs end, but none of them ends of itself.
    #[error("no available input ends of itself, so there is no end to wait for")]
    NothingEnds,
}
