//! Small trees in temporary directories, which break a rule or keep it.

use std::fs;

use tempfile::TempDir;

use crate::tidy::source::Source;

/// A tree that is gone when this is dropped.
pub(crate) struct SmallTree(TempDir);

impl SmallTree {
    /// A tree of these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().expect("directory"));
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    /// Writes one more.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("inside the tree")).expect("directory");
        fs::write(path, text).expect("file");
    }

    /// The tree as rules get it.
    pub(crate) fn sources(&self) -> Vec<Source> {
        crate::tidy::read_tree(self.0.path()).expect("readable")
    }
}
