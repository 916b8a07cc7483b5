//! Several realms that trust each other, each with its KDC.

use std::time::SystemTime;

use rand_core::CryptoRng;

use super::Kdc;
use super::trust::Trust;
use crate::exchange::Request;
use crate::key::{Etype, Key};
use crate::principal::Realm;

/// The KDCs of several realms.
#[derive(Debug, Default)]
pub struct Realms(Vec<Kdc>);

impl Realms {
    /// Adds a realm.
    #[must_use]
    pub fn with(mut self, kdc: Kdc) -> Self {
        self.0.push(kdc);
        self
    }

    /// Makes two realms trust each other.
    #[must_use]
    pub fn trusting<R: CryptoRng + ?Sized>(mut self, one: &Realm, other: &Realm, rng: &mut R) -> Self {
        let (there, back) = (Key::random(Etype::Aes256, rng), Key::random(Etype::Aes256, rng));
        self.trust(one, other, &there, &back);
        self.trust(other, one, &back, &there);
        self
    }

    fn trust(&mut self, one: &Realm, other: &Realm, outgoing: &Key, incoming: &Key) {
        let domain = self.kdc(other).map(|kdc| kdc.domain).unwrap_or_default();
        let (outgoing, incoming) = (outgoing.clone(), incoming.clone());
        if let Some(kdc) = self.kdc(one) {
            kdc.trusts.push(Trust { realm: other.clone(), outgoing, incoming, domain });
        }
    }

    /// Tells the KDC of `at` that the way to `to` is by `next`, which it trusts.
    #[must_use]
    pub fn route(mut self, at: &Realm, to: &Realm, next: &Realm) -> Self {
        if let Some(kdc) = self.kdc(at) {
            kdc.routes.insert(to.clone(), next.clone());
        }
        self
    }

    /// The KDC of a realm.
    pub fn kdc(&mut self, realm: &Realm) -> Option<&mut Kdc> {
        self.0.iter_mut().find(|kdc| kdc.realm() == realm)
    }

    /// The reply of the KDC that a request is for; `None` when there is no such realm.
    pub fn answer<R: CryptoRng + ?Sized>(
        &mut self,
        request: &Request,
        now: SystemTime,
        rng: &mut R,
    ) -> Option<Vec<u8>> {
        Some(self.kdc(&request.realm)?.answer(&request.bytes, now, rng))
    }
}
