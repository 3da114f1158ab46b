//! `[signing]`: where `conductor-sign` finds hardware keys.

use std::path::PathBuf;

use conductor_keys::{Devices, TokenUri};
use conductor_surface::config::reader::{Located, Table};

/// Most devices that the configuration may name.
const MAX_DEVICES: usize = 64;

/// Reads `[signing]`.
pub(super) fn read(root: &Table<'_, '_>) -> Devices {
    let mut devices = Devices::default();
    let Some(table) = root.table("signing") else { return devices };
    devices.pkcs11_module = table.get::<PathBuf>("pkcs11_module").map(|path| path.value);
    for (name, uri) in table.named_texts("devices", MAX_DEVICES) {
        let Located { value: uri, place } = uri;
        if let Err(error) = uri.parse::<TokenUri>() {
            table.fault(&place, error.to_string(), None);
        }
        if !name.value.starts_with('/') {
            table.fault(&name.place, "a device is an absolute path", None);
        }
        devices.devices.insert(name.value.into(), uri);
    }
    table.finish();
    devices
}
