//! Requests: bind, search, unbind (RFC 4511 4.2, 4.3, 4.5).

use std::fmt;

use zeroize::Zeroizing;

use crate::filter::Filter;
use crate::schema::{Attribute, AttributeName};
use crate::tlv::{BOOLEAN, ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE, element};

const BIND_REQUEST: u8 = 0x60;
const UNBIND_REQUEST: u8 = 0x42;
const SEARCH_REQUEST: u8 = 0x63;
const SIMPLE: u8 = 0x80;
const SASL: u8 = 0xa3;
const VERSION: u32 = 3;
const NEVER_DEREFERENCE_ALIASES: u32 = 0;

/// What is asked of a server.
pub enum Request<'a> {
    /// A simple bind. The caller refuses empty passwords, which servers take for an anonymous bind.
    SimpleBind {
        /// A distinguished name, `user@domain` or `DOMAIN\user`.
        name: &'a str,
        /// The password.
        password: &'a str,
    },
    /// A SASL bind with the mechanism EXTERNAL: the identity is that of the TLS client certificate.
    ExternalBind,
    /// A search.
    Search(&'a SearchRequest<'a>),
    /// The end of the conversation; it has no answer.
    Unbind,
}

/// What is searched, and within which limits.
#[derive(Clone, Debug)]
pub struct SearchRequest<'a> {
    /// The object to begin at; empty for the server's root entry.
    pub base: &'a str,
    /// How far below.
    pub scope: Scope,
    /// Which objects.
    pub filter: &'a Filter,
    /// Which attributes of them.
    pub attributes: &'a [Attribute],
    /// Which others, that the configuration chose.
    pub chosen: &'a [AttributeName],
    /// Most objects; not 0, which would mean no limit.
    pub size_limit: u32,
    /// Longest time for the server in seconds; not 0, which would mean no limit.
    pub time_limit: u32,
}

/// How far a search reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The object alone.
    Base,
    /// The object and everything below it.
    Subtree,
}

impl Request<'_> {
    /// The whole message, in a buffer that wipes itself.
    #[must_use]
    pub fn encode(&self, message_id: u32) -> Zeroizing<Vec<u8>> {
        let operation = match self {
            Self::SimpleBind { name, password } => bind(name, &element(SIMPLE, &[password])),
            Self::ExternalBind => {
                // Empty credentials: the authorization identity is the authenticated one.
                let credentials = [element(OCTET_STRING, &["EXTERNAL"]), element(OCTET_STRING, &[""])];
                bind("", &element(SASL, &credentials))
            }
            Self::Search(request) => search(request),
            Self::Unbind => element(UNBIND_REQUEST, &[""]),
        };
        element(SEQUENCE, &[integer(INTEGER, message_id), operation])
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SimpleBind { .. } => "SimpleBind",
            Self::ExternalBind => "ExternalBind",
            Self::Search(_) => "Search",
            Self::Unbind => "Unbind",
        })
    }
}

fn bind(name: &str, authentication: &[u8]) -> Zeroizing<Vec<u8>> {
    let (version, name) = (integer(INTEGER, VERSION), element(OCTET_STRING, &[name]));
    element(BIND_REQUEST, &[&version[..], &name[..], authentication])
}

fn search(request: &SearchRequest<'_>) -> Zeroizing<Vec<u8>> {
    let known = request.attributes.iter().map(|attribute| attribute.as_str());
    let chosen = request.chosen.iter().map(AttributeName::as_str);
    let attributes: Vec<_> = known.chain(chosen).map(|name| element(OCTET_STRING, &[name])).collect();
    let scope = match request.scope {
        Scope::Base => 0,
        Scope::Subtree => 2,
    };
    let parts = [
        element(OCTET_STRING, &[request.base]),
        integer(ENUMERATED, scope),
        integer(ENUMERATED, NEVER_DEREFERENCE_ALIASES),
        integer(INTEGER, request.size_limit),
        integer(INTEGER, request.time_limit),
        // Values are wanted, not only the names of attributes.
        element(BOOLEAN, &[[0]]),
        request.filter.encode(),
        element(SEQUENCE, &attributes),
    ];
    element(SEARCH_REQUEST, &parts)
}

/// A number of the standard's range 0 to 2^31-1, in as few octets as it needs.
fn integer(tag: u8, number: u32) -> Zeroizing<Vec<u8>> {
    let octets = i32::try_from(number).unwrap_or(i32::MAX).to_be_bytes();
    let needless = |pair: &[u8]| matches!(pair, [0, next] if *next < 0x80);
    let start = octets.windows(2).take_while(|pair| needless(pair)).count();
    element(tag, &[octets.get(start..).unwrap_or(&octets)])
}
