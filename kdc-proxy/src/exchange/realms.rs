//! The way through several realms (RFC 4120 section 1.2, RFC 6806 section 8): whose KDCs are asked, and where a referral may
//! lead.

use crate::error::ReferralError;
use crate::message::pac::Sid;
use crate::principal::Realm;

/// Most referrals that one exchange follows.
pub const MAX_REFERRALS: usize = 10;

/// A realm beside our own whose KDCs are asked, and believed about the users of their own realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedRealm {
    /// Its name. Requests name it as it is written here.
    pub realm: Realm,
    /// The SID of its domain. Its users' PACs must be of this domain; without it that is for the caller to check.
    pub domain_sid: Option<Sid>,
}

/// The realms that are configured beside our own. The default is none: every referral is refused then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedRealms(Vec<TrustedRealm>);

impl TrustedRealms {
    /// These realms.
    #[must_use]
    pub const fn new(realms: Vec<TrustedRealm>) -> Self {
        Self(realms)
    }

    /// The realm of this name, in whatever case of letters.
    #[must_use]
    pub fn get(&self, realm: &Realm) -> Option<&TrustedRealm> {
        self.0.iter().find(|trusted| trusted.realm.eq_ignoring_case(realm))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &TrustedRealm> {
        self.0.iter()
    }
}

/// The realms that an exchange has come through. Each is asked once.
#[derive(Clone, Debug)]
pub(super) struct Path {
    own: Realm,
    trusted: TrustedRealms,
    visited: Vec<Realm>,
}

impl Path {
    /// The path of a service of `own` realm that has come to `first` and never returns.
    pub(super) fn outward(first: &Realm, own: &Realm, trusted: TrustedRealms) -> Self {
        let mut path = Self::homeward(own, own, trusted);
        if !first.eq_ignoring_case(own) {
            path.visited.push(first.clone());
        }
        path
    }

    /// A path that begins at `first` and leads to `own` realm.
    pub(super) fn homeward(first: &Realm, own: &Realm, trusted: TrustedRealms) -> Self {
        Self { own: own.clone(), trusted, visited: vec![first.clone()] }
    }

    /// Our own realm.
    pub(super) const fn own(&self) -> &Realm {
        &self.own
    }

    pub(super) const fn trusted(&self) -> &TrustedRealms {
        &self.trusted
    }

    /// Follows a referral to `realm` and gives that realm's name as it is configured.
    pub(super) fn follow(&mut self, realm: &Realm) -> Result<Realm, ReferralError> {
        let known = if self.own.eq_ignoring_case(realm) {
            Some(&self.own)
        } else {
            self.trusted.get(realm).map(|trusted| &trusted.realm)
        };
        let Some(known) = known.cloned() else {
            return Err(ReferralError::NotConfigured { realm: realm.clone() });
        };
        if self.visited.contains(&known) {
            return Err(ReferralError::Visited { realm: known });
        }
        if self.visited.len() > MAX_REFERRALS {
            return Err(ReferralError::TooMany { realm: known });
        }
        self.visited.push(known.clone());
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm(text: &str) -> Realm {
        Realm::new(text).unwrap()
    }

    fn path(trusted: &[&str]) -> Path {
        let trusted = trusted.iter().map(|name| TrustedRealm { realm: realm(name), domain_sid: None });
        Path::outward(&realm("A.EXAMPLE"), &realm("A.EXAMPLE"), TrustedRealms::new(trusted.collect()))
    }

    #[test]
    fn a_configured_realm_is_followed_once_under_its_configured_name() {
        let mut path = path(&["B.EXAMPLE"]);
        assert_eq!(path.follow(&realm("b.Example")), Ok(realm("B.EXAMPLE")));
        let again = Err(ReferralError::Visited { realm: realm("B.EXAMPLE") });
        assert_eq!(path.follow(&realm("B.EXAMPLE")), again);
    }

    #[test]
    fn the_realm_the_path_began_at_is_not_entered_again() {
        let mut path = path(&["B.EXAMPLE"]);
        path.follow(&realm("B.EXAMPLE")).unwrap();
        let home = Err(ReferralError::Visited { realm: realm("A.EXAMPLE") });
        assert_eq!(path.follow(&realm("A.EXAMPLE")), home);
    }

    #[test]
    fn a_realm_that_is_not_configured_is_not_followed() {
        let refused = Err(ReferralError::NotConfigured { realm: realm("C.EXAMPLE") });
        assert_eq!(path(&["B.EXAMPLE"]).follow(&realm("C.EXAMPLE")), refused);
        let refused = Err(ReferralError::NotConfigured { realm: realm("B.EXAMPLE") });
        assert_eq!(path(&[]).follow(&realm("B.EXAMPLE")), refused);
    }

    #[test]
    fn the_eleventh_referral_is_not_followed() {
        let names: Vec<String> = (1..=11).map(|hop| format!("HOP{hop}.EXAMPLE")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut path = path(&names);
        for name in &names[..10] {
            path.follow(&realm(name)).unwrap();
        }
        let refused = Err(ReferralError::TooMany { realm: realm("HOP11.EXAMPLE") });
        assert_eq!(path.follow(&realm("HOP11.EXAMPLE")), refused);
    }
}
