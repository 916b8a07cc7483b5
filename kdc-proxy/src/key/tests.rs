//! Vectors of RFC 3961 and MIT krb5 (t_str2key.c, t_decrypt.c, t_cksums.c), and what must be refused.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;

/// Type, usage, plaintext, key and ciphertext of krb5 t_decrypt.c.
const DECRYPT: &[(Etype, u16, &str, &str, &str)] = &[
    (
        Etype::Rc4,
        0,
        "",
        "f81fec39255f5784e850c4377c88bd85",
        "02c1eb15586144122ec717763dd348bf00434ddc6585954c",
    ),
    (
        Etype::Rc4,
        1,
        "31",
        "67d1300d281223867f9647ff48721273",
        "6156e0cc04e0a0874f9fda008f498a7adbbc80b70b14dddbc0",
    ),
    (
        Etype::Rc4,
        2,
        "392062797465737373",
        "3e40ab6093695281b3ac1a9304224d98",
        "0f9ad121d99d4a09448e4f1f718c4f5cbe6096262c66f29df232a87c9f98755d55",
    ),
    (
        Etype::Rc4,
        3,
        "31332062797465732062797465",
        "4ba2fbf0379faed87a254d3b353d5a7e",
        "612c57568b17a70352bae8cf26fb9459a6f3353cd35fd439db3107cbec765d326dfc04c1dd",
    ),
    (
        Etype::Rc4,
        4,
        "333020627974657320627974657320627974657320627974657320627974",
        "68f263db3fce15d031c9eab02d67107a",
        "95f9047c3ad75891c2e9b04b16566dc8b6eb9ce4231afb2542ef87a7b5a0f260a99f0460508de0cecc632d07c354124e46c5d2234eb8",
    ),
    (
        Etype::Aes128,
        0,
        "",
        "5a5c0f0ba54f3828b2195e66ca24a289",
        "49ff8e11c173d9583a3254fbe7b1f1df36c538e8416784a1672e6676",
    ),
    (
        Etype::Aes128,
        1,
        "31",
        "98450e3f3baa13f5c99beb936981b06f",
        "f86742f537b35dc2174a4dbaa920faf9042090b065e1ebb1cad9a65394",
    ),
    (
        Etype::Aes128,
        2,
        "392062797465737373",
        "9062430c8cda3388922e6d6a509f5b7a",
        "68fb9679601f45c78857b2bf820fd6e53eca8d42fd4b1d7024a09205abb7cd2ec26c355d2f",
    ),
    (
        Etype::Aes128,
        3,
        "31332062797465732062797465",
        "033ee6502c54fd23e27791e987983827",
        "ec366d0327a933bf49330e650e49bc6b974637fe80bf532fe51795b4809718e6194724db948d1fd637",
    ),
    (
        Etype::Aes128,
        4,
        "333020627974657320627974657320627974657320627974657320627974",
        "dceeb70b3de76562e689226c76429148",
        "c96081032d5d8eeb7e32b4089f789d0faa481dea74c0f97cbf3146ddfcf8e800156ecb532fc203e30ff600b63b350939fece510f02d7ff1e7bac",
    ),
    (
        Etype::Aes256,
        0,
        "",
        "17f275f2954f2ed1f90c377ba7f4d6a369aa0136e0bf0c927ad6133c693759a9",
        "e5094c55ee7b38262e2b044280b069379a95bf95bd8376fb3281b435",
    ),
    (
        Etype::Aes256,
        1,
        "31",
        "b9477e1ff0329c0050e20ce6c72d2dff27e8fe541ab0954429a9cb5b4f7b1e2a",
        "406150b97aeb76d43b36b62cc1ecdfbe6f40e95755e0beb5c27825f3a4",
    ),
    (
        Etype::Aes256,
        2,
        "392062797465737373",
        "b1ae4cd8462aff1677053cc9279aac30b796fb81ce21474dd3ddbcfea4ec76d7",
        "09957aa25fcaf88f7b39e4406e633012d5fea21853f6478da7065caef41fd454a40824eec5",
    ),
    (
        Etype::Aes256,
        3,
        "31332062797465732062797465",
        "e5a72be9b7926c1225bafef9c1872e7ba4cdb2b17893d84abd90acdd8764d966",
        "d8f1aafeec84587cc3e700a774e56651a6d693e174ec4473b5e6d96f80297a653fb818ad893e719f96",
    ),
    (
        Etype::Aes256,
        4,
        "333020627974657320627974657320627974657320627974657320627974",
        "f1c795e9248a09338d82c3f8d5b567040b0110736845041347235b1404231398",
        "d1137a4d634cfece924dbc3bf6790648bd5cff7de0e7b99460211d0daef3d79a295c688858f3b34b9cbd6eebae81daf6b734d4d498b6714f1c1d",
    ),
];

