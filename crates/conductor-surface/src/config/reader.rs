//! Reads TOML tables key by key. Every fault is collected with its place, rather than only the first.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use conductor_signing::escape::terminal;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::unit::{duration_of_seconds, parse_duration};
use crate::nearest::nearest;

/// Most faults that are reported at once. In a file that is wholly broken, further faults say nothing new.
const MAX_PROBLEMS: usize = 100;

/// The text being read and the faults found in it so far.
pub struct Source<'i> {
    text: &'i str,
    problems: RefCell<Vec<(usize, Problem)>>,
}

/// A place in the text, at which a fault is shown.
#[derive(Clone, Debug)]
pub struct Place {
    key: String,
    offset: usize,
}

/// A value together with its place.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// What was read.
    pub value: T,
    /// Where the value is.
    pub place: Place,
}

impl<'i> Source<'i> {
    /// A text in which no fault was found yet.
    pub fn new(text: &'i str) -> Self {
        Self { text, problems: RefCell::default() }
    }

    /// The root table. Syntax errors are recorded; the table has what could be read around them.
    pub fn parse(&self) -> DeTable<'i> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let place = Place { key: String::new(), offset: error.span().map_or(0, |span| span.start) };
            self.fault(&place, error.message().replace('\n', ", "), None);
        }
        table.into_inner()
    }

    /// Records a fault.
    pub fn fault(&self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MAX_PROBLEMS {
            let (line, column) = self.line_and_column(place.offset);
            let key = terminal(&place.key).to_string();
            let message = terminal(&message.into()).to_string();
            let hint = hint.map(|hint| terminal(&hint).to_string());
            problems.push((place.offset, Problem { line, column, key, message, hint }));
        }
    }

    /// Whether any fault was found so far.
    pub fn has_problems(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// Every fault, in the order of the text.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|(offset, _)| *offset);
        problems.into_iter().map(|(_, problem)| problem).collect()
    }

    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before.get(line_start..).unwrap_or_default().chars().count() + 1)
    }
}

/// A table whose keys are asked for one by one. [`Table::finish`] then reports the keys that nobody asked for.
pub struct Table<'s, 'i> {
    source: &'s Source<'i>,
    table: &'s DeTable<'i>,
    place: Place,
    asked: RefCell<Vec<&'static str>>,
    faulty: Cell<bool>,
}

impl<'s, 'i> Table<'s, 'i> {
    /// The root table that [`Source::parse`] returned.
    pub fn root(source: &'s Source<'i>, table: &'s DeTable<'i>) -> Self {
        Self::at(source, table, Place { key: String::new(), offset: 0 })
    }

    fn at(source: &'s Source<'i>, table: &'s DeTable<'i>, place: Place) -> Self {
        Self { source, table, place, asked: RefCell::default(), faulty: Cell::new(false) }
    }

    /// Where the table begins.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Line of the text on which this table begins, counted from 1.
    pub fn line(&self) -> usize {
        self.source.line_and_column(self.place.offset).0
    }

    /// Line of a place, counted from 1.
    pub fn line_of(&self, place: &Place) -> usize {
        self.source.line_and_column(place.offset).0
    }

    /// Whether the table has no key.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Records a fault of this table.
    pub fn fault(&self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        self.faulty.set(true);
        self.source.fault(place, message, hint);
    }

    /// The value of `key`. `None` if the key is absent or its value has the wrong type; a wrong type is recorded as a
    /// fault.
    pub fn get<T: FromToml>(&self, key: &'static str) -> Option<Located<T>> {
        let (place, value) = self.look_up(key)?;
        match T::from_toml(value.get_ref()) {
            Ok(value) => Some(Located { value, place }),
            Err(why) => {
                let message = match why {
                    Unfit::Type => format!("expected {}, found {}", T::EXPECTED, found(value.get_ref())),
                    Unfit::Value(why) => why,
                };
                self.fault(&place, message, None);
                None
            }
        }
    }

    /// The value of `key`. A missing key is recorded as a fault.
    pub fn require<T: FromToml>(&self, key: &'static str) -> Option<Located<T>> {
        if self.look_up(key).is_none() {
            let place = self.place.clone();
            self.fault(
                &place,
                format!("key `{key}` is missing"),
                Some(format!("add `{key}` = {}", T::EXPECTED)),
            );
        }
        self.get(key)
    }

