//! From an event to the action that it triggers.

use std::ops::RangeInclusive;
use std::sync::Arc;

use conductor_abi::Request;
use conductor_surface::event::{Body, Event, EventKind, fields};
use conductor_surface::osc_address::Pattern;
use serde_json::Value as Json;

/// All mappings, in the order of the configuration.
#[derive(Clone, Debug)]
pub struct Mappings {
    initial_mode: Arc<str>,
    all: Arc<[Mapping]>,
}

/// One mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Line of the configuration on which it begins, counted from 1.
    pub line: usize,
    /// Which events trigger the mapping.
    pub trigger: Trigger,
    /// The mode in which the mapping is active; `None` for every mode.
    pub mode: Option<Arc<str>>,
    /// What the mapping does.
    pub effect: Effect,
}

/// What a mapping does.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Execute an action of a plugin.
    Call {
        /// Alias of the plugin.
        plugin: Arc<str>,
        /// Name of the action.
        action: String,
        /// Parameters of the action.
        parameters: Json,
    },
    /// Switch all mappings to a mode.
    SwitchMode(Arc<str>),
    /// Silence everything, and let plugins do nothing until the user resumes them.
    Panic,
}

/// A pattern over events. Every part that is given must match.
#[derive(Clone, Debug, Default)]
pub struct Trigger {
    /// Name of the input.
    pub input: Option<Arc<str>>,
    /// Kinds of event; empty for every kind.
    pub events: Vec<EventKind>,
    /// MIDI channel.
    pub channel: Option<RangeInclusive<u8>>,
    /// MIDI note.
    pub note: Option<RangeInclusive<u8>>,
    /// MIDI velocity.
    pub velocity: Option<RangeInclusive<u8>>,
    /// MIDI controller number.
    pub cc: Option<RangeInclusive<u8>>,
    /// MIDI program.
    pub program: Option<RangeInclusive<u8>>,
    /// Value of a controller, a pressure, a bend, or the first number of an OSC message.
    pub value: Option<RangeInclusive<f64>>,
    /// OSC address pattern.
    pub address: Option<Pattern>,
}

impl Mappings {
    /// Mappings with `initial_mode` as the mode at the start.
    #[must_use]
    pub fn new(initial_mode: impl Into<Arc<str>>, mappings: Vec<Mapping>) -> Self {
        Self { initial_mode: initial_mode.into(), all: mappings.into() }
    }

    /// The mode at the start.
    #[must_use]
    pub const fn initial_mode(&self) -> &Arc<str> {
        &self.initial_mode
    }

    /// The index by which plugins for Conductor 1.0 know a mode: 0 for the mode at the start, then the others in the
    /// order in which the mappings first name them. `None` for a mode that no mapping names.
    #[must_use]
    pub fn mode_index(&self, mode: &str) -> Option<u32> {
        let mut known = vec![&*self.initial_mode];
        for mapping in &*self.all {
            let switch = match &mapping.effect {
                Effect::SwitchMode(mode) => Some(&**mode),
                Effect::Call { .. } | Effect::Panic => None,
            };
            for named in mapping.mode.as_deref().into_iter().chain(switch) {
                if !known.contains(&named) {
                    known.push(named);
                }
            }
        }
        known.iter().position(|known| *known == mode).and_then(|index| u32::try_from(index).ok())
    }

    /// The mappings by index.
    #[must_use]
    pub fn all(&self) -> &[Mapping] {
        &self.all
    }

    /// Indices of the mappings that `event` triggers in `mode`.
    pub fn triggered<'m>(&'m self, event: &'m Event, mode: &'m str) -> impl Iterator<Item = usize> + 'm {
        let mappings = self.all.iter().enumerate();
        mappings.filter(move |(_, mapping)| mapping.matches(event, mode)).map(|(index, _)| index)
    }

    /// The request that the mapping at `index` makes from `event`; `None` if the mapping calls no plugin.
    #[must_use]
    pub fn request(&self, index: usize, event: &Event, mode: &str) -> Option<Request> {
        match &self.all.get(index)?.effect {
            Effect::Call { action, parameters, .. } => Some(Request {
                action: action.clone(),
                context: event.context(mode),
                parameters: parameters.clone(),
            }),
            Effect::SwitchMode(_) | Effect::Panic => None,
        }
    }
}

impl Mapping {
    fn matches(&self, event: &Event, mode: &str) -> bool {
        self.mode.as_deref().is_none_or(|own| own == mode) && self.trigger.matches(event)
    }
}

