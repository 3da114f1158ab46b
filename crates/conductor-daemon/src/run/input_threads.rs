//! The inputs of one run and their threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use conductor_surface::config::{InputConfig, InputKind, MidiSource};
use conductor_surface::input::{
    self, Condition, Emitter, InputError, InputState, InputStates, OpenInput, Sink,
};
use conductor_surface::jack_client::JackClient;
use conductor_surface::output::MidiPorts;
use conductor_surface::stop::Stop;

use super::{JackPorts, RunError, join};

/// Longest wait for the end of an input that is no longer wanted.
const END_WAIT: Duration = Duration::from_secs(2);

/// A thread for every input, and one for all JACK ports.
pub(super) struct Inputs {
    sink: Sink,
    states: Arc<InputStates>,
    opened: Vec<(InputConfig, OpenInput)>,
    running: Vec<Running>,
    jack: Option<(JoinHandle<()>, Stop)>,
    /// The inputs that the JACK client serves.
    jack_emitters: Vec<Emitter>,
    /// How many inputs that end of themselves have not ended yet.
    left: Arc<AtomicUsize>,
}

/// An input whose thread was started.
struct Running {
    config: InputConfig,
    state: Arc<InputState>,
    stop: Stop,
    thread: JoinHandle<()>,
}

/// Runs at the end of an input's thread, however the thread ends.
struct End {
    state: Arc<InputState>,
    /// The condition in which the input ended; none if the thread ended through a bug in this program.
    condition: Option<Condition>,
    /// How many inputs that end of themselves have not ended yet, if this input is one of them.
    left: Option<Arc<AtomicUsize>>,
}

