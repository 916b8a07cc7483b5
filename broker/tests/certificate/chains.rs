//! Chains made on the spot: for each kind of key and length, one good and one for each thing that can be wrong.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DistinguishedName,
    DnType, GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints,
    RevocationReason, RevokedCertParams, SanType, SerialNumber, SignatureAlgorithm, date_time_ymd,
};

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flaw {
    None,
    LeafExpired,
    LeafNotYetValid,
    IssuerExpired,
    RootExpired,
    SignatureBroken,
    WrongIssuerName,
    IssuerIsNoCa,
    IssuerMayNotSign,
    PathTooLong,
    MailOutsideConstraints,
    HostInExcludedTree,
    DirectoryNameOutsideConstraints,
    NamesInsideConstraints,
    UnknownCriticalExtensionOfLeaf,
    UnknownCriticalExtensionOfIssuer,
    UnknownExtension,
    LeafRevoked,
    LeafOnHold,
    AnotherLeafRevoked,
    IssuerRevoked,
    ListMissing,
    ListStale,
    ListOfTheFuture,
    ListOfAnotherKey,
}

pub(crate) const FLAWS: [Flaw; 25] = [
    Flaw::None,
    Flaw::LeafExpired,
    Flaw::LeafNotYetValid,
    Flaw::IssuerExpired,
    Flaw::RootExpired,
    Flaw::SignatureBroken,
    Flaw::WrongIssuerName,
    Flaw::IssuerIsNoCa,
    Flaw::IssuerMayNotSign,
    Flaw::PathTooLong,
    Flaw::MailOutsideConstraints,
    Flaw::HostInExcludedTree,
    Flaw::DirectoryNameOutsideConstraints,
    Flaw::NamesInsideConstraints,
    Flaw::UnknownCriticalExtensionOfLeaf,
    Flaw::UnknownCriticalExtensionOfIssuer,
    Flaw::UnknownExtension,
    Flaw::LeafRevoked,
    Flaw::LeafOnHold,
    Flaw::AnotherLeafRevoked,
    Flaw::IssuerRevoked,
    Flaw::ListMissing,
    Flaw::ListStale,
    Flaw::ListOfTheFuture,
    Flaw::ListOfAnotherKey,
];

/// The files of one chain.
pub(crate) struct Chain {
    pub(crate) root: PathBuf,
    pub(crate) intermediates: Vec<PathBuf>,
    pub(crate) crls: Vec<PathBuf>,
    pub(crate) leaf: PathBuf,
}

/// When the chains are valid.
pub(crate) const AT: &str = "2026-01-01T00:00:00Z";
pub(crate) const AT_SECONDS: &str = "1767225600";

struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Corp");
    name.push(DnType::CommonName, common_name);
    name
}

fn params(common_name: &str, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common_name);
    params.serial_number = Some(SerialNumber::from(serial));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority_params(common_name: &str, serial: u64) -> CertificateParams {
    let mut params = params(common_name, serial);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn extension(critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
    extension.set_criticality(critical);
    extension
}

/// What the flaw makes of the CA right above the leaf.
fn flaw_of_issuer(flaw: Flaw, params: &mut CertificateParams) {
    let constrained = |permitted: Vec<GeneralSubtree>, excluded: Vec<GeneralSubtree>| {
        Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded })
    };
    let mail = |domain: &str| vec![GeneralSubtree::Rfc822Name(domain.to_owned())];
    match flaw {
        Flaw::IssuerExpired => params.not_after = date_time_ymd(2025, 6, 1),
        Flaw::IssuerIsNoCa => params.is_ca = IsCa::ExplicitNoCa,
        Flaw::IssuerMayNotSign => params.key_usages = vec![KeyUsagePurpose::CrlSign],
        Flaw::MailOutsideConstraints => params.name_constraints = constrained(mail("other.example"), vec![]),
        Flaw::NamesInsideConstraints => params.name_constraints = constrained(mail("corp.example"), vec![]),
        Flaw::HostInExcludedTree => {
            let tree = vec![GeneralSubtree::DnsName("corp.example".to_owned())];
            params.name_constraints = constrained(vec![], tree);
        }
        Flaw::DirectoryNameOutsideConstraints => {
            let mut elsewhere = DistinguishedName::new();
            elsewhere.push(DnType::OrganizationName, "Elsewhere");
            params.name_constraints = constrained(vec![GeneralSubtree::DirectoryName(elsewhere)], vec![]);
        }
        Flaw::UnknownCriticalExtensionOfIssuer => params.custom_extensions.push(extension(true)),
        _ => {}
    }
}

fn flaw_of_leaf(flaw: Flaw, params: &mut CertificateParams) {
    match flaw {
        Flaw::LeafExpired => params.not_after = date_time_ymd(2025, 12, 31),
        Flaw::LeafNotYetValid => params.not_before = date_time_ymd(2026, 1, 2),
        Flaw::UnknownCriticalExtensionOfLeaf => params.custom_extensions.push(extension(true)),
        Flaw::UnknownExtension => params.custom_extensions.push(extension(false)),
        _ => {}
    }
}

