//! Secrets of plugins, loaded or not.

use super::{Answer, Interface, later, too_many};
use crate::control::describe::{not_loaded, unknown};
use crate::control::message::{Refusal, Response};
use crate::control::secrets::{self, About};
use crate::control::unloaded::Asked;
use crate::dispatch::{Loaded, Phase};

impl Interface {
    /// Tells or decides about secrets of a plugin, whether it is loaded or not.
    pub(super) fn about(&self, alias: &str, asked: Asked) -> Answer {
        let answered = match self.watched.roster.find(alias).map(|known| known.snapshot().phase) {
            Some(Phase::Loaded(loaded)) => self.about_loaded(alias, loaded, asked),
            Some(phase @ Phase::Loading) => Err(not_loaded(alias, &phase)),
            Some(phase @ (Phase::Disabled { .. } | Phase::Refused { .. } | Phase::Waiting { .. })) => {
                self.about_unloaded(alias, asked, not_loaded(alias, &phase))
            }
            // A plugin that was removed may have left secrets behind.
            None => self.about_unloaded(alias, asked, unknown(alias, &self.watched.roster)),
        };
        answered.unwrap_or_else(|refusal| Answer::Now(Box::new(Response::Refused(refusal))))
    }

    fn about_loaded(&self, alias: &str, loaded: Loaded, asked: Asked) -> Result<Answer, Refusal> {
        let turn = self.turns.take().ok_or_else(too_many)?;
        let about = |secret| About { alias, loaded: loaded.clone(), secret };
        match asked {
            Asked::List => Ok(Answer::Now(Box::new(secrets::all(&loaded)))),
            Asked::Set { secret, shown, value } => {
                about(&secret).set(&shown, value, &self.vault, turn).map(later)
            }
            Asked::Confirm { secret, shown } => {
                about(&secret).confirm(&shown).map(|response| Answer::Now(Box::new(response)))
            }
            Asked::Remove { secret } => about(&secret).remove(&self.vault, turn).map(later),
        }
    }

    fn about_unloaded(&self, alias: &str, asked: Asked, otherwise: Refusal) -> Result<Answer, Refusal> {
        let Some(lookup) = self.watched.installed.find(alias) else { return Err(otherwise) };
        let turn = self.turns.take().ok_or_else(too_many)?;
        lookup.answer(asked, otherwise, &self.vault, turn).map(later)
    }
}
