//! What a plugin may do under any mix of what it declares and what the user decided, held against the manual's own
//! words for every such mix and every action of a small world. A grant never allows what the manual forbids, and
//! whatever takes something away (a denial, a ceiling, what cannot be recorded) leaves a part of what was there.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use std::sync::Arc;

use conductor_abi::{Capability, CapabilityRequest, Risk};
use conductor_policy::grant::{Ceilings, Choices, Decision, GrantSpec, Grants, Once};
use conductor_policy::scope::{
    FileAccess, NetworkMethod, Scope, SystemOperation, is_inside_host, normal_host,
};
use conductor_signing::TrustLevel;
use url::{Host, Url};

/// Something that a plugin does.
#[derive(Clone, Debug)]
enum Action {
    /// A request, to a host that a look-up may have found to be inside.
    Send {
        name: &'static str,
        host: Host<String>,
        port: u16,
        method: &'static str,
        leads_inside: bool,
    },
    Play {
        device: &'static str,
        thousandths: u16,
        seconds: u32,
    },
    Midi {
        port: &'static str,
        sysex: bool,
    },
    Files {
        writes: bool,
        bytes: u64,
        files: u32,
    },
    Run {
        program: &'static str,
        arguments: &'static [&'static str],
    },
    Desktop(SystemOperation),
}
use Action::{Desktop, Files, Midi, Play, Run, Send};

impl Action {
    /// Whether one scope covers it, as the crate has it.
    fn is_covered_by(&self, scope: &Scope) -> bool {
        match (self, scope) {
            (Send { host, port, method, .. }, Scope::Network(scope)) => {
                scope.allows(host, *port, NetworkMethod::parse(method).expect("a method"))
            }
            (Play { device, thousandths, seconds }, Scope::Audio(scope)) => {
                scope.allows(device)
                    && *thousandths <= scope.gain_thousandths()
                    && scope.seconds().is_none_or(|longest| *seconds <= longest)
            }
            (Midi { port, sysex }, Scope::Midi(scope)) => scope.allows(port) && (!sysex || scope.sysex()),
            (Files { writes, bytes, files }, Scope::Filesystem(scope)) => {
                let needed = if *writes { FileAccess::ReadWrite } else { FileAccess::ReadOnly };
                needed <= scope.access()
                    && scope.bytes().is_none_or(|most| *bytes <= most)
                    && scope.files().is_none_or(|most| *files <= most)
            }
            (Run { program, arguments }, Scope::Subprocess(scope)) => {
                scope.programs().iter().any(|named| named == program)
                    && arguments.iter().all(|argument| scope.allows_argument(argument))
            }
            (Desktop(operation), Scope::SystemControl(scope)) => scope.operations().contains(operation),
            _ => false,
        }
    }

    /// Whether the grants allow it, as the crate has it: something declared and something granted cover it, and for a
    /// place inside the user named it.
    fn is_allowed_by(&self, grants: &Grants, capability: Capability) -> bool {
        let Decision::Granted(grant) = grants.decision(capability) else { return false };
        let Ok(covering) = grant.covering(|scope| self.is_covered_by(scope)) else { return false };
        let Send { host, port, leads_inside, .. } = self else { return true };
        let is_named = covering.iter().any(|allowance| {
            let network = allowance.scope().as_network().expect("a scope of Network");
            allowance.source().names_scope() && network.names_private(host, *port)
        });
        is_named || !leads_inside && !is_inside_host(host)
    }
}

/// A set of the actions of a world, by their places.
type Set = u128;

/// A scope with what the manual says of it.
struct Known {
    /// `None` is a bare name.
    text: Option<&'static str>,
    risk: Risk,
    /// The actions that it covers as what a plugin declares.
    declares: Set,
    /// Those that it covers as what the user grants, where they lead to a place that is not inside.
    grants: Set,
    /// Those that it allows to lead inside, where the user wrote it or was shown it.
    opens: Set,
}

impl Known {
    fn scope(&self, capability: Capability) -> Scope {
        let unnamed = || Scope::unnamed(capability);
        self.text.map_or_else(unnamed, |text| Scope::parse(capability, text).expect(text))
    }
}

