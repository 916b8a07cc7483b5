//! The service kerbridge: from a smart card's certificate to a delegated Kerberos session.
