//! How much of the file of decisions each publisher may fill. No publisher can displace decisions about others, and
//! entries that are stored automatically leave room for the user's own.

use super::file::to_toml;
use super::{GrantStore, GrantStoreError, Holder, MAX_GRANTS_FILE_BYTES};
use conductor_signing::PluginName;

/// Most bytes of decisions and entries about the plugins of one publisher, or about one unsigned file.
pub const MAX_HOLDER_BYTES: u64 = 160 * 1024;

/// Most bytes of the entries that are stored when plugins are loaded, for all publishers together.
pub const MAX_NOTED_BYTES: u64 = 512 * 1024;

/// Bytes that are reserved for denials, so that grants never take the room that a denial needs.
pub const DENIAL_RESERVE_BYTES: u64 = 128 * 1024;

/// Most unsigned files of one name whose first declarations are stored. Each build of an unsigned plugin is another
/// file.
pub(super) const MAX_FILES_OF_NAME: usize = 16;

impl GrantStore {
    /// Checks the shares of a store that is about to be written. Changes that shrink the store or deny something are
    /// not checked.
    pub(super) fn check_grant(&self, holder: &Holder) -> Result<(), GrantStoreError> {
        self.check_holder(holder)?;
        let max = MAX_GRANTS_FILE_BYTES - DENIAL_RESERVE_BYTES;
        if bytes(self)? > max { Err(GrantStoreError::Full { max }) } else { Ok(()) }
    }

    /// Checks the shares of entries that are stored automatically.
    pub(super) fn check_noted(&self, holder: &Holder) -> Result<(), GrantStoreError> {
        self.check_grant(holder)?;
        let noted = Self { first_declared: self.first_declared.clone(), ..Self::default() };
        if bytes(&noted)? > MAX_NOTED_BYTES {
            return Err(GrantStoreError::Full { max: MAX_NOTED_BYTES });
        }
        Ok(())
    }

    fn check_holder(&self, holder: &Holder) -> Result<(), GrantStoreError> {
        let of_holder = Self {
            grants: self.grants.iter().filter(|grant| grant.holder == *holder).cloned().collect(),
            denials: Vec::new(),
            first_declared: self
                .first_declared
                .iter()
                .filter(|first| first.holder == *holder)
                .cloned()
                .collect(),
        };
        if bytes(&of_holder)? > MAX_HOLDER_BYTES {
            return Err(GrantStoreError::Share { holder: holder.clone(), max: MAX_HOLDER_BYTES });
        }
        Ok(())
    }

    /// Removes the first declarations of the oldest unsigned files of a name, if there are more than
    /// [`MAX_FILES_OF_NAME`].
    pub(super) fn forget_old_files(&mut self, name: &PluginName) {
        let is_file = |holder: &Holder| matches!(holder, Holder::File(_));
        // Later entries are further back in the list.
        let of_name = self.first_declared.iter().rev().filter(|first| first.plugin == *name);
        let mut files: Vec<Holder> = Vec::new();
        for first in of_name.filter(|first| is_file(&first.holder)) {
            if !files.contains(&first.holder) {
                files.push(first.holder.clone());
            }
        }
        let old = files.split_off(files.len().min(MAX_FILES_OF_NAME));
        self.first_declared.retain(|first| first.plugin != *name || !old.contains(&first.holder));
    }
}

fn bytes(store: &GrantStore) -> Result<u64, GrantStoreError> {
    to_toml(store).map(|text| text.len() as u64)
}