impl End {
    fn came_to(mut self, condition: Condition) {
        self.condition = Some(condition);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let bug = || Condition::Failed { why: "its thread ended with a bug in this program".to_owned() };
        self.state.is_now(self.condition.take().unwrap_or_else(bug));
        if let Some(left) = &self.left {
            left.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The inputs that the JACK client serves, with the port that each is to be connected to.
pub(super) fn jack_inputs(configs: &[InputConfig]) -> impl Iterator<Item = (&InputConfig, &Option<String>)> {
    configs.iter().filter_map(|config| match &config.kind {
        InputKind::MidiPort { source: MidiSource::Jack { connect } } => Some((config, connect)),
        InputKind::MidiPort { source: MidiSource::Alsa { .. } }
        | InputKind::MidiFile { .. }
        | InputKind::MidiRaw { .. }
        | InputKind::Osc { .. }
        | InputKind::Interval { .. } => None,
    })
}

impl Inputs {
    pub(super) fn new(sink: Sink, configs: &[InputConfig]) -> Self {
        let states = Arc::new(InputStates::default());
        states.set(configs);
        Self {
            sink,
            states,
            opened: Vec::new(),
            running: Vec::new(),
            jack: None,
            jack_emitters: Vec::new(),
            left: Arc::default(),
        }
    }

    /// The state of each input.
    pub(super) const fn states(&self) -> &Arc<InputStates> {
        &self.states
    }

    /// The ports that the JACK client needs for inputs.
    pub(super) fn jack_ports(&mut self, configs: &[InputConfig]) -> JackPorts {
        let ports: JackPorts =
            jack_inputs(configs).map(|(config, connect)| (self.emitter(config), connect.clone())).collect();
        self.jack_emitters = ports.iter().map(|(emitter, _)| emitter.clone()).collect();
        ports
    }

    /// Opens every input. Returns whether any input is available; `true` if none is configured.
    pub(super) fn open(&mut self, configs: &[InputConfig], ports: &MidiPorts) -> Result<bool, RunError> {
        let mut is_any_available = configs.is_empty();
        for config in configs {
            match open(config, ports) {
                Ok(input) => {
                    is_any_available = true;
                    self.opened.extend(input.map(|input| (config.clone(), input)));
                }
                Err(source) if config.required => {
                    return Err(RunError::RequiredInput { name: Arc::clone(&config.name), source });
                }
                Err(error) => self.is_unavailable(config, &error),
            }
        }
        Ok(is_any_available)
    }

    /// Whether any input ends of itself.
    pub(super) fn any_ends(&self) -> bool {
        self.opened.iter().any(|(_, input)| input.ends())
    }

    /// Starts all inputs that were opened.
    pub(super) fn start(&mut self, ports: &MidiPorts) -> Result<(), RunError> {
        let opened = std::mem::take(&mut self.opened);
        self.left.fetch_add(opened.iter().filter(|(_, input)| input.ends()).count(), Ordering::SeqCst);
        if let Some(jack) = ports.take_jack() {
            self.start_jack(jack)?;
        }
        for (config, input) in opened {
            self.start_one(config, input)?;
        }
        Ok(())
    }

    /// Ends the inputs that a configuration no longer has, or that have failed. To be called while events still go where
    /// they went before: what such an input left sounding is ended there.
    pub(super) fn end(&mut self, configs: &[InputConfig]) {
        let stays = |input: &Running| configs.contains(&input.config) && !input.has_failed();
        let (stay, end): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running).into_iter().partition(stays);
        self.running = stay;
        end.iter().for_each(|input| input.stop.stop());
        let deadline = Instant::now() + END_WAIT;
        end.into_iter().for_each(|input| input.join(deadline));
    }

    /// Starts the inputs that are new, after [`Inputs::end`]. The others go on.
    pub(super) fn renew(&mut self, configs: &[InputConfig], ports: &MidiPorts) {
        self.states.set(configs);
        let has = |config: &InputConfig| self.running.iter().any(|input| input.config == *config);
        let new: Vec<InputConfig> = configs.iter().filter(|config| !has(config)).cloned().collect();
        for config in new {
            let opened = open(&config, ports)
                .map(|input| self.opened.extend(input.map(|input| (config.clone(), input))));
            match opened {
                Ok(()) => self.states.of(&config.name).is_now(Condition::Delivers),
                Err(error) => self.is_unavailable(&config, &error),
            }
        }
        if let Err(error) = self.start(ports) {
            tracing::error!("{error}");
        }
    }

    /// Whether all inputs that end of themselves have ended.
    pub(super) fn have_ended(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    /// Ends all inputs except for the JACK client, whose inputs let go of what they hold.
    pub(super) fn finish(&mut self, deadline: Instant) {
        self.jack_emitters.iter().for_each(Emitter::let_go);
        self.running.iter().for_each(|input| input.stop.stop());
        self.running.drain(..).for_each(|input| input.join(deadline));
    }

    /// Ends the JACK client, which outlives the other inputs because plugins send through it while they finish.
    pub(super) fn finish_jack(&mut self, deadline: Instant) {
        if let Some((thread, stop)) = self.jack.take() {
            stop.stop();
            thread.thread().unpark();
            join(thread, deadline, "the JACK client");
        }
    }

    fn emitter(&self, config: &InputConfig) -> Emitter {
        Emitter::new(self.states.of(&config.name), Arc::clone(&self.sink))
    }

    fn is_unavailable(&self, config: &InputConfig, error: &InputError) {
        tracing::warn!(input = &*config.name, "unavailable here, because {error}");
        self.states.of(&config.name).is_now(Condition::Failed { why: error.to_string() });
    }

    fn start_one(&mut self, config: InputConfig, input: OpenInput) -> Result<(), RunError> {
        let failed = |source| RunError::Thread { source };
        let (emitter, state) = (self.emitter(&config), self.states.of(&config.name));
        state.set_damage(None);
        let stop = Stop::new().map_err(failed)?;
        let stopped = stop.clone();
        let left = input.ends().then(|| Arc::clone(&self.left));
        let end = End { state: Arc::clone(&state), condition: None, left };
        let run = move || match input.run(&emitter, &stopped) {
            Ok(()) => {
                tracing::info!(input = emitter.input(), "input ended");
                end.came_to(Condition::Ended);
            }
            Err(error) => {
                tracing::error!(input = emitter.input(), "input ended: {error}");
                end.came_to(Condition::Failed { why: error.to_string() });
            }
        };
        let thread = Builder::new().name(config.name.to_string()).spawn(run).map_err(failed)?;
        self.running.push(Running { config, state, stop, thread });
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

impl Running {
    /// Whether the input's thread has ended without being told to, though the input has no end.
    fn has_failed(&self) -> bool {
        matches!(self.state.condition(), Condition::Failed { .. })
    }

    fn join(self, deadline: Instant) {
        join(self.thread, deadline, &format!("the input `{}`", self.config.name));
    }
}

/// Opens an input. `None` for an input that the JACK client serves.
fn open(config: &InputConfig, ports: &MidiPorts) -> Result<Option<OpenInput>, InputError> {
    let input = input::open(config)?;
    if input.is_none() {
        ports.connect_jack()?;
    }
    Ok(input)
}
