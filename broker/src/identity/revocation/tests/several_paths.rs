//! A certificate that more than one path leads from: what is said against it on one of them counts on all.

use rcgen::{KeyPair, KeyUsagePurpose, RevocationReason};

use super::revoked;
use crate::identity::testing::{Authority, ca_params, now, peer, trusting, validator};
use crate::identity::{IdentityError, Revocation, ValidatedIdentity};

/// Two roots that both certified one issuing authority, and a key for its lists that only the first certified.
struct Mesh {
    roots: [Authority; 2],
    issuing: Authority,
    /// The issuing authority by the second root; the same name and key.
    crossed: Authority,
    lists: Authority,
}

impl Mesh {
    fn new() -> Self {
        let roots = ["A", "B"].map(Authority::root);
        let issuing = roots[0].below_with("Issuing", |params| params.serial_number = Some(0x2002.into()));
        let mut params = issuing.params.clone();
        params.serial_number = Some(0x2003.into());
        let key = KeyPair::from_pem(&issuing.key.serialize_pem()).expect("a key");
        let crossed = Authority { certificate: roots[1].sign(&params, &key), params, key };
        let mut params = ca_params("Issuing");
        params.is_ca = rcgen::IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
        params.serial_number = Some(0x3003.into());
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let lists = Authority { certificate: roots[0].sign(&params, &key), params, key };
        Self { roots, issuing, crossed, lists }
    }

    /// The verdict where the newest list, by the key that only the first root certified, and that root's own revoke these.
    fn judge(
        &self,
        order: [usize; 2],
        of_issuing: &[u64],
        of_the_root: &[u64],
    ) -> Result<ValidatedIdentity, IdentityError> {
        let list = |authority: &Authority, number: u64, serials: &[u64]| {
            authority.crl_with(|crl| {
                crl.crl_number = number.into();
                crl.revoked_certs =
                    serials.iter().map(|serial| revoked(*serial, RevocationReason::KeyCompromise)).collect();
            })
        };
        let [a, b] = &self.roots;
        let mut settings = trusting(&order.map(|place| &self.roots[place]));
        settings.intermediates = vec![
            self.issuing.certificate.clone(),
            self.crossed.certificate.clone(),
            self.lists.certificate.clone(),
        ];
        if order[0] == 1 {
            settings.intermediates.reverse();
        }
        settings.revocation = Revocation::Crls(vec![
            list(&self.lists, 9, of_issuing),
            list(&self.issuing, 7, &[]),
            list(a, 7, of_the_root),
            list(b, 7, &[]),
        ]);
        validator(settings).judge(&peer(&[&self.issuing.card()]), now())
    }
}

#[test]
fn a_card_that_is_revoked_on_one_path_is_refused_whichever_path_is_found_first() {
    let mesh = Mesh::new();
    for order in [[0, 1], [1, 0]] {
        let refused = mesh.judge(order, &[0x1001], &[]).expect_err("revoked");
        assert!(matches!(refused, IdentityError::Revoked { .. }), "{order:?}: {refused}");
        assert!(mesh.judge(order, &[0x1002], &[]).is_ok(), "another card");
    }
}

#[test]
fn another_path_accepts_where_only_an_authority_of_the_first_is_revoked() {
    let mesh = Mesh::new();
    for order in [[0, 1], [1, 0]] {
        let identity = mesh.judge(order, &[], &[0x2002]).expect("the second root still vouches for it");
        assert!(identity.checks()[0].evidence().contains("CN=B,O=Corp"), "{order:?}");
    }
}
