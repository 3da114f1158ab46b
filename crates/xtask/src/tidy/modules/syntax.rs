//! Finds the paths in parsed code: in imports, types, expressions, attributes and the arguments of macros.

use std::path::Path;

use proc_macro2::{Ident, Literal, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::visit::{self, Visit};
use syn::{Arm, Attribute, Field, ImplItem, Item, ItemUse, Macro, Meta, Stmt, TraitItem, UseTree, Variant};

use super::{Mention, test_only};

/// One name that a `use` imports.
pub(super) struct Import {
    /// The full path of the name, or the path before `*`.
    pub(super) path: Vec<String>,
    pub(super) kind: ImportKind,
    line: usize,
}

/// How the name is imported.
pub(super) enum ImportKind {
    /// Under this name.
    Named(String),
    /// With all other names of a module: `use PATH::*`.
    All,
    /// Only for its methods: `use PATH as _`.
    Unnamed,
}

/// A name as in the file system, without `r#`.
pub(super) fn name(identifier: &Ident) -> String {
    identifier.unraw().to_string()
}

/// What a `use` imports; nothing if its path begins with `::`, because such a path leads to another crate.
pub(super) fn imports(item: &ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    if item.leading_colon.is_none() {
        add_imports(&item.tree, &mut Vec::new(), &mut found);
    }
    found
}

fn add_imports(tree: &UseTree, above: &mut Vec<String>, found: &mut Vec<Import>) {
    let mut add = |last: &Ident, known_as: &Ident, above: &[String]| {
        let mut path = above.to_vec();
        path.extend((last != "self" || above.is_empty()).then(|| name(last)));
        // `use a::b::{self}` imports `b`.
        let known_as =
            if known_as == "self" { path.last().cloned().unwrap_or_default() } else { name(known_as) };
        let kind = if known_as == "_" { ImportKind::Unnamed } else { ImportKind::Named(known_as) };
        found.push(Import { path, kind, line: line(last) });
    };
    match tree {
        UseTree::Path(path) => {
            above.push(name(&path.ident));
            add_imports(&path.tree, above, found);
            above.pop();
        }
        UseTree::Name(last) => add(&last.ident, &last.ident, above),
        UseTree::Rename(last) => add(&last.ident, &last.rename, above),
        UseTree::Glob(glob) => {
            let line = glob.star_token.span.start().line;
            found.push(Import { path: above.clone(), kind: ImportKind::All, line });
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| add_imports(tree, above, found)),
    }
}

fn line(identifier: &Ident) -> usize {
    identifier.span().start().line
}

/// Collects the paths in the code of one module.
pub(super) struct Paths<'a> {
    pub(super) module: usize,
    pub(super) file: &'a Path,
    pub(super) found: &'a mut Vec<Mention>,
}

impl Paths<'_> {
    fn add(&mut self, path: Vec<String>, line: usize) {
        self.found.push(Mention { module: self.module, path, file: self.file.to_owned(), line });
    }

    fn add_path(&mut self, path: &syn::Path) {
        if let (None, Some(first)) = (&path.leading_colon, path.segments.first()) {
            let names = path.segments.iter().map(|segment| name(&segment.ident)).collect();
            self.add(names, line(&first.ident));
        }
    }

    /// Adds paths of several names in the arguments of a macro or an attribute, which only that macro or attribute
    /// could parse.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut begin, mut colons) = (Vec::new(), 0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(identifier) => {
                    if colons != 2 {
                        self.end_path(&mut path, begin);
                        begin = line(&identifier);
                    }
                    path.push(name(&identifier));
                    colons = 0;
                }
                TokenTree::Punct(punctuation) if punctuation.as_char() == ':' => {
                    colons += 1;
                    if colons == 2 && path.is_empty() {
                        // `::name` leads to another crate.
                        path.push(String::new());
                    }
                }
                TokenTree::Group(group) => {
                    self.end_path(&mut path, begin);
                    colons = 0;
                    self.add_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.end_path(&mut path, begin);
                    colons = 0;
                }
            }
        }
        self.end_path(&mut path, begin);
    }

    fn end_path(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 && path.first().is_some_and(|first| !first.is_empty()) {
            self.add(path, line);
        }
    }

    /// Adds paths that serde gets as strings: `#[serde(default = "crate::limits::memory")]`.
    fn add_strings(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Literal(literal) => self.add_string(literal),
                TokenTree::Group(group) => self.add_strings(group.stream()),
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }

    fn add_string(&mut self, literal: Literal) {
        let line = literal.span().start().line;
        if let syn::Lit::Str(text) = syn::Lit::new(literal)
            && let Ok(path) = syn::parse_str::<syn::Path>(&text.value())
            && path.segments.len() > 1
        {
            self.add(path.segments.iter().map(|segment| name(&segment.ident)).collect(), line);
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !test_only::is_test_only(test_only::of_item(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !test_only::is_test_only(test_only::of_impl_item(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        if !test_only::is_test_only(test_only::of_trait_item(item)) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if !test_only::is_test_only(test_only::of_statement(statement)) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_field(&mut self, field: &'ast Field) {
        if !test_only::is_test_only(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast Variant) {
        if !test_only::is_test_only(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        if !test_only::is_test_only(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for import in imports(item) {
            self.add(import.path, import.line);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add_path(path);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.add_path(&call.path);
        self.add_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        self.add_path(attribute.path());
        if let Meta::List(list) = &attribute.meta {
            self.add_tokens(list.tokens.clone());
            if list.path.is_ident("serde") {
                self.add_strings(list.tokens.clone());
            }
        }
    }
}
