//! A TOML file as a tree of tables that remember their lines.
//!
//! Reading never stops at the first mistake: every mistake is noted with its place, the value is left out, and
//! reading goes on, so that an administrator sees all of them at once. A key that nobody asked for is a mistake.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    ops::{Range, RangeInclusive},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::problem::{Fault, Place, Problem};

/// A value and the place it was written at (or would have been).
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// The problems found so far; shared by all readers of one file.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn note(&self, place: &Place, fault: impl Into<Fault>) {
        self.0.borrow_mut().push(Problem::new(place.clone(), fault));
    }

    /// Notes the error at the place and gives back what there is.
    pub(super) fn keep<T>(&self, place: &Place, result: Result<T, impl Into<Fault>>) -> Option<T> {
        result.map_err(|fault| self.note(place, fault)).ok()
    }

    /// All problems, by their line; those about absent keys come last.
    pub(super) fn into_sorted(self) -> Vec<Problem> {
        let mut all = self.0.into_inner();
        all.sort_by_key(|problem| problem.place().line().unwrap_or(usize::MAX));
        all
    }
}

/// A parsed file.
pub(super) struct Document<'t> {
    text: &'t str,
    root: DeTable<'t>,
}

impl<'t> Document<'t> {
    /// Parses the text; every syntax error is noted, and what could be read is kept.
    pub(super) fn parse(text: &'t str, problems: &Problems) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map(|span| line_of(text, &span));
            problems.note(&Place::new("", line), Fault::Syntax(error.message().to_owned()));
        }
        Self { text, root: root.into_inner() }
    }

    pub(super) fn root<'d>(&'d self, problems: &'d Problems) -> Section<'d> {
        Section {
            text: self.text,
            path: String::new(),
            line: None,
            table: Some(&self.root),
            problems,
            asked: RefCell::default(),
        }
    }
}

