//! The bytes of a version 4 credential cache: big-endian, no end marker.

use zeroize::Zeroizing;

use super::{CCache, CCacheError, Credential, CredentialTimes, HeaderField, Name, TIME_OFFSET, Typed};

const VERSION: [u8; 2] = [0x05, 0x04];

/// Most credentials in one cache, and most components, addresses or authorization data in one credential.
const MAX_CREDENTIALS: usize = 4096;
const MAX_ELEMENTS: u32 = 256;

pub(super) fn parse(bytes: &[u8]) -> Result<CCache, CCacheError> {
    let mut cursor = Cursor(bytes.strip_prefix(&VERSION).ok_or(CCacheError::Version)?);
    let header = cursor.header()?;
    let default_principal = cursor.name()?;
    let mut credentials = Vec::new();
    while !cursor.0.is_empty() {
        if credentials.len() == MAX_CREDENTIALS {
            return Err(CCacheError::TooMany);
        }
        credentials.push(cursor.credential()?);
    }
    Ok(CCache { header, default_principal, credentials })
}

/// What remains of the file.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], CCacheError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(CCacheError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CCacheError> {
        self.take(N)?.try_into().map_err(|_| CCacheError::Truncated)
    }

    fn u16(&mut self) -> Result<u16, CCacheError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, CCacheError> {
        self.array().map(u32::from_be_bytes)
    }

    fn counted(&mut self) -> Result<&'a [u8], CCacheError> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| CCacheError::Truncated)?)
    }

    fn count(&mut self) -> Result<u32, CCacheError> {
        match self.u32()? {
            count if count <= MAX_ELEMENTS => Ok(count),
            _ => Err(CCacheError::TooMany),
        }
    }

    fn header(&mut self) -> Result<Vec<HeaderField>, CCacheError> {
        let length = self.u16()?;
        let mut header = Cursor(self.take(usize::from(length))?);
        let mut fields = Vec::new();
        while !header.0.is_empty() {
            let tag = header.u16()?;
            let length = header.u16()?;
            let value = header.take(usize::from(length))?.to_vec();
            if tag == TIME_OFFSET && value.len() != 8 {
                return Err(CCacheError::Header);
            }
            fields.push(HeaderField { tag, value });
        }
        Ok(fields)
    }

    fn name(&mut self) -> Result<Name, CCacheError> {
        let name_type = self.u32()?;
        let count = self.count()?;
        let realm = self.counted()?.to_vec();
        let mut components = Vec::new();
        for _ in 0..count {
            components.push(self.counted()?.to_vec());
        }
        Ok(Name { name_type, realm, components })
    }

    fn typed(&mut self) -> Result<Vec<Typed>, CCacheError> {
        let count = self.count()?;
        (0..count).map(|_| Ok(Typed { kind: self.u16()?, value: self.counted()?.to_vec() })).collect()
    }

    fn credential(&mut self) -> Result<Credential, CCacheError> {
        let client = self.name()?;
        let server = self.name()?;
        let etype = self.u16()?;
        let session_key = Zeroizing::new(self.counted()?.to_vec());
        let times = CredentialTimes {
            authtime: self.u32()?,
            starttime: self.u32()?,
            endtime: self.u32()?,
            renew_till: self.u32()?,
        };
        let [is_skey] = self.array()?;
        Ok(Credential {
            client,
            server,
            etype,
            session_key,
            times,
            is_skey,
            flags: self.u32()?,
            addresses: self.typed()?,
            authorization_data: self.typed()?,
            ticket: self.counted()?.to_vec(),
            second_ticket: self.counted()?.to_vec(),
        })
    }
}

pub(super) fn to_bytes(cache: &CCache) -> Zeroizing<Vec<u8>> {
    // Measured first: a vector that grows would leave copies of keys behind.
    let mut size = Size(0);
    write(cache, &mut size);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.0));
    write(cache, &mut *bytes);
    bytes
}

trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

struct Size(usize);

impl Sink for Size {
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}

fn write(cache: &CCache, out: &mut impl Sink) {
    out.put(&VERSION);
    let header: usize = cache.header.iter().map(|field| field.value.len() + 4).sum();
    out.put(&short(header).to_be_bytes());
    for field in &cache.header {
        out.put(&field.tag.to_be_bytes());
        out.put(&short(field.value.len()).to_be_bytes());
        out.put(&field.value);
    }
    write_name(&cache.default_principal, out);
    for credential in &cache.credentials {
        write_credential(credential, out);
    }
}

fn write_credential(credential: &Credential, out: &mut impl Sink) {
    write_name(&credential.client, out);
    write_name(&credential.server, out);
    out.put(&credential.etype.to_be_bytes());
    write_counted(&credential.session_key, out);
    let times = credential.times;
    for time in [times.authtime, times.starttime, times.endtime, times.renew_till] {
        out.put(&time.to_be_bytes());
    }
    out.put(&[credential.is_skey]);
    out.put(&credential.flags.to_be_bytes());
    write_typed(&credential.addresses, out);
    write_typed(&credential.authorization_data, out);
    write_counted(&credential.ticket, out);
    write_counted(&credential.second_ticket, out);
}

fn write_name(name: &Name, out: &mut impl Sink) {
    out.put(&name.name_type.to_be_bytes());
    out.put(&long(name.components.len()).to_be_bytes());
    write_counted(&name.realm, out);
    for component in &name.components {
        write_counted(component, out);
    }
}

fn write_typed(elements: &[Typed], out: &mut impl Sink) {
    out.put(&long(elements.len()).to_be_bytes());
    for element in elements {
        out.put(&element.kind.to_be_bytes());
        write_counted(&element.value, out);
    }
}

fn write_counted(value: &[u8], out: &mut impl Sink) {
    out.put(&long(value.len()).to_be_bytes());
    out.put(value);
}

#[expect(clippy::expect_used, reason = "the header came from a 16-bit length or is empty")]
fn short(length: usize) -> u16 {
    u16::try_from(length).expect("a header is shorter than 64 KiB")
}

#[expect(clippy::expect_used, reason = "names, keys and tickets come from bounded messages and files")]
fn long(length: usize) -> u32 {
    u32::try_from(length).expect("no element of a cache reaches 4 GiB")
}
