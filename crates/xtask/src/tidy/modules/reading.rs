//! Reads the whole tree from the file of its root, along the `mod` declarations.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use syn::visit::Visit as _;
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta};

use super::syntax::{ImportKind, Paths, imports, name};
use super::test_only::{is_test_file, is_test_only, of_item};
use super::{Module, ModuleTree};
use crate::tidy::source::Source;

/// Fills a tree that has only its root.
pub(super) fn read(sources: &BTreeMap<&Path, &Source>, tree: ModuleTree) -> ModuleTree {
    let root = tree.root.clone();
    let children = root.parent().map(Path::to_owned).unwrap_or_default();
    let mut reader = Reader { sources, tree };
    reader.read_file(0, &root, children);
    reader.tree
}

struct Reader<'a> {
    sources: &'a BTreeMap<&'a Path, &'a Source>,
    tree: ModuleTree,
}

/// Where items are declared.
struct Place<'a> {
    module: usize,
    file: &'a Path,
    /// Whether the items are in `mod NAME { … }`.
    is_inline: bool,
    /// The directory in which files of child modules are looked for.
    children: PathBuf,
}

impl Reader<'_> {
    fn read_file(&mut self, module: usize, path: &Path, children: PathBuf) {
        let Some(source) = self.sources.get(path) else { return };
        self.tree.lines.insert(path.to_owned(), source.text.lines().count());
        match syn::parse_file(&source.text) {
            Ok(file) => {
                self.read_items(&file.items, &Place { module, file: path, is_inline: false, children })
            }
            Err(error) => {
                let rule = format!("cannot be parsed, so its modules are not known: {error}");
                self.tree.unread.push(source.violation(error.span().start().line, rule));
            }
        }
    }

    fn read_items(&mut self, items: &[Item], place: &Place<'_>) {
        for item in items {
            if let Item::Mod(module) = item {
                self.read_module(module, place);
            } else if !is_test_only(of_item(item)) {
                self.declare(item, place.module);
                let found = &mut self.tree.mentions;
                Paths { module: place.module, file: place.file, found }.visit_item(item);
            }
        }
    }

    fn read_module(&mut self, item: &ItemMod, place: &Place<'_>) {
        if is_test_only(&item.attrs) {
            self.leave_out_lines(item, place.file);
            return;
        }
        let name = name(&item.ident);
        let beside = place.children.join(&name);
        if let Some((_, items)) = &item.content {
            let module = self.child(place.module, name);
            self.read_items(items, &Place { module, file: place.file, is_inline: true, children: beside });
            return;
        }
        let (file, children) = match path_attribute(&item.attrs) {
            // A file that `#[path]` names has its children beside it.
            Some(path) => {
                let base = if place.is_inline { Some(place.children.as_path()) } else { place.file.parent() };
                let file = without_dots(&base.unwrap_or(Path::new("")).join(path));
                let children = file.parent().map(Path::to_owned).unwrap_or_default();
                (file, children)
            }
            None => (place.children.join(format!("{name}.rs")), beside),
        };
        if !is_test_file(&file) {
            let module = self.child(place.module, name);
            self.read_file(module, &file, children);
        }
    }

    /// The child with this name. A second declaration, for another system, shares it.
    fn child(&mut self, parent: usize, name: String) -> usize {
        let new = self.tree.modules.len();
        let Some(holder) = self.tree.modules.get_mut(parent) else { return parent };
        let child = *holder.children.entry(name.clone()).or_insert(new);
        if child == new {
            self.tree.modules.push(Module { name, parent: Some(parent), ..Module::default() });
        }
        child
    }

    fn leave_out_lines(&mut self, item: &ItemMod, file: &Path) {
        let Some((braces, _)) = &item.content else { return };
        let first = item.attrs.first().map_or(item.mod_token.span, |attribute| attribute.pound_token.span);
        let lines = braces.span.close().end().line.saturating_sub(first.start().line) + 1;
        if let Some(count) = self.tree.lines.get_mut(file) {
            *count = count.saturating_sub(lines);
        }
    }

    /// Notes the names that an item declares in its module.
    fn declare(&mut self, item: &Item, module: usize) {
        let Some(module) = self.tree.modules.get_mut(module) else { return };
        let declared = match item {
            Item::Use(item) => {
                for import in imports(item) {
                    match import.kind {
                        ImportKind::Named(name) => drop(module.imports.insert(name, import.path)),
                        ImportKind::All => module.globs.push(import.path),
                        ImportKind::Unnamed => {}
                    }
                }
                None
            }
            Item::Const(item) => Some(&item.ident),
            Item::Enum(item) => Some(&item.ident),
            Item::Fn(item) => Some(&item.sig.ident),
            Item::Macro(item) => item.ident.as_ref(),
            Item::Static(item) => Some(&item.ident),
            Item::Struct(item) => Some(&item.ident),
            Item::Trait(item) => Some(&item.ident),
            Item::TraitAlias(item) => Some(&item.ident),
            Item::Type(item) => Some(&item.ident),
            Item::Union(item) => Some(&item.ident),
            Item::ExternCrate(_)
            | Item::ForeignMod(_)
            | Item::Impl(_)
            | Item::Mod(_)
            | Item::Verbatim(_)
            | _ => None,
        };
        module.items.extend(declared.map(name));
    }
}

/// The file that `#[path = "…"]` names.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| {
        let Meta::NameValue(pair) = &attribute.meta else { return None };
        let Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) = &pair.value else { return None };
        pair.path.is_ident("path").then(|| path.value())
    })
}

fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}
