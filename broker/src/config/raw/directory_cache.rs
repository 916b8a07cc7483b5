//! `[directory.cache]` and `[realm.directory.cache]`: accounts that were looked up a moment ago.

use std::time::Duration;

use super::{HOUR, MILLISECOND, MINUTE, seconds};
use crate::config::document::{Located, Section};

/// The table; without it nothing is remembered.
#[derive(Debug)]
pub(in crate::config) struct DirectoryCache {
    pub(in crate::config) maximum_age: Option<Located<Duration>>,
    pub(in crate::config) maximum_negative_age: Option<Located<Duration>>,
    pub(in crate::config) entries: Option<Located<usize>>,
    /// Nothing where changes are not looked for.
    pub(in crate::config) poll_interval: Option<Located<Duration>>,
    pub(in crate::config) maximum_poll_age: Option<Located<Duration>>,
}

impl DirectoryCache {
    /// Reads the table of a directory.
    pub(super) fn read(directory: &Section<'_>) -> Option<Self> {
        let section = directory.section("cache");
        if !directory.has("cache") {
            return None;
        }
        let polls = section.has("poll_interval");
        let read = Self {
            maximum_age: section.within("maximum_age", seconds(10), Duration::ZERO..=HOUR),
            maximum_negative_age: section.within("maximum_negative_age", seconds(2), Duration::ZERO..=MINUTE),
            entries: section.within("entries", 1000, 1..=100_000),
            poll_interval: if polls {
                section.within("poll_interval", seconds(5), 100 * MILLISECOND..=10 * MINUTE)
            } else {
                None
            },
            maximum_poll_age: section.within("maximum_poll_age", seconds(15), 100 * MILLISECOND..=HOUR),
        };
        section.close();
        Some(read)
    }
}