/// The scopes and actions of one capability.
struct World {
    capability: Capability,
    actions: Vec<Action>,
    known: Vec<Known>,
    /// The actions that lead inside.
    inside: Set,
}

impl World {
    fn new(capability: Capability, actions: Vec<Action>) -> Self {
        assert!(actions.len() <= 128, "they are members of a set");
        let mut world = Self { capability, actions, known: Vec::new(), inside: 0 };
        // The names and addresses of this world that can only be inside, as the manual lists them.
        world.inside = world.set(|action| {
            matches!(action, Send { leads_inside: true, .. } | Send { name: "localhost" | "10.0.0.1", .. })
        });
        world
    }

    fn set(&self, is_member: impl Fn(&Action) -> bool) -> Set {
        let members = self.actions.iter().enumerate().filter(|(_, action)| is_member(action));
        members.fold(0, |set, (place, _)| set | 1 << place)
    }

    /// Adds a scope that covers the same whoever says it, and names no place inside.
    fn covers(&mut self, text: &'static str, risk: Risk, covers: impl Fn(&Action) -> bool) -> &mut Known {
        let covers = self.set(covers);
        self.add(Known { text: Some(text), risk, declares: covers, grants: covers, opens: 0 })
    }

    fn add(&mut self, known: Known) -> &mut Known {
        self.known.push(known);
        self.known.last_mut().expect("it was added")
    }

    fn allowed(&self, grants: &Grants) -> Set {
        self.set(|action| action.is_allowed_by(grants, self.capability))
    }
}

fn is_web(port: u16) -> bool {
    port == 80 || port == 443
}

fn network() -> World {
    let mut actions = Vec::new();
    for name in
        ["api.example.com", "a.b.example.com", "example.com", "notexample.com", "localhost", "10.0.0.1"]
    {
        let url = Url::parse(&format!("http://{name}/")).expect(name);
        let host = normal_host(url.host().expect(name));
        for (port, method) in [(0, "GET"), (80, "GET"), (443, "POST"), (4455, "GET"), (4455, "WEBSOCKET")] {
            for leads_inside in [false, true] {
                actions.push(Send { name, host: host.clone(), port, method, leads_inside });
            }
        }
    }
    let mut world = World::new(Capability::Network, actions);
    let sent = |covers: fn(&str, u16, &str) -> bool| {
        move |action: &Action| {
            let Send { name, port, method, .. } = action else { return false };
            covers(name, *port, method)
        }
    };
    let all = world.set(|_| true);
    let web = world.set(sent(|_, port, _| is_web(port)));
    let get = world.set(sent(|_, _, method| method == "GET"));
    world.add(Known { text: None, risk: Risk::Low, declares: all, grants: web, opens: 0 });
    let text = Some("methods=GET");
    world.add(Known { text, risk: Risk::Low, declares: get, grants: get & web, opens: 0 });
    world.covers("*", Risk::Low, sent(|_, port, _| is_web(port)));
    world.covers("*:*", Risk::Low, sent(|_, _, _| true));
    fn api(name: &str, port: u16) -> bool {
        name == "api.example.com" && is_web(port)
    }
    world.covers("api.example.com", Risk::Low, sent(|name, port, _| api(name, port)));
    world.covers(
        "*.example.com:*",
        Risk::Low,
        sent(|name, _, _| name == "api.example.com" || name == "a.b.example.com"),
    );
    world.covers(
        "api.example.com;methods=POST,WEBSOCKET",
        Risk::Low,
        sent(|name, port, method| api(name, port) && method != "GET"),
    );
    world.covers("*;private=yes", Risk::Medium, sent(|_, port, _| is_web(port)));
    let known =
        world.covers("api.example.com;private=yes", Risk::Medium, sent(|name, port, _| api(name, port)));
    known.opens = known.grants;
    let known = world.covers(
        "localhost:4455",
        Risk::Medium,
        sent(|name, port, _| name == "localhost" && port == 4455),
    );
    known.opens = known.grants;
    let inside = world.set(sent(|name, port, _| name == "10.0.0.1" && is_web(port)));
    let known = world.covers(
        "10.0.0.1,api.example.com:4455",
        Risk::Medium,
        sent(|name, port, _| name == "10.0.0.1" && is_web(port) || name == "api.example.com" && port == 4455),
    );
    known.opens = inside;
    world
}

