//! Every sample PAC with what is known of it, and what must not pass: the ways of damage that any of them must be refused in.

use super::*;

/// A PAC that a KDC made, and everything that opens it.
struct Sample {
    name: &'static str,
    octets: &'static str,
    etype: Etype,
    key: &'static str,
    client: fn() -> PrincipalName,
    authtime: u32,
    server_signature: &'static str,
    user_sid: &'static str,
    control_bits: u32,
    groups: usize,
}

const SAMPLES: [Sample; 5] = [
    Sample {
        name: "windows 2022",
        octets: vectors::PAC_2022,
        etype: Etype::Aes256,
        key: keys::SERVICE_2022,
        client: || name("administrator"),
        authtime: AUTHTIME_2022,
        server_signature: "47ef6f720f1a8c25c83e5d68",
        user_sid: "S-1-5-21-133451344-1126667713-3548050118-500",
        control_bits: 0x210,
        groups: 7,
    },
    Sample {
        name: "rc4",
        octets: vectors::PAC_RC4,
        etype: Etype::Rc4,
        key: keys::MEMBER_RC4,
        client: || name("w2003final$"),
        authtime: 1_120_440_609,
        server_signature: "37d5b0f724f0d6d4ec09865aa0e8c3a9",
        user_sid: "S-1-5-21-3048156945-3961193616-3706469200-1005",
        control_bits: 0x2100,
        groups: 2,
    },
    Sample {
        name: "s4u2self by principal",
        octets: vectors::PAC_S4U,
        etype: Etype::Aes256,
        key: keys::SERVICE_S4U,
        client: || name("w2k8u"),
        authtime: 1_538_430_362,
        server_signature: "881d40847a017c8074e36a6b",
        user_sid: "S-1-5-21-9281652-3921847615-585208160-1142",
        control_bits: 0x210,
        groups: 1,
    },
    Sample {
        name: "s4u2self by enterprise name",
        octets: vectors::PAC_S4U_ENTERPRISE,
        etype: Etype::Aes256,
        key: keys::SERVICE_S4U,
        client: || PrincipalName::enterprise("w2k8u@abc").unwrap(),
        authtime: 1_538_437_551,
        server_signature: "fbe5031213006c8e819709ea",
        user_sid: "S-1-5-21-9281652-3921847615-585208160-1142",
        control_bits: 0x210,
        groups: 1,
    },
    Sample {
        name: "extra sids",
        octets: vectors::PAC_GOKRB5,
        etype: Etype::Aes256,
        key: keys::SERVICE_GOKRB5,
        client: || name("testuser1"),
        authtime: 1_494_085_991,
        server_signature: "1e251d98d552be7df384f550",
        user_sid: "S-1-5-21-3167651404-3865080224-2280184895-1105",
        control_bits: 0x210,
        groups: 7,
    },
];

impl Sample {
    fn bytes(&self) -> Vec<u8> {
        vectors::bytes(self.octets)
    }

    fn key(&self) -> Key {
        vectors::key(self.etype, self.key)
    }

    fn verify(&self, bytes: &[u8]) -> Result<Pac, PacError> {
        Pac::verify(bytes, &self.key(), &(self.client)(), time(self.authtime))
    }

    /// Verifies after signing again, as somebody with the service's key could.
    fn verify_signed(&self, mut bytes: Vec<u8>) -> Result<Pac, PacError> {
        let container = Container::parse(&bytes)?;
        let signed = container.with_zeroed_signatures(&[6, 7]);
        let checksum = self.key().checksum(KeyUsage::NON_KERBEROS_CHECKSUM, &signed);
        let at = place(&bytes, 6).start + 4;
        bytes[at..at + checksum.octets.len()].copy_from_slice(&checksum.octets);
        self.verify(&bytes)
    }
}

/// The entries of the table: where each stands, and of which type it is.
fn entries(bytes: &[u8]) -> Vec<(usize, u32)> {
    let count = u32::from_le_bytes(bytes[..4].try_into().unwrap());
    (0..count)
        .map(|index| 8 + 16 * usize::try_from(index).unwrap())
        .map(|at| (at, u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())))
        .collect()
}

