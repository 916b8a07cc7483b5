//! What an authority publishes in a directory: its revocation lists (RFC 4523 section 2). Does I/O.
//!
//! Lists are public and signed, so that neither the server nor the way to it has to be trusted with them.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::error::Fault;
use super::ldap::read_message;
use crate::entry::Entry;
use crate::filter::Filter;
use crate::message::request::{Request, Scope, SearchRequest};
use crate::message::response::{MessageError, Response, ResultCode};
use crate::schema::Attribute;

/// An attribute that holds revocation lists.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ListAttribute {
    /// certificateRevocationList: of all certificates, or of those of users.
    CertificateRevocationList,
    /// authorityRevocationList: of authorities' certificates.
    AuthorityRevocationList,
    /// deltaRevocationList: what has changed since.
    DeltaRevocationList,
}

/// Why a directory gave no list.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishedError {
    /// There is no conversation with the server.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The server refuses to search; without a bind that is usual for Active Directory.
    #[error("the server refused to search: {0}")]
    Refused(ResultCode),
    /// The object is larger than it may be.
    #[error("the object has more than {limit} octets")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
}

impl ListAttribute {
    /// The attribute that a URL names, with or without the option `binary` (RFC 4523 section 2).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::CertificateRevocationList, Self::AuthorityRevocationList, Self::DeltaRevocationList];
        let is_name =
            |one: &Self| one.spellings().iter().any(|known| known.as_str().eq_ignore_ascii_case(name));
        all.into_iter().find(is_name)
    }

    /// As the standard has it transferred, and as directories name it that know no options.
    pub(super) const fn spellings(self) -> [Attribute; 2] {
        match self {
            Self::CertificateRevocationList => {
                [Attribute::CERTIFICATE_REVOCATION_LIST_BINARY, Attribute::CERTIFICATE_REVOCATION_LIST]
            }
            Self::AuthorityRevocationList => {
                [Attribute::AUTHORITY_REVOCATION_LIST_BINARY, Attribute::AUTHORITY_REVOCATION_LIST]
            }
            Self::DeltaRevocationList => {
                [Attribute::DELTA_REVOCATION_LIST_BINARY, Attribute::DELTA_REVOCATION_LIST]
            }
        }
    }

    /// The lists in an entry; none where a part of the values came only.
    pub(super) fn lists(self, entry: &Entry) -> Vec<Vec<u8>> {
        let values = self.spellings().map(|spelling| entry.values(spelling).unwrap_or_default());
        values.into_iter().find(|values| !values.is_empty()).unwrap_or_default().to_vec()
    }
}

impl std::fmt::Display for ListAttribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [binary, _] = self.spellings();
        binary.fmt(f)
    }
}

/// Reads the lists of one object without a bind, which is how directories publish for strangers; none where there is no such
/// object or attribute. `octets` bounds what the server sends.
///
/// The caller bounds the time. The connection is used up.
///
/// # Errors
/// [`PublishedError`].
pub async fn lists(
    mut stream: TcpStream,
    dn: &str,
    list: ListAttribute,
    octets: usize,
) -> Result<Vec<Vec<u8>>, PublishedError> {
    const MESSAGE_ID: u32 = 1;
    let (filter, attributes) = (Filter::present(Attribute::OBJECT_CLASS), list.spellings());
    let search = SearchRequest {
        base: dn,
        scope: Scope::Base,
        filter: &filter,
        attributes: &attributes,
        chosen: &[],
        size_limit: 1,
        time_limit: 60,
    };
    let broken = |error: std::io::Error| Fault::Broken(error.kind());
    stream.write_all(&Request::Search(&search).encode(MESSAGE_ID)).await.map_err(broken)?;
    let (mut received, mut found) = (Vec::new(), None);
    loop {
        let message = match read_message(&mut stream, &mut received, octets).await {
            Err(Fault::Message(MessageError::TooLong)) => {
                return Err(PublishedError::TooLarge { limit: octets });
            }
            message => message?,
        };
        match message.response {
            Response::Extended(result) if message.id == 0 => return Err(Fault::Unable(result.code).into()),
            _ if message.id != MESSAGE_ID => return Err(Fault::Unexpected.into()),
            Response::Entry(entry) if found.is_none() => found = Some(entry),
            Response::Done(result) => {
                return match (result.code, found) {
                    (ResultCode::SUCCESS, Some(entry)) => Ok(list.lists(&entry)),
                    (ResultCode::SUCCESS | ResultCode::NO_SUCH_OBJECT, _) => Ok(Vec::new()),
                    (code, _) => Err(PublishedError::Refused(code)),
                };
            }
            _ => return Err(Fault::Unexpected.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_named_with_and_without_the_option() {
        let list = ListAttribute::CertificateRevocationList;
        assert_eq!(ListAttribute::named("certificateRevocationList"), Some(list));
        assert_eq!(ListAttribute::named("CERTIFICATErevocationLIST;BINARY"), Some(list));
        assert_eq!(
            ListAttribute::named("deltaRevocationList;binary"),
            Some(ListAttribute::DeltaRevocationList)
        );
        for other in ["unicodePwd", "certificateRevocationList;range=0-1", "*", ""] {
            assert_eq!(ListAttribute::named(other), None, "{other}");
        }
    }

    #[test]
    fn both_spellings_are_read_and_a_part_is_nothing() {
        let list = ListAttribute::CertificateRevocationList;
        for name in ["certificateRevocationList;binary", "certificateRevocationList"] {
            let mut entry = Entry::new("CN=CA");
            assert!(entry.add(name, vec![b"list".to_vec()]));
            assert_eq!(list.lists(&entry), [b"list"], "{name}");
        }
        let mut entry = Entry::new("CN=CA");
        assert!(entry.add("certificateRevocationList;range=0-1", vec![b"list".to_vec()]));
        assert_eq!(list.lists(&entry), [[0; 0]; 0]);
    }
}
