//! What a session has for the capabilities of its plugin.

use std::path::PathBuf;
use std::sync::Arc;

#[cfg(target_os = "linux")]
use conductor_confine::measuring::Allowance;
use conductor_policy::grant::Grants;
use conductor_sounding::Player;

use super::Session;
#[cfg(target_os = "linux")]
use crate::capability::filesystem::{DataAccess, data_quota};
#[cfg(target_os = "linux")]
use crate::capability::waiting::Places;
use crate::capability::{Resources, audio, network, system_control};
use crate::devices::Devices;
use crate::grant_changes::GrantChanges;
use crate::handles::Handles;
use crate::held_secrets::SecretsNow;

impl Resources for Session {
    fn plugin(&self) -> &str {
        self.audit.plugin()
    }

    fn grants(&self) -> Arc<Grants> {
        self.grants_in_force()
    }

    fn changes(&self) -> &GrantChanges {
        &self.changes
    }

    fn handles(&self) -> &Handles {
        &self.handles
    }

    fn max_message_bytes(&self) -> usize {
        self.max_message_bytes
    }

    fn devices(&self) -> &Devices {
        &self.services.devices
    }

    fn secrets(&self) -> &SecretsNow {
        &self.secrets
    }

    fn player(&self) -> &Player {
        &self.player
    }

    fn http(&self) -> &network::Service {
        &self.services.http
    }

    fn connections(&self) -> &network::Connections {
        &self.connections
    }

    #[cfg(target_os = "linux")]
    fn programs(&self) -> &Places {
        &self.programs
    }

    fn desktop(&self) -> &system_control::Uses {
        &self.desktop
    }

    fn studio(&self) -> &audio::Studio {
        &self.studio
    }

    #[cfg(target_os = "linux")]
    fn data_directory(&self) -> Option<PathBuf> {
        let writable = DataAccess::of(&self.file_grants()) == DataAccess::ReadWrite;
        self.data_dir.get().cloned().filter(|_| writable)
    }

    #[cfg(target_os = "linux")]
    fn data_allowance(&self) -> Option<Allowance> {
        let directory = self.data_directory()?;
        Some(Allowance::new(directory, data_quota(&self.file_grants(), self.max_data)))
    }
}
