//! Finds the modules that a path leads through, and so which siblings use each other.

use std::collections::BTreeMap;

use super::{Mention, Module, ModuleTree};

/// Most names that may stand for another name in turn. Ends circles of imports.
const MAX_STEPS: usize = 16;

/// The places where one module uses its sibling, in the order of the sources.
pub(crate) type Arrows<'a> = BTreeMap<(usize, usize), Vec<&'a Mention>>;

/// The way of a path.
#[derive(Default)]
struct Way {
    /// All modules on the way.
    through: Vec<usize>,
    /// The module that the path names, if it names one.
    end: Option<usize>,
}

impl ModuleTree {
    /// For each module that has children: which of its children use which, each child standing for all modules below
    /// it.
    pub(crate) fn arrows(&self) -> BTreeMap<usize, Arrows<'_>> {
        let mut found = BTreeMap::<usize, Arrows<'_>>::new();
        for mention in &self.mentions {
            let from = self.line_of(mention.module);
            let mut here = Vec::new();
            for module in self.targets(mention) {
                let to = self.line_of(module);
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                // A module and its ancestor are not siblings.
                if let (Some(holder), Some(a), Some(b)) =
                    (shared.checked_sub(1), from.get(shared), to.get(shared))
                    && let Some(holder) = from.get(holder)
                {
                    here.push((*holder, (*a, *b)));
                }
            }
            here.sort_unstable();
            here.dedup();
            for (holder, arrow) in here {
                found.entry(holder).or_default().entry(arrow).or_default().push(mention);
            }
        }
        found
    }

    /// The modules that a path in the code leads through.
    fn targets(&self, mention: &Mention) -> Vec<usize> {
        let module = mention.module;
        match mention.path.as_slice() {
            // A single name is a variable, comes from a prelude, or is an import that was counted at its `use`; or `use
            // super::*` imports it. A single name that is a module's own name does not count as a use of that module.
            [name] if !self.modules.get(module).is_none_or(|module| module.knows(name)) => {
                let way = self.through_globs(module, module, &mention.path, MAX_STEPS);
                if way.end.is_some() { Vec::new() } else { way.through }
            }
            [_] => Vec::new(),
            path => self.way(module, module, path, MAX_STEPS).through,
        }
    }

    /// The way of a path that is written in `scope`, which is looked up for code in `from`.
    fn way(&self, from: usize, scope: usize, path: &[String], steps: usize) -> Way {
        let Some(steps) = steps.checked_sub(1) else { return Way::default() };
        let (mut at, mut rest) = match path.split_first() {
            Some((first, rest)) if first == "crate" => (0, rest),
            _ => (scope, path),
        };
        let mut through = vec![at];
        while let Some((name, after)) = rest.split_first() {
            let Some(module) = self.modules.get(at) else { break };
            let next = match name.as_str() {
                "self" => Some(at),
                "super" => module.parent,
                name => module.children.get(name).copied(),
            };
            if let Some(next) = next {
                at = next;
                through.push(at);
                rest = after;
                continue;
            }
            // What a module beside this one imports from elsewhere counts as an arrow of that module.
            if !self.line_of(from).contains(&at) {
                return Way { through, end: None };
            }
            let onward = match module.imports.get(name) {
                Some(target) => {
                    let whole: Vec<String> = target.iter().chain(after).cloned().collect();
                    self.way(from, at, &whole, steps)
                }
                None if module.items.contains(name) => Way::default(),
                None => self.through_globs(from, at, rest, steps),
            };
            through.extend(onward.through);
            return Way { through, end: onward.end };
        }
        Way { through, end: Some(at) }
    }

    /// The way of a path whose first name comes from one of a module's `use …::*`.
    fn through_globs(&self, from: usize, scope: usize, path: &[String], steps: usize) -> Way {
        let Some(steps) = steps.checked_sub(1) else { return Way::default() };
        let globs = self.modules.get(scope).into_iter().flat_map(|module| &module.globs);
        let opened = globs.filter_map(|glob| self.way(from, scope, glob, steps).end);
        for module in opened {
            let way = self.way(from, module, path, steps);
            let knows = |name: &String| self.modules.get(module).is_some_and(|module| module.knows(name));
            if path.first().is_some_and(knows) || way.through.len() > 1 {
                return way;
            }
        }
        Way::default()
    }
}

impl Module {
    /// Whether the module itself declares or imports the name.
    fn knows(&self, name: &str) -> bool {
        self.children.contains_key(name) || self.imports.contains_key(name) || self.items.contains(name)
    }
}
