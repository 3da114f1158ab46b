//! Which lines are logged, and where they go.

use std::io;
use std::panic;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use conductor_daemon::log_writer::LogWriter;
use conductor_daemon::paths::{colour_allowed, log_filter};
use conductor_signing::escape::terminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};

/// Turns the engine's log off. The engine opens a span for each of its functions that a plugin calls, and every call of
/// a plugin would pay for that. A name stands for all names that begin with it, so `wasmtime` includes `wasmtime_wasi`.
const QUIET_ENGINE: &str = "wasmtime=off,wiggle=off,cranelift=off,regalloc2=off";

/// The beginnings of names that a filter can select: this program's own and the engine's.
const KNOWN_TARGETS: [&str; 5] = ["conductor", "wasmtime", "wiggle", "cranelift", "regalloc2"];

/// Crates that are selected together: a filter that names the first also selects the second, unless it names the second
/// too.
const TOGETHER: [(&str, &str); 6] = [
    ("conductor_daemon", "conductor_surface"),
    ("conductor_core", "conductor_policy"),
    ("conductor_core", "conductor_confine"),
    ("conductor_core", "conductor_engine"),
    ("conductor_core", "conductor_broker"),
    ("conductor_signing", "conductor_store"),
];

/// Longest wait at the end for lines that were not written yet.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// The log of this process, once it is started.
static LOG: OnceLock<LogWriter> = OnceLock::new();

/// Sends the log to standard error through a thread of its own, filtered by `CONDUCTOR_LOG` or `default`. A standard
/// error that nobody reads holds up that thread alone. A filter that cannot be used is reported and ignored.
///
/// # Errors
///
/// Fails if no thread can be started.
pub(crate) fn start(default: &str) -> io::Result<()> {
    let (log, _thread) = LogWriter::start(io::stderr())?;
    let named = log_filter();
    let chosen = named.as_deref().filter(|named| is_known(named)).and_then(|named| filter(named).ok());
    if let (Some(named), None) = (&named, &chosen) {
        log.say(&format!(
            "warning: CONDUCTOR_LOG={}: not a filter of levels and known targets, such as debug or \
             conductor_daemon=debug,warn; using {default}\n",
            terminal(named)
        ));
    }
    let filter = chosen.or_else(|| filter(default).ok()).unwrap_or_default();
    let colour = colour_allowed() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(log.clone()).with_ansi(colour).init();
    // The standard hook would write to standard error from the panicking thread, and wait for its reader.
    panic::set_hook(Box::new(|panic| say(&format!("a bug in this program: {panic}"))));
    // Logging is started once.
    let _ = LOG.set(log);
    Ok(())
}

/// Writes a line to standard error, after the lines that were logged before. Waits for nobody.
pub(crate) fn say(line: &str) {
    match LOG.get() {
        Some(log) => log.say(&format!("{line}\n")),
        None => conductor_daemon::say::line(format_args!("{line}")),
    }
}

/// Waits until the lines that were logged and said are written, for a limited time.
pub(crate) fn flush() {
    if let Some(log) = LOG.get() {
        // Lines that nobody read by then are lost, and there is nowhere to report that.
        let _ = log.flush(Instant::now() + FLUSH_WAIT);
    }
}

/// The filter that `directives` describe, with the engine turned off unless they name it.
fn filter(directives: &str) -> Result<EnvFilter, ParseError> {
    let mut all = QUIET_ENGINE.to_owned();
    for directive in directives.split(',').map(str::trim) {
        for (named, meant) in TOGETHER {
            if let Some(rest) = directive.strip_prefix(named) {
                all.extend([",", meant, rest]);
            }
        }
    }
    // Of two directives for one target, the later one holds.
    EnvFilter::try_new(format!("{all},{directives}"))
}

/// Whether every directive is a level or begins with a known target. `tracing` takes any other word, such as a misspelt
/// level, for a target under which nothing is ever logged.
fn is_known(directives: &str) -> bool {
    directives.split(',').map(str::trim).all(|directive| {
        let target = directive.split(['=', '[']).next().unwrap_or_default();
        directive.parse::<LevelFilter>().is_ok()
            || directive.starts_with('[')
            || KNOWN_TARGETS.iter().any(|known| target.starts_with(known))
    })
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Whether the engine's spans are logged, and whether this program's own information is.
    fn logged(directives: &str) -> (bool, bool) {
        let subscriber = tracing_subscriber::registry().with(filter(directives).expect("filter"));
        tracing::subscriber::with_default(subscriber, || {
            let engine = tracing::info_span!(target: "wasmtime_wasi::p1", "fd_write");
            (!engine.is_disabled(), tracing::enabled!(target: "conductor_daemon::run", Level::INFO))
        })
    }

    #[test]
    fn the_engine_is_quiet_unless_it_is_named() {
        assert_eq!(logged("info,conductor::audit=warn"), (false, true));
        assert_eq!(logged("debug"), (false, true));
        assert_eq!(logged("warn"), (false, false));
        assert_eq!(logged("warn,wasmtime_wasi=info"), (true, false));
        assert_eq!(logged("info,wasmtime=info"), (true, true));
    }

    #[test]
    fn whoever_names_the_daemon_means_its_inputs_too() {
        let logged = |directives: &str| {
            let subscriber = tracing_subscriber::registry().with(filter(directives).expect("filter"));
            tracing::subscriber::with_default(
                subscriber,
                || tracing::enabled!(target: "conductor_surface::input::osc", Level::DEBUG),
            )
        };
        for directives in ["debug", "warn,conductor_daemon=debug", "conductor_daemon::input=debug,warn"] {
            assert!(logged(directives), "{directives}");
        }
        for directives in [
            "conductor_daemon=debug,conductor_surface=warn",
            "debug,conductor_daemon=warn",
            "conductor_core=debug",
        ] {
            assert!(!logged(directives), "{directives}");
        }
    }

    #[test]
    fn a_misspelt_level_is_no_filter() {
        for directives in ["debug", "conductor_daemon=debug,warn", "info,wasmtime_wasi=debug", "OFF"] {
            assert!(is_known(directives) && filter(directives).is_ok(), "{directives}");
        }
        for directives in ["debgu", "conductor=debgu", "info,condcutor=debug"] {
            assert!(!is_known(directives) || filter(directives).is_err(), "{directives}");
        }
    }
}
