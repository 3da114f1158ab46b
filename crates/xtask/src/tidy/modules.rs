//! The modules of each crate as its sources declare them, without tests, and every place where a module names another.
//!
//! Sources are parsed, and macros are not expanded. A method that is called on a value names no module, and neither
//! does a link in a comment.

mod names;
mod reading;
mod syntax;
mod test_only;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::tidy::Violation;
use crate::tidy::source::Source;

pub(crate) use self::names::Arrows;

/// The modules below one root, which is a library or a program.
pub(crate) struct ModuleTree {
    /// The name of the crate or, in a crate with several programs, of the program: `conductor-core`, `conductorctl`.
    pub(crate) name: String,
    /// The name of the crate's directory.
    pub(crate) crate_name: String,
    /// The file with which the compiler begins.
    pub(crate) root: PathBuf,
    /// The number of lines of each file, without its test modules.
    pub(crate) lines: BTreeMap<PathBuf, usize>,
    /// Files that could not be parsed.
    pub(crate) unread: Vec<Violation>,
    /// The root first, then all other modules.
    modules: Vec<Module>,
    mentions: Vec<Mention>,
}

/// One module, with everything that can be named in it.
#[derive(Default)]
struct Module {
    name: String,
    /// `None` for the root.
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// Names that `use` imports, each with its full path.
    imports: BTreeMap<String, Vec<String>>,
    /// The paths of `use PATH::*`.
    globs: Vec<Vec<String>>,
    /// Names of types, functions and other items that the module declares.
    items: BTreeSet<String>,
}

/// A path in the code of a module.
pub(crate) struct Mention {
    module: usize,
    path: Vec<String>,
    /// The file, relative to the root of the repository.
    pub(crate) file: PathBuf,
    /// The line, counted from 1.
    pub(crate) line: usize,
}

impl Mention {
    /// The path as it is written.
    pub(crate) fn path(&self) -> String {
        self.path.join("::")
    }
}

impl ModuleTree {
    /// Names of the modules that the root declares.
    pub(crate) fn first_level(&self) -> Vec<&str> {
        let root = self.modules.first();
        root.into_iter().flat_map(|root| root.children.keys()).map(String::as_str).collect()
    }

    /// Whether this is the library of its crate.
    pub(crate) fn is_library(&self) -> bool {
        self.root.ends_with("lib.rs")
    }

    /// The path of the module from the root: `conductor-core::broker::calls`.
    pub(crate) fn path_of(&self, module: usize) -> String {
        let names = self.line_of(module).into_iter().skip(1).map(|module| self.name_of(module));
        [self.name.as_str()].into_iter().chain(names).collect::<Vec<_>>().join("::")
    }

    /// The module's own name.
    pub(crate) fn name_of(&self, module: usize) -> &str {
        self.modules.get(module).map_or("", |module| module.name.as_str())
    }

    /// The module and all its ancestors, the root first.
    fn line_of(&self, module: usize) -> Vec<usize> {
        let parent = |module: &usize| self.modules.get(*module)?.parent;
        let mut line: Vec<usize> = std::iter::successors(Some(module), parent).collect();
        line.reverse();
        line
    }
}

/// The module trees of all crates below `crates/`.
pub(crate) fn read(sources: &[Source]) -> Vec<ModuleTree> {
    let by_path: BTreeMap<&Path, &Source> =
        sources.iter().map(|source| (source.path.as_path(), source)).collect();
    let roots = sources.iter().filter_map(|source| Some((source, root_name(&source.path)?)));
    roots
        .map(|(source, name)| {
            let crate_name = source.crate_name().unwrap_or_default().to_owned();
            let tree = ModuleTree {
                name: name.to_owned(),
                crate_name,
                root: source.path.clone(),
                lines: BTreeMap::new(),
                unread: Vec::new(),
                modules: vec![Module::default()],
                mentions: Vec::new(),
            };
            reading::read(&by_path, tree)
        })
        .collect()
}

/// The name of the crate or program whose root this file is.
fn root_name(path: &Path) -> Option<&str> {
    let parts: Vec<&str> = path.components().filter_map(|part| part.as_os_str().to_str()).collect();
    match parts.as_slice() {
        ["crates", name, "src", "lib.rs" | "main.rs"] => Some(name),
        ["crates", _, "src", "bin", name, "main.rs"] => Some(name),
        ["crates", _, "src", "bin", file] => file.strip_suffix(".rs"),
        _ => None,
    }
}
