//! What became of mutants.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::reading;
use super::survivors::Survivor;
use crate::error::TaskError;

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// A test failed.
    Killed,
    /// The tests did not end.
    Hung,
    /// It did not compile.
    Unviable,
    /// No test noticed.
    Survived,
}

impl Outcome {
    /// All of them, with the words under which they are kept and the files of cargo-mutants that list them.
    const ALL: [(Self, &str, &str); 4] = [
        (Self::Killed, "killed", "caught.txt"),
        (Self::Hung, "hung", "timeout.txt"),
        (Self::Unviable, "unviable", "unviable.txt"),
        (Self::Survived, "survived", "missed.txt"),
    ];

    /// The file of a mutant, and the mutant without its line and column, which other changes move.
    pub(super) fn of_line(line: &str) -> (&str, &str) {
        let (place, mutant) = line.split_once(": ").unwrap_or(("", line));
        (place.split(':').next().unwrap_or_default(), mutant)
    }
}

/// What became of some mutants: a line of cargo-mutants for each, with the outcome.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Results(Vec<(Outcome, String)>);

impl Results {
    /// Reads what cargo-mutants has written into a directory.
    pub(super) fn read(directory: &Path) -> Result<Self, TaskError> {
        let mut results = Self::default();
        for (outcome, _, name) in Outcome::ALL {
            let path = directory.join("mutants.out").join(name);
            // Where there was no mutant, there is no list.
            if !path.is_file() {
                continue;
            }
            let text = String::from_utf8_lossy(&reading::read(&path)?).into_owned();
            results.0.extend(text.lines().map(|line| (outcome, line.to_owned())));
        }
        Ok(results)
    }

    /// Reads what [`fmt::Display`] has written.
    pub(super) fn parse(text: &str) -> Self {
        let outcome = |word: &str| Outcome::ALL.iter().find(|(_, known, _)| *known == word);
        let lines = text.lines().filter_map(|line| {
            let (word, mutant) = line.split_once(' ')?;
            Some((outcome(word)?.0, mutant.to_owned()))
        });
        Self(lines.collect())
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.0.iter().filter(|(known, _)| *known == outcome).count()
    }

    /// In one line.
    pub(super) fn told(&self) -> String {
        let [killed, hung, unviable, survived] = Outcome::ALL.map(|(outcome, _, _)| self.count(outcome));
        format!(
            "{} mutants: {} killed, {survived} survived, {unviable} did not compile",
            self.0.len(),
            killed + hung
        )
    }

    /// Prints the figures of each crate and of all.
    pub(super) fn report(&self, took: Duration) {
        let mut crates = BTreeMap::<&str, Self>::new();
        for (outcome, line) in &self.0 {
            let name = line.split('/').nth(1).unwrap_or_default();
            crates.entry(name).or_default().0.push((*outcome, line.clone()));
        }
        println!("\n{:<24}{:>9}{:>9}{:>10}{:>9}", "", "mutants", "killed", "survived", "score");
        let everything = Self(self.0.clone());
        for (name, results) in crates.iter().chain([(&"all", &everything)]) {
            let killed = results.count(Outcome::Killed) + results.count(Outcome::Hung);
            let survived = results.count(Outcome::Survived);
            let viable = killed + survived;
            let score = if viable == 0 { 100.0 } else { 100.0 * killed as f64 / viable as f64 };
            println!("{name:<24}{viable:>9}{killed:>9}{survived:>10}{score:>8.1}%");
        }
        let unviable = self.count(Outcome::Unviable);
        println!("{unviable} more did not compile; {:.0} s", took.as_secs_f64());
    }

    /// The survivors that are not listed, or survive more often than is listed.
    pub(super) fn unlisted(&self, listed: &[Survivor]) -> Vec<&str> {
        let mut allowed: BTreeMap<(&str, &str), usize> =
            listed.iter().map(|survivor| ((survivor.file, survivor.mutant), survivor.times)).collect();
        let survived = self.0.iter().filter(|(outcome, _)| *outcome == Outcome::Survived);
        let unlisted = survived.filter(|(_, line)| match allowed.get_mut(&Outcome::of_line(line)) {
            Some(times) if *times > 0 => {
                *times -= 1;
                false
            }
            Some(_) | None => true,
        });
        unlisted.map(|(_, line)| line.as_str()).collect()
    }