fn audio() -> World {
    let mut actions = Vec::new();
    for device in ["speakers", "Speakers", "speaker", "speakers 2"] {
        for thousandths in [1, 500, 501, 1000] {
            actions.extend([1, 30, 31, 7200].map(|seconds| Play { device, thousandths, seconds }));
        }
    }
    let mut world = World::new(Capability::Audio, actions);
    let played = |covers: fn(&str, u16, u32) -> bool| {
        move |action: &Action| {
            let Play { device, thousandths, seconds } = action else { return false };
            covers(device, *thousandths, *seconds)
        }
    };
    let all = world.set(|_| true);
    world.add(Known { text: None, risk: Risk::Low, declares: all, grants: all, opens: 0 });
    world.covers("speakers", Risk::Low, played(|device, _, _| device == "speakers"));
    world.covers("speakers*", Risk::Low, played(|device, _, _| ["speakers", "speakers 2"].contains(&device)));
    world.covers("gain=0.5", Risk::Low, played(|_, thousandths, _| thousandths <= 500));
    world.covers(
        "speakers,speaker;seconds=30",
        Risk::Low,
        played(|device, _, seconds| ["speakers", "speaker"].contains(&device) && seconds <= 30),
    );
    world.covers(
        "speakers;gain=0.001;seconds=3600",
        Risk::Low,
        played(|device, thousandths, seconds| device == "speakers" && thousandths == 1 && seconds <= 3600),
    );
    world
}

fn midi() -> World {
    let ports = ["synth", "Synth", "syn", "synth 2"];
    let actions = ports.iter().flat_map(|port| [false, true].map(|sysex| Midi { port, sysex })).collect();
    let mut world = World::new(Capability::Midi, actions);
    let message = |covers: fn(&str, bool) -> bool| {
        move |action: &Action| {
            let Midi { port, sysex } = action else { return false };
            covers(port, *sysex)
        }
    };
    let plain = world.set(message(|_, sysex| !sysex));
    world.add(Known { text: None, risk: Risk::Low, declares: plain, grants: plain, opens: 0 });
    world.covers("*", Risk::Low, message(|_, sysex| !sysex));
    world.covers("synth", Risk::Low, message(|port, sysex| port == "synth" && !sysex));
    world.covers("synth*", Risk::Low, message(|port, sysex| ["synth", "synth 2"].contains(&port) && !sysex));
    world.covers("sysex=yes", Risk::Medium, message(|_, _| true));
    world.covers("synth;sysex=yes", Risk::Medium, message(|port, _| port == "synth"));
    world.covers(
        "Synth,syn;sysex=no",
        Risk::Low,
        message(|port, sysex| ["Synth", "syn"].contains(&port) && !sysex),
    );
    world
}

fn filesystem() -> World {
    const MIB: u64 = 1024 * 1024;
    let mut actions = Vec::new();
    for writes in [false, true] {
        for bytes in [0, MIB, MIB + 1, u64::MAX] {
            actions.extend([1, 10, 11, u32::MAX].map(|files| Files { writes, bytes, files }));
        }
    }
    let mut world = World::new(Capability::Filesystem, actions);
    let held = |covers: fn(bool, u64, u32) -> bool| {
        move |action: &Action| {
            let Files { writes, bytes, files } = action else { return false };
            covers(*writes, *bytes, *files)
        }
    };
    let all = world.set(|_| true);
    world.add(Known { text: None, risk: Risk::Medium, declares: all, grants: all, opens: 0 });
    world.covers("read-only", Risk::Medium, held(|writes, _, _| !writes));
    world.covers("read-write", Risk::Medium, held(|_, _, _| true));
    world.covers("bytes=1MiB", Risk::Medium, held(|_, bytes, _| bytes <= MIB));
    world.covers("read-only;files=10", Risk::Medium, held(|writes, _, files| !writes && files <= 10));
    world.covers(
        "read-write;bytes=1048577;files=4294967295",
        Risk::Medium,
        held(|_, bytes, _| bytes <= MIB + 1),
    );
    world
}

