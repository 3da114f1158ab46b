//! Small trees in temporary directories, for tests of rules.

use std::fs;

use tempfile::TempDir;

use crate::tidy::source::Source;

/// A tree that is deleted when this value is dropped.
pub(crate) struct SmallTree(TempDir);

impl SmallTree {
    /// A tree with these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().expect("directory"));
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    /// Writes one more file.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("inside the tree")).expect("directory");
        fs::write(path, text).expect("file");
    }

    /// The tree in the form in which rules get it.
    pub(crate) fn sources(&self) -> Vec<Source> {
        crate::tidy::read_tree(self.0.path()).expect("readable")
    }
}
