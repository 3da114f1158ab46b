//! A fresh instance for every call, in process.

use conductor_core::{Host, Isolation, PluginOptions, WasmConfig};

use crate::peer::bare::{self, Bare};
use crate::report::{MICROSECONDS, Row};
use crate::sample::{Effort, Subject, alternate};
use crate::stage::{Built, REQUEST, Result, Stage, succeed};

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    let request = stage.guest("request")?;
    let host = Host::new(WasmConfig { isolation: Isolation::Fresh, ..stage.config() })?;
    let mut plugin = host.load(&stage.plugin("request", &request)?, &PluginOptions::default())?;
    let pre = Bare::compile(&bare::pooled(), &request)?;
    let mut bare = || {
        let executed = Bare::new(&pre).and_then(|mut bare| bare.execute(REQUEST));
        executed.expect("executes");
    };
    let (subject, yardstick) = alternate(
        effort.many,
        Subject { batch: 10, call: &mut || succeed(plugin.as_mut(), REQUEST) },
        Subject { batch: 10, call: &mut bare },
    );
    let what = "a fresh instance for every call, in process; bare wasmtime, pooled";
    Ok(vec![Row::ratio(what, MICROSECONDS, &subject, &yardstick, 1.25)])
}