    /// The value of `key`, parsed by `parse`. An error of `parse` is recorded as a fault.
    pub fn parse<T: FromToml, U, E: ToString>(
        &self,
        key: &'static str,
        parse: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<Located<U>> {
        let Located { value, place } = self.get::<T>(key)?;
        match parse(value) {
            Ok(value) => Some(Located { value, place }),
            Err(error) => {
                self.fault(&place, error.to_string(), None);
                None
            }
        }
    }

    /// The value of `key` without conversion, and its place.
    pub fn raw(&self, key: &'static str) -> Option<(Place, &'s DeValue<'i>)> {
        self.look_up(key).map(|(place, value)| (place, value.get_ref()))
    }

    /// The table at `key`.
    pub fn table(&self, key: &'static str) -> Option<Table<'s, 'i>> {
        let (place, value) = self.look_up(key)?;
        self.as_table(place, value.get_ref())
    }

    /// The tables below `key`, by name: `[plugins.NAME]`.
    pub fn named_tables(&self, key: &'static str) -> Vec<(Located<String>, Table<'s, 'i>)> {
        let Some(outer) = self.table(key) else { return Vec::new() };
        let mut found = Vec::new();
        for (name, value) in outer.table.iter() {
            let place = outer.child_place(name.get_ref(), name.span());
            if let Some(table) = self.as_table(place.clone(), value.get_ref()) {
                found.push((Located { value: name.get_ref().to_string(), place }, table));
            }
        }
        found
    }

    /// The strings below `key`, by name, at most `max` of them.
    pub fn named_texts(&self, key: &'static str, max: usize) -> Vec<(Located<String>, Located<String>)> {
        let Some(outer) = self.table(key) else { return Vec::new() };
        if outer.table.len() > max {
            self.fault(outer.place(), format!("more than {max} entries"), None);
            return Vec::new();
        }
        let entries = outer.table.iter().filter_map(|(name, value)| {
            let place = outer.child_place(name.get_ref(), value.span());
            let Some(text) = value.get_ref().as_str() else {
                let found = found(value.get_ref());
                self.fault(&place, format!("expected a string, found {found}"), None);
                return None;
            };
            let named = outer.child_place(name.get_ref(), name.span());
            let name = Located { value: name.get_ref().to_string(), place: named };
            Some((name, Located { value: text.to_owned(), place }))
        });
        entries.collect()
    }

    /// The values below `key` without conversion, by name, at most `max` of them. The first place is that of the name,
    /// the second that of the value.
    pub fn named_values(
        &self,
        key: &'static str,
        max: usize,
    ) -> Vec<(Located<String>, Place, &'s DeValue<'i>)> {
        let Some(outer) = self.table(key) else { return Vec::new() };
        if outer.table.len() > max {
            self.fault(outer.place(), format!("more than {max} entries"), None);
            return Vec::new();
        }
        let entries = outer.table.iter().map(|(name, value)| {
            let text = name.get_ref();
            let place = outer.child_place(text, name.span());
            let of_value = outer.child_place(text, value.span());
            (Located { value: text.to_string(), place }, of_value, value.get_ref())
        });
        entries.collect()
    }

    /// The tables of the array at `key`: `[[inputs]]`.
    pub fn tables(&self, key: &'static str) -> Vec<Table<'s, 'i>> {
        let Some((place, value)) = self.look_up(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            let hint = format!("write `[[{key}]]` above each entry");
            self.fault(
                &place,
                format!("expected an array of tables, found {}", found(value.get_ref())),
                Some(hint),
            );
            return Vec::new();
        };
        let entries = array.iter().enumerate();
        entries
            .filter_map(|(index, entry)| {
                let place = Place { key: format!("{}[{index}]", place.key), offset: entry.span().start };
                self.as_table(place, entry.get_ref())
            })
            .collect()
    }

    /// Reports the keys that nobody asked for. Returns whether this table had no fault.
    pub fn finish(self) -> bool {
        let asked = self.asked.take();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !asked.contains(&name) {
                let place = self.child_place(name, key.span());
                let hint = nearest(name, &asked)
                    .map(|near| format!("did you mean `{near}`?"))
                    .unwrap_or_else(|| format!("known here are {}", asked.join(", ")));
                self.fault(&place, "unknown key", Some(hint));
            }
        }
        !self.faulty.get()
    }

    fn look_up(&self, key: &'static str) -> Option<(Place, &'s Spanned<DeValue<'i>>)> {
        if !self.asked.borrow().contains(&key) {
            self.asked.borrow_mut().push(key);
        }
        let (name, value) = self.table.get_key_value(key)?;
        // The span of a header such as `[wasm]` covers the whole table, so for a table the key is the better place.
        let span = if value.get_ref().is_table() { name.span() } else { value.span() };
        Some((self.child_place(key, span), value))
    }

