//! The PAC's table of buffers (MS-PAC 2.3, 2.4).

use super::PacError;
use crate::message::ndr::Reader;

/// Real PACs have about a dozen buffers.
const MAX_BUFFERS: u32 = 64;
const ENTRY: usize = 16;
const TABLE_HEADER: usize = 8;

/// `ulType` of a buffer (MS-PAC 2.4).
pub(super) mod buffer_type {
    pub(in super::super) const LOGON_INFO: u32 = 1;
    pub(in super::super) const CREDENTIALS_INFO: u32 = 2;
    pub(in super::super) const SERVER_CHECKSUM: u32 = 6;
    pub(in super::super) const KDC_CHECKSUM: u32 = 7;
    pub(in super::super) const CLIENT_INFO: u32 = 10;
    pub(in super::super) const DELEGATION_INFO: u32 = 11;
    pub(in super::super) const UPN_DNS_INFO: u32 = 12;
    pub(in super::super) const TICKET_CHECKSUM: u32 = 16;
    pub(in super::super) const ATTRIBUTES_INFO: u32 = 17;
    pub(in super::super) const REQUESTOR: u32 = 18;
    pub(in super::super) const FULL_CHECKSUM: u32 = 19;
}

/// Place of one buffer.
#[derive(Clone, Copy, Debug)]
struct Buffer {
    kind: u32,
    offset: usize,
    end: usize,
}

/// A PAC whose table is sound: every buffer lies inside, and none of a known type comes twice.
#[derive(Clone, Debug)]
pub(super) struct Container<'a> {
    bytes: &'a [u8],
    buffers: Vec<Buffer>,
}

impl<'a> Container<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, PacError> {
        let mut reader = Reader::new(bytes);
        let count = reader.u32().map_err(|_| PacError::Truncated)?;
        let version = reader.u32().map_err(|_| PacError::Truncated)?;
        if count == 0 || count > MAX_BUFFERS {
            return Err(PacError::BufferCount(count));
        }
        if version != 0 {
            return Err(PacError::Version(version));
        }
        let count = usize::try_from(count).map_err(|_| PacError::BufferCount(count))?;
        let table_end = TABLE_HEADER + count * ENTRY;
        if table_end > bytes.len() {
            return Err(PacError::Truncated);
        }
        let mut buffers = Vec::with_capacity(count);
        for _ in 0..count {
            buffers.push(Buffer::parse(&mut reader, table_end, bytes.len())?);
        }
        let container = Self { bytes, buffers };
        container.refuse_duplicates_and_overlaps()?;
        Ok(container)
    }

    /// The bytes of the buffer of this type.
    pub(super) fn get(&self, kind: u32) -> Option<&'a [u8]> {
        let buffer = self.buffers.iter().find(|buffer| buffer.kind == kind)?;
        self.bytes.get(buffer.offset..buffer.end)
    }

    /// The types of all buffers, in table order.
    pub(super) fn kinds(&self) -> impl Iterator<Item = u32> {
        self.buffers.iter().map(|buffer| buffer.kind)
    }

    /// The whole PAC with everything after the type field of the named signature buffers set to zero
    /// (MS-PAC 2.8.1).
    pub(super) fn with_zeroed_signatures(&self, kinds: &[u32]) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        for buffer in self.buffers.iter().filter(|buffer| kinds.contains(&buffer.kind)) {
            if let Some(signature) = bytes.get_mut(buffer.offset.saturating_add(4)..buffer.end) {
                signature.fill(0);
            }
        }
        bytes
    }

    fn refuse_duplicates_and_overlaps(&self) -> Result<(), PacError> {
        for (index, one) in self.buffers.iter().enumerate() {
            for other in self.buffers.iter().skip(index + 1) {
                if one.kind == other.kind && is_known(one.kind) {
                    return Err(PacError::DuplicateBuffer(one.kind));
                }
                if one.offset < other.end && other.offset < one.end {
                    return Err(PacError::OverlappingBuffers(one.kind, other.kind));
                }
            }
        }
        Ok(())
    }
}

impl Buffer {
    fn parse(reader: &mut Reader<'_>, table_end: usize, pac_length: usize) -> Result<Self, PacError> {
        let kind = reader.u32().map_err(|_| PacError::Truncated)?;
        let size = reader.u32().map_err(|_| PacError::Truncated)?;
        let offset = reader.u64().map_err(|_| PacError::Truncated)?;
        let outside = PacError::BufferOutside(kind);
        let offset = usize::try_from(offset).map_err(|_| outside)?;
        let size = usize::try_from(size).map_err(|_| outside)?;
        if offset % 8 != 0 {
            return Err(PacError::BufferMisaligned(kind));
        }
        if offset < table_end || offset > pac_length || size > pac_length - offset {
            return Err(outside);
        }
        Ok(Self { kind, offset, end: offset + size })
    }
}

/// Types that MS-PAC 2.4 defines; one that comes twice has no single meaning.
const fn is_known(kind: u32) -> bool {
    matches!(kind, buffer_type::LOGON_INFO | buffer_type::CREDENTIALS_INFO | 6 | 7 | 10..=19)
}
