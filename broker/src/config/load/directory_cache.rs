//! What is remembered of a directory.

use ldap_map::cache::{Polling, Settings};

use super::Loader;
use crate::config::{problem::Fault, raw};

impl Loader<'_> {
    /// The settings of the table.
    pub(super) fn cache(&self, raw: &raw::DirectoryCache) -> Option<Settings> {
        let longest = raw.maximum_poll_age.as_ref()?;
        let polling = match &raw.poll_interval {
            Some(interval) if interval.value > longest.value => {
                let expected = "at least poll_interval: answers would not be used between two polls";
                self.problems.note(&longest.place, Fault::Form { expected, example: "\"15s\"" });
                return None;
            }
            Some(interval) => Some(Polling { interval: interval.value, maximum_age: longest.value }),
            None => None,
        };
        Some(Settings {
            maximum_age: raw.maximum_age.as_ref()?.value,
            maximum_negative_age: raw.maximum_negative_age.as_ref()?.value,
            entries: raw.entries.as_ref()?.value,
            polling,
        })
    }
}