fn subprocess() -> World {
    let mut actions = Vec::new();
    for program in ["/bin/a", "/bin/b", "/bin/A", "/bin/../bin/a", "a", "/bin/a/"] {
        for arguments in [&[][..], &["x"], &["x", "x"], &["xy"], &["x", "y"], &[""], &["X"]] {
            actions.push(Run { program, arguments });
        }
    }
    let mut world = World::new(Capability::Subprocess, actions);
    let ran = |covers: fn(&str, &[&str]) -> bool| {
        move |action: &Action| {
            let Run { program, arguments } = action else { return false };
            covers(program, arguments)
        }
    };
    let all = world.set(|_| true);
    world.add(Known { text: None, risk: Risk::High, declares: all, grants: 0, opens: 0 });
    world.covers("/bin/a", Risk::High, ran(|program, arguments| program == "/bin/a" && arguments.is_empty()));
    world.covers(
        "/bin/a;args=x",
        Risk::High,
        ran(|program, arguments| program == "/bin/a" && arguments.iter().all(|argument| *argument == "x")),
    );
    world.covers(
        "/bin/a,/bin/b;args=x*",
        Risk::High,
        ran(|program, arguments| {
            ["/bin/a", "/bin/b"].contains(&program)
                && arguments.iter().all(|argument| argument.starts_with('x'))
        }),
    );
    world.covers("/bin/b;args=*", Risk::High, ran(|program, _| program == "/bin/b"));
    world
}

fn system_control() -> World {
    let mut world = World::new(Capability::SystemControl, SystemOperation::ALL.map(Desktop).into());
    let done = |names: &'static [SystemOperation]| {
        move |action: &Action| {
            let Desktop(operation) = action else { return false };
            names.contains(operation)
        }
    };
    let all = world.set(|_| true);
    world.add(Known { text: None, risk: Risk::High, declares: all, grants: 0, opens: 0 });
    world.covers("notify", Risk::High, done(&[SystemOperation::Notify]));
    world.covers("notify,lock", Risk::High, done(&[SystemOperation::Notify, SystemOperation::Lock]));
    world.covers(
        "volume,mute,media,open-url",
        Risk::High,
        done(&[
            SystemOperation::Volume,
            SystemOperation::Mute,
            SystemOperation::Media,
            SystemOperation::OpenUrl,
        ]),
    );
    world
}

fn worlds() -> [World; 6] {
    [network(), audio(), midi(), filesystem(), subprocess(), system_control()]
}

/// What the user decided; numbers are those of known scopes.
#[derive(Clone, Debug, Default)]
struct Word {
    /// `--grant CAP` or `granted_capabilities = ["CAP"]`.
    is_bare: bool,
    named: Vec<usize>,
    approved: Vec<usize>,
    once: Vec<usize>,
    first_declared: Vec<usize>,
    has_ended: bool,
    is_denied: bool,
}

impl Word {
    /// Every kind of word alone.
    fn alone(known: usize) -> Vec<Self> {
        let mut alone = vec![
            Self::default(),
            Self { is_bare: true, ..Self::default() },
            Self { has_ended: true, ..Self::default() },
            Self { is_denied: true, ..Self::default() },
            Self { is_denied: true, is_bare: true, ..Self::default() },
        ];
        for one in 0..known {
            alone.extend([
                Self { named: vec![one], ..Self::default() },
                Self { approved: vec![one], ..Self::default() },
                Self { once: vec![one], ..Self::default() },
                Self { is_bare: true, first_declared: vec![one], ..Self::default() },
            ]);
        }
        alone
    }

