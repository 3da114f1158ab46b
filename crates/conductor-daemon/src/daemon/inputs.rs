//! The inputs of one run and their threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use super::{JackPorts, RunError, Sink, join};
use crate::config::{Config, InputConfig, InputKind, MidiSource};
use crate::input::{self, Emitter, InputError, OpenInput};
use crate::jack_client::JackClient;
use crate::output::MidiPorts;
use crate::stop::Stop;

/// A thread for every input, and one for all JACK ports.
pub(super) struct Inputs {
    configs: Vec<InputConfig>,
    sink: Sink,
    opened: Vec<(Emitter, OpenInput)>,
    threads: Vec<(Arc<str>, JoinHandle<()>)>,
    jack: Option<(JoinHandle<()>, Stop)>,
    /// Inputs that end of themselves and have not ended yet.
    left: Arc<AtomicUsize>,
}

impl Inputs {
    pub(super) fn new(config: &Config, sink: Sink) -> Self {
        Self {
            configs: config.inputs.clone(),
            sink,
            opened: Vec::new(),
            threads: Vec::new(),
            jack: None,
            left: Arc::default(),
        }
    }

    /// The ports that the JACK client is to have for inputs.
    pub(super) fn jack_ports(&self) -> JackPorts {
        let ports = self.configs.iter().filter_map(|config| match &config.kind {
            InputKind::MidiPort { source: MidiSource::Jack { connect } } => {
                Some((self.emitter(config), connect.clone()))
            }
            InputKind::MidiPort { source: MidiSource::Alsa { .. } }
            | InputKind::MidiFile { .. }
            | InputKind::MidiRaw { .. }
            | InputKind::Osc { .. }
            | InputKind::Interval { .. } => None,
        });
        ports.collect()
    }

    /// Opens every input.
    pub(super) fn open(&mut self, ports: &MidiPorts) -> Result<(), RunError> {
        let mut opened = Vec::new();
        let mut available = 0;
        for config in &self.configs {
            match open(config, ports) {
                Ok(input) => {
                    available += 1;
                    opened.extend(input.map(|input| (self.emitter(config), input)));
                }
                Err(source) if config.required => {
                    return Err(RunError::RequiredInput { name: Arc::clone(&config.name), source });
                }
                Err(error) => tracing::warn!(input = &*config.name, "unavailable here, because {error}"),
            }
        }
        if available == 0 && !self.configs.is_empty() {
            return Err(RunError::NoInput);
        }
        self.opened = opened;
        Ok(())
    }

    /// Whether any input ends of itself.
    pub(super) fn any_ends(&self) -> bool {
        self.opened.iter().any(|(_, input)| input.ends())
    }

    /// Lets all inputs run that were opened.
    pub(super) fn start(&mut self, ports: &MidiPorts, stop: &Stop) -> Result<(), RunError> {
        let opened = std::mem::take(&mut self.opened);
        self.left.store(opened.iter().filter(|(_, input)| input.ends()).count(), Ordering::SeqCst);
        if let Some(jack) = ports.take_jack() {
            self.start_jack(jack)?;
        }
        for (emitter, input) in opened {
            self.start_one(emitter, input, stop)?;
        }
        Ok(())
    }

    /// Whether all inputs that end of themselves have ended.
    pub(super) fn have_ended(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    /// Waits for the threads of the inputs, which were told to stop.
    pub(super) fn join(&mut self, deadline: Instant) {
        for (name, thread) in self.threads.drain(..) {
            join(thread, deadline, &format!("the input `{name}`"));
        }
    }

    /// Ends the JACK client, which outlives the other inputs because plugins send through it while they finish.
    pub(super) fn join_jack(&mut self, deadline: Instant) {
        if let Some((thread, stop)) = self.jack.take() {
            stop.stop();
            thread.thread().unpark();
            join(thread, deadline, "the JACK client");
        }
    }

    fn emitter(&self, config: &InputConfig) -> Emitter {
        Emitter::new(Arc::clone(&config.name), Arc::clone(&self.sink))
    }

    fn start_one(&mut self, emitter: Emitter, input: OpenInput, stop: &Stop) -> Result<(), RunError> {
        let name: Arc<str> = emitter.input().into();
        let left = Arc::clone(&self.left);
        let stop = stop.clone();
        let run = move || {
            let ends = input.ends();
            match input.run(&emitter, &stop) {
                Ok(()) => tracing::info!(input = emitter.input(), "input ended"),
                Err(error) => tracing::error!(input = emitter.input(), "input ended: {error}"),
            }
            if ends {
                left.fetch_sub(1, Ordering::SeqCst);
            }
        };
        let thread = Builder::new().name(name.to_string()).spawn(run);
        self.threads.push((name, thread.map_err(|source| RunError::Thread { source })?));
        Ok(())
    }

    fn start_jack(&mut self, jack: JackClient) -> Result<(), RunError> {
        let failed = |source| RunError::Thread { source };
        let stop = Stop::new().map_err(failed)?;
        let stopped = stop.clone();
        let run = move || jack.run(|| stopped.is_stopped());
        let thread = Builder::new().name("jack".into()).spawn(run).map_err(failed)?;
        self.jack = Some((thread, stop));
        Ok(())
    }
}

/// Opens an input. `None` for one that the JACK client serves.
fn open(config: &InputConfig, ports: &MidiPorts) -> Result<Option<OpenInput>, InputError> {
    let input = input::open(config)?;
    if input.is_none() {
        ports.connect_jack()?;
    }
    Ok(input)
}
