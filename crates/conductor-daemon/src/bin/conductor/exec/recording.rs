//! `--record`: finds out what a plugin needs by denying what was not granted.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use conductor_abi::Capability;
use conductor_core::{GrantSpec, PluginInfo, PluginOptions, Recorder, WasmConfig};
use conductor_daemon::paths::Paths;
use conductor_signing::atomic_file;

use super::Arguments;

/// A call whose needs are recorded.
pub(super) struct Recording {
    recorder: Arc<Recorder>,
    /// Capabilities that are granted for this call.
    granted: Vec<Capability>,
    /// An empty directory that takes the place of the plugin's own, unless Filesystem is granted.
    files: Option<PathBuf>,
}

impl Recording {
    pub(super) fn begin(arguments: &Arguments, paths: &Paths, config: &mut WasmConfig) -> io::Result<Self> {
        let granted: Vec<Capability> = arguments.grant.iter().map(GrantSpec::capability).collect();
        let own_files = granted.contains(&Capability::Filesystem);
        let files = (!own_files).then(|| paths.state_dir().join(format!("record-{}", std::process::id())));
        if let Some(files) = &files {
            atomic_file::create_private_directory(files)?;
            config.data_dir = Some(files.clone());
        }
        Ok(Self { recorder: Arc::default(), granted, files })
    }

    /// Denies what is not granted. Instead of its own directory the plugin gets an empty one, which is removed
    /// afterwards.
    pub(super) fn apply(&self, options: &mut PluginOptions) {
        let all = Capability::ALL.into_iter();
        let not_granted = all.filter(|capability| !self.granted.contains(capability));
        options.denied.extend(not_granted.filter(|capability| *capability != Capability::Filesystem));
        options.recorder = Some(Arc::clone(&self.recorder));
        if self.files.is_some() && !options.denied.contains(&Capability::Filesystem) {
            options.granted.extend("Filesystem".parse::<GrantSpec>());
        }
    }

    /// The least grants for what the plugin did and for what it was denied.
    pub(super) fn needs(&self, plugin: &PluginInfo) -> Vec<GrantSpec> {
        let wrote = self.files.as_ref().is_some_and(|files| {
            let own = fs::read_dir(files.join(plugin.name.as_str()));
            own.is_ok_and(|mut entries| entries.next().is_some())
        });
        if wrote {
            self.recorder.note(Capability::Filesystem, String::new());
        }
        self.recorder.needs()
    }
}

impl Recording {
    /// Removes the directory that took the place of the plugin's own.
    pub(super) fn clean_up(&self) {
        if let Some(files) = &self.files {
            // A directory that cannot be removed is small, and lies below the state directory.
            let _ = fs::remove_dir_all(files);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.clean_up();
    }
}