/// One table of the file. Absent tables read like empty ones, so that their defaults stand in one place.
pub(super) struct Section<'d> {
    text: &'d str,
    path: String,
    line: Option<usize>,
    table: Option<&'d DeTable<'d>>,
    problems: &'d Problems,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'d> Section<'d> {
    pub(super) fn problems(&self) -> &'d Problems {
        self.problems
    }

    pub(super) fn place(&self) -> Place {
        Place::new(self.path.clone(), self.line)
    }

    /// The place of a key of this table; the table's own line where the key is absent.
    pub(super) fn place_of(&self, key: &str) -> Place {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let line = self
            .table
            .and_then(|table| table.get_key_value(key))
            .map(|(key, _)| line_of(self.text, &key.span()));
        Place::new(path, line.or(self.line))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// A key that must be there.
    pub(super) fn required<T: Value>(&self, key: &'static str) -> Option<Located<T>> {
        if !self.has(key) {
            self.missing(key, T::EXAMPLE);
        }
        self.optional(key)
    }

    /// A key that may be absent. A wrong value is noted and reads as absent.
    pub(super) fn optional<T: Value>(&self, key: &'static str) -> Option<Located<T>> {
        let value = self.value(key)?;
        let place = self.place_of(key);
        let value = self.problems.keep(&place, T::read(value.get_ref()))?;
        Some(Located { value, place })
    }

    /// A key with a default. Nothing only where a wrong value was noted.
    pub(super) fn or<T: Value>(&self, key: &'static str, default: T) -> Option<Located<T>> {
        if self.has(key) {
            return self.optional(key);
        }
        self.asked.borrow_mut().insert(key);
        Some(Located { value: default, place: self.place_of(key) })
    }

    /// A key with a default and a range.
    pub(super) fn within<T>(
        &self,
        key: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Option<Located<T>>
    where
        T: Value + PartialOrd + Shown,
    {
        let found = self.or(key, default)?;
        if range.contains(&found.value) {
            return Some(found);
        }
        let (low, high) = (range.start().shown().to_string(), range.end().shown().to_string());
        self.problems.note(&found.place, Fault::OutOfRange { low, high });
        None
    }

    /// A list with at least one entry. Each wrong entry is noted at its own line.
    pub(super) fn required_list<T: Value>(&self, key: &'static str) -> Option<Vec<Located<T>>> {
        if !self.has(key) {
            self.missing(key, format!("[{}]", T::EXAMPLE));
        }
        self.list(key)
    }

    /// A list that may be absent, but not empty.
    pub(super) fn list<T: Value>(&self, key: &'static str) -> Option<Vec<Located<T>>> {
        let value = self.value(key)?;
        let place = self.place_of(key);
        let Some(array) = value.get_ref().as_array() else {
            let found = kind(value.get_ref());
            self.problems.note(&place, Fault::WrongType { expected: "a list", found });
            return None;
        };
        match array.len() {
            0 => self.problems.note(&place, Fault::Empty),
            1..=MAX_ENTRIES => {}
            _ => self.problems.note(&place, Fault::TooLong { limit: MAX_ENTRIES }),
        }
        let entries = array.iter().take(MAX_ENTRIES).enumerate().map(|(index, entry)| {
            let place = Place::new(
                format!("{}[{}]", place.key(), index.saturating_add(1)),
                Some(line_of(self.text, &entry.span())),
            );
            let value = self.problems.keep(&place, T::read(entry.get_ref()))?;
            Some(Located { value, place })
        });
        // Every entry is read, so that every wrong one is noted; then one wrong entry voids the list.
        let entries: Vec<_> = entries.collect();
        let entries: Option<Vec<_>> = entries.into_iter().collect();
        entries.filter(|entries| !entries.is_empty() && array.len() <= MAX_ENTRIES)
    }

    /// A table inside this one, empty where it is absent.
    pub(super) fn section(&self, key: &'static str) -> Self {
        let place = self.place_of(key);
        let table = self.value(key).and_then(|value| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                let found = kind(value.get_ref());
                self.problems.note(&place, Fault::WrongType { expected: "a table", found });
            }
            table
        });
        self.child(place.key().to_owned(), table.and_then(|_| place.line()), table)
    }

    /// A table inside this one whose keys are names of the administrator's own, each with a list of texts; empty where it is
    /// absent.
    pub(super) fn lists(&self, key: &'static str) -> BTreeMap<String, Vec<Located<String>>> {
        let section = self.section(key);
        let mut lists = BTreeMap::new();
        for (name, value) in section.table.into_iter().flatten().take(MAX_ENTRIES) {
            let line = line_of(self.text, &name.span());
            let place = Place::new(format!("{}.{}", section.path, name.get_ref()), Some(line));
            let Some(array) = value.get_ref().as_array() else {
                let found = kind(value.get_ref());
                self.problems.note(&place, Fault::WrongType { expected: "a list", found });
                continue;
            };
            if array.is_empty() {
                self.problems.note(&place, Fault::Empty);
            }
            let texts = array.iter().take(MAX_ENTRIES).filter_map(|entry| {
                let value = self.problems.keep(&place, String::read(entry.get_ref()))?;
                Some(Located { value, place: place.clone() })
            });
            lists.insert(name.get_ref().to_string(), texts.collect());
        }
        lists
    }

    /// A list of tables, `[[key]]`; empty where it is absent.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Self> {
        let place = self.place_of(key);
        let Some(value) = self.value(key) else { return Vec::new() };
        let entries = value.get_ref().as_array();
        let tables: Option<Vec<_>> = entries.and_then(|entries| {
            entries.iter().map(|entry| Some((entry.span(), entry.get_ref().as_table()?))).collect()
        });
        let Some(tables) = tables else {
            let found = kind(value.get_ref());
            self.problems.note(&place, Fault::WrongType { expected: "a list of tables, [[...]]", found });
            return Vec::new();
        };
        if tables.len() > MAX_ENTRIES {
            self.problems.note(&place, Fault::TooLong { limit: MAX_ENTRIES });
        }
        let child = |(index, (span, table)): (usize, (Range<usize>, _))| {
            let path = format!("{}[{}]", place.key(), index.saturating_add(1));
            self.child(path, Some(line_of(self.text, &span)), Some(table))
        };
        tables.into_iter().take(MAX_ENTRIES).enumerate().map(child).collect()
    }

    /// Notes that a key of this table is missing, and what its value would look like.
    pub(super) fn missing(&self, key: &'static str, value: impl Display) {
        self.problems.note(&self.place_of(key), Fault::Missing { example: format!("{key} = {value}") });
    }

    /// Ends the reading of this table: whatever nobody asked for is a mistake.
    pub(super) fn close(self) {
        let asked = self.asked.into_inner();
        let known: Vec<_> = asked.iter().copied().collect();
        for (key, _) in self.table.into_iter().flatten() {
            if !asked.contains(key.get_ref().as_ref()) {
                let path = if self.path.is_empty() {
                    key.get_ref().to_string()
                } else {
                    format!("{}.{}", self.path, key.get_ref())
                };
                let place = Place::new(path, Some(line_of(self.text, &key.span())));
                self.problems.note(&place, Fault::UnknownKey { known: known.clone() });
            }
        }
    }

    fn value(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.borrow_mut().insert(key);
        self.table?.get(key)
    }

    fn child(&self, path: String, line: Option<usize>, table: Option<&'d DeTable<'d>>) -> Self {
        Self { text: self.text, path, line, table, problems: self.problems, asked: RefCell::default() }
    }
}

/// A type a single TOML value can be read into.
pub(super) trait Value: Sized {
    /// A value as an administrator would write it.
    const EXAMPLE: &'static str;

    fn read(value: &DeValue<'_>) -> Result<Self, Fault>;
}

/// A bound as it is shown to an administrator.
pub(super) trait Shown {
    fn shown(&self) -> impl Display;
}

/// The kind of a TOML value, in words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().get(..span.start).unwrap_or(text.as_bytes());
    before.iter().filter(|octet| **octet == b'\n').count().saturating_add(1)
}

/// No list of a configuration is longer than this.
const MAX_ENTRIES: usize = 1024;
