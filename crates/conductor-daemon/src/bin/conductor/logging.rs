//! What is logged, and where to.

use conductor_daemon::paths::{colour_allowed, log_filter};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Keeps the engine quiet: each of its functions that a plugin calls opens a span, which plugins would pay for with
/// every call. A name stands for all that begin with it, so `wasmtime` is `wasmtime_wasi` too.
const QUIET_ENGINE: &str = "wasmtime=off,wiggle=off,cranelift=off,regalloc2=off";

/// Logs go to standard error, as `CONDUCTOR_LOG` or `default` says.
pub(crate) fn start(default: &str) {
    let chosen = log_filter().and_then(|chosen| filter(&chosen).ok());
    let filter = chosen.or_else(|| filter(default).ok()).unwrap_or_default();
    let colour = colour_allowed() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).init();
}

/// The filter that `directives` describe, without the engine unless they name it.
fn filter(directives: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{QUIET_ENGINE},{directives}"))
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Whether the engine's spans, and this program's own information, are logged.
    fn logged(directives: &str) -> (bool, bool) {
        let subscriber = tracing_subscriber::registry().with(filter(directives).expect("filter"));
        tracing::subscriber::with_default(subscriber, || {
            let engine = tracing::info_span!(target: "wasmtime_wasi::p1", "fd_write");
            (!engine.is_disabled(), tracing::enabled!(target: "conductor_daemon::daemon", Level::INFO))
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
}
