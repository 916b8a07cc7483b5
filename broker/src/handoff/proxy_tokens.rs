//! Tokens for the KDC proxy: each lets the client of one session ask for one person, in one realm, until the session ends.
//!
//! A token is found by its digest and nothing else of it is kept. It needs no end of its own: the session's end, however it
//! comes, is its end.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use kdc_proxy::principal::{PrincipalName, Realm, text_eq_ignoring_case};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::code::{Digest, Token};
use super::session::SessionFacts;

/// How many tickets of one token are known again; a client of one session has a few.
const MAX_TICKETS: usize = 64;

/// The tokens of all living sessions.
pub struct ProxyTokens {
    url: String,
    limit: usize,
    table: Mutex<Table>,
}

/// By the half of the digest that finds them.
type Table = BTreeMap<[u8; 16], (Digest, Arc<ProxyPass>)>;

/// Where a session's client reaches the KDC proxy, and until when.
pub struct ProxyAccess {
    url: Zeroizing<String>,
    realm: Realm,
    expires_at: SystemTime,
}

/// What a token is good for.
pub struct ProxyPass {
    realm: Realm,
    names: [String; 3],
    login_id: String,
    expires_at: SystemTime,
    session_end: CancellationToken,
    tickets: Mutex<VecDeque<[u8; SHA256_OUTPUT_LEN]>>,
}

/// A session gets no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoProxyToken {
    /// There are as many as there may be sessions.
    #[error("{limit} tokens of the kdc proxy are in use")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A new token equals a present one.
    #[error("the random source repeated itself")]
    RandomRepeated,
    /// The name of the account's realm cannot be one.
    #[error("the realm of the account is no realm")]
    Realm,
}

impl ProxyTokens {
    /// No tokens yet, at most `limit` at once, for a proxy that clients reach at `url`.
    #[must_use]
    pub const fn new(url: String, limit: usize) -> Self {
        Self { url, limit, table: Mutex::new(BTreeMap::new()) }
    }

