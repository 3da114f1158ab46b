//! Which modules a path leads through, and so which siblings use each other.

use std::collections::BTreeMap;

use super::{Mention, Module, ModuleTree};

/// How many names may stand for another name in turn, so that a circle of imports ends.
const MAX_STEPS: usize = 16;

/// Where one module uses its sibling, in the order of the sources.
pub(crate) type Arrows<'a> = BTreeMap<(usize, usize), Vec<&'a Mention>>;

/// Where a path leads.
#[derive(Default)]
struct Way {
    /// All modules on it.
    through: Vec<usize>,
    /// The module that it names, if it names one.
    end: Option<usize>,
}

impl ModuleTree {
    /// For each module that holds others: which of these use which, each with all that is below it.
    pub(crate) fn arrows(&self) -> BTreeMap<usize, Arrows<'_>> {
        let mut found = BTreeMap::<usize, Arrows<'_>>::new();
        for mention in &self.mentions {
            let from = self.line_of(mention.module);
            let mut here = Vec::new();
            for module in self.targets(mention) {
                let to = self.line_of(module);
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                // A module and what holds it are a parent and its child.
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

    /// Modules that a path in the code leads through.
    fn targets(&self, mention: &Mention) -> Vec<usize> {
        let module = mention.module;
        match mention.path.as_slice() {
            // A name alone is a variable, or of a prelude, or an import that was seen where it stands; or `use super::*`
            // brought it in. No module is used by its name alone.
            [name] if !self.modules.get(module).is_none_or(|module| module.knows(name)) => {
                let way = self.through_globs(module, module, &mention.path, MAX_STEPS);
                if way.end.is_some() { Vec::new() } else { way.through }
            }
            [_] => Vec::new(),
            path => self.way(module, module, path, MAX_STEPS).through,
        }
    }

    /// The way of a path that stands in `scope` and is followed for `from`, which is in it.
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
            // What a module beside this one takes from elsewhere is an arrow of its own.
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

    /// The way of a path whose first name comes from one of the `use …::*` of a module.
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
    /// Whether the name is declared or brought in here by itself.
    fn knows(&self, name: &str) -> bool {
        self.children.contains_key(name) || self.imports.contains_key(name) || self.items.contains(name)
    }
}
