//! The TLS terminators in front of the card listener.

use std::{collections::BTreeMap, sync::Arc};

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Loader;
use crate::{
    config::{
        Warning,
        document::Located,
        problem::{Fault, Place},
        raw, warning,
    },
    frontend::{
        gateways::GatewayCertificate,
        terminators::{Terminator, Terminators},
        tls::{self, Asked},
    },
};

/// The terminators, and the names of their authorities for the handshake: a program that has several certificates chooses by
/// them.
pub(super) struct Loaded {
    pub(super) terminators: Terminators,
    pub(super) ca_names: Vec<Vec<u8>>,
}

impl Loader<'_> {
    pub(super) fn terminators(
        &self,
        raw: Option<raw::Terminators>,
        warnings: &mut Vec<Warning>,
    ) -> Option<Loaded> {
        let Some(raw) = raw else {
            return Some(Loaded { terminators: Terminators::default(), ca_names: Vec::new() });
        };
        let client_ca = self.certificates(raw.client_ca.as_ref());
        let lists = self.revocation_lists(&raw.client_crls);
        let (mut names, mut proofs) = (BTreeMap::new(), BTreeMap::new());
        let all: Vec<_> = raw
            .all
            .into_iter()
            .map(|terminator| self.terminator(terminator, &mut names, &mut proofs))
            .collect();
        let (client_ca, lists) = (client_ca?, lists?);
        let lists: Vec<_> = lists.into_iter().map(|list| list.value).collect();
        warnings.extend(warning::about_ends("terminators.client_ca", &client_ca, self.now));
        let verifier = tls::clients_of(&client_ca, &lists, Asked::Required).map_err(Fault::step);
        let verifier = self.problems.keep(&raw.place, verifier)?;
        let all: Option<Vec<_>> = all.into_iter().collect();
        let ca_names = client_ca.iter().filter_map(subject).collect();
        Some(Loaded { terminators: Terminators::new(Arc::clone(&verifier), all?), ca_names })
    }

    fn terminator(
        &self,
        raw: raw::Terminator,
        names: &mut BTreeMap<String, Place>,
        proofs: &mut BTreeMap<GatewayCertificate, Place>,
    ) -> Option<(GatewayCertificate, String, Terminator)> {
        let (name, certificate) = self.gateway(raw.client)?;
        let Located { value: name, place } = name;
        if let Some(first) = names.insert(name.clone(), place.clone()) {
            self.problems.note(&place, Fault::Duplicate { first });
        }
        if let Some(first) = proofs.insert(certificate.value.clone(), certificate.place.clone()) {
            self.problems.note(&certificate.place, Fault::Duplicate { first });
        }
        let networks = raw.addresses?.into_iter().map(|network| network.value).collect();
        let (form, forwarded_for) = (raw.form?.value, raw.forwarded_for?.value);
        Some((certificate.value, name, Terminator { networks, form, forwarded_for }))
    }
}

/// The subject of a certificate, DER.
fn subject(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.subject().as_raw().to_vec())
}
