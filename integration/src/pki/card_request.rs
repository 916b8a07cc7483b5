//! A card's certificate: right by default, wrong in each way a test asks for.

use std::time::SystemTime;

use rcgen::{
    CertificateParams, CrlDistributionPoint, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber, SubjectPublicKeyInfo, string::Ia5String,
};

use super::{Credential, DAY, KeyKind, Pki, PkiError, common_name, key};

/// `id-ms-user-principal-name`, an otherName.
const UPN: [u64; 10] = [1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
/// `szOID_KP_SMARTCARD_LOGON`, an extended key usage.
const SMARTCARD_LOGON: [u64; 10] = [1, 3, 6, 1, 4, 1, 311, 20, 2, 2];
/// `szOID_NTDS_CA_SECURITY_EXT`, the extension that names the account's security identifier.
const SECURITY_EXTENSION: [u64; 9] = [1, 3, 6, 1, 4, 1, 311, 25, 2];
/// DER of `szOID_NTDS_OBJECTSID`, the otherName in it.
const OBJECT_SID: [u8; 12] = [0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x19, 0x02, 0x01];

/// `id-pe-authorityInfoAccess`.
const AUTHORITY_INFORMATION_ACCESS: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 1];
/// DER of `id-ad-caIssuers`.
const CA_ISSUERS: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
/// DER of `id-ad-ocsp` in it.
const OCSP_ACCESS: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];

/// A card's certificate to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct CardRequest<'a> {
    pki: &'a Pki,
    name: String,
    upns: Vec<String>,
    emails: Vec<String>,
    sid: Option<String>,
    sid_uri: Option<String>,
    key_identifier: bool,
    key: KeyKind,
    extended_key_usages: Vec<ExtendedKeyUsagePurpose>,
    key_usages: Vec<KeyUsagePurpose>,
    validity: Validity,
    issuer: Issuer,
    points: Vec<Vec<String>>,
    issuers_at: Vec<String>,
    alone: bool,
    responders: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Validity {
    SinceYesterday,
    SinceNow,
    Until(SystemTime),
    Past,
    Future,
}

#[derive(Clone, Copy, Debug)]
enum Issuer {
    Ours,
    Second,
    Stranger,
}

impl<'a> CardRequest<'a> {
    pub(super) fn new(pki: &'a Pki, upn: &str) -> Self {
        Self {
            pki,
            name: upn.split('@').next().unwrap_or(upn).to_owned(),
            upns: vec![upn.to_owned()],
            emails: Vec::new(),
            sid: None,
            sid_uri: None,
            key_identifier: false,
            key: KeyKind::P256,
            extended_key_usages: vec![
                ExtendedKeyUsagePurpose::ClientAuth,
                ExtendedKeyUsagePurpose::Other(SMARTCARD_LOGON.to_vec()),
            ],
            key_usages: vec![KeyUsagePurpose::DigitalSignature],
            validity: Validity::SinceYesterday,
            issuer: Issuer::Ours,
            points: Vec::new(),
            issuers_at: Vec::new(),
            alone: false,
            responders: Vec::new(),
        }
    }

    /// Adds the security extension with the account's SID in text.
    pub fn sid(mut self, sid: &str) -> Self {
        self.sid = Some(sid.to_owned());
        self
    }

    /// Adds the account's SID as a URI among the alternative names.
    pub fn sid_uri(mut self, sid: &str) -> Self {
        self.sid_uri = Some(format!("tag:microsoft.com,2022-09-14:sid:{sid}"));
        self
    }

    /// Adds an e-mail address to the alternative names.
    pub fn email(mut self, address: &str) -> Self {
        self.emails.push(address.to_owned());
        self
    }

    /// Adds a subject key identifier, and says that it is no authority.
    pub fn with_key_identifier(mut self) -> Self {
        self.key_identifier = true;
        self
    }

    /// Chooses the key's algorithm; P-256 where nothing is said.
    pub fn key(mut self, kind: KeyKind) -> Self {
        self.key = kind;
        self
    }

    /// Leaves the user principal name out.
    pub fn without_upn(mut self) -> Self {
        self.upns.clear();
        self
    }

    /// Adds a further user principal name.
    pub fn another_upn(mut self, upn: &str) -> Self {
        self.upns.push(upn.to_owned());
        self
    }

    /// Makes it a card for TLS clients that is not for smart card logon.
    pub fn without_smartcard_logon(mut self) -> Self {
        self.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self
    }

    /// Makes its key one for encryption instead of signatures.
    pub fn without_digital_signature(mut self) -> Self {
        self.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        self
    }

    /// Lets it have ended yesterday.
    pub fn expired(mut self) -> Self {
        self.validity = Validity::Past;
        self
    }

    /// Lets it begin this second; others began yesterday, before the accounts were made.
    pub fn fresh(mut self) -> Self {
        self.validity = Validity::SinceNow;
        self
    }

