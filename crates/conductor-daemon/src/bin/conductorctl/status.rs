//! `conductorctl status`: shows the state of the daemon and the walls around plugins.

use conductor_daemon::control::{
    AuditStatus, DaemonStatus, EventCounts, InputStatus, InputWord, PluginCounts, ProgramsStatus, Request,
    Response, SecretsStatus, WallStatus,
};
use conductor_signing::escape::{path, terminal};

use crate::error::CliError;
use crate::{Ask, output};

pub(crate) fn run(ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Response::Status(status) = ask(&Request::Status)? else { return Err(CliError::OtherAnswer) };
    if as_json { output::json(&status) } else { output::text(&render(&status)) }
}

fn render(status: &DaemonStatus) -> String {
    let EventCounts { dispatched, refused, coalesced } = status.events;
    let mut lines = vec![
        ("Version", status.version.clone()),
        ("Process", format!("{}, up {}", status.pid, duration(status.uptime_seconds))),
        ("Configuration", path(&status.config_file)),
        ("Socket", path(&status.socket)),
        ("Walls", status.walls.join(", ")),
        ("Worker processes", walls(status.process_wall)),
    ];
    if let Some(probed) = status.probed {
        lines.push(("This machine", walls(probed)));
    }
    if let Some(ProgramsStatus { available, why }) = &status.programs
        && !available
    {
        let why = why.as_deref().unwrap_or("it was tried and failed");
        lines.push(("Subprocess", format!("unavailable: {}", terminal(why))));
    }
    if status.paused {
        let paused = "PAUSED by panic: plugins do nothing until: conductorctl resume";
        lines.push(("Panic", paused.to_owned()));
    }
    if status.safe {
        lines.push(("Safe mode", "ON: no plugin is loaded until: conductorctl safe off".to_owned()));
    }
    lines.push(("Plugins", plugins(status.plugins)));
    if status.pending > 0 {
        let waiting = format!("{} requests need your approval: conductorctl plugin pending", status.pending);
        lines.push(("Approval", waiting));
    }
    if !status.inputs.is_empty() {
        lines.push(("Inputs", inputs(&status.inputs)));
        lines.extend(status.inputs.iter().flat_map(remarks).map(|remark| ("", remark)));
    }
    for denial in &status.unkept_denials {
        lines.push(("Revoked", format!("NOT WRITTEN, holds until the daemon ends: {}", terminal(denial))));
    }
    if let Some(secrets) = secrets(&status.secrets) {
        lines.push(("Secrets", secrets));
    }
    lines.push(("Events", format!("{dispatched} dispatched, {refused} refused, {coalesced} coalesced")));
    let AuditStatus { file, records, failures, .. } = &status.audit;
    let lost = if *failures > 0 { format!(", {failures} LOST") } else { String::new() };
    lines.push(("Audit log", format!("{}, {records} records{lost}", path(file))));
    let line = |(name, value): (&str, String)| {
        let name = if name.is_empty() { String::new() } else { format!("{name}:") };
        format!("{name:<18}{value}\n")
    };
    lines.into_iter().map(line).collect()
}

/// Where the secrets are that the user entered for plugins; nothing if there are none.
fn secrets(status: &SecretsStatus) -> Option<String> {
    let SecretsStatus { in_secret_service, in_file, file, error } = status;
    if let Some(error) = error {
        return Some(format!("NOT USED: {}", terminal(error)));
    }
    let service = (*in_secret_service > 0).then(|| format!("{in_secret_service} in the Secret Service"));
    let file = file.as_ref().map(|file| format!("{in_file} in {}", path(file)));
    let places: Vec<String> = service.into_iter().chain(file).collect();
    (!places.is_empty()).then(|| places.join(", "))
}

fn walls(walls: WallStatus) -> String {
    if walls == WallStatus::default() {
        return "not confined".to_owned();
    }
    let WallStatus { landlock, seccomp, user_namespace, network_namespace, own_root } = walls;
    let landlock = match landlock.abi {
        0 => "no landlock".to_owned(),
        abi => format!("landlock ABI {abi}"),
    };
    let said = |stands: bool, what: &str| format!("{}{what}", if stands { "" } else { "no " });
    let rest = [
        (seccomp, "seccomp"),
        (user_namespace, "user namespace"),
        (network_namespace, "network namespace"),
        (own_root, "root of its own"),
    ];
    let rest = rest.map(|(stands, what)| said(stands, what));
    format!("{landlock}, {}", rest.join(", "))
}

fn inputs(inputs: &[InputStatus]) -> String {
    let states = [InputWord::Delivering, InputWord::Waiting, InputWord::Ended, InputWord::Failed];
    let count = |state| inputs.iter().filter(|input| input.state == state).count();
    let states = states.map(|state| (count(state), state.name()));
    let states: Vec<String> = states
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    format!("{}: {}", inputs.len(), states.join(", "))
}

/// What to say about an input beside its state.
fn remarks(input: &InputStatus) -> Vec<String> {
    let InputStatus { name, state, why, damage, dropped } = input;
    let why = why.as_ref().map(|why| format!("{name} {}: {}", state.name(), terminal(why)));
    let damage = damage.as_ref().map(|damage| format!("{name} damaged: {}", terminal(damage)));
    let causes: Vec<String> = dropped.iter().map(|(cause, count)| format!("{count} {cause}")).collect();
    let dropped = (!causes.is_empty())
        .then(|| format!("{name} dropped {}: {}", dropped.values().sum::<u64>(), causes.join(", ")));
    [why, damage, dropped].into_iter().flatten().collect()
}

fn plugins(counts: PluginCounts) -> String {
    let PluginCounts {
        total,
        loading,
        running,
        backing_off,
        quarantined,
        ending,
        withdrawn,
        disabled,
        waiting,
        refused,
    } = counts;
    let states = [
        (running, "running"),
        (loading, "loading"),
        (backing_off, "backing off"),
        (quarantined, "quarantined"),
        (ending, "ending"),
        (withdrawn, "stopped"),
        (disabled, "disabled"),
        (waiting, "needing your approval"),
        (refused, "refused"),
    ];
    let states = states.iter().filter(|(count, _)| *count > 0);
    let states: Vec<String> = states.map(|(count, state)| format!("{count} {state}")).collect();
    if states.is_empty() { total.to_string() } else { format!("{total}: {}", states.join(", ")) }
}

/// Whole seconds in their two largest units.
fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {} min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use conductor_daemon::control::Landlock;

    use super::*;

    #[test]
    fn what_is_missing_in_a_wall_is_said() {
        assert_eq!(walls(WallStatus::default()), "not confined");
        let wall = WallStatus { landlock: Landlock { abi: 7 }, seccomp: true, ..WallStatus::default() };
        assert_eq!(
            walls(wall),
            "landlock ABI 7, seccomp, no user namespace, no network namespace, no root of its own"
        );
    }

    #[test]
    fn durations_are_short() {
        let shown = [0, 59, 61, 3600 + 120, 90_000].map(duration);
        assert_eq!(shown, ["0 s", "59 s", "1 min 1 s", "1 h 2 min", "1 d 1 h"]);
    }
}