impl Trigger {
    /// Whether `event` matches the pattern.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        let kind = event.body.kind();
        if self.input.as_ref().is_some_and(|input| *input != event.input)
            || !(self.events.is_empty() || self.events.contains(&kind))
        {
            return false;
        }
        let (channel, note, velocity, cc) = match &event.body {
            Body::Midi(message) => fields(message),
            Body::Osc { .. } | Body::Tick { .. } | Body::ByHand => (None, None, None, None),
        };
        let value = event.body.value();
        let is_program = kind == EventKind::ProgramChange;
        covers(self.channel.as_ref(), channel)
            && covers(self.note.as_ref(), note)
            && covers(self.velocity.as_ref(), velocity)
            && covers(self.cc.as_ref(), cc)
            && covers(self.value.as_ref(), value.filter(|_| !is_program))
            && self.program.as_ref().is_none_or(|range| {
                let range = f64::from(*range.start())..=f64::from(*range.end());
                covers(Some(&range), value.filter(|_| is_program))
            })
            && self.address.as_ref().is_none_or(|pattern| address_matches(pattern, &event.body))
    }
}

/// Whether a range covers a value. A range that is given does not cover a missing value.
fn covers<T: PartialOrd>(range: Option<&RangeInclusive<T>>, value: Option<T>) -> bool {
    range.is_none_or(|range| value.is_some_and(|value| range.contains(&value)))
}

fn address_matches(pattern: &Pattern, body: &Body) -> bool {
    match body {
        Body::Osc { address, .. } => pattern.matches(address),
        Body::Midi(_) | Body::Tick { .. } | Body::ByHand => false,
    }
}

#[cfg(test)]
mod tests {
    use conductor_surface::midi::Message;
    use conductor_surface::osc_address::Address;

    use super::*;

    fn event(body: Body) -> Event {
        Event { input: "keys".into(), timestamp: 0, body }
    }

    fn note(note: u8, velocity: u8) -> Event {
        event(Body::Midi(Message::NoteOn { channel: 3, note, velocity }))
    }

    #[test]
    fn every_part_that_is_given_must_match() {
        let trigger = Trigger {
            input: Some("keys".into()),
            events: vec![EventKind::NoteOn],
            channel: Some(3..=3),
            note: Some(60..=72),
            velocity: Some(64..=127),
            ..Trigger::default()
        };
        assert!(trigger.matches(&note(60, 64)));
        assert!(!trigger.matches(&note(59, 64)));
        assert!(!trigger.matches(&note(60, 63)));
        assert!(!trigger.matches(&Event { input: "other".into(), ..note(60, 64) }));
        assert!(!trigger.matches(&event(Body::Midi(Message::NoteOff {
            channel: 3,
            note: 60,
            velocity: 64
        }))));
    }

    #[test]
    fn a_field_that_the_event_lacks_does_not_match() {
        let trigger = Trigger { cc: Some(0..=127), ..Trigger::default() };
        assert!(!trigger.matches(&note(60, 64)));
        assert!(trigger.matches(&event(Body::Midi(Message::ControlChange { channel: 0, cc: 1, value: 2 }))));
        let program = Trigger { program: Some(5..=5), ..Trigger::default() };
        assert!(program.matches(&event(Body::Midi(Message::ProgramChange { channel: 0, program: 5 }))));
        assert!(!program.matches(&event(Body::Midi(Message::ControlChange { channel: 0, cc: 1, value: 5 }))));
    }

    #[test]
    fn osc_addresses_are_patterns() {
        let trigger = Trigger {
            address: Some(Pattern::new("/mixer/*/{fader,mute}").expect("pattern")),
            value: Some(0.5..=1.0),
            ..Trigger::default()
        };
        let osc = |address: &str, value: f64| {
            let address = Address::new(address).expect("short");
            event(Body::Osc { address, arguments: Some("[]".into()), value: Some(value) })
        };
        assert!(trigger.matches(&osc("/mixer/3/fader", 0.75)));
        assert!(!trigger.matches(&osc("/mixer/3/fader", 0.25)));
        assert!(!trigger.matches(&osc("/mixer/3/pan", 0.75)));
        assert!(!trigger.matches(&osc("/mixer/3/4/fader", 0.75)));
    }

    #[test]
    fn modes_choose_among_mappings() {
        let mapping = |mode: Option<&str>| Mapping {
            line: 1,
            trigger: Trigger { events: vec![EventKind::NoteOn], ..Trigger::default() },
            mode: mode.map(Into::into),
            effect: Effect::SwitchMode("edit".into()),
        };
        let mappings =
            Mappings::new("live", vec![mapping(None), mapping(Some("live")), mapping(Some("edit"))]);
        let triggered = |mode| mappings.triggered(&note(60, 1), mode).collect::<Vec<_>>();
        assert_eq!(triggered("live"), [0, 1]);
        assert_eq!(triggered("edit"), [0, 2]);
        assert_eq!(mappings.request(0, &note(60, 1), "live"), None);
    }
}
