//! Dispatch in process, to a plugin whose instance lives across calls.

use conductor_core::{Host, PluginOptions};

use crate::peer::bare::{self, Bare};
use crate::peer::extism;
use crate::report::{MICROSECONDS, Row};
use crate::sample::{Effort, Subject, alternate};
use crate::stage::{Built, REQUEST, Result, Stage, succeed};

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    let request = stage.guest("request")?;
    let host = Host::new(stage.config())?;
    let mut plugin = host.load(&stage.plugin("request", &request)?, &PluginOptions::default())?;
    let mut bare = Bare::new(&Bare::compile(&bare::config(), &request)?)?;
    let mut extism = extism::plugin(stage.built("extism_parse")?)?;

    let mut ours = || succeed(plugin.as_mut(), REQUEST);
    let (subject, yardstick) = alternate(
        effort.many,
        Subject { batch: 100, call: &mut ours },
        Subject { batch: 100, call: &mut || bare.execute(REQUEST).expect("executes") },
    );
    let of_bare = Row::ratio("dispatch in process; bare wasmtime", MICROSECONDS, &subject, &yardstick, 1.25);
    let (subject, yardstick) = alternate(
        effort.many,
        Subject { batch: 100, call: &mut ours },
        Subject { batch: 20, call: &mut || extism::execute(&mut extism, REQUEST) },
    );
    let of_extism =
        Row::ratio("dispatch in process; Extism, plugin reused", MICROSECONDS, &subject, &yardstick, 0.25);
    Ok(vec![of_bare, of_extism])
}