/// Where the buffer of this type lies.
fn place(bytes: &[u8], kind: u32) -> std::ops::Range<usize> {
    let (at, _) = entries(bytes).into_iter().find(|(_, found)| *found == kind).unwrap();
    let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let start = usize::try_from(field(at + 8)).unwrap();
    start..start + usize::try_from(field(at + 4)).unwrap()
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Where the body of the logon information has this field; offsets count from the body's start, after 16 octets of header.
fn logon_field(bytes: &[u8], offset: usize) -> usize {
    place(bytes, 1).start + 16 + offset
}

/// Where the domain's SID lies in the logon information, its conformant count first.
fn domain_sid(bytes: &[u8]) -> usize {
    let head = [4, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0];
    let logon = place(bytes, 1);
    logon.start + bytes[logon].windows(head.len()).position(|window| window == head).unwrap()
}

#[test]
fn every_sample_is_verified_and_says_what_is_known_of_it() {
    for sample in &SAMPLES {
        let bytes = sample.bytes();
        let pac = sample.verify(&bytes).unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        assert_eq!(pac.user_sid().to_string(), sample.user_sid, "{}", sample.name);
        assert_eq!(pac.user_account_control().bits(), sample.control_bits, "{}", sample.name);
        assert_eq!(pac.groups().len(), sample.groups, "{}", sample.name);
        assert_eq!(pac.client_name(), (sample.client)().joined(), "{}", sample.name);
        let server = Signature::parse(&bytes[place(&bytes, 6)], 6).unwrap();
        assert_eq!(server.kind, sample.etype.checksum_type(), "{}", sample.name);
        assert_eq!(hex::encode(server.value), sample.server_signature, "{}", sample.name);
    }
}

#[test]
fn the_table_of_the_2022_sample_is_read_as_it_stands() {
    let bytes = pac_2022();
    let table: Vec<_> = entries(&bytes)
        .into_iter()
        .map(|(_, kind)| (kind, place(&bytes, kind)))
        .map(|(kind, place)| (kind, place.len(), place.start))
        .collect();
    let expected = [
        (1, 536, 120),
        (6, 16, 656),
        (7, 16, 672),
        (10, 36, 688),
        (12, 176, 728),
        (16, 16, 904),
        (19, 16, 920),
    ];
    assert_eq!(table, expected);
    let signature = |kind| hex::encode(Signature::parse(&bytes[place(&bytes, kind)], kind).unwrap().value);
    assert_eq!(
        [7, 16].map(signature),
        ["347eda7544615d0cb9a1757b".to_owned(), "8e25f3052ee1b94f59ad34d1".to_owned()]
    );
    let filetime = u64::from_le_bytes(bytes[688..696].try_into().unwrap());
    assert_eq!(filetime, 133_136_929_190_000_000);
}

#[test]
fn one_changed_byte_anywhere_in_any_sample_is_refused() {
    for sample in &SAMPLES {
        let bytes = sample.bytes();
        // The signature of the KDC's key is covered by no key of ours.
        let kdc = place(&bytes, 7);
        for index in (0..bytes.len()).filter(|index| !(kdc.start + 4..kdc.end).contains(index)) {
            let mut changed = bytes.clone();
            changed[index] ^= 0x40;
            assert!(sample.verify(&changed).is_err(), "{}: byte {index}", sample.name);
        }
    }
}

#[test]
fn a_server_signature_of_another_type_than_the_keys_is_refused_in_any_sample() {
    for sample in &SAMPLES {
        let required = sample.etype.checksum_type();
        for found in [14, 7, -138, 15, 16, 19, 20, 0, 1, 2, i32::MIN].into_iter().filter(|it| *it != required)
        {
            let mut bytes = sample.bytes();
            let at = place(&bytes, 6).start;
            put(&mut bytes, at, found.cast_unsigned());
            let error = sample.verify(&bytes).unwrap_err();
            let expected = [
                PacError::SignatureType { found, required },
                PacError::SignatureLength { buffer: 6, signature_type: found },
            ];
            assert!(expected.contains(&error), "{}: type {found}: {error}", sample.name);
        }
    }
}

#[test]
fn a_size_or_offset_out_of_range_is_refused_for_every_buffer_of_any_sample() {
    for sample in &SAMPLES {
        let bytes = sample.bytes();
        let length = u32::try_from(bytes.len()).unwrap();
        for (at, kind) in entries(&bytes) {
            // Fields of an entry: size at 4, the low and the high half of the offset at 8 and 12.
            let wrong_fields =
                [(4, length), (4, u32::MAX), (8, 0), (8, 8), (8, 0xffff_fff8), (12, 1), (12, u32::MAX)];
            for (field, value) in wrong_fields {
                let mut changed = bytes.clone();
                put(&mut changed, at + field, value);
                let error = sample.verify(&changed).unwrap_err();
                assert_eq!(error, PacError::BufferOutside(kind), "{}: {kind}, {field}: {value}", sample.name);
            }
        }
    }
}

#[test]
fn an_absurd_number_of_buffers_is_refused_in_any_sample() {
    for sample in &SAMPLES {
        for count in [0, 65, 0x0100_0000, u32::MAX] {
            let mut bytes = sample.bytes();
            put(&mut bytes, 0, count);
            assert_eq!(sample.verify(&bytes).unwrap_err(), PacError::BufferCount(count), "{}", sample.name);
        }
    }
}

#[test]
fn a_second_buffer_of_a_type_that_has_a_meaning_is_refused_in_any_sample() {
    for sample in &SAMPLES {
        let bytes = sample.bytes();
        let table = entries(&bytes);
        for (_, kind) in &table {
            for (at, _) in table.iter().filter(|(_, other)| other != kind) {
                let mut changed = bytes.clone();
                put(&mut changed, *at, *kind);
                let error = sample.verify(&changed).unwrap_err();
                assert_eq!(error, PacError::DuplicateBuffer(*kind), "{}", sample.name);
            }
        }
    }
}

#[test]
fn two_to_the_31_groups_are_refused_in_any_sample_however_it_is_signed() {
    for sample in &SAMPLES {
        let mut bytes = sample.bytes();
        let count = u32::from_le_bytes(bytes[logon_field(&bytes, 112)..][..4].try_into().unwrap());
        let at = logon_field(&bytes, 112);
        put(&mut bytes, at, 1 << 31);
        let error = sample.verify_signed(bytes.clone()).unwrap_err();
        assert_eq!(error, PacError::LogonInfo(NdrError::Conformance.into()), "{}", sample.name);
        // The array's own bound says the same, so that only the octets that are there tell.
        let first = [count.to_le_bytes(), 513_u32.to_le_bytes()].concat();
        let logon = place(&bytes, 1);
        if let Some(bound) = bytes[logon.clone()].windows(8).position(|window| window == first) {
            put(&mut bytes, logon.start + bound, 1 << 31);
            let error = sample.verify_signed(bytes).unwrap_err();
            assert_eq!(error, PacError::LogonInfo(NdrError::Truncated.into()), "{}", sample.name);
        }
    }
}

#[test]
fn a_sid_of_255_parts_is_refused_in_any_sample_however_it_is_signed() {
    for sample in &SAMPLES {
        let refused = |change: fn(&mut [u8], usize)| {
            let mut bytes = sample.bytes();
            let at = domain_sid(&bytes);
            change(&mut bytes, at);
            sample.verify_signed(bytes).unwrap_err()
        };
        let malformed = PacError::LogonInfo(NdrError::Sid.into());
        // The conformant count in front, the SID's own, and both.
        assert_eq!(refused(|bytes, at| put(bytes, at, 255)), malformed, "{}", sample.name);
        assert_eq!(refused(|bytes, at| bytes[at + 5] = 255), malformed, "{}", sample.name);
        let both = |bytes: &mut [u8], at| {
            put(bytes, at, 255);
            bytes[at + 5] = 255;
        };
        assert_eq!(refused(both), malformed, "{}", sample.name);
    }
}

#[test]
fn a_sid_of_255_parts_is_refused_wherever_else_a_pac_names_one() {
    let sample = &SAMPLES[0];
    let sid = sample.verify(&sample.bytes()).unwrap().user_sid().as_bytes().to_vec();
    let mut bytes = sample.bytes();
    let upn = place(&bytes, 12);
    let at = upn.start + bytes[upn].windows(sid.len()).position(|window| window == sid).unwrap();
    bytes[at + 1] = 255;
    assert_eq!(sample.verify_signed(bytes).unwrap_err(), PacError::Malformed(12));
    let mut long = sid;
    long[1] = 255;
    assert_eq!(sample.verify_signed(replaced(18, &long)).unwrap_err(), PacError::Malformed(18));
}

#[test]
fn sid_and_group_arrays_that_announce_more_than_is_there_are_refused() {
    // GroupCount, SidCount, ResourceGroupCount, in the body of the logon information.
    for offset in [112, 200, 212] {
        for count in [255, 0x1000_0000, 1 << 31, u32::MAX] {
            let sample = &SAMPLES[0];
            let mut bytes = sample.bytes();
            let at = logon_field(&bytes, offset);
            put(&mut bytes, at, count);
            let error = sample.verify_signed(bytes).unwrap_err();
            assert_eq!(error, PacError::LogonInfo(NdrError::Conformance.into()), "{offset}: {count}");
        }
    }
}

#[test]
fn no_sample_is_verified_with_another_samples_key_name_or_time() {
    for (index, sample) in SAMPLES.iter().enumerate() {
        let bytes = sample.bytes();
        for (other_index, other) in SAMPLES.iter().enumerate() {
            if other.key != sample.key {
                let refused = Pac::verify(&bytes, &other.key(), &(sample.client)(), time(sample.authtime));
                assert!(refused.is_err(), "{} with the key of {}", sample.name, other.name);
            }
            if other_index != index {
                let named = Pac::verify(&bytes, &sample.key(), &(other.client)(), time(sample.authtime));
                assert_eq!(named.unwrap_err(), PacError::ClientName, "{} as {}", sample.name, other.name);
                let dated = Pac::verify(&bytes, &sample.key(), &(sample.client)(), time(other.authtime));
                assert_eq!(dated.unwrap_err(), PacError::ClientTime, "{} at {}", sample.name, other.name);
            }
        }
    }
}
