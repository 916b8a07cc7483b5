//! Random damage to certificates and CRLs is refused, and never ends in a panic.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use rcgen::{GeneralSubtree, NameConstraints, RevocationReason};
use rustls_pki_types::CertificateDer;

use crate::identity::fuzzing;
use crate::identity::testing::{Authority, email, now, revoked, tlv, trusting, validator};
use crate::identity::{PeerCertificates, Revocation, Validator};

/// Rounds of each test; `KERBRIDGE_MUTATIONS` asks for more.
fn rounds() -> u32 {
    std::env::var("KERBRIDGE_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000)
}

fn below(end: usize, rng: &mut ChaCha8Rng) -> usize {
    usize::try_from(rng.next_u32()).expect("32 bits fit") % end
}

/// Changes, removes or repeats a few octets.
fn damage(octets: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut damaged = octets.to_vec();
    for _ in 0..=rng.next_u32() % 4 {
        let at = below(damaged.len().max(1), rng);
        let octet = rng.next_u32().to_le_bytes()[0];
        match rng.next_u32() % 6 {
            0 | 1 => damaged[at] = octet,
            2 => damaged[at] ^= 1 << (octet % 8),
            3 => damaged.truncate(at.max(1)),
            4 => damaged.insert(at, octet),
            _ => {
                let to = (at + usize::from(octet)).min(damaged.len());
                let piece = damaged[at..to].to_vec();
                let place = below(damaged.len(), rng);
                damaged.splice(place..place, piece);
            }
        }
    }
    damaged
}

/// A line whose certificates carry as many kinds of extensions as the validator reads.
fn line() -> (Validator, Vec<CertificateDer<'static>>) {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![
                GeneralSubtree::Rfc822Name("corp.example".to_owned()),
                GeneralSubtree::DnsName("corp.example".to_owned()),
                GeneralSubtree::IpAddress(rcgen::CidrSubnet::V4([10, 0, 0, 0], [255, 0, 0, 0])),
            ],
            excluded_subtrees: vec![GeneralSubtree::Rfc822Name("evil.corp.example".to_owned())],
        });
    });
    let card = issuing.card_with(|params| {
        params.subject_alt_names.push(email("alice@corp.example"));
        params.subject_alt_names.push(rcgen::SanType::IpAddress(std::net::IpAddr::from([10, 1, 2, 3])));
    });
    let mut settings = trusting(&[&root]);
    settings.revocation = Revocation::Crls(vec![root.crl(), issuing.crl()]);
    (validator(settings), vec![card, issuing.certificate])
}

#[test]
fn a_damaged_chain_is_refused_and_never_panics() {
    let (validator, chain) = line();
    let good = PeerCertificates::new(chain.clone()).expect("a chain");
    assert!(validator.judge(&good, now()).is_ok());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for round in 0..rounds() {
        let which = below(chain.len(), &mut rng);
        let mut damaged = chain.clone();
        damaged[which] = CertificateDer::from(damage(&chain[which], &mut rng));
        if damaged == chain {
            continue;
        }
        let Ok(peer) = PeerCertificates::new(damaged.clone()) else { continue };
        assert!(validator.judge(&peer, now()).is_err(), "round {round} was accepted");
    }
}

#[test]
fn a_damaged_card_that_is_signed_again_never_panics() {
    // Behind the signature check stands code that damage does not reach otherwise.
    let root = Authority::root("Root");
    let validator = validator(trusting(&[&root]));
    let card = root.card_with(|params| params.subject_alt_names.push(email("alice@corp.example")));
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..rounds() {
        let resigned = resign(&card, &root, &mut rng);
        if let Ok(peer) = PeerCertificates::new(vec![CertificateDer::from(resigned)]) {
            drop(validator.judge(&peer, now()));
        }
    }
}

#[test]
fn a_damaged_intermediate_that_is_signed_again_never_panics() {
    let root = Authority::root("Root");
    let (_, chain) = line();
    let validator = validator(trusting(&[&root]));
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for _ in 0..rounds() {
        let issuing = resign(&chain[1], &root, &mut rng);
        let chain = vec![chain[0].clone(), CertificateDer::from(issuing)];
        if let Ok(peer) = PeerCertificates::new(chain) {
            drop(validator.judge(&peer, now()));
        }
    }
}

/// Damages the inside of a certificate, keeps the outer length right, and signs it with `issuer`'s key.
fn resign(certificate: &[u8], issuer: &Authority, rng: &mut ChaCha8Rng) -> Vec<u8> {
    use rcgen::SigningKey as _;
    // SEQUENCE 82 xx xx, then tbsCertificate SEQUENCE 82 xx xx.
    let inside = usize::from(u16::from_be_bytes([certificate[6], certificate[7]]));
    let signed = tlv(0x30, &damage(&certificate[8..8 + inside], rng));
    let signature = issuer.key.sign(&signed).expect("a signature");
    let algorithm = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let bits = tlv(0x03, &[vec![0], signature].concat());
    tlv(0x30, &[signed, algorithm.to_vec(), bits].concat())
}

#[test]
fn a_damaged_crl_never_panics() {
    let root = Authority::root("Root");
    let crl = root.crl_with(|crl| {
        crl.revoked_certs = (1..20).map(|serial| revoked(serial, RevocationReason::KeyCompromise)).collect();
    });
    assert!(fuzzing::crl(&crl));
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..rounds() {
        let _ = fuzzing::crl(&damage(&crl, &mut rng));
    }
}

#[test]
fn damaged_lists_and_answers_of_others_never_panic() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut try_all = |name: &str, target: &dyn Fn(&[u8]) -> bool| {
        #[expect(clippy::disallowed_methods, reason = "a test that reads files of the repository")]
        let seed = std::fs::read(folder.join(name)).expect(name);
        assert!(target(&seed), "{name}");
        for _ in 0..rounds() {
            let _ = target(&damage(&seed, &mut rng));
        }
    };
    try_all("ocsp/good", &fuzzing::ocsp);
    try_all("ocsp/revoked", &fuzzing::ocsp);
    try_all("crl/pkits-indirect", &fuzzing::crl);
    try_all("certificate_facts/card", &fuzzing::certificate_facts);
}