/// Writes a chain of `length` authorities below the root, or of the root alone, into a folder.
pub(crate) fn write(
    folder: &Path,
    kind: &'static SignatureAlgorithm,
    keys: &[KeyPair],
    length: usize,
    flaw: Flaw,
) -> Chain {
    let key = |index: usize| match keys.get(index) {
        Some(known) => KeyPair::from_pem(&known.serialize_pem()).expect("a key"),
        None => KeyPair::generate_for(kind).expect("a key"),
    };
    let mut root = authority_params("Root", 1);
    if flaw == Flaw::RootExpired {
        root.not_after = date_time_ymd(2025, 6, 1);
    }
    if flaw == Flaw::PathTooLong {
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(u8::try_from(length).expect("small") - 1));
    }
    let root_key = key(0);
    let pem = root.self_signed(&root_key).expect("a root").pem();
    let mut line = vec![Authority { params: root, key: root_key, pem }];
    for level in 1..=length {
        let mut params =
            authority_params(&format!("CA {level}"), 0x2000 + u64::try_from(level).expect("small"));
        if level == length {
            flaw_of_issuer(flaw, &mut params);
        }
        let own = key(level);
        let above = line.last().expect("the root");
        let signed = params.signed_by(&own, &Issuer::from_params(&above.params, &above.key)).expect("a CA");
        line.push(Authority { pem: signed.pem(), params, key: own });
    }
    let leaf = leaf(line.last().expect("an issuer"), &key(length + 1), flaw);
    save(folder, &line, &leaf, flaw)
}

fn leaf(issuer: &Authority, key: &KeyPair, flaw: Flaw) -> String {
    let mut params = params("Alice", 0x1001);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.subject_alt_names = vec![
        SanType::Rfc822Name("alice@corp.example".try_into().expect("ASCII")),
        SanType::DnsName("alice.corp.example".try_into().expect("ASCII")),
    ];
    flaw_of_leaf(flaw, &mut params);
    let mut named = issuer.params.clone();
    if flaw == Flaw::WrongIssuerName {
        named.distinguished_name = name("Nobody");
    }
    let signed = params.signed_by(key, &Issuer::from_params(&named, &issuer.key)).expect("a leaf");
    if flaw != Flaw::SignatureBroken {
        return signed.pem();
    }
    let mut octets = signed.der().to_vec();
    let name = octets.windows(5).position(|window| window == b"Alice").expect("the name");
    octets[name] = b'B';
    pem("CERTIFICATE", &octets)
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The list of the authority at a place of the line, the root's being 0; of `count`, the last issued the leaf.
fn crl(authority: &Authority, place: usize, count: usize, flaw: Flaw) -> String {
    let (last, above_last) = (place + 1 == count, place + 2 == count);
    let below = 0x2001 + u64::try_from(place).expect("small");
    let revoked = |serial: u64, reason| RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: date_time_ymd(2025, 12, 1),
        reason_code: Some(reason),
        invalidity_date: None,
    };
    let mut params = CertificateRevocationListParams {
        this_update: date_time_ymd(2025, 12, 25),
        next_update: date_time_ymd(2026, 1, 8),
        crl_number: SerialNumber::from(7),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    match flaw {
        Flaw::LeafRevoked if last => {
            params.revoked_certs = vec![revoked(0x1001, RevocationReason::KeyCompromise)]
        }
        Flaw::LeafOnHold if last => {
            params.revoked_certs = vec![revoked(0x1001, RevocationReason::CertificateHold)]
        }
        Flaw::AnotherLeafRevoked if last => {
            params.revoked_certs = vec![revoked(0x1002, RevocationReason::KeyCompromise)];
        }
        Flaw::IssuerRevoked if above_last => {
            params.revoked_certs = vec![revoked(below, RevocationReason::CaCompromise)];
        }
        Flaw::ListStale if last => params.next_update = date_time_ymd(2025, 12, 31),
        Flaw::ListOfTheFuture if last => params.this_update = date_time_ymd(2026, 1, 2),
        _ => {}
    }
    // rcgen asks for cRLSign in the parameters, not in the certificate.
    let mut signs = authority.params.clone();
    signs.key_usages = vec![KeyUsagePurpose::CrlSign];
    let other = KeyPair::generate().expect("a key");
    let key = if flaw == Flaw::ListOfAnotherKey && last { &other } else { &authority.key };
    params.signed_by(&Issuer::from_params(&signs, key)).expect("a list").pem().expect("PEM")
}

fn save(folder: &Path, line: &[Authority], leaf: &str, flaw: Flaw) -> Chain {
    std::fs::create_dir_all(folder).expect("a folder");
    let write = |name: String, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let count = line.len();
    let numbered = || line.iter().enumerate();
    let root = write("root.pem".to_owned(), &line[0].pem);
    let intermediates =
        numbered().skip(1).map(|(n, authority)| write(format!("ca{n}.pem"), &authority.pem)).collect();
    let listed = numbered().filter(|(n, _)| !(flaw == Flaw::ListMissing && n + 1 == count));
    let crls =
        listed.map(|(n, authority)| write(format!("crl{n}.pem"), &crl(authority, n, count, flaw))).collect();
    Chain { root, intermediates, crls, leaf: write("leaf.pem".to_owned(), leaf) }
}