fn octets(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn key(etype: Etype, text: &str) -> Key {
    Key::new(etype, &octets(text)).unwrap()
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

#[test]
fn the_reference_ciphertexts_decrypt() {
    for (etype, usage, plaintext, secret, ciphertext) in DECRYPT {
        let plain = key(*etype, secret).decrypt(KeyUsage::new(*usage), &octets(ciphertext)).unwrap();
        assert_eq!(hex::encode(&*plain), *plaintext, "{etype} usage {usage}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    for (etype, usage, _, secret, ciphertext) in DECRYPT {
        let key = key(*etype, secret);
        for index in 0..octets(ciphertext).len() {
            let mut altered = octets(ciphertext);
            altered[index] ^= 1;
            assert_eq!(key.decrypt(KeyUsage::new(*usage), &altered).err(), Some(KeyError::Integrity));
        }
    }
}

#[test]
fn ciphertexts_of_every_short_length_are_refused_without_panic() {
    for etype in EtypeList::AES_AND_RC4.as_slice() {
        let key = Key::random(*etype, &mut rng());
        for length in 0..100 {
            assert_eq!(key.decrypt(KeyUsage::TICKET, &vec![0; length]).err(), Some(KeyError::Integrity));
        }
    }
}

#[test]
fn what_is_encrypted_decrypts_at_every_length_and_under_its_usage_only() {
    for etype in EtypeList::AES_AND_RC4.as_slice() {
        let key = Key::random(*etype, &mut rng());
        for length in 0..70 {
            let plaintext = vec![0x5a; length];
            let ciphertext = key.encrypt(KeyUsage::AS_REP, &plaintext, &mut rng());
            assert_eq!(*key.decrypt(KeyUsage::AS_REP, &ciphertext).unwrap(), plaintext);
            assert!(key.decrypt(KeyUsage::TICKET, &ciphertext).is_err());
        }
    }
}

#[test]
fn the_same_randomness_gives_the_same_ciphertext() {
    let key = Key::random(Etype::Aes256, &mut rng());
    let one = key.encrypt(KeyUsage::TICKET, b"text", &mut rng());
    assert_eq!(one, key.encrypt(KeyUsage::TICKET, b"text", &mut rng()));
    let mut other = ChaCha20Rng::from_seed([8; 32]);
    assert_ne!(one, key.encrypt(KeyUsage::TICKET, b"text", &mut other));
}

#[test]
fn rc4_uses_usage_eight_for_an_as_rep() {
    let key = Key::random(Etype::Rc4, &mut rng());
    let ciphertext = key.encrypt(KeyUsage::AS_REP, b"part", &mut rng());
    assert_eq!(&**key.decrypt(KeyUsage::new(8), &ciphertext).unwrap(), b"part");
}

#[test]
fn the_reference_passwords_become_their_keys() {
    for (etype, password, salt, expected) in [
        (Etype::Aes128, "password", "ATHENA.MIT.EDUraeburn", "fca822951813fb252154c883f5ee1cf4"),
        (
            Etype::Aes256,
            "password",
            "ATHENA.MIT.EDUraeburn",
            "01b897121d933ab44b47eb5494db15e50eb74530dbdae9b634d65020ff5d88c1",
        ),
        (Etype::Aes128, "passwordvalue", "TEST.GOKRB5testuser1", "698c4df8e9f60e7eea5a21bf4526ad25"),
        (
            Etype::Aes256,
            "passwordvalue",
            "TEST.GOKRB5testuser1",
            "bbdc430aab7e2d4622a0b6951481453b0962e9db8e2f168942ad175cda6d9de9",
        ),
        (
            Etype::Aes256,
            "Passw0rd!",
            "CORP.EXAMPLEhostbroker01.corp.example",
            "2a3be51a0e5daddb5af8839139323ae1a46daecce51bb71bfb2ee7cea96bd239",
        ),
        (
            Etype::Aes256,
            "Pässw0rd€",
            "CORP.EXAMPLESvcBroker",
            "40d092740b6997fdbc7855a9fb9e706ede23d6fe71e7615717e64dce97498f4c",
        ),
        (Etype::Rc4, "foo", "ignored", "ac8e657f83df82beea5d43bdaf7800cc"),
        (Etype::Rc4, "admin", "", "209c6174da490caeb422f3fa5a7ae634"),
        (Etype::Rc4, "", "", "31d6cfe0d16ae931b73c59d7e0c089c0"),
    ] {
        let key = Key::from_password(etype, password, salt.as_bytes(), None).unwrap();
        assert_eq!(hex::encode(key.octets()), expected, "{etype} {password}");
    }
}

#[test]
fn the_case_of_a_user_in_the_salt_matters() {
    let right = Key::from_password(Etype::Aes256, "Pässw0rd€", b"CORP.EXAMPLESvcBroker", None).unwrap();
    let wrong = Key::from_password(Etype::Aes256, "Pässw0rd€", b"CORP.EXAMPLEsvcbroker", None).unwrap();
    assert!(!right.is_same(&wrong));
    assert_eq!(
        hex::encode(wrong.octets()),
        "fdb8201bd3a8945daf042f2facb8fd9513a86a1e1c281a57a819eb1451f4bfbb"
    );
}

#[test]
fn only_the_iteration_count_4096_is_accepted() {
    let derive = |parameters: &[u8]| {
        Key::from_password(Etype::Aes128, "p", b"s", Some(parameters)).map(|key| key.etype())
    };
    assert_eq!(derive(&[0, 0, 0x10, 0]), Ok(Etype::Aes128));
    assert_eq!(derive(&[0, 0, 0, 1]), Err(StringToKeyError::IterationCount(1)));
    assert_eq!(derive(&[0, 0, 0, 0]), Err(StringToKeyError::IterationCount(0)));
    assert_eq!(derive(&[0, 0, 0x0f, 0xff]), Err(StringToKeyError::IterationCount(4095)));
    assert_eq!(derive(&[0xff, 0xff, 0xff, 0xff]), Err(StringToKeyError::IterationCount(u32::MAX)));
    assert_eq!(derive(&[]), Err(StringToKeyError::Parameters));
    assert_eq!(derive(&[0, 0, 0, 0x10, 0]), Err(StringToKeyError::Parameters));
}

#[test]
fn a_salt_beyond_the_bound_is_refused() {
    let at =
        |length| Key::from_password(Etype::Aes128, "p", &vec![b's'; length], None).map(|key| key.etype());
    assert_eq!(at(MAX_SALT_LENGTH), Ok(Etype::Aes128));
    assert_eq!(at(MAX_SALT_LENGTH + 1), Err(StringToKeyError::SaltTooLong));
}

#[test]
fn keys_of_a_wrong_length_cannot_be_made() {
    for etype in EtypeList::AES_AND_RC4.as_slice() {
        for length in (0..64).filter(|length| *length != etype.key_length()) {
            assert_eq!(Key::new(*etype, &vec![0; length]).err(), Some(KeyError::KeyLength));
        }
    }
}

#[test]
fn the_reference_checksums_verify() {
    for (etype, usage, secret, message, expected) in [
        (
            Etype::Aes128,
            3,
            "9062430c8cda3388922e6d6a509f5b7a",
            "eight nine ten eleven twelve thirteen",
            "01a4b088d45628f6946614e3",
        ),
        (
            Etype::Aes256,
            4,
            "b1ae4cd8462aff1677053cc9279aac30b796fb81ce21474dd3ddbcfea4ec76d7",
            "fourteen",
            "e08739e3279e2903ec8e3836",
        ),
        (
            Etype::Rc4,
            6,
            "f7d3a155af5e238a0b7a871a96ba2ab2",
            "seventeen eighteen nineteen twenty",
            "eb38cc97e2230f59da4117dc5859d7ec",
        ),
    ] {
        let key = key(etype, secret);
        let usage = KeyUsage::new(usage);
        assert_eq!(hex::encode(key.checksum(usage, message.as_bytes()).octets), expected);
        let verified =
            key.verify_checksum(usage, message.as_bytes(), etype.checksum_type(), &octets(expected));
        assert_eq!(verified, Ok(()));
    }
}

#[test]
fn a_checksum_of_another_type_length_or_value_is_refused() {
    let key = Key::random(Etype::Aes256, &mut rng());
    let good = key.checksum(KeyUsage::TICKET, b"message");
    let verify = |kind, octets: &[u8]| key.verify_checksum(KeyUsage::TICKET, b"message", kind, octets);
    assert_eq!(verify(16, &good.octets), Ok(()));
    for kind in [1, 2, 7, 14, 15, 19, 20, HMAC_MD5_CHECKSUM] {
        assert_eq!(verify(kind, &good.octets), Err(KeyError::ChecksumType(kind)));
    }
    assert_eq!(verify(16, &good.octets[..11]), Err(KeyError::ChecksumMismatch));
    assert_eq!(verify(16, &[]), Err(KeyError::ChecksumMismatch));
    assert_eq!(verify(16, &[0; 12]), Err(KeyError::ChecksumMismatch));
    let elsewhere = key.verify_checksum(KeyUsage::AS_REP, b"message", 16, &good.octets);
    assert_eq!(elsewhere, Err(KeyError::ChecksumMismatch));
}

#[test]
fn a_key_shows_its_type_only() {
    let key = key(Etype::Aes128, "9062430c8cda3388922e6d6a509f5b7a");
    assert_eq!(format!("{key:?}"), "Key { etype: Aes128, .. }");
}

#[test]
fn only_the_three_known_types_have_numbers() {
    for etype in EtypeList::AES_AND_RC4.as_slice() {
        assert_eq!(Etype::from_number(etype.number()), Ok(*etype));
    }
    for number in [0, 1, 3, 16, 19, 20, 24, -17, i32::MAX] {
        assert_eq!(Etype::from_number(number), Err(KeyError::UnsupportedEtype(number)));
    }
    assert!(!EtypeList::AES.contains(Etype::Rc4));
}

#[test]
fn only_this_file_names_the_crate() {
    let mut named = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::File::open(&path)
                .and_then(std::io::read_to_string)
                .unwrap()
                .contains(concat!("kerberos", "_crypto::"))
            {
                named.push(path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned());
            }
        }
    }
    assert_eq!(named, [std::path::Path::new("src/key.rs")]);
}
