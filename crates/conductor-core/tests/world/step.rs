//! What happens in a world: plain data, so that a history can be printed, run again, and made shorter.

use conductor_abi::{Capability, Risk};

use crate::chance::Chance;

/// Publishers of a world.
pub(crate) const PUBLISHERS: u8 = 3;

/// Names under which plugins are loaded.
pub(crate) const SLOTS: u8 = 3;

/// Names that plugins call themselves.
pub(crate) const NAMES: [&str; 3] = ["lamp", "chord", "notes"];

/// Capabilities that plugins ask for: one of each risk.
pub(crate) const CAPABILITIES: [Capability; 3] =
    [Capability::Midi, Capability::Filesystem, Capability::SystemControl];

/// Something that a user, a publisher, a thief or the machine does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The user trusts a publisher's key.
    Trust { publisher: u8, max_risk: Option<Risk> },
    /// The user takes a decision away.
    TakeAway(Taken),
    /// The user withdraws the revocation of a publisher's key.
    Unrevoke { publisher: u8 },
    /// The user withdraws the revocation of the file behind a slot.
    UnrevokeFile { slot: u8 },
    /// Somebody puts a file where a slot's plugin is.
    Publish { slot: u8, release: Release },
    /// The plugin of a slot is loaded; the user may take something away after the plugin was registered and before it runs.
    Load { slot: u8, meanwhile: Option<Taken> },
    /// The user accepts another plugin in a slot, as shown, and it is loaded. Somebody may put another file in its place
    /// after the user has looked.
    Accept { slot: u8, swapped: Option<Release> },
    /// The plugin of a slot is unloaded.
    Unload { slot: u8 },
    /// The plugin of a slot is called, and tries all that it could do.
    Call { slot: u8 },
    /// The user lets a plugin that was stopped go on.
    Resume { slot: u8 },
    /// The user grants what the plugin of a slot asks for.
    Grant { slot: u8, capability: Capability, lasts: Lasts, typed: Typed },
    /// The host is replaced by one with the same session.
    Reload,
    /// The host ends and another one begins.
    Restart,
    /// The audit log cannot be written from now on, or can again.
    Audit { fails: bool },
    /// A file that holds decisions becomes unreadable.
    Break { file: u8, by: Damage },
    /// The file is as it was.
    Mend,
}

/// What a user takes away.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taken {
    /// Trust in a publisher's key.
    Trust { publisher: u8 },
    /// The same, by a date that is past.
    TrustByDate { publisher: u8 },
    /// A publisher's key, which a thief may have.
    Key { publisher: u8 },
    /// The file behind a slot.
    File { slot: u8 },
    /// A capability of the plugin of a slot.
    Capability { slot: u8, capability: Capability },
}

/// How a file becomes unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    Garbage,
    Empty,
    Directory,
}

/// How long a grant lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    Always,
    Session,
    Once,
}

/// What a user types who grants something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// The name of the plugin.
    Name,
    /// Another plugin's name.
    Other,
    Nothing,
}

/// A plugin as it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release {
    pub(crate) file: File,
    pub(crate) publisher: u8,
    pub(crate) signature: Signature,
}

/// What the bytes of a module depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct File {
    /// Index in [`NAMES`].
    pub(crate) name: u8,
    pub(crate) version: u8,
    /// Bit by bit, which of [`CAPABILITIES`] the plugin asks for.
    pub(crate) asks: u8,
}

impl File {
    /// Whether the plugin declares a capability.
    pub(crate) fn declares(self, capability: Capability) -> bool {
        CAPABILITIES
            .iter()
            .position(|known| *known == capability)
            .is_some_and(|bit| self.asks >> bit & 1 == 1)
    }

    /// What the plugin calls itself.
    pub(crate) fn name(self) -> &'static str {
        NAMES[usize::from(self.name)]
    }
}

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signature {
    Good,
    Missing,
    /// A byte of the module was changed after it was signed.
    OfOtherBytes,
    /// It names another publisher's key.
    OfOtherKey,
}

