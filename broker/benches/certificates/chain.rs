//! A chain of four certificates, its lists, and what OpenSSL needs of them in files.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, SignatureAlgorithm, SigningKey as _,
    date_time_ymd,
};

/// When everything takes place: 2026-01-01.
pub(crate) const AT_SECONDS: u64 = 1_767_225_600;

/// A kind of keys.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    rcgen: &'static SignatureAlgorithm,
    /// The AlgorithmIdentifier of a signature.
    algorithm: &'static [u8],
    pub(crate) verification: &'static dyn aws_lc_rs::signature::VerificationAlgorithm,
}

pub(crate) static KINDS: [Kind; 2] = [
    Kind {
        name: "RSA-2048",
        rcgen: &rcgen::PKCS_RSA_SHA256,
        algorithm: &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 11, 5, 0],
        verification: &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256,
    },
    Kind {
        name: "P-256",
        rcgen: &rcgen::PKCS_ECDSA_P256_SHA256,
        algorithm: &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
        verification: &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1,
    },
];

struct Authority {
    params: CertificateParams,
    key: KeyPair,
    der: Vec<u8>,
}

/// Root, two authorities below it, and a card; each authority has an empty list.
pub(crate) struct Chain {
    pub(crate) kind: Kind,
    folder: PathBuf,
    line: Vec<Authority>,
    pub(crate) card: Vec<u8>,
    /// A card that is on every list of [`Self::list`].
    pub(crate) lost: Vec<u8>,
    pub(crate) crls: Vec<Vec<u8>>,
}

const LOST: [u8; 16] = [0x5a; 16];

