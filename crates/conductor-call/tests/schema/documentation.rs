//! What the documentation of types and fields says, read from the source.

/// Where the types of the operations are written down.
const SOURCES: [&str; 3] = [
    include_str!("../../../conductor-abi/src/call.rs"),
    include_str!("../../../conductor-abi/src/operation.rs"),
    include_str!("../../src/json/forms.rs"),
];

/// The documentation of a structure.
pub(crate) fn of_type(name: &str) -> String {
    let (source, line) = declared(name);
    above(source, line)
}

/// The documentation of a field or variant.
pub(crate) fn of_member(name: &str, member: &str) -> String {
    let (source, declared) = declared(name);
    let starts = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix(member).is_some_and(|rest| rest.starts_with([':', ',', '(', ' ']))
    };
    let line = source.lines().skip(declared).position(starts);
    above(source, declared + line.unwrap_or_else(|| panic!("{name} has no {member}")))
}

/// The source that declares a type, and the number of its line.
fn declared(name: &str) -> (&'static str, usize) {
    let starts = |line: &str| {
        ["struct ", "enum "].iter().any(|word| {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let rest = line.strip_prefix(word).and_then(|rest| rest.strip_prefix(name));
            rest.is_some_and(|rest| rest.starts_with([' ', '<']))
        })
    };
    let found = SOURCES.into_iter().find_map(|source| Some((source, source.lines().position(starts)?)));
    found.unwrap_or_else(|| panic!("no type {name}"))
}

/// The comment above a line, without links.
fn above(source: &str, line: usize) -> String {
    let lines: Vec<&str> = source.lines().take(line).map(str::trim).collect();
    let mut comment: Vec<&str> = Vec::new();
    for line in lines.into_iter().rev() {
        match line.strip_prefix("///") {
            Some(text) => comment.push(text.trim()),
            None if line.starts_with("#[") => {}
            None => break,
        }
    }
    comment.reverse();
    without_links(&comment.join(" "))
}

/// The text of links of Markdown, without where they lead.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let (word, after) = after.split_once("`]").expect("the end of a link");
        plain += &format!("{before}`{word}`");
        rest =
            after.strip_prefix('(').and_then(|after| after.split_once(')')).map_or(after, |(_, after)| after);
    }
    plain + rest
}