    /// Makes the token of a session that is cut off by `session_end`.
    pub(super) fn grant(
        &self,
        facts: &SessionFacts,
        session_end: CancellationToken,
        now: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Result<ProxyAccess, NoProxyToken> {
        let realm = Realm::new(&facts.subject.realm).map_err(|_| NoProxyToken::Realm)?;
        let (name, upn) = (&facts.subject.sam_account_name, &facts.subject.upn);
        let pass = ProxyPass {
            names: [name.clone(), format!("{name}@{realm}"), upn.clone()],
            realm: realm.clone(),
            login_id: facts.login_id.clone(),
            expires_at: facts.expires_at,
            session_end,
            tickets: Mutex::default(),
        };
        let token: Token<32> = Token::draw(rng);
        let digest = token.digest();
        let mut table = self.table();
        if table.len() >= self.limit {
            table.retain(|_, (_, pass)| pass.is_alive(now));
        }
        if table.len() >= self.limit {
            return Err(NoProxyToken::TooMany { limit: self.limit });
        }
        if table.contains_key(&digest.locator()) {
            return Err(NoProxyToken::RandomRepeated);
        }
        table.insert(digest.locator(), (digest, Arc::new(pass)));
        drop(table);
        let url = Zeroizing::new([self.url.as_str(), "/", token.text().as_str()].concat());
        Ok(ProxyAccess { url, realm, expires_at: facts.expires_at })
    }

    /// What the token of this text is good for; nothing where there never was one, or its session has ended.
    #[must_use]
    pub fn find(&self, text: &str, now: SystemTime) -> Option<Arc<ProxyPass>> {
        let digest = Token::<32>::parse(text).ok()?.digest();
        let table = self.table();
        let (known, pass) = table.get(&digest.locator())?;
        (bool::from(known.ct_eq(&digest)) && pass.is_alive(now)).then(|| Arc::clone(pass))
    }

    /// Drops the tokens of sessions that have ended.
    pub(super) fn sweep(&self, now: SystemTime) {
        self.table().retain(|_, (_, pass)| pass.is_alive(now));
    }

    /// Every change is a single map operation.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ProxyTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyTokens")
            .field("url", &self.url)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl ProxyAccess {
    /// The proxy's address with the token in it. Secret: whoever has it may log in as the person, given a password or card.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The realm that may be asked.
    #[must_use]
    pub const fn realm(&self) -> &Realm {
        &self.realm
    }

    /// The end of the session.
    #[must_use]
    pub const fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl fmt::Debug for ProxyAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyAccess").field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl ProxyPass {
    /// The only realm that may be asked.
    #[must_use]
    pub const fn realm(&self) -> &Realm {
        &self.realm
    }

    /// Joins what is asked to the log of the session's login. Not secret.
    #[must_use]
    pub fn login_id(&self) -> &str {
        &self.login_id
    }

    /// Whether the session lives.
    #[must_use]
    pub fn is_alive(&self, now: SystemTime) -> bool {
        now < self.expires_at && !self.session_end.is_cancelled()
    }

    /// Whether a name means the session's person in this realm: the account's name, with or without the realm, or the user
    /// principal name of the card, which the directory has found to be the account's.
    #[must_use]
    pub fn is_of(&self, name: &PrincipalName) -> bool {
        let [name] = name.components() else { return false };
        self.names.iter().any(|own| !own.is_empty() && text_eq_ignoring_case(own, name))
    }

    /// Remembers a ticket that the person got by this token; the one that was not used for longest is forgotten where there are
    /// too many.
    pub fn remember(&self, ticket: &[u8]) {
        let mut tickets = self.tickets();
        if tickets.len() >= MAX_TICKETS {
            tickets.pop_front();
        }
        tickets.push_back(of_ticket(ticket));
    }

    /// Whether the person got a ticket by this token. It counts as used.
    #[must_use]
    pub fn remembers(&self, ticket: &[u8]) -> bool {
        let (ticket, mut tickets) = (of_ticket(ticket), self.tickets());
        let known = tickets.iter().position(|known| *known == ticket).and_then(|place| tickets.remove(place));
        tickets.extend(known);
        known.is_some()
    }

    fn tickets(&self) -> MutexGuard<'_, VecDeque<[u8; SHA256_OUTPUT_LEN]>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ProxyPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyPass").field("login_id", &self.login_id).finish_non_exhaustive()
    }
}

fn of_ticket(ticket: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut octets = [0; SHA256_OUTPUT_LEN];
    octets.copy_from_slice(digest(&SHA256, ticket).as_ref());
    octets
}

#[cfg(test)]
mod tests {
    use kdc_proxy::principal::NameType;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::super::testing::{at, opening};
    use super::*;

    const URL: &str = "https://kkdcp.corp.example/KdcProxy";

    struct Scene {
        tokens: ProxyTokens,
        rng: ChaCha20Rng,
    }

    impl Scene {
        fn new() -> Self {
            Self { tokens: ProxyTokens::new(URL.to_owned(), 2), rng: ChaCha20Rng::seed_from_u64(1) }
        }

        /// Grants a token to a session of alice that ends at `end`.
        fn grant(&mut self, end: u64, session_end: &CancellationToken) -> Result<String, NoProxyToken> {
            let facts = opening(at(end)).facts;
            let access = self.tokens.grant(&facts, session_end.clone(), at(0), &mut self.rng)?;
            let (url, token) = access.url().rsplit_once('/').unwrap();
            assert_eq!((url, access.expires_at()), (URL, at(end)));
            Ok(token.to_owned())
        }
    }

    fn name(name_type: NameType, components: &[&str]) -> PrincipalName {
        PrincipalName::new(name_type, components.iter().map(ToString::to_string).collect()).unwrap()
    }