impl Step {
    /// How a world begins: something is trusted, and something is there to be loaded.
    pub(crate) fn beginning(chance: &mut Chance) -> Vec<Self> {
        let trust = (0..PUBLISHERS).map(|publisher| Self::Trust { publisher, max_risk: None });
        let release = |name: u8| Release {
            file: File { name, version: 1, asks: 7 },
            publisher: name,
            signature: Signature::Good,
        };
        let publish = (0..SLOTS).map(|slot| Self::Publish { slot, release: release(slot) });
        let load = (0..SLOTS).map(|slot| Self::Load { slot, meanwhile: None });
        trust.chain(publish).chain(load).filter(|_| !chance.one_in(4)).collect()
    }

    /// The next thing that happens.
    pub(crate) fn some(chance: &mut Chance) -> Self {
        let (slot, publisher) = (chance.below(SLOTS), chance.below(PUBLISHERS));
        match chance.below(60) {
            0..=4 => {
                let risks = [None, None, Some(Risk::Low), Some(Risk::Medium)];
                Self::Trust { publisher, max_risk: risks[usize::from(chance.below(4))] }
            }
            5..=9 => Self::TakeAway(Taken::some(chance)),
            10..=12 => Self::Unrevoke { publisher },
            13..=14 => Self::UnrevokeFile { slot },
            15..=18 => Self::Publish { slot, release: Release::some(chance, slot) },
            19..=26 => Self::Load {
                slot,
                meanwhile: if chance.one_in(6) { Some(Taken::some(chance)) } else { None },
            },
            27..=28 => Self::Accept {
                slot,
                swapped: if chance.one_in(3) { Some(Release::some(chance, slot)) } else { None },
            },
            29 => Self::Unload { slot },
            30..=41 => Self::Call { slot },
            42..=43 => Self::Resume { slot },
            44..=51 => {
                let lasts = [Lasts::Always, Lasts::Session, Lasts::Once][usize::from(chance.below(3))];
                let typed = match chance.below(8) {
                    0 => Typed::Other,
                    1 => Typed::Nothing,
                    _ => Typed::Name,
                };
                Self::Grant { slot, capability: capability(chance), lasts, typed }
            }
            52 => Self::Reload,
            53 => Self::Restart,
            54 => Self::Audit { fails: true },
            55..=56 => Self::Audit { fails: false },
            57 if chance.one_in(2) => {
                let by = [Damage::Garbage, Damage::Empty, Damage::Directory][usize::from(chance.below(3))];
                Self::Break { file: chance.below(8), by }
            }
            _ => Self::Mend,
        }
    }
}

impl Taken {
    fn some(chance: &mut Chance) -> Self {
        let (slot, publisher) = (chance.below(SLOTS), chance.below(PUBLISHERS));
        match chance.below(6) {
            0 => Self::Trust { publisher },
            1 => Self::TrustByDate { publisher },
            2 => Self::Key { publisher },
            3 => Self::File { slot },
            _ => Self::Capability { slot, capability: capability(chance) },
        }
    }
}

impl Release {
    fn some(chance: &mut Chance, slot: u8) -> Self {
        // Mostly the same few plugins, each in its own slot, so that something is loaded again.
        let asks = if chance.one_in(3) { chance.below(8) } else { 7 };
        let name = if chance.one_in(3) { chance.below(3) } else { slot };
        let file = File { name, version: 1 + chance.below(3), asks };
        let signature = match chance.below(12) {
            0 => Signature::Missing,
            1 => Signature::OfOtherBytes,
            2 => Signature::OfOtherKey,
            _ => Signature::Good,
        };
        // Each publisher has a plugin of its own, and at times one of somebody else's name.
        let publisher = if chance.one_in(4) { chance.below(PUBLISHERS) } else { file.name };
        Self { file, publisher, signature }
    }
}

fn capability(chance: &mut Chance) -> Capability {
    CAPABILITIES[usize::from(chance.below(3))]
}