    /// The same, and each with another one about another scope.
    fn all(known: usize) -> Vec<Self> {
        let mut all = Self::alone(known);
        for one in 0..known {
            let other = (one + 1) % known;
            all.extend([
                Self { named: vec![one], approved: vec![other], ..Self::default() },
                Self { named: vec![one], once: vec![other], is_bare: true, ..Self::default() },
                Self { approved: vec![one, other], has_ended: true, ..Self::default() },
                Self { named: vec![one], approved: vec![one], is_denied: true, ..Self::default() },
            ]);
        }
        all
    }

    fn choices(&self, world: &World, lift_ceiling: bool) -> Choices {
        let scopes = |numbers: &[usize]| -> Vec<Scope> {
            numbers.iter().map(|number| world.known[*number].scope(world.capability)).collect()
        };
        let bare = self.is_bare.then(|| GrantSpec::bare(world.capability));
        Choices {
            configured: scopes(&self.named).into_iter().map(GrantSpec::of).chain(bare).collect(),
            first_declared: scopes(&self.first_declared),
            approved: scopes(&self.approved),
            once: scopes(&self.once).into_iter().map(|scope| (scope, Once::default())).collect(),
            ended: self.has_ended.then_some(world.capability).into_iter().collect(),
            denied: self.is_denied.then_some(world.capability).into_iter().collect(),
            lift_ceiling,
        }
    }

    /// What the manual allows.
    fn allows(&self, world: &World, declared: &[usize], ceiling: Option<Risk>, lift_ceiling: bool) -> Set {
        if self.is_denied {
            return 0;
        }
        let known = |number: &usize| &world.known[*number];
        // Each granted scope, with whether the user said so, and whether the user saw the very scope.
        let mut granted: Vec<(&Known, bool, bool)> = Vec::new();
        let seen = [&self.named, &self.approved, &self.once];
        granted.extend(seen.into_iter().flatten().map(|number| (known(number), true, true)));
        if self.is_bare {
            let of = if self.first_declared.is_empty() { declared } else { &self.first_declared };
            granted.extend(of.iter().map(|number| (known(number), true, false)));
        }
        if !self.is_bare && seen.into_iter().all(Vec::is_empty) && !self.has_ended {
            let low = declared.iter().map(known).filter(|known| known.risk == Risk::Low);
            granted.extend(low.map(|known| (known, false, false)));
        }
        granted.retain(|(known, is_explicit, _)| {
            ceiling.is_none_or(|ceiling| known.risk <= ceiling) || lift_ceiling && *is_explicit
        });
        let declares = declared.iter().map(known).fold(0, |set, known| set | known.declares);
        let outside = granted.iter().fold(0, |set, (known, ..)| set | known.grants) & !world.inside;
        let opened =
            granted.iter().filter(|(.., is_seen)| *is_seen).fold(0, |set, (known, ..)| set | known.opens);
        declares & (outside | opened)
    }
}

/// What a plugin declares: nothing, each scope alone, and each with another one.
fn declarations(known: usize) -> Vec<Vec<usize>> {
    let alone = (0..known).map(|one| vec![one]);
    let two = (0..known).map(|one| vec![one, (one + 2) % known]);
    std::iter::once(Vec::new()).chain(alone).chain(two).collect()
}

fn requests(world: &World, declared: &[usize]) -> Vec<CapabilityRequest> {
    let request = |number: &usize| CapabilityRequest {
        name: world.capability.to_string(),
        scope: world.known[*number].text.map(str::to_owned),
        reason: None,
    };
    declared.iter().map(request).collect()
}

/// What a plugin may do that is vouched for so far that this is its ceiling.
fn resolved(world: &World, declared: &[usize], choices: &Choices, ceiling: Option<Risk>) -> Grants {
    let trust = TrustLevel::Trusted { key_name: "Acme".to_owned() };
    let ceilings = Ceilings { unsigned: Risk::Low, self_signed: Risk::Low, trusted: ceiling };
    Grants::resolve(&requests(world, declared), choices, &trust, ceilings).expect("resolves")
}