    #[test]
    fn a_token_of_256_bits_is_good_until_its_session_ends_in_either_way() {
        let mut scene = Scene::new();
        let (one, other) = (CancellationToken::new(), CancellationToken::new());
        let (first, second) = (scene.grant(100, &one).unwrap(), scene.grant(100, &other).unwrap());
        assert_eq!(first.len(), 43);
        assert!(scene.tokens.find(&first, at(99)).is_some());
        assert!(scene.tokens.find(&first, at(100)).is_none(), "its time is over");
        let held = scene.tokens.find(&first, at(1)).unwrap();
        one.cancel();
        assert!(scene.tokens.find(&first, at(1)).is_none(), "its session was ended");
        assert!(!held.is_alive(at(1)), "what was found before is worth nothing either");
        assert!(scene.tokens.find(&second, at(1)).is_some(), "the other is not concerned");
    }

    #[test]
    fn a_text_that_is_no_token_finds_nothing() {
        let mut scene = Scene::new();
        let token = scene.grant(100, &CancellationToken::new()).unwrap();
        let mut other: Vec<char> = token.chars().collect();
        other[0] = if other[0] == 'A' { 'B' } else { 'A' };
        let other: String = other.into_iter().collect();
        for text in ["", "x", token.split_at(1).1, &format!("{token}A"), &other, &"A".repeat(43)] {
            assert!(scene.tokens.find(text, at(0)).is_none(), "{text}");
        }
    }

    #[test]
    fn there_are_no_more_tokens_than_sessions_and_ended_ones_make_room() {
        let mut scene = Scene::new();
        let (one, other) = (CancellationToken::new(), CancellationToken::new());
        scene.grant(100, &one).unwrap();
        scene.grant(100, &other).unwrap();
        assert_eq!(scene.grant(100, &other), Err(NoProxyToken::TooMany { limit: 2 }));
        one.cancel();
        scene.grant(100, &other).unwrap();
        scene.tokens.sweep(at(100));
        assert!(scene.tokens.table().is_empty());
    }

    #[test]
    fn only_the_sessions_person_is_meant_by_the_names_of_the_account() {
        let mut scene = Scene::new();
        let token = scene.grant(100, &CancellationToken::new()).unwrap();
        let pass = scene.tokens.find(&token, at(0)).unwrap();
        for own in ["alice", "ALICE", "Alice@corp.example", "alice@CORP.EXAMPLE"] {
            assert!(pass.is_of(&name(NameType::Principal, &[own])), "{own}");
            assert!(pass.is_of(&name(NameType::Enterprise, &[own])), "{own}");
        }
        for other in
            [&["bob"][..], &["alice$"], &["alice", "admin"], &["alice@beta.example"], &["CORP\\alice"]]
        {
            assert!(!pass.is_of(&name(NameType::Principal, other)), "{other:?}");
        }
    }

    #[test]
    fn a_bounded_number_of_tickets_is_known_again() {
        let mut scene = Scene::new();
        let token = scene.grant(100, &CancellationToken::new()).unwrap();
        let pass = scene.tokens.find(&token, at(0)).unwrap();
        for ticket in 0..=64_u8 {
            pass.remember(&[ticket]);
        }
        assert!(!pass.remembers(&[0]) && pass.remembers(&[1]) && pass.remembers(&[64]));
        assert_eq!(pass.tickets().len(), MAX_TICKETS);
    }

    #[test]
    fn a_ticket_that_is_used_is_not_the_first_to_be_forgotten() {
        let mut scene = Scene::new();
        let token = scene.grant(100, &CancellationToken::new()).unwrap();
        let pass = scene.tokens.find(&token, at(0)).unwrap();
        pass.remember(b"krbtgt");
        for ticket in 0..=200_u8 {
            assert!(pass.remembers(b"krbtgt"), "{ticket}");
            pass.remember(&[ticket]);
        }
        assert_eq!(pass.tickets().len(), MAX_TICKETS);
    }

    #[test]
    fn debug_shows_no_token() {
        let mut scene = Scene::new();
        let facts = opening(at(100)).facts;
        let access = scene.tokens.grant(&facts, CancellationToken::new(), at(0), &mut scene.rng).unwrap();
        let (_, token) = access.url().rsplit_once('/').unwrap();
        let printed = format!("{access:?} {:?} {:?}", scene.tokens, scene.tokens.find(token, at(0)));
        assert!(!printed.contains(token), "{printed}");
    }
}
