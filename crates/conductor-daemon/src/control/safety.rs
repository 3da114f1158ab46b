//! The safety score of a plugin: 100 for nothing to fear, less for each thing to fear. The manual has the same table.
//!
//! The score is a sum that a person can follow, not a judgement. What a plugin may do counts, and who answers for it.

use conductor_abi::Risk;
use conductor_core::Decision;

use super::describe::trust_word;
use super::excerpt::excerpt;
use super::message::{PluginState, SafetyStatus, SafetyTerm, TrustWord};
use crate::dispatch::Loaded;

/// The score of a loaded plugin in this state.
pub(super) fn score(loaded: &Loaded, state: PluginState) -> SafetyStatus {
    let mut terms = Vec::new();
    let mut add = |points: i32, why: String| terms.push(SafetyTerm { points, why });
    match trust_word(loaded) {
        TrustWord::Trusted => {}
        TrustWord::SelfSigned => add(-20, "it is signed by a key that you do not trust".to_owned()),
        TrustWord::Unsigned => add(-40, "nobody signed it".to_owned()),
        TrustWord::Expired => add(-50, "trust in its signature has ended".to_owned()),
        TrustWord::Revoked | TrustWord::Invalid => add(-100, "its key or its file was revoked".to_owned()),
    }
    if loaded.info.signer.as_ref().is_some_and(|signer| !signer.authenticated) {
        add(-5, "its signature covers neither name nor date".to_owned());
    }
    for decided in loaded.permission.capabilities() {
        match &decided.decision {
            Decision::Granted(grant) => {
                let risk = grant.allowed().iter().map(|allowed| allowed.scope().risk()).max();
                let risk = risk.unwrap_or(decided.capability.risk());
                add(-points(risk), format!("{} is granted, at {risk} risk", decided.capability));
            }
            Decision::NotDeclared
            | Decision::NotGranted { .. }
            | Decision::Denied
            | Decision::AboveCeiling { .. }
            | Decision::NothingToGrant => {}
        }
    }
    if !loaded.walls.both_stand() {
        add(-25, "the operating system does not confine it: WebAssembly is the only wall".to_owned());
    }
    match state {
        PluginState::Quarantined => add(-15, "it failed many times in a row".to_owned()),
        PluginState::BackingOff => add(-5, "it failed a few times in a row".to_owned()),
        PluginState::Loading
        | PluginState::Ending
        | PluginState::Running
        | PluginState::Withdrawn
        | PluginState::Disabled
        | PluginState::Waiting
        | PluginState::Refused => {}
    }
    sum(terms)
}

/// The points that a granted capability takes away.
const fn points(risk: Risk) -> i32 {
    match risk {
        Risk::Low => 3,
        Risk::Medium => 10,
        Risk::High => 25,
    }
}

/// Adds up the terms. If the sum is below 0, a last term makes up for that, so that 100 and the terms always add up to
/// the score.
fn sum(mut terms: Vec<SafetyTerm>) -> SafetyStatus {
    for term in &mut terms {
        term.why = excerpt(&term.why);
    }
    let total: i32 = 100 + terms.iter().map(|term| term.points).sum::<i32>();
    if total < 0 {
        terms.push(SafetyTerm { points: -total, why: "there is nothing below 0".to_owned() });
    }
    SafetyStatus { score: u32::try_from(total).unwrap_or(0), terms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_the_sum_of_its_terms() {
        let term = |points| SafetyTerm { points, why: "x".to_owned() };
        assert_eq!(sum(Vec::new()).score, 100);
        assert_eq!(sum(vec![term(-40), term(-25)]).score, 35);
        let none = sum(vec![term(-100), term(-25)]);
        assert_eq!(none.score, 0);
        assert_eq!(100 + none.terms.iter().map(|term| term.points).sum::<i32>(), 0);
    }
}
