//! Keytab files, version 2 (0x0502): a service's long-term keys by principal, etype and key version.
//!
//! Entries of etypes this crate does not implement are kept and written back, but never selected.

mod layout;

use std::fmt;

use zeroize::Zeroizing;

use crate::key::{Etype, Key};
use crate::principal::{NameError, Principal};

/// Why a keytab was refused. `entry` counts the records from 0, holes included.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeytabError {
    /// Not a keytab, or version 1 (0x0501), whose byte order depends on the machine that wrote it.
    #[error("file is not a keytab of version 0x0502")]
    Version,
    /// The file ends inside a record, or a record announces more bytes than the file has.
    #[error("record {entry} is cut off")]
    Truncated {
        /// Which record.
        entry: usize,
    },
    /// A record's length is impossible.
    #[error("record {entry} has an impossible length")]
    Length {
        /// Which record.
        entry: usize,
    },
    /// A principal name that is empty, too long or not UTF-8.
    #[error("record {entry} names no valid principal: {source}")]
    Name {
        /// Which record.
        entry: usize,
        /// What is wrong with the name.
        source: NameError,
    },
    /// The key's length is not that of its etype.
    #[error("record {entry} has a key of the wrong length for etype {etype}")]
    KeyLength {
        /// Which record.
        entry: usize,
        /// Its etype.
        etype: i32,
    },
    /// More records than [`Keytab::MAX_ENTRIES`].
    #[error("keytab has too many records")]
    TooMany,
}

/// The entries of a keytab in file order.
#[derive(Clone, Debug, Default)]
pub struct Keytab {
    entries: Vec<Entry>,
}

/// One key of one principal.
#[derive(Clone)]
pub struct Entry {
    principal: Principal,
    timestamp: u32,
    kvno: Kvno,
    key: EntryKey,
}

/// A key this crate can use, or the bytes of one it cannot.
#[derive(Clone)]
enum EntryKey {
    Supported(Key),
    Other { etype: u16, bytes: Zeroizing<Vec<u8>> },
}

/// A key version number and how much of it the file recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kvno {
    /// Only the low 8 bits are known.
    Low8(u8),
    Full(u32),
}

impl Keytab {
    /// Most records accepted in one file.
    pub const MAX_ENTRIES: usize = 4096;

    /// Reads a keytab of version 2. Holes (deleted entries) are stepped over.
    ///
    /// # Errors
    ///
    /// [`KeytabError`] names the record. Nothing is dropped in silence.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeytabError> {
        layout::parse(bytes).map(|entries| Self { entries })
    }

    /// The file's bytes, with 32-bit key version numbers. Write them to a file of mode 0600.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        layout::to_bytes(&self.entries)
    }

    /// Adds an entry at the end; `timestamp` is in seconds since 1970.
    pub fn push(&mut self, principal: Principal, kvno: u32, timestamp: u32, key: Key) {
        self.entries.push(Entry {
            principal,
            timestamp,
            kvno: Kvno::Full(kvno),
            key: EntryKey::Supported(key),
        });
    }

    /// Drops the entries that `keep` does not want.
    pub fn retain(&mut self, keep: impl FnMut(&Entry) -> bool) {
        self.entries.retain(keep);
    }

    /// All entries, in file order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The principals that have entries, each once, in file order.
    #[must_use]
    pub fn principals(&self) -> Vec<&Principal> {
        let mut principals: Vec<&Principal> = Vec::new();
        for entry in &self.entries {
            if !principals.iter().any(|known| known.eq_ignoring_type(&entry.principal)) {
                principals.push(&entry.principal);
            }
        }
        principals
    }

    /// The key of `principal` with this etype; the name type does not matter. Where no key has exactly this name, one
    /// whose name differs in the case of letters only is taken: Active Directory does not tell such names apart. The
    /// realm must be equal.
    ///
    /// With a `kvno` the entry must have the same low 16 bits (the upper ones name a read-only domain controller),
    /// or the same low 8 bits where the file recorded no more. Without one the newest entry is taken: the highest
    /// key version, and of equal ones the last in the file.
    #[must_use]
    pub fn key(&self, principal: &Principal, etype: Etype, kvno: Option<u32>) -> Option<&Key> {
        self.keys(principal, etype)
            .filter(|(entry, _)| kvno.is_none_or(|wanted| entry.kvno.matches(wanted)))
            .max_by_key(|(entry, _)| entry.kvno())
            .map(|(_, key)| key)
    }

    /// Every usable key of `principal` (as in [`Self::key`]) and `etype`, those that fit `kvno` first, then newest first.
    ///
    /// For tickets, which live on for hours after a key change and whose `kvno` may be unknown.
    #[must_use]
    pub fn decryption_keys(&self, principal: &Principal, etype: Etype, kvno: Option<u32>) -> Vec<&Key> {
        let mut keys: Vec<(&Entry, &Key)> = self.keys(principal, etype).collect();
        keys.reverse();
        keys.sort_by_key(|(entry, _)| {
            let fits = kvno.is_some_and(|wanted| entry.kvno.matches(wanted));
            (std::cmp::Reverse(fits), std::cmp::Reverse(entry.kvno()))
        });
        keys.into_iter().map(|(_, key)| key).collect()
    }

    fn keys(&self, principal: &Principal, etype: Etype) -> impl Iterator<Item = (&Entry, &Key)> {
        let usable = move || {
            let with_keys = self.entries.iter().filter_map(|entry| Some((entry, entry.key()?)));
            with_keys.filter(move |(_, key)| key.etype() == etype)
        };
        let is_exact = usable().any(|(entry, _)| entry.principal.eq_ignoring_type(principal));
        usable().filter(move |(Entry { principal: found, .. }, _)| {
            found.eq_ignoring_type(principal)
                || (!is_exact
                    && found.realm() == principal.realm()
                    && found.name().eq_ignoring_case(principal.name()))
        })
    }
}

impl Entry {
    /// Whose key it is.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// When the entry was written, in seconds since 1970.
    #[must_use]
    pub const fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Key version number; only its low 8 bits where the file recorded no more.
    #[must_use]
    pub const fn kvno(&self) -> u32 {
        match self.kvno {
            // A const fn cannot use `From`; the digits are the same.
            Kvno::Low8(kvno) => u32::from_le_bytes([kvno, 0, 0, 0]),
            Kvno::Full(kvno) => kvno,
        }
    }

    /// The etype number (RFC 3961 section 8), also of keys this crate cannot use.
    #[must_use]
    pub fn etype_number(&self) -> i32 {
        match &self.key {
            EntryKey::Supported(key) => key.etype().number(),
            EntryKey::Other { etype, .. } => i32::from(i16::from_be_bytes(etype.to_be_bytes())),
        }
    }

    /// The key; `None` for an etype this crate does not implement.
    #[must_use]
    pub const fn key(&self) -> Option<&Key> {
        match &self.key {
            EntryKey::Supported(key) => Some(key),
            EntryKey::Other { .. } => None,
        }
    }
}

impl Kvno {
    /// Windows sends the identifier of a read-only domain controller in the upper 16 bits (MS-KILE 3.1.5.8).
    const fn matches(self, wanted: u32) -> bool {
        match self {
            Self::Low8(kvno) => wanted.to_le_bytes()[0] == kvno,
            Self::Full(kvno) => wanted & 0xffff == kvno & 0xffff,
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("principal", &self.principal)
            .field("kvno", &self.kvno())
            .field("etype", &self.etype_number())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
