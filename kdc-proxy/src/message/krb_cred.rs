//! `KRB-CRED` (RFC 4120 section 5.8): tickets with their session keys, in clear (RFC 6448) or under a key that writer and
//! reader share.
//!
//! In clear is what `.kirbi` files and `gss_import_cred` of several libraries take. The session keys stand in it for
//! anyone to read: it may travel only inside an authenticated, encrypted channel.

use std::time::SystemTime;

use rand_core::CryptoRng;
use rasn::prelude::*;
use zeroize::Zeroizing;

use super::types::{
    EncryptionKey, Flags, HostAddress, KerberosString, SecretOctets, Ticket, WireName, decode, encode_secret,
    principal,
};
use crate::key::{Key, KeyError, KeyUsage};
use crate::principal::NameError;
use crate::ticket::{ServiceTicket, TicketTimes};
use crate::time::{KerberosTime, TimeError};

/// `msg-type` of a KRB-CRED.
const KRB_CRED: i32 = 22;
/// Etype 0: the "ciphertext" is the plaintext (RFC 6448).
const NULL_ETYPE: i32 = 0;

/// Why a KRB-CRED was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KrbCredError {
    /// Not a KRB-CRED, or not DER, or something follows it.
    #[error("message is not a krb-cred")]
    Malformed,
    /// It is encrypted; only the form of RFC 6448 is read.
    #[error("krb-cred is encrypted with etype {0}")]
    Encrypted(i32),
    /// Tickets and their descriptions differ in number, or one describes another ticket.
    #[error("krb-cred describes other tickets than it has")]
    Mismatch,
    /// A description lacks a name or the end time.
    #[error("krb-cred describes a ticket without name or end time")]
    Incomplete,
    /// A name is no valid principal.
    #[error("krb-cred names no valid principal: {0}")]
    Name(#[from] NameError),
    /// A session key of an etype this crate does not have, or of the wrong length.
    #[error("krb-cred has an unusable session key: {0}")]
    Key(#[from] KeyError),
}

/// `KRB-CRED`.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(tag(explicit(application, 22)))]
struct KrbCred {
    #[rasn(tag(explicit(0)))]
    pvno: i32,
    #[rasn(tag(explicit(1)))]
    msg_type: i32,
    #[rasn(tag(explicit(2)))]
    tickets: Vec<Any>,
    #[rasn(tag(explicit(3)))]
    enc_part: CredData,
}

/// `EncryptedData` whose cipher text may be none, and is then secret.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
struct CredData {
    #[rasn(tag(explicit(0)))]
    etype: i32,
    #[rasn(tag(explicit(1)))]
    kvno: Option<i32>,
    #[rasn(tag(explicit(2)))]
    cipher: SecretOctets,
}

/// `EncKrbCredPart`.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(tag(explicit(application, 29)))]
struct EncKrbCredPart {
    #[rasn(tag(explicit(0)))]
    ticket_info: Vec<KrbCredInfo>,
    #[rasn(tag(explicit(1)))]
    nonce: Option<u32>,
    #[rasn(tag(explicit(2)))]
    timestamp: Option<KerberosTime>,
    #[rasn(tag(explicit(3)))]
    usec: Option<u32>,
    #[rasn(tag(explicit(4)))]
    s_address: Option<HostAddress>,
    #[rasn(tag(explicit(5)))]
    r_address: Option<HostAddress>,
}

/// `KrbCredInfo`.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
struct KrbCredInfo {
    #[rasn(tag(explicit(0)))]
    key: EncryptionKey,
    #[rasn(tag(explicit(1)))]
    prealm: Option<KerberosString>,
    #[rasn(tag(explicit(2)))]
    pname: Option<WireName>,
    #[rasn(tag(explicit(3)))]
    flags: Option<Flags>,
    #[rasn(tag(explicit(4)))]
    authtime: Option<KerberosTime>,
    #[rasn(tag(explicit(5)))]
    starttime: Option<KerberosTime>,
    #[rasn(tag(explicit(6)))]
    endtime: Option<KerberosTime>,
    #[rasn(tag(explicit(7)))]
    renew_till: Option<KerberosTime>,
    #[rasn(tag(explicit(8)))]
    srealm: Option<KerberosString>,
    #[rasn(tag(explicit(9)))]
    sname: Option<WireName>,
    #[rasn(tag(explicit(10)))]
    caddr: Option<Vec<HostAddress>>,
}

/// The DER of a KRB-CRED with these tickets and their session keys, unencrypted (RFC 6448).
#[must_use]
pub fn krb_cred(tickets: &[&ServiceTicket]) -> Zeroizing<Vec<u8>> {
    let part = encode_secret(&EncKrbCredPart::of(tickets));
    message(tickets, CredData { etype: NULL_ETYPE, kvno: None, cipher: SecretOctets(part) })
}

/// The DER of a KRB-CRED with these tickets and their session keys, encrypted with `key`, which its reader has. It says
/// when it was made, for readers that refuse old ones.
///
/// # Errors
/// [`TimeError`] for a time outside of what Kerberos can express.
pub fn encrypted_krb_cred<R: CryptoRng + ?Sized>(
    tickets: &[&ServiceTicket],
    key: &Key,
    now: SystemTime,
    rng: &mut R,
) -> Result<Zeroizing<Vec<u8>>, TimeError> {
    let (timestamp, usec) = KerberosTime::with_microseconds(now)?;
    let part = EncKrbCredPart { timestamp: Some(timestamp), usec: Some(usec), ..EncKrbCredPart::of(tickets) };
    let cipher = key.encrypt(KeyUsage::KRB_CRED, &encode_secret(&part), rng);
    let etype = key.etype().number();
    Ok(message(tickets, CredData { etype, kvno: None, cipher: cipher.into() }))
}

fn message(tickets: &[&ServiceTicket], enc_part: CredData) -> Zeroizing<Vec<u8>> {
    encode_secret(&KrbCred {
        pvno: 5,
        msg_type: KRB_CRED,
        tickets: tickets.iter().map(|ticket| Any::new(ticket.bytes().to_vec())).collect(),
        enc_part,
    })
}

/// Reads an unencrypted KRB-CRED.
///
/// # Errors
///
/// [`KrbCredError`]; every ticket needs a complete description whose service is that of the ticket.
pub fn parse_krb_cred(bytes: &[u8]) -> Result<Vec<ServiceTicket>, KrbCredError> {
    let message: KrbCred = decode(bytes).map_err(|_| KrbCredError::Malformed)?;
    if message.pvno != 5 || message.msg_type != KRB_CRED {
        return Err(KrbCredError::Malformed);
    }
    if message.enc_part.etype != NULL_ETYPE {
        return Err(KrbCredError::Encrypted(message.enc_part.etype));
    }
    let part: EncKrbCredPart = decode(&message.enc_part.cipher.0).map_err(|_| KrbCredError::Malformed)?;
    if part.ticket_info.len() != message.tickets.len() {
        return Err(KrbCredError::Mismatch);
    }
    message.tickets.iter().zip(&part.ticket_info).map(|(ticket, info)| info.describe(ticket)).collect()
}

impl EncKrbCredPart {
    fn of(tickets: &[&ServiceTicket]) -> Self {
        Self {
            ticket_info: tickets.iter().map(|ticket| KrbCredInfo::of(ticket)).collect(),
            nonce: None,
            timestamp: None,
            usec: None,
            s_address: None,
            r_address: None,
        }
    }
}

impl KrbCredInfo {
    fn of(ticket: &ServiceTicket) -> Self {
        let times = ticket.times();
        Self {
            key: ticket.session_key().into(),
            prealm: Some(ticket.client().realm().into()),
            pname: Some(ticket.client().name().into()),
            flags: Some(ticket.flags().into()),
            authtime: Some(times.authtime),
            starttime: Some(times.starttime),
            endtime: Some(times.endtime),
            renew_till: times.renew_till,
            srealm: Some(ticket.server().realm().into()),
            sname: Some(ticket.server().name().into()),
            caddr: None,
        }
    }

    fn describe(&self, ticket: &Any) -> Result<ServiceTicket, KrbCredError> {
        let incomplete = KrbCredError::Incomplete;
        let client =
            principal(self.pname.as_ref().ok_or(incomplete)?, self.prealm.as_ref().ok_or(incomplete)?)?;
        let server =
            principal(self.sname.as_ref().ok_or(incomplete)?, self.srealm.as_ref().ok_or(incomplete)?)?;
        let wire: Ticket = decode(ticket.as_bytes()).map_err(|_| KrbCredError::Malformed)?;
        if !principal(&wire.sname, &wire.realm)?.eq_ignoring_type(&server) {
            return Err(KrbCredError::Mismatch);
        }
        let endtime = self.endtime.ok_or(incomplete)?;
        // RFC 4120 section 5.3: without a start time the ticket is valid from its authtime.
        let authtime = self.authtime.or(self.starttime).unwrap_or(KerberosTime::EPOCH);
        let times = TicketTimes {
            authtime,
            starttime: self.starttime.unwrap_or(authtime),
            endtime,
            renew_till: self.renew_till,
        };
        let flags = self.flags.unwrap_or(Flags(0)).into();
        let session_key = Key::try_from(&self.key)?;
        Ok(ServiceTicket::new(client, server, session_key, flags, times, ticket.as_bytes().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Etype;
    use crate::message::types::{EncryptedData, encode};
    use crate::principal::{Principal, Realm};
    use crate::ticket::TicketFlags;
    use crate::vectors;
    use kerberos_asn1::Asn1Object;
    use rand_core::SeedableRng;

    fn principal_of(name: &str) -> Principal {
        Principal::new(name.parse().unwrap(), Realm::new("CORP.EXAMPLE").unwrap())
    }

    fn ticket(server: &str) -> ServiceTicket {
        let server = principal_of(server);
        let wire = Ticket {
            tkt_vno: 5,
            realm: server.realm().into(),
            sname: server.name().into(),
            enc_part: EncryptedData { etype: 18, kvno: None, cipher: vec![9; 40].into() },
        };
        let time = KerberosTime::from_unix_seconds;
        let times = TicketTimes {
            authtime: time(1000),
            starttime: time(2000),
            endtime: time(3000),
            renew_till: Some(time(4000)),
        };
        let key = Key::new(Etype::Aes256, &[7; 32]).unwrap();
        let flags = TicketFlags::FORWARDABLE;
        ServiceTicket::new(principal_of("alice"), server, key, flags, times, encode(&wire))
    }

    #[test]
    fn tickets_come_back_as_they_were() {
        let tickets = [ticket("HTTP/web.corp.example"), ticket("TERMSRV/desk1.corp.example")];
        let read = parse_krb_cred(&krb_cred(&[&tickets[0], &tickets[1]])).unwrap();
        assert_eq!(read.len(), 2);
        for (read, given) in read.iter().zip(&tickets) {
            assert!(read.client() == given.client() && read.server() == given.server());
            assert!(read.session_key().is_same(given.session_key()));
            assert_eq!((read.flags(), read.times()), (given.flags(), given.times()));
            assert_eq!(read.bytes(), given.bytes());
        }
    }

    #[test]
    fn another_implementation_reads_the_message() {
        let given = ticket("HTTP/web.corp.example");
        let bytes = krb_cred(&[&given]);
        let (rest, message) = kerberos_asn1::KrbCred::parse(&bytes).unwrap();
        assert!(rest.is_empty());
        assert_eq!((message.enc_part.etype, message.enc_part.kvno), (0, None));
        assert_eq!(message.tickets[0].build(), given.bytes());
        let (rest, part) = kerberos_asn1::EncKrbCredPart::parse(&message.enc_part.cipher).unwrap();
        assert!(rest.is_empty());
        let info = &part.ticket_info[0];
        assert_eq!((info.key.keytype, &info.key.keyvalue[..]), (18, &[7; 32][..]));
        assert_eq!(info.pname.as_ref().unwrap().name_string, ["alice"]);
        assert_eq!(info.sname.as_ref().unwrap().name_string, ["HTTP", "web.corp.example"]);
    }

    #[test]
    fn an_encrypted_message_opens_with_its_key_and_no_other() {
        let given = ticket("HTTP/web.corp.example");
        let key = Key::new(Etype::Aes128, &[8; 16]).unwrap();
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_micros(1_700_000_000_000_042);
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let bytes = encrypted_krb_cred(&[&given], &key, now, &mut rng).unwrap();
        assert!(!bytes.windows(32).any(|octets| octets == [7; 32]), "the session key stands in clear");
        assert_eq!(parse_krb_cred(&bytes).unwrap_err(), KrbCredError::Encrypted(17));

        let (_, message) = kerberos_asn1::KrbCred::parse(&bytes).unwrap();
        let plain = key.decrypt(KeyUsage::KRB_CRED, &message.enc_part.cipher).unwrap();
        let (_, part) = kerberos_asn1::EncKrbCredPart::parse(&plain).unwrap();
        assert_eq!(part.ticket_info[0].key.keyvalue, [7; 32]);
        assert_eq!((part.timestamp.is_some(), part.usec), (true, Some(42)));
        let other = Key::new(Etype::Aes128, &[9; 16]).unwrap();
        assert!(other.decrypt(KeyUsage::KRB_CRED, &message.enc_part.cipher).is_err());
        assert!(key.decrypt(KeyUsage::TICKET, &message.enc_part.cipher).is_err());
    }

    #[test]
    fn the_reference_encodings_are_read_and_written_the_same() {
        for name in ["encode_krb5_enc_cred_part", "encode_krb5_enc_cred_part(optionals NULL)"] {
            let bytes = vectors::mit_reference(name);
            assert_eq!(encode(&decode::<EncKrbCredPart>(&bytes).unwrap()), bytes, "{name}");
        }
        let bytes = vectors::mit_reference("encode_krb5_cred");
        let message: KrbCred = decode(&bytes).unwrap();
        assert_eq!(message.tickets.len(), 2);
        assert_eq!(encode(&message), bytes);
    }

    #[test]
    fn a_message_without_clear_content_is_refused() {
        let bytes = vectors::mit_reference("encode_krb5_cred");
        assert_eq!(parse_krb_cred(&bytes).unwrap_err(), KrbCredError::Malformed);
    }

    #[test]
    fn an_encrypted_message_is_refused() {
        let mut message: KrbCred = decode(&krb_cred(&[&ticket("HTTP/web")])).unwrap();
        message.enc_part.etype = 18;
        assert_eq!(parse_krb_cred(&encode(&message)).unwrap_err(), KrbCredError::Encrypted(18));
    }

    #[test]
    fn descriptions_in_another_order_are_refused() {
        let mut message: KrbCred = decode(&krb_cred(&[&ticket("HTTP/web"), &ticket("host/web")])).unwrap();
        message.tickets.reverse();
        assert_eq!(parse_krb_cred(&encode(&message)).unwrap_err(), KrbCredError::Mismatch);
        message.tickets.pop();
        assert_eq!(parse_krb_cred(&encode(&message)).unwrap_err(), KrbCredError::Mismatch);
    }

    #[test]
    fn a_message_cut_off_or_followed_by_bytes_is_refused() {
        let mut bytes = krb_cred(&[&ticket("HTTP/web")]).to_vec();
        assert_eq!(parse_krb_cred(&bytes[..bytes.len() - 1]).unwrap_err(), KrbCredError::Malformed);
        bytes.push(0);
        assert_eq!(parse_krb_cred(&bytes).unwrap_err(), KrbCredError::Malformed);
    }
}
