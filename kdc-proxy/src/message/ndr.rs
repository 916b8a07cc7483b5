//! Reader of little-endian fields and of the NDR subset that MS-PAC uses (C706 chapter 14, MS-RPCE 2.2.6).
//!
//! Every length is compared with the bytes that remain before anything is allocated.

use super::pac::Sid;

/// The RPC "common type header" and "private header" in front of every NDR buffer of a PAC, in bytes.
const TYPE_HEADERS: usize = 16;

/// Largest number of elements accepted in one conformant array. A PAC holds at most a few thousand SIDs.
const MAX_ELEMENTS: usize = 16_384;

/// Why an NDR buffer was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NdrError {
    /// A field reaches past the end of its buffer.
    #[error("field reaches past the end of the buffer")]
    Truncated,
    /// The type header is not "version 1, little-endian, 8 bytes", or its length does not fit.
    #[error("type header is not that of a little-endian NDR buffer")]
    Header,
    /// The outermost pointer is null.
    #[error("top-level pointer is null")]
    NullPointer,
    /// An array announces other bounds than its count.
    #[error("array bounds differ from the announced count")]
    Conformance,
    /// A null pointer stands beside a length or count that is not zero.
    #[error("null pointer with a length")]
    NullWithLength,
    /// A string's length, maximum and offset contradict each other.
    #[error("string lengths contradict each other")]
    StringLength,
    /// A string is not UTF-16.
    #[error("string is not valid utf-16")]
    Utf16,
    /// A SID is malformed.
    #[error("sid is malformed")]
    Sid,
}

/// The fixed part of an `RPC_UNICODE_STRING` (MS-DTYP 2.3.10); its characters are deferred.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StringHeader {
    length: u16,
    present: bool,
}

/// Cursor over one buffer; alignment counts from the start of the slice it was made from.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads fields from the start of `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Strips the two type headers and the outermost pointer (MS-RPCE 2.2.6.1, 2.2.6.2).
    pub(crate) fn top_level(buffer: &'a [u8]) -> Result<Self, NdrError> {
        let mut header = Self::new(buffer);
        if header.array::<4>()? != [0x01, 0x10, 0x08, 0x00] {
            return Err(NdrError::Header);
        }
        header.skip(4)?;
        let length = usize::try_from(header.u32()?).map_err(|_| NdrError::Header)?;
        let body = buffer.get(TYPE_HEADERS..).ok_or(NdrError::Truncated)?;
        let mut reader = Self::new(body.get(..length).ok_or(NdrError::Header)?);
        if !reader.pointer()? {
            return Err(NdrError::NullPointer);
        }
        Ok(reader)
    }

    fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.offset)
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], NdrError> {
        let end = self.offset.checked_add(count).ok_or(NdrError::Truncated)?;
        let taken = self.bytes.get(self.offset..end).ok_or(NdrError::Truncated)?;
        self.offset = end;
        Ok(taken)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Result<(), NdrError> {
        self.take(count).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], NdrError> {
        self.take(N)?.try_into().map_err(|_| NdrError::Truncated)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, NdrError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, NdrError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, NdrError> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, NdrError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Steps over padding up to a multiple of `to`; padding at the very end may be missing.
    fn align(&mut self, to: usize) {
        self.offset = self.offset.next_multiple_of(to).min(self.bytes.len());
    }

    /// A unique pointer: whether it points to something.
    pub(crate) fn pointer(&mut self) -> Result<bool, NdrError> {
        Ok(self.u32()? != 0)
    }

    /// The fixed part of an `RPC_UNICODE_STRING`.
    pub(crate) fn string_header(&mut self) -> Result<StringHeader, NdrError> {
        let length = self.u16()?;
        let maximum = self.u16()?;
        let present = self.pointer()?;
        if !present && length != 0 {
            return Err(NdrError::NullWithLength);
        }
        if length % 2 != 0 || length > maximum {
            return Err(NdrError::StringLength);
        }
        Ok(StringHeader { length, present })
    }

    /// The deferred characters of a string as UTF-16LE bytes; empty for a null pointer.
    pub(crate) fn string_bytes(&mut self, header: StringHeader) -> Result<&'a [u8], NdrError> {
        if !header.present {
            return Ok(&[]);
        }
        self.align(4);
        let maximum = self.u32()?;
        let offset = self.u32()?;
        let actual = self.u32()?;
        if offset != 0 || actual > maximum || u32::from(header.length / 2) != actual {
            return Err(NdrError::StringLength);
        }
        self.take(usize::from(header.length))
    }

    /// The deferred characters of a string.
    pub(crate) fn string(&mut self, header: StringHeader) -> Result<String, NdrError> {
        utf16(self.string_bytes(header)?)
    }

    /// The bound in front of a conformant array of `count` elements, each at least `element` bytes long.
    pub(crate) fn conformance(&mut self, count: u32, element: usize) -> Result<usize, NdrError> {
        self.align(4);
        if self.u32()? != count {
            return Err(NdrError::Conformance);
        }
        let count = usize::try_from(count).map_err(|_| NdrError::Conformance)?;
        if count > MAX_ELEMENTS || count > self.remaining() / element.max(1) {
            return Err(NdrError::Truncated);
        }
        Ok(count)
    }

    /// A deferred `RPC_SID` (MS-DTYP 2.4.2.3): the conformant count, then the SID.
    pub(crate) fn sid(&mut self) -> Result<Sid, NdrError> {
        self.align(4);
        let count = self.u32()?;
        if count > 15 {
            return Err(NdrError::Sid);
        }
        let length = usize::try_from(count).map_err(|_| NdrError::Sid)?.saturating_mul(4).saturating_add(8);
        Sid::parse(self.take(length)?).ok_or(NdrError::Sid)
    }
}

