//! `conductorctl panic`: silences everything.

use conductor_daemon::control::{Request, Response, Silenced};
use conductor_signing::escape::terminal;

use crate::error::CliError;
use crate::{Ask, output};

pub(crate) fn run(ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Response::Panic(silenced) = ask(&Request::Panic)? else { return Err(CliError::OtherAnswer) };
    if as_json { output::json(&silenced) } else { output::text(&text(&silenced)) }
}

fn text(silenced: &Silenced) -> String {
    let Silenced { outputs, unreached } = silenced;
    let kinds = [("silenced", outputs), ("not reached", unreached)];
    let named = kinds.iter().filter(|(_, names)| !names.is_empty());
    let named: String =
        named.map(|(kind, names)| format!("{kind:<12} {}\n", terminal(&names.join(", ")))).collect();
    format!("{named}plugins do nothing until: conductorctl resume\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_that_were_not_reached_are_named() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let silenced = Silenced { outputs: names(&["drums", "synth"]), unreached: names(&["stage"]) };
        assert_eq!(
            text(&silenced),
            "silenced     drums, synth\nnot reached  stage\nplugins do nothing until: conductorctl resume\n"
        );
        assert_eq!(text(&Silenced::default()), "plugins do nothing until: conductorctl resume\n");
    }
}
