//! Settings that could not work, and what they print.

use super::*;

#[test]
fn settings_that_could_not_work_are_refused_before_anything_is_sent() {
    let ca = Ca::new();
    let place: LdapServer = NAME.parse().unwrap();
    let good = || Settings { servers: vec![place.clone()], ..settings(&ca, &[]) };
    let (_, key) = ca.issue("svc.corp.example");
    let wrong_pair = Bind::External { certificates: vec![ca.root()], key };
    let refused = |settings| Directory::new(settings).unwrap_err();
    assert!(Directory::new(good()).is_ok());
    assert_eq!(SettingsError::Servers, refused(Settings { servers: vec![place.clone(); 17], ..good() }));
    assert_eq!(SettingsError::PoolSize, refused(Settings { pool_size: 0, ..good() }));
    assert_eq!(SettingsError::Timeout, refused(Settings { operation_timeout: Duration::ZERO, ..good() }));
    assert_eq!(SettingsError::EmptyCredential, refused(Settings { bind: simple(""), ..good() }));
    assert_eq!(SettingsError::BaseDn, refused(Settings { base_dn: Dn::parse("O=Corp").unwrap(), ..good() }));
    assert_eq!(SettingsError::NoRoots, refused(Settings { roots: vec![], ..good() }));
    let junk = CertificateDer::from(vec![0x30, 0x00]);
    assert!(matches!(
        refused(Settings { roots: vec![junk], ..good() }),
        SettingsError::Root { position: 1, .. }
    ));
    assert!(matches!(refused(Settings { bind: wrong_pair, ..good() }), SettingsError::ClientCertificate(_)));
}

#[test]
fn settings_do_not_print_secrets() {
    let ca = Ca::new();
    let text = format!("{:?}", settings(&ca, &[]));
    assert!(text.contains("svc@corp.example") && !text.contains("geheim"));
    let (certificate, key) = ca.issue("svc.corp.example");
    let PrivateKeyDer::Pkcs8(secret) = key.clone_key() else { panic!("not pkcs8") };
    let text = format!("{:?}", Bind::External { certificates: vec![certificate], key });
    assert!(!text.contains(&format!("{:?}", secret.secret_pkcs8_der())), "{text}");
}