/// Decodes UTF-16LE without guessing: an odd length or a lone surrogate is refused.
pub(crate) fn utf16(bytes: &[u8]) -> Result<String, NdrError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(NdrError::Utf16);
    }
    char::decode_utf16(pairs.iter().map(|pair| u16::from_le_bytes(*pair)))
        .collect::<Result<_, _>>()
        .map_err(|_| NdrError::Utf16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_larger_than_the_bytes_that_remain_is_refused_before_allocating() {
        let bytes = [0x00, 0x00, 0x00, 0x80, 1, 2, 3, 4];
        assert_eq!(Reader::new(&bytes).conformance(0x8000_0000, 8), Err(NdrError::Truncated));
    }

    #[test]
    fn a_bound_that_differs_from_the_count_is_refused() {
        let bytes = [2, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(Reader::new(&bytes).conformance(1, 4), Err(NdrError::Conformance));
    }

    #[test]
    fn a_big_endian_header_is_refused() {
        let mut bytes = [0_u8; 24];
        bytes[..4].copy_from_slice(&[0x01, 0x00, 0x08, 0x00]);
        assert_eq!(Reader::top_level(&bytes).unwrap_err(), NdrError::Header);
    }

    #[test]
    fn a_null_string_with_a_length_is_refused() {
        let bytes = [2, 0, 2, 0, 0, 0, 0, 0];
        assert_eq!(Reader::new(&bytes).string_header().unwrap_err(), NdrError::NullWithLength);
    }

    #[test]
    fn a_string_whose_actual_count_differs_from_its_length_is_refused() {
        let mut bytes = vec![2, 0, 2, 0, 4, 0, 2, 0];
        bytes.extend_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x41, 0, 0x42, 0]);
        let mut reader = Reader::new(&bytes);
        let header = reader.string_header().unwrap();
        assert_eq!(reader.string(header), Err(NdrError::StringLength));
    }

    #[test]
    fn a_lone_surrogate_is_refused() {
        assert_eq!(utf16(&[0x00, 0xd8, 0x41, 0x00]), Err(NdrError::Utf16));
    }

    #[test]
    fn a_sid_with_sixteen_sub_authorities_is_refused() {
        let mut bytes = vec![16, 0, 0, 0, 1, 16, 0, 0, 0, 0, 0, 5];
        bytes.extend_from_slice(&[0; 64]);
        assert_eq!(Reader::new(&bytes).sid(), Err(NdrError::Sid));
    }
}