    fn child_place(&self, key: &str, span: Range<usize>) -> Place {
        let key =
            if self.place.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.key) };
        Place { key, offset: span.start }
    }

    fn as_table(&self, place: Place, value: &'s DeValue<'i>) -> Option<Table<'s, 'i>> {
        match value.as_table() {
            Some(table) => Some(Table::at(self.source, table, place)),
            None => {
                self.fault(&place, format!("expected a table, found {}", found(value)), None);
                None
            }
        }
    }
}

/// The type of a value, for messages; for a number, which kind of number.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(number) => format!("the whole number {number}"),
        DeValue::Float(number) => format!("the number {}, which is written as a fraction", number.as_str()),
        DeValue::String(_) => "a string".to_owned(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// Why a value cannot be read as the expected type.
pub enum Unfit {
    /// The value has another type.
    Type,
    /// The value has the right type, but cannot be used, for this reason.
    Value(String),
}

/// A type that a TOML value can be read as.
pub trait FromToml: Sized {
    /// What is expected, for the message.
    const EXPECTED: &'static str;

    /// Reads the value.
    ///
    /// # Errors
    ///
    /// Says whether the type or the value is wrong.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Unfit>;
}

impl FromToml for String {
    const EXPECTED: &'static str = "a string";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Unfit> {
        value.as_str().map(str::to_owned).ok_or(Unfit::Type)
    }
}

impl FromToml for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Unfit> {
        match value.as_str() {
            Some("") => Err(Unfit::Value("the path is empty".into())),
            Some(path) => Ok(Self::from(path)),
            None => Err(Unfit::Type),
        }
    }
}

impl FromToml for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Unfit> {
        value.as_bool().ok_or(Unfit::Type)
    }
}

impl FromToml for u64 {
    const EXPECTED: &'static str = "a whole number";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Unfit> {
        let integer = value.as_integer().ok_or(Unfit::Type)?;
        Self::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| {
            Unfit::Value(format!("expected a whole number from 0 to {}, found {integer}", Self::MAX))
        })
    }
}

impl FromToml for u32 {
    const EXPECTED: &'static str = "a whole number";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Unfit> {
        Self::try_from(u64::from_toml(value)?)
            .map_err(|_| Unfit::Value(format!("expected a whole number from 0 to {}", Self::MAX)))
    }
}

impl FromToml for f64 {
    const EXPECTED: &'static str = "a number";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Unfit> {
        let text = match (value.as_integer(), value.as_float()) {
            (Some(integer), _) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|n| n as Self)
            }
            (None, Some(float)) => float.as_str().parse().ok(),
            (None, None) => return Err(Unfit::Type),
        };
        text.filter(|number: &Self| number.is_finite())
            .ok_or_else(|| Unfit::Value("expected a finite number".into()))
    }
}

impl FromToml for Duration {
    const EXPECTED: &'static str = "seconds as a number, or a string such as \"500ms\" with one of the units us, ms, s, m and h, at most a day";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Unfit> {
        let parsed = match value.as_str() {
            Some(text) => parse_duration(text),
            None => duration_of_seconds(f64::from_toml(value)?),
        };
        parsed.ok_or_else(|| {
            let written = value.as_str().map_or_else(|| found(value), |text| format!("{text:?}"));
            Unfit::Value(format!("expected {}, found {written}", Self::EXPECTED))
        })
    }
}

impl FromToml for Vec<Located<String>> {
    const EXPECTED: &'static str = "an array of strings";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Unfit> {
        let array = value.as_array().ok_or(Unfit::Type)?;
        let strings = array.iter().map(|entry| {
            let value = entry.get_ref().as_str()?.to_owned();
            Some(Located { value, place: Place { key: String::new(), offset: entry.span().start } })
        });
        strings.collect::<Option<_>>().ok_or(Unfit::Type)
    }
}

impl Place {
    /// The byte offset of the place in the text.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// A place inside the value of the same key.
    pub fn at_offset(&self, offset: usize) -> Self {
        Self { key: self.key.clone(), offset }
    }

    /// This place, which is inside the list at `list`, with the key of that list.
    pub fn within(&self, list: &Self) -> Self {
        Self { key: list.key.clone(), offset: self.offset }
    }
}
