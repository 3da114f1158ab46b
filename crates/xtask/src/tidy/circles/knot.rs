//! Groups of siblings in which each can be reached from every other along arrows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::tidy::modules::{Arrows, Mention, ModuleTree};

/// Two or more siblings that all use each other, directly or through other siblings.
pub(super) struct Knot<'a> {
    tree: &'a ModuleTree,
    /// The module that declares the siblings; the root is 0.
    holder: usize,
    members: BTreeSet<usize>,
    /// The arrows among the siblings.
    arrows: Arrows<'a>,
    /// The shortest circle, with each of its members once.
    circle: Vec<usize>,
}

/// All knots of a tree, those of the root first.
pub(super) fn knots(tree: &ModuleTree) -> Vec<Knot<'_>> {
    let mut found = Vec::new();
    for (holder, arrows) in tree.arrows() {
        for members in groups(&arrows) {
            let mut inside = arrows.clone();
            inside.retain(|(from, to), _| members.contains(from) && members.contains(to));
            let circles = members.iter().filter_map(|start| shortest(&inside, *start));
            let circle = circles.min_by_key(Vec::len).unwrap_or_default();
            found.push(Knot { tree, holder, members, arrows: inside, circle });
        }
    }
    found
}

impl<'a> Knot<'a> {
    /// The path of the module that declares the siblings.
    pub(super) fn place(&self) -> String {
        self.tree.path_of(self.holder)
    }

    /// Whether the root declares the siblings.
    pub(super) fn is_first_level(&self) -> bool {
        self.holder == 0
    }

    /// The names of the siblings.
    pub(super) fn members(&self) -> Vec<&str> {
        self.members.iter().map(|member| self.tree.name_of(*member)).collect()
    }

    /// The shortest circle in words: `a -> b -> a`.
    pub(super) fn way(&self) -> String {
        let names = self.circle.iter().chain(self.circle.first()).map(|member| self.tree.name_of(*member));
        names.collect::<Vec<_>>().join(" -> ")
    }

    /// The arrows of the shortest circle, each with one place in the sources.
    pub(super) fn circle(&self) -> Vec<(String, &'a Mention)> {
        let next = self.circle.iter().cycle().skip(1);
        let pairs = self.circle.iter().zip(next).map(|(from, to)| (*from, *to));
        pairs.filter_map(|pair| Some((self.arrow(pair), *self.arrows.get(&pair)?.first()?))).collect()
    }

    /// All arrows among the members, each with all its places in the sources.
    pub(super) fn arrows(&self) -> Vec<(String, &[&'a Mention])> {
        self.arrows.iter().map(|(pair, mentions)| (self.arrow(*pair), mentions.as_slice())).collect()
    }

    fn arrow(&self, (from, to): (usize, usize)) -> String {
        format!("{} -> {}", self.tree.name_of(from), self.tree.name_of(to))
    }
}

/// Groups of siblings in which all reach each other. Siblings that are alone are left out.
fn groups(arrows: &Arrows<'_>) -> Vec<BTreeSet<usize>> {
    let members: BTreeSet<usize> = arrows.keys().flat_map(|(from, to)| [*from, *to]).collect();
    let reached: BTreeMap<usize, BTreeSet<usize>> =
        members.iter().map(|member| (*member, reachable(arrows, *member))).collect();
    let reaches = |a: usize, b: usize| reached.get(&a).is_some_and(|reached| reached.contains(&b));
    let mut groups = BTreeSet::new();
    for member in &members {
        let group: BTreeSet<usize> = members
            .iter()
            .copied()
            .filter(|other| reaches(*member, *other) && reaches(*other, *member))
            .collect();
        if group.len() > 1 {
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

fn reachable(arrows: &Arrows<'_>, start: usize) -> BTreeSet<usize> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(at) = open.pop() {
        open.extend(targets(arrows, at).filter(|to| reached.insert(*to)));
    }
    reached
}

/// The shortest circle through one module.
fn shortest(arrows: &Arrows<'_>, start: usize) -> Option<Vec<usize>> {
    let mut open = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = open.pop_front() {
        for to in targets(arrows, *way.last()?) {
            if to == start {
                return Some(way);
            }
            if seen.insert(to) {
                let mut longer = way.clone();
                longer.push(to);
                open.push_back(longer);
            }
        }
    }
    None
}

fn targets<'a>(arrows: &'a Arrows<'_>, at: usize) -> impl Iterator<Item = usize> + 'a {
    arrows.keys().filter(move |(from, _)| *from == at).map(|(_, to)| *to)
}