#[test]
fn what_is_known_of_each_scope_is_so() {
    for world in worlds() {
        for known in &world.known {
            let scope = known.scope(world.capability);
            assert_eq!(scope.risk(), known.risk, "{:?}", known.text);
            let declared = world.set(|action| scope.is_nothing() || action.is_covered_by(&scope));
            assert_eq!(declared, known.declares, "{} {:?}", world.capability, known.text);
            // As a grant it is never wider than as a declaration, which leaves more to the user.
            assert_eq!(known.grants & !known.declares, 0, "{:?}", known.text);
        }
    }
}

#[test]
fn a_plugin_may_do_what_is_declared_and_granted_and_nothing_else() {
    for world in worlds() {
        for declared in declarations(world.known.len()) {
            for word in Word::all(world.known.len()) {
                for (ceiling, lift) in [
                    (None, false),
                    (Some(Risk::Medium), false),
                    (Some(Risk::Low), false),
                    (Some(Risk::Low), true),
                ] {
                    let grants = resolved(&world, &declared, &word.choices(&world, lift), ceiling);
                    let expected = word.allows(&world, &declared, ceiling, lift);
                    let found = world.allowed(&grants);
                    assert_eq!(
                        found,
                        expected,
                        "{}: declared {declared:?}, {word:?} below {ceiling:?} (lifted: {lift}): {:?} and {:?}",
                        world.capability,
                        world
                            .actions
                            .iter()
                            .enumerate()
                            .find(|(place, _)| (found ^ expected) & 1 << place != 0),
                        grants.decision(world.capability),
                    );
                }
            }
        }
    }
}

/// The ceilings of the other levels of trust are theirs alone.
#[test]
fn each_level_of_trust_has_its_own_ceiling() {
    let levels =
        [TrustLevel::Unsigned, TrustLevel::SelfSigned, TrustLevel::Trusted { key_name: "Acme".to_owned() }];
    let risks = [Risk::Low, Risk::Medium, Risk::High];
    for (unsigned, self_signed) in risks.iter().flat_map(|one| risks.iter().map(move |other| (*one, *other)))
    {
        for trusted in risks.map(Some).into_iter().chain([None]) {
            let ceilings = Ceilings { unsigned, self_signed, trusted };
            let found = levels.iter().map(|level| ceilings.of(level));
            assert_eq!(found.collect::<Vec<_>>(), [Some(unsigned), Some(self_signed), trusted]);
        }
    }
}

/// What is not said to be wider is no wider, and what is held back is a part of what was there before and of what
/// would be there now: also of what is left when grants for once are over. So whoever is held back again and again
/// never comes to more.
#[test]
fn what_is_held_back_is_never_wider_than_before() {
    for world in worlds() {
        let once_over = |grants: &Arc<Grants>| world.allowed(&grants.keeping(|_| false));
        for declared in declarations(world.known.len()).into_iter().step_by(5) {
            let all = Word::alone(world.known.len()).into_iter().map(|word| {
                let grants = Arc::new(resolved(&world, &declared, &word.choices(&world, false), None));
                let (now, later) = (world.allowed(&grants), once_over(&grants));
                (word, grants, now, later)
            });
            let all: Vec<_> = all.collect();
            for (word, grants, now, later) in &all {
                for (word_before, before, then, then_later) in &all {
                    let what = || format!("{declared:?}: {word:?} after {word_before:?}");
                    if grants.wider_than(before).is_empty() {
                        assert_eq!(now & !then, 0, "{}", what());
                        assert_eq!(later & !then_later, 0, "once is not for ever: {}", what());
                        continue;
                    }
                    let mut held = Grants::clone(grants);
                    held.hold_back(world.capability, before);
                    let held = Arc::new(held);
                    assert!(held.wider_than(before).is_empty(), "{}", what());
                    assert_eq!(world.allowed(&held) & !(now & then), 0, "{}", what());
                    assert_eq!(
                        once_over(&held) & !(later & then_later),
                        0,
                        "once is not for ever: {}",
                        what()
                    );
                }
            }
            for (word, grants, ..) in &all {
                let mut revoked = Grants::clone(grants);
                revoked.revoke(world.capability);
                assert_eq!(world.allowed(&revoked), 0, "{word:?}");
            }
        }
    }
}
