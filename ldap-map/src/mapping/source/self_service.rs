//! Which attributes a person may write into the own account.

use crate::schema::AttributeName;

/// Whether the directory's default security descriptor lets every person write this attribute of the own account: it is one of
/// the property sets Personal Information, Phone and Mail Options and Web Information (MS-ADTS 3.1.1.2.3.3), which SELF may
/// write (MS-ADSC, class user).
///
/// Whoever can write such an attribute can take the value of somebody else, whose card then matches two accounts and logs in
/// nowhere; and who holds a stolen password can tie another card to the account for good.
#[must_use]
pub fn is_self_service(attribute: &AttributeName) -> bool {
    let is_cloud = |name: &str| {
        let (start, number) = name.split_at_checked(CLOUD_EXTENSION.len()).unwrap_or_default();
        start.eq_ignore_ascii_case(CLOUD_EXTENSION) && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    SELF_SERVICE.iter().any(|name| attribute.is(name)) || is_cloud(attribute.as_str())
}

/// The beginning of twenty attributes without a meaning, which look made for such a purpose and are open to everybody.
const CLOUD_EXTENSION: &str = "msDS-cloudExtensionAttribute";

/// Their members, as MS-ADA1 to MS-ADA3 state them (attributeSecurityGUID).
const SELF_SERVICE: &[&str] = &[
    "assistant",
    "c",
    "facsimileTelephoneNumber",
    "homePhone",
    "homePostalAddress",
    "info",
    "internationalISDNNumber",
    "ipPhone",
    "l",
    "mobile",
    "mSMQDigests",
    "mSMQSignCertificates",
    "msDS-ExternalDirectoryObjectId",
    "msDS-GeoCoordinatesAltitude",
    "msDS-GeoCoordinatesLatitude",
    "msDS-GeoCoordinatesLongitude",
    "msDS-SupportedEncryptionTypes",
    "msPKI-CredentialRoamingTokens",
    "msPKIAccountCredentials",
    "msPKIDPAPIMasterKeys",
    "msPKIRoamingTimeStamp",
    "otherFacsimileTelephoneNumber",
    "otherHomePhone",
    "otherIpPhone",
    "otherMobile",
    "otherPager",
    "otherTelephone",
    "pager",
    "personalTitle",
    "physicalDeliveryOfficeName",
    "postalAddress",
    "postalCode",
    "postOfficeBox",
    "preferredDeliveryMethod",
    "primaryInternationalISDNNumber",
    "primaryTelexNumber",
    "registeredAddress",
    "st",
    "street",
    "streetAddress",
    "telephoneNumber",
    "teletexTerminalIdentifier",
    "telexNumber",
    "thumbnailPhoto",
    "url",
    "userCert",
    "userCertificate",
    "userSharedFolder",
    "userSharedFolderOther",
    "userSMIMECertificate",
    "wWWHomePage",
    "x121Address",
    // Of classes that Exchange and others add, in the same property sets.
    "jpegPhoto",
    "otherMailbox",
];
