//! `[ui]`: the Plugin Manager, a page for a browser on this machine.

use conductor_surface::config::reader::Table;

/// Port of the page where the configuration names none.
const USUAL_PORT: u16 = 4140;

/// Whether and where the Plugin Manager is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UiConfig {
    /// Whether the Plugin Manager is served.
    pub enabled: bool,
    /// The port on the loopback interface; 0 stands for any free port.
    pub port: u16,
}

/// Reads `[ui]`.
pub(super) fn read(root: &Table<'_, '_>) -> UiConfig {
    let mut config = UiConfig { enabled: true, port: USUAL_PORT };
    let Some(table) = root.table("ui") else { return config };
    config.enabled = table.get::<bool>("enabled").is_none_or(|enabled| enabled.value);
    let port = |number: u64| u16::try_from(number).map_err(|_| "expected a port, 0 to 65535");
    config.port = table.parse("port", port).map_or(USUAL_PORT, |port| port.value);
    table.finish();
    config
}