fn params(name: &str, serial: &[u8]) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::OrganizationName, "Corp");
    distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name = distinguished_name;
    params.serial_number = Some(SerialNumber::from_slice(serial));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(name: &str, serial: u8) -> CertificateParams {
    let mut params = params(name, &[serial]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Chain {
    pub(crate) fn make(kind: Kind, folder: &Path) -> Self {
        let folder = folder.join(kind.name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let new_key = || KeyPair::generate_for(kind.rcgen).expect("a key");
        let mut line: Vec<Authority> = Vec::new();
        for (name, serial) in [("Root", 1), ("Policy", 2), ("Issuing", 3)] {
            let (params, key) = (authority(name, serial), new_key());
            let certificate = match line.last() {
                Some(above) => params.signed_by(&key, &Issuer::from_params(&above.params, &above.key)),
                None => params.self_signed(&key),
            };
            line.push(Authority { der: certificate.expect("an authority").der().to_vec(), params, key });
        }
        let issuing = &line[2];
        let card = |serial: &[u8]| {
            let mut params = params("Alice", serial);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            let issuer = Issuer::from_params(&issuing.params, &issuing.key);
            params.signed_by(&new_key(), &issuer).expect("a card").der().to_vec()
        };
        let empty = |authority: &Authority| {
            let params = CertificateRevocationListParams {
                this_update: date_time_ymd(2025, 12, 25),
                next_update: date_time_ymd(2026, 1, 8),
                crl_number: SerialNumber::from(7_u64),
                issuing_distribution_point: None,
                revoked_certs: Vec::new(),
                key_identifier_method: KeyIdMethod::Sha256,
            };
            let issuer = Issuer::from_params(&authority.params, &authority.key);
            params.signed_by(&issuer).expect("a list").der().to_vec()
        };
        let (card, lost) = (card(&[0x10, 0x01]), card(&LOST));
        let crls = line.iter().map(empty).collect();
        let chain = Self { kind, folder, line, card, lost, crls };
        chain.save();
        chain
    }

    /// The root first.
    pub(crate) fn authorities(&self) -> impl Iterator<Item = &[u8]> {
        self.line.iter().map(|authority| authority.der.as_slice())
    }

    pub(crate) fn issuing(&self) -> &[u8] {
        &self.line[2].der
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, label: &str, parts: &[&[u8]]) {
        let text: String = parts.iter().map(|der| pem(label, der)).collect();
        std::fs::write(self.file(name), text).expect("a file");
    }

    fn save(&self) {
        self.write("root.pem", "CERTIFICATE", &[&self.line[0].der]);
        self.write("between.pem", "CERTIFICATE", &[&self.line[1].der, &self.line[2].der]);
        self.write("issuing.pem", "CERTIFICATE", &[self.issuing()]);
        self.write("card.pem", "CERTIFICATE", &[&self.card]);
        let lists: Vec<&[u8]> = self.crls.iter().map(Vec::as_slice).collect();
        self.write("lists.pem", "X509 CRL", &lists);
        std::fs::write(self.file("issuing.key"), self.line[2].key.serialize_pem()).expect("a file");
        let index = "V\t400101000000Z\t\t1001\tunknown\t/O=Corp/CN=Alice\n";
        std::fs::write(self.file("index.txt"), index).expect("a file");
    }

    /// A list of the issuing authority with so many entries, every second one with a reason. Also written to `NAME.pem`.
    pub(crate) fn list(&self, entries: u32, name: &str) -> Vec<u8> {
        let mut revoked = Vec::new();
        for number in 0..entries {
            let serial = if number == entries / 2 { LOST } else { serial(number) };
            let mut entry = [tlv(2, &serial), tlv(0x17, b"251201000000Z")].concat();
            if number % 2 == 0 {
                // cRLReason keyCompromise
                entry.extend([0x30, 12, 0x30, 10, 6, 3, 0x55, 0x1d, 21, 4, 3, 10, 1, 1]);
            }
            revoked.extend(tlv(0x30, &entry));
        }
        let (_, issuing) = x509_parser::parse_x509_certificate(self.issuing()).expect("a certificate");
        // cRLNumber 8
        let extensions = [0xa0, 14, 0x30, 12, 0x30, 10, 6, 3, 0x55, 0x1d, 20, 4, 3, 2, 1, 8];
        let fields = [
            &tlv(2, &[1]),
            self.kind.algorithm,
            issuing.subject().as_raw(),
            &tlv(0x17, b"251225000000Z"),
            &tlv(0x17, b"260108000000Z"),
            &tlv(0x30, &revoked),
            &extensions,
        ];
        let signed = tlv(0x30, &fields.concat());
        let signature = self.line[2].key.sign(&signed).expect("a signature");
        let signature = tlv(3, &[&[0], signature.as_slice()].concat());
        let list = tlv(0x30, &[&signed, self.kind.algorithm, &signature].concat());
        self.write(&format!("{name}.pem"), "X509 CRL", &[&list]);
        list
    }
}

/// A card whose issuer is one of ten authorities that have certified each other 20 times, and those 2,000 certificates. No
/// root is among them.
pub(crate) fn thicket() -> (Vec<u8>, Vec<Vec<u8>>) {
    let kind = KINDS[1];
    let new_key = || KeyPair::generate_for(kind.rcgen).expect("a key");
    let authorities: Vec<_> = (0..10).map(|n| (authority(&format!("CA {n}"), n), new_key())).collect();
    let mut crossed = Vec::new();
    for round in 0..20 {
        for (issuer, issuer_key) in &authorities {
            let issuer = Issuer::from_params(issuer, issuer_key);
            for (subject, key) in &authorities {
                let mut params = subject.clone();
                params.serial_number = Some(SerialNumber::from_slice(&[0x10, round]));
                crossed.push(params.signed_by(key, &issuer).expect("a certificate").der().to_vec());
            }
        }
    }
    let (issuer, issuer_key) = &authorities[0];
    let mut card = params("Alice", &[0x10, 0x01]);
    card.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let card = card.signed_by(&new_key(), &Issuer::from_params(issuer, issuer_key)).expect("a card");
    (card.der().to_vec(), crossed)
}

/// Sixteen octets that look like chance.
fn serial(number: u32) -> [u8; 16] {
    let mixed = u128::from(number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    // Positive, and never shorter.
    ((mixed >> 2) | (1 << 125)).to_be_bytes()
}

fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).expect("small");
    let octets = length.to_be_bytes();
    let header = match length {
        0..=0x7f => vec![tag, octets[3]],
        0x80..=0xff => vec![tag, 0x81, octets[3]],
        0x100..=0xffff => vec![tag, 0x82, octets[2], octets[3]],
        0x1_0000..=0xff_ffff => vec![tag, 0x83, octets[1], octets[2], octets[3]],
        _ => [&[tag, 0x84], octets.as_slice()].concat(),
    };
    [&header, contents].concat()
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut lines = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        lines.push_str(std::str::from_utf8(line).expect("ASCII"));
        lines.push('\n');
    }
    lines + &format!("-----END {label}-----\n")
}
