//! Byte samples for the tests; `tests/vectors/README.md` says where each comes from.

use crate::key::{Etype, Key};

pub(crate) const TKT_2022: &str = include_str!("../tests/vectors/tkt2022.hex");
pub(crate) const PAC_2022: &str = include_str!("../tests/vectors/pac2022.hex");
pub(crate) const PAC_RC4: &str = include_str!("../tests/vectors/pac_rc4.hex");
pub(crate) const PAC_S4U: &str = include_str!("../tests/vectors/pac_s4u_regular.hex");
pub(crate) const PAC_S4U_ENTERPRISE: &str = include_str!("../tests/vectors/pac_s4u_enterprise.hex");
pub(crate) const PAC_GOKRB5: &str = include_str!("../tests/vectors/pac_gokrb5.hex");
pub(crate) const LOGON_TRUST: &str = include_str!("../tests/vectors/logon_trust.hex");
pub(crate) const LOGON_MS: &str = include_str!("../tests/vectors/logon_ms.hex");
pub(crate) const KEYTAB: &str = include_str!("../tests/vectors/keytab.hex");
pub(crate) const KEYTAB_NO_TRAILER: &str = include_str!("../tests/vectors/keytab_notrailer.hex");
pub(crate) const KPASSWD_REQ: &str = include_str!("../tests/vectors/kpasswd_req.hex");
pub(crate) const KPASSWD_REP: &str = include_str!("../tests/vectors/kpasswd_rep.hex");
pub(crate) const CCACHE: &str = include_str!("../tests/vectors/ccache.hex");
pub(crate) const CCACHE_MIT: &str = include_str!("../tests/vectors/ccache_mit.hex");
pub(crate) const KKDCP_AS: [&str; 2] =
    [include_str!("../tests/vectors/kkdcp_as1.hex"), include_str!("../tests/vectors/kkdcp_as2.hex")];
pub(crate) const KKDCP_TGS: &str = include_str!("../tests/vectors/kkdcp_tgs.hex");
pub(crate) const KKDCP_KPASSWD: &str = include_str!("../tests/vectors/kkdcp_kpasswd.hex");
pub(crate) const SAMBA_LOGIN: &str = include_str!("../tests/vectors/samba_4_22_login.txt");

/// Keys that belong to the samples; they protect nothing.
pub(crate) mod keys {
    pub(crate) const SERVICE_2022: &str = "114a84e3148faab1fa7b5351b28ac2f1fd196d61e0f3f23e1fdbd3c1797dc1ee";
    pub(crate) const KRBTGT_2022: &str = "037381ec43967bc2ac3df52aae95a68ebe2458dbce522820af5eb704a222714f";
    pub(crate) const MEMBER_RC4: &str = "d217faeae5e6b5f95ccc94077ab8a5fc";
    pub(crate) const KRBTGT_RC4: &str = "b286757148af7fd252c53603a150b7e7";
    pub(crate) const SERVICE_S4U: &str = "14dfb5b2cdb42c8894da2fa882e9729f4a4dc74ba02a242cc6a8d71079b9ad9a";
    pub(crate) const SERVICE_GOKRB5: &str =
        "43763702868978d1b6d91a36704b987e27e517250055bdfc40b8a6b3848d9aae";
}

/// The bytes of a sample.
pub(crate) fn bytes(sample: &str) -> Vec<u8> {
    hex::decode(sample.split_whitespace().collect::<String>()).unwrap()
}

/// One of MIT's reference encodings by its name.
pub(crate) fn mit_reference(name: &str) -> Vec<u8> {
    let lines = include_str!("../tests/vectors/mit_reference_encode.txt").lines();
    bytes(lines.filter_map(|line| line.split_once(": ")).find(|(known, _)| *known == name).unwrap().1)
}

/// A key from hexadecimal digits.
pub(crate) fn key(etype: Etype, digits: &str) -> Key {
    Key::new(etype, &bytes(digits)).unwrap()
}
