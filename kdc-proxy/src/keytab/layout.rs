//! The bytes of a version 2 keytab: big-endian, records with a signed length, negative for a hole.

use zeroize::Zeroizing;

use super::{Entry, EntryKey, Keytab, KeytabError, Kvno};
use crate::key::{Etype, Key};
use crate::principal::{NameType, Principal, PrincipalName, Realm};

const VERSION: [u8; 2] = [0x05, 0x02];

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Entry>, KeytabError> {
    let mut rest = bytes.strip_prefix(&VERSION).ok_or(KeytabError::Version)?;
    let mut entries = Vec::new();
    let mut index = 0;
    while !rest.is_empty() {
        if index == Keytab::MAX_ENTRIES {
            return Err(KeytabError::TooMany);
        }
        let mut record = Record { bytes: rest, entry: index };
        let length = i32::from_be_bytes(record.array()?);
        if length == 0 {
            break;
        }
        let size =
            usize::try_from(length.unsigned_abs()).map_err(|_| KeytabError::Length { entry: index })?;
        if length == i32::MIN {
            return Err(KeytabError::Length { entry: index });
        }
        let body = record.take(size)?;
        rest = record.bytes;
        if length > 0 {
            entries.push(Record { bytes: body, entry: index }.entry()?);
        }
        index += 1;
    }
    Ok(entries)
}

/// What remains of a record.
struct Record<'a> {
    bytes: &'a [u8],
    entry: usize,
}

impl<'a> Record<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], KeytabError> {
        let truncated = KeytabError::Truncated { entry: self.entry };
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], KeytabError> {
        let truncated = KeytabError::Truncated { entry: self.entry };
        self.take(N)?.try_into().map_err(|_| truncated)
    }

    fn u16(&mut self) -> Result<u16, KeytabError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, KeytabError> {
        self.array().map(u32::from_be_bytes)
    }

    fn counted(&mut self) -> Result<&'a [u8], KeytabError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    fn entry(mut self) -> Result<Entry, KeytabError> {
        let principal = self.principal()?;
        let timestamp = self.u32()?;
        let [low_kvno] = self.array()?;
        let etype = self.u16()?;
        let key = self.key(etype)?;
        // The 32-bit version number counts only if it is there and not zero; what follows it is reserved.
        let kvno = match self.bytes.split_first_chunk::<4>() {
            Some((full, _)) if *full != [0; 4] => Kvno::Full(u32::from_be_bytes(*full)),
            _ => Kvno::Low8(low_kvno),
        };
        Ok(Entry { principal, timestamp, kvno, key })
    }

    fn principal(&mut self) -> Result<Principal, KeytabError> {
        let entry = self.entry;
        let invalid = |source| KeytabError::Name { entry, source };
        let count = self.u16()?;
        let realm = Realm::from_octets(self.counted()?).map_err(invalid)?;
        let mut components = Vec::new();
        for _ in 0..count {
            let component = std::str::from_utf8(self.counted()?);
            components.push(component.map_err(|_| invalid(crate::principal::NameError::NotUtf8))?.to_owned());
        }
        let name_type = NameType::from_number(i32::from_be_bytes(self.array()?));
        let name = PrincipalName::new(name_type, components).map_err(invalid)?;
        Ok(Principal::new(name, realm))
    }

    fn key(&mut self, number: u16) -> Result<EntryKey, KeytabError> {
        let bytes = self.counted()?;
        let etype = i32::from(i16::from_be_bytes(number.to_be_bytes()));
        let wrong_length = KeytabError::KeyLength { entry: self.entry, etype };
        match Etype::from_number(etype) {
            Ok(supported) => Key::new(supported, bytes).map(EntryKey::Supported).map_err(|_| wrong_length),
            Err(_) if other_key_length(etype).is_some_and(|length| length != bytes.len()) => {
                Err(wrong_length)
            }
            Err(_) => Ok(EntryKey::Other { etype: number, bytes: Zeroizing::new(bytes.to_vec()) }),
        }
    }
}

/// Key lengths of the RFC 8009 etypes, which this crate stores but does not use.
const fn other_key_length(etype: i32) -> Option<usize> {
    match etype {
        19 => Some(16),
        20 => Some(32),
        _ => None,
    }
}

pub(super) fn to_bytes(entries: &[Entry]) -> Zeroizing<Vec<u8>> {
    // Reserved at once: a vector that grows would leave copies of keys behind.
    let size = entries.iter().map(record_size).sum::<usize>().saturating_add(VERSION.len());
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    bytes.extend_from_slice(&VERSION);
    for entry in entries {
        let length = i32::try_from(record_size(entry).saturating_sub(4));
        bytes.extend_from_slice(&length.expect("names and keys of an entry are bounded").to_be_bytes());
        write_entry(&mut bytes, entry);
    }
    bytes
}

fn write_entry(bytes: &mut Vec<u8>, entry: &Entry) {
    let name = entry.principal.name();
    let count = u16::try_from(name.components().len());
    bytes.extend_from_slice(&count.expect("a name has at most eight components").to_be_bytes());
    write_counted(bytes, entry.principal.realm().as_str().as_bytes());
    for component in name.components() {
        write_counted(bytes, component.as_bytes());
    }
    bytes.extend_from_slice(&name.name_type().number().to_be_bytes());
    bytes.extend_from_slice(&entry.timestamp.to_be_bytes());
    let kvno = entry.kvno().to_be_bytes();
    bytes.extend_from_slice(&kvno[3..]);
    match &entry.key {
        EntryKey::Supported(key) => {
            let etype = i16::try_from(key.etype().number());
            bytes.extend_from_slice(&etype.expect("supported etypes are small numbers").to_be_bytes());
            write_counted(bytes, key.octets());
        }
        EntryKey::Other { etype, bytes: key } => {
            bytes.extend_from_slice(&etype.to_be_bytes());
            write_counted(bytes, key);
        }
    }
    bytes.extend_from_slice(&kvno);
}

/// Bytes of a record with its length field.
fn record_size(entry: &Entry) -> usize {
    let components = entry.principal.name().components();
    let names: usize = components.iter().map(|component| component.len() + 2).sum();
    let key = match &entry.key {
        EntryKey::Supported(key) => key.octets().len(),
        EntryKey::Other { bytes, .. } => bytes.len(),
    };
    // Length, count, realm, names, type, timestamp, kvno8, etype, key, kvno32.
    4 + 2 + (2 + entry.principal.realm().as_str().len()) + names + 4 + 4 + 1 + 2 + (2 + key) + 4
}

fn write_counted(bytes: &mut Vec<u8>, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("names and keys are shorter than 64 KiB");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(value);
}
