//! The lab: a real Samba AD, a test PKI, real clients and backends, and the end-to-end tests.