    /// Lets it end at a time, of which whole seconds count.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.validity = Validity::Until(end);
        self
    }

    /// Lets it begin tomorrow.
    pub fn not_yet_valid(mut self) -> Self {
        self.validity = Validity::Future;
        self
    }

    /// Has it issued by the other authority below the same root.
    pub fn by_the_second_authority(mut self) -> Self {
        self.issuer = Issuer::Second;
        self
    }

    /// Names an OCSP responder in it (authorityInfoAccess), further ones behind.
    pub fn ocsp(mut self, url: &str) -> Self {
        self.responders.push(url.to_owned());
        self
    }

    /// Has it issued by an authority that nobody trusts.
    pub fn by_a_stranger(mut self) -> Self {
        self.issuer = Issuer::Stranger;
        self
    }

    /// Names a distribution point of revocation lists, by all of these URLs.
    pub fn distribution_point(mut self, urls: &[&str]) -> Self {
        self.points.push(urls.iter().map(|&url| url.to_owned()).collect());
        self
    }

    /// Names a URL at which its issuer's certificate is to be had (id-ad-caIssuers).
    pub fn issuer_at(mut self, url: &str) -> Self {
        self.issuers_at.push(url.to_owned());
        self
    }

    /// Lets the card hold no certificate but its own.
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Issues it with a new key.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn issue(&self) -> Result<Credential, PkiError> {
        self.issue_changed(|_| ())
    }

    /// Issues it with a new key, after a last change.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn issue_changed(&self, change: impl FnOnce(&mut CertificateParams)) -> Result<Credential, PkiError> {
        let key = key(self.key)?;
        let mut credential = self.certify_changed(&key, change)?;
        credential.key_pem = Some(key.serialize_pem());
        Ok(credential)
    }

    /// Issues it for a public key that a token made (DER of its SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// [`PkiError`], also where the key cannot be read.
    pub fn issue_for(&self, public_key: &[u8]) -> Result<Credential, PkiError> {
        self.certify(&SubjectPublicKeyInfo::from_der(public_key)?)
    }

    fn certify(&self, public_key: &impl PublicKeyData) -> Result<Credential, PkiError> {
        self.certify_changed(public_key, |_| ())
    }

    fn certify_changed(
        &self,
        public_key: &impl PublicKeyData,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<Credential, PkiError> {
        let issuer = match self.issuer {
            Issuer::Ours => &self.pki.issuing,
            Issuer::Second => &self.pki.second,
            Issuer::Stranger => &self.pki.stranger,
        };
        let serial = self.pki.next_serial();
        let mut params = self.params(serial);
        change(&mut params);
        let certificate = params.signed_by(public_key, issuer)?;
        let chain_pem = if self.alone { certificate.pem() } else { certificate.pem() + &issuer.pem() };
        Ok(Credential { der: certificate.der().to_vec(), chain_pem, key_pem: None, serial })
    }

    fn params(&self, serial: u64) -> CertificateParams {
        let now = self.pki.now;
        let (not_before, not_after) = match self.validity {
            Validity::SinceYesterday => (now - DAY, now + 365 * DAY),
            Validity::SinceNow => (crate::wait::now(), now + 365 * DAY),
            Validity::Until(end) => (now - DAY, end),
            Validity::Past => (now - 365 * DAY, now - DAY),
            Validity::Future => (now + DAY, now + 365 * DAY),
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&self.name);
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        params.serial_number = Some(SerialNumber::from(serial));
        params.key_usages.clone_from(&self.key_usages);
        params.extended_key_usages.clone_from(&self.extended_key_usages);
        params.use_authority_key_identifier_extension = true;
        for upn in &self.upns {
            params.subject_alt_names.push(SanType::OtherName((UPN.to_vec(), upn.as_str().into())));
        }
        // A name of another form than IA5String has been refused by nobody before: the tests' own are ASCII.
        let ia5 = |text: &String| Ia5String::try_from(text.as_str()).expect("a name of the tests is ASCII");
        params.subject_alt_names.extend(self.emails.iter().map(|address| SanType::Rfc822Name(ia5(address))));
        params.subject_alt_names.extend(self.sid_uri.iter().map(|uri| SanType::URI(ia5(uri))));
        if self.key_identifier {
            params.is_ca = IsCa::ExplicitNoCa;
        }
        let point = |uris: &Vec<String>| CrlDistributionPoint { uris: uris.clone() };
        params.crl_distribution_points = self.points.iter().map(point).collect();
        let issuers = self.issuers_at.iter().map(|url| (CA_ISSUERS, url));
        let responders = self.responders.iter().map(|url| (OCSP_ACCESS, url));
        let access: Vec<_> = issuers.chain(responders).collect();
        if !access.is_empty() {
            params.custom_extensions.push(authority_information_access(&access));
        }
        if let Some(sid) = &self.sid {
            params.custom_extensions.push(security_extension(sid));
        }
        params
    }
}

fn authority_information_access(access: &[([u8; 10], &String)]) -> CustomExtension {
    let description = |(method, url): &([u8; 10], &String)| {
        tlv(0x30, &[method.as_slice(), &tlv(0x86, url.as_bytes())].concat())
    };
    let value = tlv(0x30, &access.iter().flat_map(description).collect::<Vec<u8>>());
    CustomExtension::from_oid_content(&AUTHORITY_INFORMATION_ACCESS, value)
}

fn security_extension(sid: &str) -> CustomExtension {
    let value = tlv(0xa0, &tlv(0x04, sid.as_bytes()));
    let other_name = tlv(0xa0, &[&OBJECT_SID, value.as_slice()].concat());
    CustomExtension::from_oid_content(&SECURITY_EXTENSION, tlv(0x30, &other_name))
}

/// One DER element of less than 128 octets, as all here are.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).ok().filter(|length| *length < 0x80);
    let length = length.expect("a SID in text, or a URL of the tests, has less than 100 octets");
    [&[tag, length], content].concat()
}