    /// Listed survivors of files of which all mutants were tried, and that do not survive, or less often than is listed.
    fn unneeded<'l>(&self, listed: &'l [Survivor]) -> Vec<&'l Survivor> {
        let of = |survivor: &Survivor| {
            let is_it = |(outcome, line): &&(Outcome, String)| {
                *outcome == Outcome::Survived && Outcome::of_line(line) == (survivor.file, survivor.mutant)
            };
            self.0.iter().filter(is_it).count()
        };
        let was_tried =
            |survivor: &&Survivor| self.0.iter().any(|(_, line)| Outcome::of_line(line).0 == survivor.file);
        listed.iter().filter(was_tried).filter(|survivor| of(survivor) < survivor.times).collect()
    }

    /// Demands that those survive that are listed, and no others.
    pub(super) fn judge(&self, listed: &[Survivor], is_complete: bool) -> Result<(), TaskError> {
        let survived = self.unlisted(listed);
        survived.iter().for_each(|line| println!("survived: {line}"));
        let unneeded = if is_complete { self.unneeded(listed) } else { Vec::new() };
        for survivor in &unneeded {
            let Survivor { file, mutant, why, .. } = survivor;
            println!("listed in survivors.rs ({why}), and killed: {file}: {mutant}");
        }
        if survived.is_empty() && unneeded.is_empty() {
            return Ok(());
        }
        Err(TaskError::Mutants { survived: survived.len(), unneeded: unneeded.len() })
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (outcome, line) in &self.0 {
            let word =
                Outcome::ALL.iter().find(|(known, _, _)| known == outcome).map_or("", |(_, word, _)| word);
            writeln!(f, "{word} {line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "crates/a/src/b.rs";
    const MUTANT: &str = "replace && with || in <impl A for B<'_>>::c";

    fn results() -> Results {
        Results::parse(&format!(
            "killed {FILE}:1:5: replace f -> bool with true\nsurvived {FILE}:9:1: {MUTANT}\nsurvived {FILE}:9:8: {MUTANT}\n\
             unviable {FILE}:3:1: replace g -> X with Default::default()\nhung {FILE}:4:1: replace += with -= in h\n"
        ))
    }

    fn listed(times: usize) -> [Survivor; 1] {
        [Survivor { file: FILE, mutant: MUTANT, times, why: "both are true" }]
    }

    #[test]
    fn a_mutant_is_known_by_its_file_and_its_change() {
        assert_eq!(Outcome::of_line(&format!("{FILE}:12:8: {MUTANT}")), (FILE, MUTANT));
    }

    #[test]
    fn what_is_kept_can_be_read_again() {
        let results = results();
        assert_eq!(results.0.len(), 5);
        assert_eq!(Results::parse(&results.to_string()), results);
        assert_eq!(results.told(), "5 mutants: 2 killed, 2 survived, 1 did not compile");
    }

    #[test]
    fn a_survivor_is_listed_as_often_as_it_survives() {
        let results = results();
        assert_eq!(results.unlisted(&[]).len(), 2);
        assert_eq!(results.unlisted(&listed(1)), [format!("{FILE}:9:8: {MUTANT}")]);
        assert!(results.unlisted(&listed(2)).is_empty());
        assert!(results.judge(&listed(2), true).is_ok());
        let of_other_file = [Survivor { file: "crates/a/src/c.rs", ..listed(2)[0] }];
        assert_eq!(results.unlisted(&of_other_file).len(), 2);
    }

    #[test]
    fn a_listed_mutant_that_is_killed_is_found_where_all_were_tried() {
        let results = results();
        assert!(matches!(
            results.judge(&listed(3), true),
            Err(TaskError::Mutants { survived: 0, unneeded: 1 })
        ));
        assert!(results.judge(&listed(3), false).is_ok());
        let untried = [Survivor { file: "crates/a/src/c.rs", ..listed(1)[0] }];
        assert!(results.unneeded(&untried).is_empty());
    }
}
